/**
 * What a call's identity counts beside the task's name and the digests of its arguments.
 */

import { type Digest, digestOf } from "../hash/digest.ts";
import { codecsIn } from "../hash/scan.ts";
import type { TaskInfo } from "./code.ts";
import type { Inputs } from "./inputs.ts";
import { readsDigest } from "./reads.ts";
import type { DeclaredContext } from "./scope.ts";

/** Codecs by name, each with the identity of its code; null where no flow module registers it. Sorted. */
export type GivenCodecs = readonly (readonly [name: string, code: Digest | null])[];

const NONE: GivenCodecs = [];

/** The codecs whose instances are in some encodings: methods of an instance, and what its codec makes of the stored value, are code that a body runs although its own does not mention it. */
export function givenCodecs(values: readonly Uint8Array[], codecs: ReadonlyMap<string, Digest>): GivenCodecs {
  if (codecs.size === 0) return NONE;
  const names = new Set(values.flatMap((bytes) => [...codecsIn(bytes)]));
  return names.size === 0 ? NONE : [...names].sort().map((name) => [name, codecs.get(name) ?? null] as const);
}

/**
 * The code of a call: that of its task, with that of the codecs whose instances it is given, and with the contents of what its body reads by itself. A promise only where those have to be looked at first.
 */
export function callCode(task: TaskInfo, given: GivenCodecs, inputs: Inputs): Digest | Promise<Digest> {
  const code = given.length === 0 ? task.code : digestOf("code and codecs", task.code, given);
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
