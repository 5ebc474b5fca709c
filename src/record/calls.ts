/** Calls: writing them many at a time, and looking them up. */

import { hash } from "node:crypto";
import { type RawBuilder, sql } from "kysely";
import type { CachedCall, CallRecord, Digest } from "../evaluate/ports.ts";
import { digestBytes, storable, textArray } from "./arrays.ts";
import { ArrayWriter, ByteReader, digestsParameter } from "./bytes.ts";
import {
  eachOutside,
  type PlaceValue,
  readCallBody,
  readOutcome,
  type StoredOutcome,
  type ValueName,
  writeCallBody,
} from "./call-body.ts";
import type { Ask, Db } from "./database.ts";
import type { ValueFiles } from "./value-files.ts";
import { insertValues, readValues, wholeValue } from "./values.ts";
import { noAnswers, type WriteKind } from "./write-kind.ts";

/** Values and tasks known to be in the database; beyond this many the set starts again. About 100 bytes each. */
const KNOWN_AT_MOST = 200_000;

/** Look-ups of no more calls than this are asked for in rows. */
const FEW = 20;

type StoredCall = readonly [evalHash: Digest, outcome: StoredOutcome];

/** SQL with its parameters, not run yet. */
type Statement = RawBuilder<unknown>;

export interface CallRequest {
  readonly call: CallRecord;
  readonly replace: boolean;
}

/** Calls in the order of their recording, with a memory of what needs no second insert, and of calls that are not durable yet. */
export interface CallWrites {
  readonly kind: WriteKind<readonly CallRequest[], undefined>;
  readonly files: ValueFiles | null;
  /** Makes requests of records. One that was found without its result replaces, so that the call can be found again. */
  requests(calls: readonly CallRecord[], replace: boolean): readonly CallRequest[];
  /** Remembers a call whose result is lost. */
  noteLost(evalHash: Digest): void;
  /** What the records of a call that wait to be written come to. */
  pending(evalHash: Digest): CallRequest | undefined;
}

/** Bytes that calls hold in the queue, about. */
export function callBytes(calls: readonly CallRecord[]): number {
  let bytes = 0;
  for (const call of calls) {
    bytes += call.outcome.bytes.length + 400;
    for (const arg of call.args) bytes += arg.bytes.length + 64;
  }
  return bytes;
}

export function createCallWrites(files: ValueFiles | null, placeOf: PlaceValue): CallWrites {
  // Nothing removes values or tasks, so what was committed once is there. Forgetting only costs an insert that does nothing.
  const known = new Set<string>();
  const lost = new Set<Digest>();
  const pending = new Map<Digest, CallRequest | readonly CallRequest[]>();
  return {
    files,
    kind: {
      name: "call",
      lane: "call",
      repeatable: false,
      patient: true,
      before: async (payloads) => {
        if (files === null) return;
        for (const requests of payloads)
          for (const { call } of requests) {
            const large: [Digest, Uint8Array][] = [];
            eachOutside(call, placeOf, (place, digest, bytes) => {
              if (place === "file") large.push([digest, bytes]);
            });
            for (const [digest, bytes] of large) await files.put(digest, [bytes], bytes.length);
          }
      },
      halve: (requests) =>
        requests.length < 2 ? null : [requests.slice(0, requests.length >> 1), requests.slice(requests.length >> 1)],
      prepare: (payloads) => {
        const requests = lastOfEach(payloads);
        const values = new Map<Digest, Uint8Array>();
        for (const { call } of requests)
          eachOutside(call, placeOf, (place, digest, bytes) => {
            if (place === "row" && !known.has(digest)) values.set(digest, bytes);
          });
        const statements = [insertValues(values), insertTasks(requests, known), ...insertCalls(requests, placeOf)];
        return async (db) => {
          for (const statement of statements) await statement?.execute(db);
          return noAnswers(payloads);
        };
      },
      queued: (requests) => {
        for (const request of requests) {
          const waiting = pending.get(request.call.evalHash);
          pending.set(request.call.evalHash, waiting === undefined ? request : [waiting, request].flat());
        }
      },
      settled: (payloads, committed) => {
        for (const requests of payloads) for (const request of requests) forget(pending, request);
        if (!committed) return;
        // The value of a record that lost against another one of its batch was not written.
        for (const { call } of lastRequests(payloads).values()) {
          if (known.size >= KNOWN_AT_MOST) known.clear();
          known.add(taskKey(call));
          eachOutside(call, placeOf, (place, digest) => {
            if (place === "row") known.add(digest);
          });
        }
      },
    },
    requests: (calls, replace) =>
      calls.map((call) => ({ call, replace: replace || (lost.size > 0 && lost.delete(call.evalHash)) })),
    noteLost: (evalHash) => lost.add(evalHash),
    pending: (evalHash) => {
      const waiting = pending.get(evalHash);
      return waiting === undefined || !isList(waiting) ? waiting : winner(waiting);
    },
  };
}

