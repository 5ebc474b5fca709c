/** Values, calls, their arguments and the code of tasks. */

import { type RawBuilder, sql } from "kysely";
import type { CachedCall, CallRecord, Digest } from "../evaluate/ports.ts";
import { bytesArray, digestArray, digestBytes, plainArray, textArray } from "./arrays.ts";
import type { Db } from "./database.ts";
import { noAnswers, type WriteKind } from "./write-kind.ts";

/** Digests (and task versions) known to be in the database; beyond this many the set starts again. About 100 bytes each. */
const KNOWN_AT_MOST = 200_000;

/** SQL with its parameters, not run yet. */
type Statement = RawBuilder<unknown>;

export interface CallRequest {
  readonly call: CallRecord;
  readonly replace: boolean;
}

/** Calls in the order of their recording, with a memory of what needs no second insert, and of calls that are not durable yet. */
export interface CallWrites {
  readonly kind: WriteKind<CallRequest, undefined>;
  /** Calls among these that wait to be written. */
  pending(evalHashes: readonly Digest[]): ReadonlyMap<Digest, CallRequest>;
}

/** Bytes that a call holds in the queue, about. */
export function callBytes(call: CallRecord): number {
  return call.args.reduce((sum, arg) => sum + arg.bytes.length + 64, call.outcome.bytes.length + 400);
}

export function createCallWrites(): CallWrites {
  // Nothing removes values or tasks, so what was committed once is there. Forgetting only costs an insert that does nothing.
  const known = new Set<string>();
  const pending = new Map<Digest, CallRequest[]>();
  return {
    kind: {
      name: "call",
      lane: "call",
      repeatable: false,
      prepare: (requests) => {
        const calls = lastOfEach(requests);
        const statements = [
          ...valueStatements(calls, known),
          ...taskStatements(calls, known),
          ...callStatements(calls),
          ...argumentStatements(calls),
        ];
        return async (db) => {
          for (const statement of statements) await statement.execute(db);
          return noAnswers(requests);
        };
      },
      queued: (request) => {
        const waiting = pending.get(request.call.evalHash);
        if (waiting === undefined) pending.set(request.call.evalHash, [request]);
        else waiting.push(request);
      },
      settled: (requests, committed) => {
        for (const request of requests) forget(pending, request);
        // The value of a record that lost against another one of its batch was not written.
        if (committed) for (const { call } of lastOfEach(requests)) remember(known, call);
      },
    },
    pending: (evalHashes) => {
      const found = new Map<Digest, CallRequest>();
      if (pending.size === 0) return found;
      for (const evalHash of evalHashes) {
        const waiting = pending.get(evalHash);
        if (waiting !== undefined) found.set(evalHash, winner(waiting));
      }
      return found;
    },
  };
}

/**
 * Looks calls up in the database and among the pending ones; one query.
 *
 * The pending ones are read before the query: one that becomes durable meanwhile would otherwise be missed by both.
 */
export async function findCalls(
  db: Db,
  writes: CallWrites,
  evalHashes: readonly Digest[],
): Promise<ReadonlyMap<Digest, CachedCall>> {
  const found = new Map<Digest, CachedCall>();
  if (evalHashes.length === 0) return found;
  const pending = writes.pending(evalHashes);
  const { rows } = await sql<{ eval_hash: string; kind: "value" | "expression"; result: string; bytes: Uint8Array }>`
    select encode(c.eval_hash, 'hex') as eval_hash, c.kind, encode(c.result, 'hex') as result, v.bytes
    from unnest(${digestArray(evalHashes)}::bytea[]) as k(hash)
    join call c on c.eval_hash = k.hash
    join value v on v.digest = c.result`.execute(db);
  for (const row of rows)
    found.set(row.eval_hash, {
      evalHash: row.eval_hash,
      outcome: { kind: row.kind, bytes: row.bytes, digest: row.result },
    });
  for (const [evalHash, { call, replace }] of pending)
    if (replace || !found.has(evalHash)) found.set(evalHash, { evalHash, outcome: call.outcome });
  return found;
}

export async function findValue(db: Db, digest: Digest): Promise<Uint8Array | null> {
  const row = await db.selectFrom("value").select("bytes").where("digest", "=", digestBytes(digest)).executeTakeFirst();
  return row?.bytes ?? null;
}

/** What a sequence of records of one call comes to: the first one, or the last that replaces. */
function winner(requests: readonly CallRequest[]): CallRequest {
  return requests.findLast((request) => request.replace) ?? (requests[0] as CallRequest);
}

/** One request for each call, sorted: every process inserts in the same order and so never deadlocks with another. */
function lastOfEach(requests: readonly CallRequest[]): readonly CallRequest[] {
  const byHash = new Map<Digest, CallRequest>();
  for (const request of requests) {
    if (request.replace || !byHash.has(request.call.evalHash)) byHash.set(request.call.evalHash, request);
  }
  return [...byHash.values()].sort((a, b) => (a.call.evalHash < b.call.evalHash ? -1 : 1));
}

