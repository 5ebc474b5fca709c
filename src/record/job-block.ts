/**
 * Ended jobs of one execution, packed: a block is one row for up to some thousand jobs, at about 60 bytes a job.
 *
 * In order of their start: the eval hashes (first, so that SQL can cut them out), tables of what repeats (tasks, executors, parents outside of the block), one column after another, and what few jobs have as JSON.
 */

import type { Digest, ErrorRecord, JobRecord, JobState } from "../evaluate/ports.ts";
import { storable } from "./arrays.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";

/** States in a block, by number. */
const STATES: readonly JobState[] = ["succeeded", "failed", "cancelled", "running", "waiting"];
const CACHED = 8;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const DIGEST_BYTES = 32;

/** What few jobs have. */
interface Rare {
  readonly at: number;
  readonly error?: ErrorRecord;
  readonly submissionId?: string;
  readonly note?: string;
  readonly invalid?: readonly string[];
}

/** A packed block and what is beside it in its row. */
export interface JobBlock {
  readonly count: number;
  readonly firstStartedAt: number;
  readonly data: Buffer;
}

/** Packs jobs of one execution. */
export function packJobs(jobs: readonly JobRecord[]): JobBlock {
  const sorted = jobs.toSorted((a, b) => a.startedAt - b.startedAt);
  const writer = new ByteWriter(sorted.length * 80 + 200);
  for (const job of sorted) writer.digest(job.evalHash);
  const first = Math.round(sorted[0]?.startedAt ?? 0);
  writer.int(first);

  const tasks = new Table();
  const executors = new Table();
  const places = new Map(sorted.map((job, at) => [job.id, at] as const));
  const parents = new Table();
  const columns = new ByteWriter(sorted.length * 12);
  const rare: Rare[] = [];
  let before = first;
  sorted.forEach((job, at) => {
    const { state, cached, parentId, error, submissionId, note, invalid } = job;
    const startedAt = Math.round(job.startedAt);
    columns.byte(STATES.indexOf(state) | (cached ? CACHED : 0));
    columns.int(tasks.place(storable(job.task)));
    columns.int(executors.place(storable(job.executor)));
    columns.int(startedAt - before);
    columns.signed(job.endedAt === null ? 0 : Math.round(job.endedAt) - startedAt);
    // 0: none; even: a job of this block; odd: one of the table.
    const parent = parentId === null ? undefined : places.get(parentId);
    columns.int(parentId === null ? 0 : parent === undefined ? 2 * parents.place(parentId) + 1 : 2 * (parent + 1));
    before = startedAt;
    if (error !== null || submissionId !== null || note !== null || invalid !== undefined)
      rare.push({
        at,
        ...(error === null ? {} : { error }),
        ...(submissionId === null ? {} : { submissionId: storable(submissionId) }),
        ...(note === null ? {} : { note: storable(note) }),
        ...(invalid === undefined ? {} : { invalid: invalid.map(storable) }),
      });
  });
  writeTexts(writer, tasks.texts);
  writeTexts(writer, executors.texts);
  writeTexts(writer, parents.texts);
  writeTexts(
    writer,
    sorted.map((job) => job.id),
  );
  writer.raw(columns.finish());
  writer.text(rare.length === 0 ? "" : JSON.stringify(rare));
  return { count: sorted.length, firstStartedAt: first, data: writer.finish() };
}

/** The jobs of a block, oldest first. */
export function unpackJobs(executionId: string, count: number, data: Uint8Array): readonly JobRecord[] {
  const reader = new ByteReader(data);
  const hashes: Digest[] = Array.from({ length: count }, () => reader.hex(DIGEST_BYTES));
  let startedAt = reader.int();
  const tasks = readTexts(reader);
  const executors = readTexts(reader);
  const parents = readTexts(reader);
  const ids = readTexts(reader);
  const jobs = hashes.map((evalHash, at): JobRecord => {
    const flags = reader.byte();
    const task = tasks[reader.int()] as string;
    const executor = executors[reader.int()] as string;
    startedAt += reader.int();
    const endedAt = startedAt + reader.signed();
    const parent = reader.int();
    return {
      id: ids[at] as string,
      executionId,
      parentId: parent === 0 ? null : ((parent % 2 === 1 ? parents[(parent - 1) / 2] : ids[parent / 2 - 1]) as string),
      task,
      evalHash,
      state: STATES[flags & 7] as JobState,
      executor,
      cached: (flags & CACHED) !== 0,
      startedAt,
      endedAt,
      error: null,
      submissionId: null,
      note: null,
    };
  });
  const rare = reader.text();
  for (const { at, ...fields } of rare === "" ? [] : (JSON.parse(rare) as readonly Rare[]))
    jobs[at] = { ...(jobs[at] as JobRecord), ...fields };
  return jobs;
}

/** Texts by number, each once. */
class Table {
  readonly #places = new Map<string, number>();

  get texts(): readonly string[] {
    return [...this.#places.keys()];
  }

  place(text: string): number {
    const known = this.#places.get(text);
    if (known !== undefined) return known;
    this.#places.set(text, this.#places.size);
    return this.#places.size - 1;
  }
}

/** Writes texts: as 16 bytes each where all are UUIDs, else what differs from the one before. */
function writeTexts(writer: ByteWriter, texts: readonly string[]): void {
  const packed = texts.every((text) => UUID.test(text));
  writer.int(2 * texts.length + (packed ? 1 : 0));
  let before = "";
  for (const text of texts) {
    if (packed) {
      writer.hex(text.slice(0, 8) + text.slice(9, 13) + text.slice(14, 18) + text.slice(19, 23) + text.slice(24), 16);
      continue;
    }
    let same = 0;
    while (same < before.length && same < text.length && before.charCodeAt(same) === text.charCodeAt(same)) same++;
    // A surrogate pair is not cut: its halves have no UTF-8.
    if (same > 0 && same < text.length && (text.charCodeAt(same - 1) & 0xfc00) === 0xd800) same--;
    writer.int(same);
    writer.text(text.slice(same));
    before = text;
  }
}

function readTexts(reader: ByteReader): readonly string[] {
  const head = reader.int();
  const packed = head % 2 === 1;
  let before = "";
  return Array.from({ length: (head - (packed ? 1 : 0)) / 2 }, () => {
    if (packed) {
      const digits = reader.hex(16);
      return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20)}`;
    }
    const same = reader.int();
    before = before.slice(0, same) + reader.text();
    return before;
  });
}