/** Appended to what looks calls up: the subquery may not be merged, or the planner reads the whole table for 1,000 keys of 60,000. */
export const BY_KEY: Statement = sql`offset 0`;

/**
 * Looks calls up in the database and among the pending ones; one query, and another where results are not in the rows of their calls.
 *
 * The pending ones are read before the query: one that becomes durable meanwhile would otherwise be missed by both.
 */
export async function findCalls(
  db: Db,
  ask: Ask,
  writes: CallWrites,
  evalHashes: readonly Digest[],
): Promise<ReadonlyMap<Digest, CachedCall>> {
  if (evalHashes.length === 0) return new Map();
  const pending = new Map<Digest, CallRequest>();
  for (const evalHash of evalHashes) {
    const request = writes.pending(evalHash);
    if (request !== undefined) pending.set(evalHash, request);
  }
  const stored = await (evalHashes.length <= FEW ? readFew(ask, evalHashes) : readMany(db, evalHashes));
  const found = await withBytes(db, writes, stored);
  for (const [evalHash, { call, replace }] of pending)
    if (replace || !found.has(evalHash)) found.set(evalHash, { evalHash, outcome: call.outcome });
  return found;
}

const FIND_FEW =
  "select eval_hash || int4send(length(body)) || body as packed from call where eval_hash = any($1::bytea[])";

/** A chain asks for one call at a time and waits for each, so what one costs counts: 65 us prepared, where the query for many takes 300, most of it for its plan. */
async function readFew(ask: Ask, evalHashes: readonly Digest[]): Promise<StoredCall[]> {
  const rows = await ask<{ packed: Uint8Array }>(FIND_FEW, [digestsParameter(evalHashes)]);
  return rows.map(({ packed }) => {
    const reader = new ByteReader(packed);
    return [reader.digest(), readOutcome(reader)];
  });
}

/** The answer is one row of one column: reading 1,000 rows costs both drivers more than finding them. */
async function readMany(db: Db, evalHashes: readonly Digest[]): Promise<StoredCall[]> {
  const { rows } = await sql<{ packed: Uint8Array | null }>`
    select string_agg(int4send(k.at::int) || int4send(length(c.body)) || c.body, '') as packed
    from unnest(${digestsParameter(evalHashes)}::bytea[]) with ordinality as k(hash, at)
    cross join lateral (select body from call where eval_hash = k.hash ${BY_KEY}) c`.execute(db);
  const stored: StoredCall[] = [];
  const reader = new ByteReader(rows[0]?.packed ?? new Uint8Array());
  while (!reader.done) {
    const evalHash = evalHashes[reader.uint32() - 1] as Digest;
    stored.push([evalHash, readOutcome(reader)]);
  }
  return stored;
}

/** Fetches what is not in the rows. A call whose result is lost is left out: it counts as never made, and the next record of it replaces. */
export async function withBytes(
  db: Db,
  writes: CallWrites,
  stored: readonly StoredCall[],
): Promise<Map<Digest, CachedCall>> {
  const names: ValueName[] = [];
  for (const [, { bytes }] of stored) if (!(bytes instanceof Uint8Array)) names.push(bytes);
  const values = names.length === 0 ? null : await readValues(db, writes.files, names);
  const found = new Map<Digest, CachedCall>();
  for (const [evalHash, { kind, digest, bytes: place }] of stored) {
    const bytes = place instanceof Uint8Array ? place : values?.get(digest);
    if (bytes === undefined) writes.noteLost(evalHash);
    else found.set(evalHash, { evalHash, outcome: { kind, digest, bytes } });
  }
  return found;
}

/** The whole record of a call, stored values read; null where it is not known, or some of it is lost. */
export async function findCallRecord(db: Db, writes: CallWrites, evalHash: Digest): Promise<CallRecord | null> {
  const row = await db
    .selectFrom("call as c")
    .innerJoin("task as t", "t.id", "c.task")
    .select(["c.body", "t.name", "t.code", "t.executor"])
    .where("c.eval_hash", "=", digestBytes(evalHash))
    .executeTakeFirst();
  if (row === undefined) return null;
  const { outcome, args, startedAt, endedAt } = readCallBody(new ByteReader(row.body));
  const outside = [outcome, ...args].flatMap(({ bytes }) => (bytes instanceof Uint8Array ? [] : [bytes]));
  const values = await readValues(db, writes.files, outside);
  const whole = async <T extends { readonly digest: Digest; readonly bytes: Uint8Array | ValueName }>(part: T) => {
    if (part.bytes instanceof Uint8Array) return { ...part, bytes: part.bytes };
    const found = values.get(part.digest);
    const bytes = found === undefined ? null : await wholeValue(writes.files, found);
    return bytes === null ? null : { ...part, bytes };
  };
  const result = await whole(outcome);
  const given = (await Promise.all(args.map(whole))).filter((arg) => arg !== null);
  if (result === null || given.length < args.length) return null;
  const code = Buffer.from(row.code).toString("hex");
  return { evalHash, task: row.name, code, args: given, outcome: result, executor: row.executor, startedAt, endedAt };
}

