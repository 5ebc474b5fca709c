/**
 * What a call's identity counts beside the task's name and the digests of its arguments.
 */

import { type Digest, digestOf } from "../hash/digest.ts";
import { codecsIn } from "../hash/value.ts";
import type { TaskInfo } from "./code.ts";
import type { Inputs } from "./inputs.ts";
import { readsDigest } from "./reads.ts";
import type { DeclaredContext } from "./scope.ts";

/**
 * The code of a call: that of its task, with that of the codecs whose instances it is given, and with the contents of what its body reads by itself. A promise only where those have to be looked at first.
 */
export function callCode(
  task: TaskInfo,
  args: readonly Uint8Array[],
  inputs: Inputs,
  codecs: ReadonlyMap<string, Digest>,
): Digest | Promise<Digest> {
  const code = codecs.size === 0 ? task.code : withCodecs(task.code, args, codecs);
  const { reads } = task.options;
  if (!reads || reads.length === 0) return code;
  const read = readsDigest(inputs, reads);
  const mixed = (digest: Digest) => digestOf("code and reads", code, digest);
  return typeof read === "string" ? mixed(read) : read.then(mixed);
}

/** The eval hash. */
export function hashCall(task: string, code: Digest, args: readonly Digest[], context: DeclaredContext): Digest {
  if (context.length === 0) return digestOf("call", task, code, args);
  const values = context.map(([key, value]) => [key, value?.digest ?? null]);
  return digestOf("call", task, code, args, ["context", ...values]);
}

/** Methods of an instance, and what its codec makes of the stored value, are code that the body runs although its own does not mention it. */
function withCodecs(code: Digest, args: readonly Uint8Array[], codecs: ReadonlyMap<string, Digest>): Digest {
  const names = new Set(args.flatMap((bytes) => [...codecsIn(bytes)]));
  if (names.size === 0) return code;
  return digestOf(
    "code and codecs",
    code,
    [...names].sort().map((name) => [name, codecs.get(name) ?? null]),
  );
}
