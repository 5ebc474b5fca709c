/**
 * What a call's identity counts beside the task's name and the digests of its arguments.
 */

import { type Digest, digestOf } from "../hash/digest.ts";
import type { TaskInfo } from "./code.ts";
import type { Inputs } from "./inputs.ts";
import { readsDigest } from "./reads.ts";
import type { DeclaredContext } from "./scope.ts";

/** The code of a call: that of its task, with the contents of what its body reads by itself. A promise only where those have to be looked at first. */
export function callCode(task: TaskInfo, inputs: Inputs): Digest | Promise<Digest> {
  const { reads } = task.options;
  if (!reads || reads.length === 0) return task.code;
  const read = readsDigest(inputs, reads);
  const mixed = (digest: Digest) => digestOf("code and reads", task.code, digest);
  return typeof read === "string" ? mixed(read) : read.then(mixed);
}

/** The eval hash. */
export function hashCall(task: string, code: Digest, args: readonly Digest[], context: DeclaredContext): Digest {
  if (context.length === 0) return digestOf("call", task, code, args);
  const values = context.map(([key, value]) => [key, value?.digest ?? null]);
  return digestOf("call", task, code, args, ["context", ...values]);
}