/** What a sequence of records of one call comes to: the first one, or the last that replaces. */
function winner(requests: readonly CallRequest[]): CallRequest {
  return requests.findLast((request) => request.replace) ?? (requests[0] as CallRequest);
}

/** One request for each call, sorted: every process inserts in the same order and so never deadlocks with another. */
function lastOfEach(payloads: readonly (readonly CallRequest[])[]): readonly CallRequest[] {
  return [...lastRequests(payloads).values()].sort((a, b) => (a.call.evalHash < b.call.evalHash ? -1 : 1));
}

function lastRequests(payloads: readonly (readonly CallRequest[])[]): ReadonlyMap<Digest, CallRequest> {
  const byHash = new Map<Digest, CallRequest>();
  for (const requests of payloads)
    for (const request of requests)
      if (request.replace || !byHash.has(request.call.evalHash)) byHash.set(request.call.evalHash, request);
  return byHash;
}

function insertTasks(requests: readonly CallRequest[], known: ReadonlySet<string>): Statement | null {
  const tasks = new Map<bigint, CallRecord>();
  const seen = new Set<string>();
  for (const { call } of requests) {
    const key = taskKey(call);
    if (known.has(key) || seen.has(key)) continue;
    seen.add(key);
    tasks.set(taskId(key), call);
  }
  if (tasks.size === 0) return null;
  const ids = [...tasks.keys()].sort((a, b) => (a < b ? -1 : 1));
  const calls = ids.map((id) => tasks.get(id) as CallRecord);
  return sql`
    insert into task (id, name, code, executor)
    select id, name, code, executor from unnest(
      ${`{${ids.join(",")}}`}::int8[], ${textArray(calls.map((call) => call.task))}::text[],
      ${digestsParameter(calls.map((call) => call.code))}::bytea[], ${textArray(calls.map((call) => call.executor))}::text[]
    ) as t(id, name, code, executor) on conflict (id) do nothing`;
}

function insertCalls(requests: readonly CallRequest[], placeOf: PlaceValue): readonly Statement[] {
  const first = requests.filter((request) => !request.replace);
  const replacing = requests.length === first.length ? [] : requests.filter((request) => request.replace);
  const statements: Statement[] = [];
  if (first.length > 0) statements.push(sql`${callRows(first, placeOf)} on conflict (eval_hash) do nothing`);
  if (replacing.length > 0)
    statements.push(
      sql`${callRows(replacing, placeOf)} on conflict (eval_hash) do update set task = excluded.task, body = excluded.body`,
    );
  return statements;
}

function callRows(requests: readonly CallRequest[], placeOf: PlaceValue): Statement {
  const hashes = new ArrayWriter("bytea", 20 + requests.length * 36);
  const tasks = new ArrayWriter("int8", 20 + requests.length * 12);
  const bodies = new ArrayWriter("bytea", 20 + requests.length * 128);
  const ids = new Map<string, bigint>();
  for (const { call } of requests) {
    const key = taskKey(call);
    let id = ids.get(key);
    if (id === undefined) {
      id = taskId(key);
      ids.set(key, id);
    }
    hashes.addDigest(call.evalHash);
    tasks.addInt64(id);
    bodies.add((writer) => writeCallBody(writer, call, placeOf));
  }
  return sql`
    insert into call (eval_hash, task, body)
    select * from unnest(${hashes.finish()}::bytea[], ${tasks.finish()}::int8[], ${bodies.finish()}::bytea[])`;
}

function taskKey(call: CallRecord): string {
  return `${call.code} ${call.executor} ${storable(call.task)}`;
}

/** The id of a task's version where it runs: made from what it names, so that no writer has to ask for it. */
function taskId(key: string): bigint {
  return Buffer.from(hash("sha256", key, "hex"), "hex").readBigInt64BE(0);
}

function forget(pending: Map<Digest, CallRequest | readonly CallRequest[]>, request: CallRequest): void {
  const { evalHash } = request.call;
  const waiting = pending.get(evalHash);
  if (waiting === undefined || waiting === request) pending.delete(evalHash);
  else if (isList(waiting)) {
    const rest = waiting.filter((other) => other !== request);
    const [only] = rest;
    if (only === undefined) pending.delete(evalHash);
    else pending.set(evalHash, rest.length === 1 ? only : rest);
  }
}

function isList(waiting: CallRequest | readonly CallRequest[]): waiting is readonly CallRequest[] {
  return Array.isArray(waiting);
}
