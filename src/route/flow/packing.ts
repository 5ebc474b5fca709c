/**
 * Bodies and their results packed into one buffer for many, which is handed from thread to thread without a copy: structured clone costs more for each small `Uint8Array` than most bodies do.
 *
 * ```
 * items   = { id u32, task u32 (place in the list of tasks), number of arguments u32, { length u32, encoding } }
 * results = { id u32, kind u32 (0 value, 1 expression), digest 32 bytes, length u32, encoding }
 * ```
 *
 * Little endian. What is rare goes beside the buffer: datasets of an item, errors, large encodings (a small result must not pin a large one's memory, nor the other way round).
 */

import { Buffer } from "node:buffer";
import type { ErrorRecord, Outcome } from "../../evaluate/ports.ts";
import type { RunItem, RunResult } from "./messages.ts";

/** Encodings longer than this travel in buffers of their own. */
const LARGE_BYTES = 16 * 1024;
const LARGE = 0xffffffff;

/** Many items as one message. */
export interface PackedItems {
  readonly buffer: Uint8Array;
  /** Large arguments, in order. */
  readonly large: readonly Uint8Array[];
  /** What else belongs to an item, by its place. */
  readonly more: ReadonlyMap<number, Omit<RunItem, "id" | "task" | "code" | "args">>;
}

/** Many results as one message. */
export interface PackedResults {
  readonly buffer: Uint8Array;
  readonly large: readonly Uint8Array[];
  readonly errors: readonly { readonly id: number; readonly error: ErrorRecord }[];
}

const NOTHING_MORE: Omit<RunItem, "id" | "task" | "code" | "args"> = { context: undefined, datasets: [] };

class Packer {
  #bytes = Buffer.allocUnsafeSlow(4096);
  #at = 0;
  readonly large: Uint8Array[] = [];

  u32(value: number): void {
    this.#reserve(4);
    this.#at = this.#bytes.writeUInt32LE(value, this.#at);
  }

  hex(digits: string): void {
    this.#reserve(digits.length >> 1);
    this.#at += this.#bytes.write(digits, this.#at, "hex");
  }

  encoding(bytes: Uint8Array): void {
    if (bytes.length > LARGE_BYTES) {
      this.u32(LARGE);
      this.large.push(bytes);
      return;
    }
    this.u32(bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  done(): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, 0, this.#at);
  }

  #reserve(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#at + more, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
  }
}

class Unpacker {
  readonly #bytes: Buffer;
  /** The same bytes; slices of a Buffer would be Buffers. */
  readonly #plain: Uint8Array;
  readonly #large: readonly Uint8Array[];
  #at = 0;
  #nextLarge = 0;

  constructor(bytes: Uint8Array, large: readonly Uint8Array[]) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#plain = bytes;
    this.#large = large;
  }

  get more(): boolean {
    return this.#at < this.#bytes.length;
  }

  u32(): number {
    const value = this.#bytes.readUInt32LE(this.#at);
    this.#at += 4;
    return value;
  }

  hex(bytes: number): string {
    this.#at += bytes;
    return this.#bytes.toString("hex", this.#at - bytes, this.#at);
  }

  encoding(): Uint8Array {
    const length = this.u32();
    if (length === LARGE) return this.#large[this.#nextLarge++]!;
    this.#at += length;
    // A copy: one that is kept must not keep the rest of the message.
    return this.#plain.slice(this.#at - length, this.#at);
  }
}

/** @param tasks places of the tasks by name */
export function packItems(items: readonly RunItem[], tasks: ReadonlyMap<string, number>): PackedItems {
  const packer = new Packer();
  const more = new Map<number, Omit<RunItem, "id" | "task" | "code" | "args">>();
  items.forEach(({ id, task, code: _, args, ...rest }, place) => {
    packer.u32(id);
    packer.u32(tasks.get(task)!);
    packer.u32(args.length);
    for (const arg of args) packer.encoding(arg);
    if (rest.datasets.length > 0 || rest.context) more.set(place, rest);
  });
  return { buffer: packer.done(), large: packer.large, more };
}

/** @param tasks name and code of each task, in the order of their places */
export function unpackItems(
  { buffer, large, more }: PackedItems,
  tasks: readonly (readonly [name: string, code: string])[],
): RunItem[] {
  const unpacker = new Unpacker(buffer, large);
  const items: RunItem[] = [];
  while (unpacker.more) {
    const id = unpacker.u32();
    const [task, code] = tasks[unpacker.u32()]!;
    const args = Array.from({ length: unpacker.u32() }, () => unpacker.encoding());
    items.push({ id, task, code, args, ...(more.get(items.length) ?? NOTHING_MORE) });
  }
  return items;
}

export function packResults(results: readonly RunResult[]): PackedResults {
  const packer = new Packer();
  const errors: { readonly id: number; readonly error: ErrorRecord }[] = [];
  for (const result of results) {
    if (!result.ok) {
      errors.push({ id: result.id, error: result.error });
      continue;
    }
    packer.u32(result.id);
    packer.u32(result.outcome.kind === "value" ? 0 : 1);
    packer.hex(result.outcome.digest);
    packer.encoding(result.outcome.bytes);
  }
  return { buffer: packer.done(), large: packer.large, errors };
}

export function unpackResults({ buffer, large, errors }: PackedResults): RunResult[] {
  const unpacker = new Unpacker(buffer, large);
  const results: RunResult[] = [];
  while (unpacker.more) {
    const id = unpacker.u32();
    const kind: Outcome["kind"] = unpacker.u32() === 0 ? "value" : "expression";
    const digest = unpacker.hex(32);
    results.push({ id, ok: true, outcome: { kind, digest, bytes: unpacker.encoding() } });
  }
  for (const { id, error } of errors) results.push({ id, ok: false, error });
  return results;
}
