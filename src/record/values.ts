/** Values that are too large for the row of their call: in rows of their own, once by digest, or in files. */

import { type RawBuilder, sql } from "kysely";
import { valueLost } from "../data/value-folder.ts";
import type { Digest, StoredValues } from "../evaluate/ports.ts";
import { encodeStored, fillStored, type StoredValue, storedPlaces } from "../hash/stored.ts";
import { digestBytes } from "./arrays.ts";
import { ArrayWriter, digestsParameter } from "./bytes.ts";
import type { PlaceValue, ValueName } from "./call-body.ts";
import type { Db } from "./database.ts";
import type { Chunks, ValueFiles } from "./value-files.ts";
import { noAnswers, type WriteKind } from "./write-kind.ts";

/**
 * A value of up to this many bytes is part of its call's row. Tried with results of 200, 450 and 900 bytes: a row of its own costs 6 us of CPU more to write, 4 to look up, and 100 bytes; it saves its bytes when the same
 * value occurs again. Above 512 bytes rows in the call's table leave pages half empty and the gain is gone.
 */
const INLINE_BYTES = 512;
/** Values of one row at most: with more Postgres would move the row's bytes to a table beside it, which costs more than rows of our own. */
const INLINE_TOTAL = 1_400;
/** Files that are read at once. */
const READERS = 8;

/** Where values go; `fileBytes`: those of more bytes are files. */
export function valuePlaces(files: ValueFiles | null, fileBytes: number): PlaceValue {
  return (length, taken) => {
    if (files !== null && length > fileBytes) return "file";
    return length <= INLINE_BYTES && taken + length <= INLINE_TOTAL ? "inline" : "row";
  };
}

/** Inserts values that are not there yet. */
export function insertValues(values: ReadonlyMap<Digest, Uint8Array>): RawBuilder<unknown> | null {
  if (values.size === 0) return null;
  const digests = [...values.keys()].sort();
  const bytes = new ArrayWriter();
  for (const digest of digests) bytes.addBytes(values.get(digest) as Uint8Array);
  return sql`
    insert into value (digest, bytes)
    select digest, bytes from unnest(${digestsParameter(digests)}::bytea[], ${bytes.finish()}::bytea[]) as t(digest, bytes)
    on conflict (digest) do nothing`;
}

/** Reads values by name, stored ones as what stands for them; those that are missing (a file that was lost) are left out. */
export async function readValues(
  db: Db,
  files: ValueFiles | null,
  names: readonly ValueName[],
): Promise<ReadonlyMap<Digest, Uint8Array>> {
  const found = new Map<Digest, Uint8Array>();
  const rows = new Set<Digest>();
  const wanted = new Map<Digest, ValueName>();
  for (const name of names) {
    if (name.place === "row") rows.add(name.digest);
    else wanted.set(name.digest, name);
  }
  if (rows.size > 0) {
    const digests = [...rows];
    const result = await sql<{ at: number; bytes: Uint8Array }>`
      select k.at::int as at, v.bytes from unnest(${digestsParameter(digests)}::bytea[]) with ordinality as k(digest, at)
      cross join lateral (select bytes from value where digest = k.digest offset 0) v`.execute(db);
    for (const { at, bytes } of result.rows)
      if (await allThere(files, storedPlaces(bytes))) found.set(digests[at - 1] as Digest, bytes);
  }
  if (files !== null) {
    const queue = [...wanted.values()];
    const read = async (): Promise<void> => {
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
        const { place, digest, length } = next;
        const there = place === "stored" && (await files.has(digest, length));
        const bytes = place !== "stored" ? await files.read(digest, length) : there ? encodeStored(next) : null;
        if (bytes !== null) found.set(digest, bytes);
      }
    };
    await Promise.all(Array.from({ length: Math.min(READERS, queue.length) }, read));
  }
  return found;
}

/** Whether the files of stored values are there. */
export async function allThere(files: ValueFiles | null, stored: readonly StoredValue[]): Promise<boolean> {
  for (const { digest, length } of stored) if (!(await files?.has(digest, length))) return false;
  return true;
}

/** An encoding with the stored values in it; null when one of them is lost. */
export async function wholeValue(files: ValueFiles | null, bytes: Uint8Array): Promise<Uint8Array | null> {
  const contents = new Map<Digest, Uint8Array>();
  for (const { digest, length } of storedPlaces(bytes)) {
    const content = await files?.read(digest, length);
    if (!content) return null;
    contents.set(digest, content);
  }
  return fillStored(bytes, ({ digest }) => contents.get(digest)!);
}

/** Stored values as the evaluator reads them. */
export function storedValues(files: ValueFiles | null): StoredValues {
  return {
    async read(stored) {
      const bytes = await files?.read(stored.digest, stored.length);
      if (!bytes) throw valueLost(stored);
      return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    },
    async *chunks(stored) {
      const stream = await files?.open(stored.digest);
      if (stream?.length !== stored.length) throw valueLost(stored);
      let length = 0;
      try {
        for await (const chunk of stream.chunks) {
          length += chunk.length;
          yield chunk;
        }
      } catch (error) {
        throw valueLost(stored, error);
      }
      if (length !== stored.length) throw valueLost(stored);
    },
    allThere: (stored) => allThere(files, stored),
  };
}

/** A value that has a row or a file of its own, by its digest. */
export async function findValue(db: Db, files: ValueFiles | null, digest: Digest): Promise<Uint8Array | null> {
  const row = await db.selectFrom("value").select("bytes").where("digest", "=", digestBytes(digest)).executeTakeFirst();
  if (row !== undefined) return await wholeValue(files, row.bytes);
  return (await files?.read(digest)) ?? null;
}

/** Stores a value where there is no folder for files. */
export const RECORD_VALUE: WriteKind<{ readonly digest: Digest; readonly bytes: Uint8Array }, undefined> = {
  name: "value",
  lane: "call",
  repeatable: false,
  prepare: (values) => {
    const statement = insertValues(new Map(values.map(({ digest, bytes }) => [digest, bytes])));
    return async (db) => {
      await statement?.execute(db);
      return noAnswers(values);
    };
  },
};

/** A value of some length, piece by piece. */
export interface ValueStream {
  readonly length: number;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** Opens a value that has a row or a file of its own. */
export async function openValue(
  db: Db,
  files: ValueFiles | null,
  digest: Digest,
  verify: boolean,
): Promise<ValueStream | null> {
  if (files !== null && (!verify || (await files.verify(digest)))) {
    const stream = await files.open(digest);
    if (stream !== null) return stream;
  }
  const bytes = await findValue(db, files, digest);
  return bytes === null ? null : { length: bytes.length, chunks: oneChunk(bytes) };
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** All pieces as one. */
export async function joinChunks(chunks: Chunks): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}