function valueStatements(requests: readonly CallRequest[], known: ReadonlySet<string>): readonly Statement[] {
  const values = new Map<Digest, Uint8Array>();
  for (const { call } of requests) {
    if (!known.has(call.outcome.digest)) values.set(call.outcome.digest, call.outcome.bytes);
    for (const arg of call.args) if (!known.has(arg.digest)) values.set(arg.digest, arg.bytes);
  }
  if (values.size === 0) return [];
  const digests = [...values.keys()].sort();
  const bytes = digests.map((digest) => values.get(digest) as Uint8Array);
  const statement = sql`
    insert into value (digest, size, bytes)
    select digest, length(bytes), bytes from unnest(${digestArray(digests)}::bytea[], ${bytesArray(bytes)}::bytea[]) as t(digest, bytes)
    on conflict (digest) do nothing`;
  return [statement];
}

function taskStatements(requests: readonly CallRequest[], known: ReadonlySet<string>): readonly Statement[] {
  const tasks = new Map<string, CallRecord>();
  for (const { call } of requests) {
    const name = taskKey(call);
    if (!known.has(name)) tasks.set(name, call);
  }
  if (tasks.size === 0) return [];
  const calls = [...tasks.keys()].sort().map((key) => tasks.get(key) as CallRecord);
  const statement = sql`
    insert into task (name, code)
    select name, code from unnest(${textArray(calls.map((call) => call.task))}::text[], ${digestArray(calls.map((call) => call.code))}::bytea[]) as t(name, code)
    on conflict (name, code) do nothing`;
  return [statement];
}

function callStatements(requests: readonly CallRequest[]): readonly Statement[] {
  const first = requests.filter((request) => !request.replace).map((request) => request.call);
  const replacing = requests.filter((request) => request.replace).map((request) => request.call);
  const statements: Statement[] = [];
  if (first.length > 0) statements.push(sql`${callRows(first)} on conflict (eval_hash) do nothing`);
  if (replacing.length > 0) {
    statements.push(sql`${callRows(replacing)} on conflict (eval_hash) do update set
      task = excluded.task, code = excluded.code, kind = excluded.kind, result = excluded.result,
      executor = excluded.executor, started_at = excluded.started_at, ended_at = excluded.ended_at`);
  }
  return statements;
}

function callRows(calls: readonly CallRecord[]): Statement {
  return sql`
    insert into call (eval_hash, task, code, kind, result, executor, started_at, ended_at)
    select eval_hash, task, code, kind, result, executor, to_timestamp(started_ms / 1000), to_timestamp(ended_ms / 1000)
    from unnest(
      ${digestArray(calls.map((call) => call.evalHash))}::bytea[],
      ${textArray(calls.map((call) => call.task))}::text[],
      ${digestArray(calls.map((call) => call.code))}::bytea[],
      ${textArray(calls.map((call) => call.outcome.kind))}::text[],
      ${digestArray(calls.map((call) => call.outcome.digest))}::bytea[],
      ${textArray(calls.map((call) => call.executor))}::text[],
      ${plainArray(calls.map((call) => call.startedAt))}::float8[],
      ${plainArray(calls.map((call) => call.endedAt))}::float8[]
    ) as t(eval_hash, task, code, kind, result, executor, started_ms, ended_ms)`;
}

function argumentStatements(requests: readonly CallRequest[]): readonly Statement[] {
  const rows = requests.flatMap(({ call }) =>
    call.args.map((arg, position) => ({ evalHash: call.evalHash, position, digest: arg.digest })),
  );
  if (rows.length === 0) return [];
  // The eval hash contains the arguments' digests, so a row that exists is the same row.
  const statement = sql`
    insert into argument (eval_hash, position, value)
    select * from unnest(
      ${digestArray(rows.map((row) => row.evalHash))}::bytea[],
      ${plainArray(rows.map((row) => row.position))}::int[],
      ${digestArray(rows.map((row) => row.digest))}::bytea[]
    ) on conflict (eval_hash, position) do nothing`;
  return [statement];
}

function remember(known: Set<string>, call: CallRecord): void {
  if (known.size >= KNOWN_AT_MOST) known.clear();
  known.add(call.outcome.digest);
  for (const arg of call.args) known.add(arg.digest);
  known.add(taskKey(call));
}

function taskKey(call: CallRecord): string {
  return `${call.code} ${call.task}`;
}

function forget(pending: Map<Digest, CallRequest[]>, request: CallRequest): void {
  const waiting = pending.get(request.call.evalHash);
  if (waiting === undefined) return;
  const rest = waiting.filter((other) => other !== request);
  if (rest.length === 0) pending.delete(request.call.evalHash);
  else pending.set(request.call.evalHash, rest);
}
