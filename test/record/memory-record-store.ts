/** The whole store in memory: calls, executions and jobs beside what bulk work needs (`test/route/memory-store.ts`). */

import { Code, FiresteelError } from "../../src/errors.ts";
import type {
  CachedCall,
  CallRecord,
  Digest,
  ExecutionRecord,
  FileStat,
  JobRecord,
  Page,
  ShallowRecord,
  Store,
  StoredValues,
} from "../../src/evaluate/ports.ts";
import { digestValue } from "../../src/hash/digest.ts";
import { MemoryStore, pageOf, storable } from "../route/memory-store.ts";

/** How long an execution of a dead owner waits for a process that knows its task. */
const STRANGE_MS = 60_000;
/** Executions of the same root that are looked at for what to read ahead. */
const CANDIDATES = 3;
const DIGEST = /^[0-9a-f]{64}$/;
const isEnded = ({ state }: JobRecord) => state !== "running" && state !== "waiting";

/** One process's view of a database in memory. */
export class MemoryRecordStore extends MemoryStore implements Store {
  /** Asked for and not durable yet, oldest first. */
  #pending: { readonly call: CallRecord; readonly replace: boolean }[] = [];

  readonly stored: StoredValues = {
    read: async ({ digest }) => {
      const bytes = this.database.values.get(digest);
      if (bytes === undefined) throw new FiresteelError(Code.dataLoss, `stored value is gone: ${digest}`);
      return bytes;
    },
    chunks: (stored) => {
      const read = () => this.stored.read(stored);
      return (async function* () {
        yield await read();
      })();
    },
    allThere: async (stored) => stored.every(({ digest }) => this.database.values.has(digest)),
  };

  // ------------------------------------------------------------------------------------------- calls

  async findCalls(evalHashes: readonly Digest[]): Promise<ReadonlyMap<Digest, CachedCall>> {
    const pending = new Map<Digest, CallRecord>();
    for (const { call, replace } of this.#pending) {
      const before = pending.get(call.evalHash) ?? this.database.calls.get(call.evalHash);
      pending.set(call.evalHash, replace || before === undefined ? call : before);
    }
    await this.look();
    const found = new Map<Digest, CachedCall>();
    for (const evalHash of evalHashes) {
      const call = pending.get(evalHash) ?? this.database.calls.get(evalHash);
      if (call !== undefined) found.set(evalHash, { evalHash, outcome: call.outcome });
    }
    return found;
  }

  async *previousCalls(task: string, args: Uint8Array): AsyncGenerator<readonly CachedCall[]> {
    const { executions, jobs, calls } = this.database;
    const found = await this.read(() => {
      const of = (id: string) => [...(jobs.get(id)?.values() ?? [])].filter(isEnded);
      const [best] = [...executions.values()]
        .filter(({ record }) => record.task === task && record.args.length === args.length)
        .filter(({ record }) => Buffer.compare(record.args, args) === 0)
        .map(({ record }) => of(record.id))
        .slice(-CANDIDATES)
        .reverse()
        .filter((ended) => ended.length > 0)
        .sort((a, b) => b.length - a.length);
      const hashes = (best ?? []).toSorted((a, b) => a.startedAt - b.startedAt).map(({ evalHash }) => evalHash);
      return [...new Set(hashes)].flatMap((evalHash) => calls.get(evalHash) ?? []);
    });
    if (found.length > 0) yield found.map(({ evalHash, outcome }) => ({ evalHash, outcome }));
  }

  recordCalls(records: readonly CallRecord[], replace = false): Promise<void> {
    const entries = records.map((call) => ({ call, replace }));
    this.#pending.push(...entries);
    return this.write(() => {
      const { calls } = this.database;
      this.#pending = this.#pending.filter((one) => !entries.includes(one));
      const isWhole = ({ evalHash, code }: CallRecord) => DIGEST.test(evalHash) && DIGEST.test(code);
      for (const call of records)
        if (isWhole(call) && (replace || !calls.has(call.evalHash))) calls.set(call.evalHash, call);
      const refused = records.find((call) => !isWhole(call));
      if (refused !== undefined) throw new FiresteelError(Code.invalidArgument, `not a digest: ${refused.code}`);
    });
  }

  findShallow(evalHashes: readonly Digest[]): Promise<ReadonlyMap<Digest, ShallowRecord>> {
    return this.read(() => {
      const { shallow } = this.database;
      return new Map(evalHashes.flatMap((one) => (shallow.has(one) ? [[one, shallow.get(one)!] as const] : [])));
    });
  }

  recordShallow(record: ShallowRecord): Promise<void> {
    return this.write(() => void this.database.shallow.set(record.evalHash, record));
  }

  findCallRecord(evalHash: Digest): Promise<CallRecord | null> {
    return this.read(() => this.database.calls.get(evalHash) ?? null);
  }

  claimCall(evalHash: Digest): Promise<boolean> {
    return this.write(() => this.claim(this.database.callClaims, evalHash));
  }

  releaseCall(evalHash: Digest): Promise<void> {
    return this.write(() => this.release(this.database.callClaims, evalHash));
  }

  findValue(digest: Digest): Promise<Uint8Array | null> {
    return this.read(() => {
      const values = [...this.database.calls.values()].flatMap(({ args, outcome }) => [...args, outcome]);
      return values.find((one) => one.digest === digest)?.bytes ?? this.database.values.get(digest) ?? null;
    });
  }

  async putValue(digest: Digest, chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
    const bytes = Buffer.concat(await Array.fromAsync(chunks));
    await this.write(() => void this.database.values.set(digest, bytes));
  }

  async openValue(digest: Digest, verify = false) {
    const bytes = await this.findValue(digest);
    if (bytes === null || (verify && digestValue(bytes) !== digest)) return null;
    const chunks = (async function* () {
      yield bytes;
    })();
    return { length: bytes.length, chunks };
  }

  // ------------------------------------------------------------------------------------------- files

  recordFileStat(stat: FileStat): Promise<void> {
    return this.write(() => void this.database.fileStats.set(stat.path, stat));
  }

  findFileStats(paths: readonly string[]): Promise<ReadonlyMap<string, FileStat>> {
    return this.read(() => {
      const { fileStats } = this.database;
      return new Map(paths.flatMap((path) => (fileStats.has(path) ? [[path, fileStats.get(path)!] as const] : [])));
    });
  }

  // ------------------------------------------------------------------------------------------- executions

  createExecution(execution: ExecutionRecord) {
    return this.write(() => {
      const { executions } = this.database;
      const { id, requestId } = execution;
      const same = [...executions.values()].find(
        ({ record }) => record.id === id || (requestId !== null && record.requestId === requestId),
      );
      if (same !== undefined) return { execution: same.record, created: same.record.id === id };
      executions.set(id, { record: execution, owner: this.owner });
      return { execution, created: true };
    });
  }

  updateExecution(id: string, change: Parameters<Store["updateExecution"]>[1]): Promise<void> {
    return this.write(() => {
      const kept = this.database.executions.get(id);
      if (kept === undefined) throw new FiresteelError(Code.notFound, `execution is not known: ${id}`);
      kept.record = { ...kept.record, ...change };
      if (change.state !== undefined || change.cancelRequested !== undefined) this.tell("execution", id);
    });
  }

  findExecution(id: string): Promise<ExecutionRecord | null> {
    return this.read(() => this.database.executions.get(id)?.record ?? null);
  }

  listExecutions(
    { state, task }: Parameters<Store["listExecutions"]>[0],
    page: Parameters<Store["listExecutions"]>[1],
  ): Promise<Page<ExecutionRecord>> {
    return this.read(() =>
      pageOf(
        [...this.database.executions.values()]
          .map(({ record }) => record)
          .filter((one) => (state === undefined || one.state === state) && (task === undefined || one.task === task)),
        page,
      ),
    );
  }

  adoptExecutions(tasks?: readonly string[]): Promise<readonly ExecutionRecord[]> {
    return this.write(() => {
      this.endDead();
      const isKnown = ({ task }: ExecutionRecord, endedAt: number) =>
        tasks === undefined || !this.shared || tasks.includes(task) || endedAt < this.database.clock.now() - STRANGE_MS;
      const free = [...this.database.executions.values()].filter(
        ({ record, owner }) => record.state === "running" && !owner.alive && isKnown(record, owner.endedAt ?? 0),
      );
      for (const kept of free) kept.owner = this.owner;
      const endedAt = this.database.clock.now();
      for (const { record } of free)
        for (const [id, job] of this.database.jobs.get(record.id) ?? [])
          if (!isEnded(job))
            this.database.jobs.get(record.id)!.set(id, { ...job, state: "cancelled", endedAt, note: null });
      const ids = new Set(free.map(({ record }) => record.id));
      for (const id of this.database.cancelAbandoned(({ executionId }) => ids.has(executionId)))
        this.database.tell({ kind: "wish", id });
      return free.map(({ record }) => record);
    });
  }

  recordJobs(records: readonly JobRecord[]): Promise<void> {
    return this.write(() => {
      for (const job of records) {
        const jobs = this.database.jobs.get(job.executionId) ?? new Map<string, JobRecord>();
        this.database.jobs.set(job.executionId, jobs);
        const before = jobs.get(job.id);
        if (before !== undefined && isEnded(before) && !isEnded(job)) continue;
        // Those that ended come in the order of their ends.
        jobs.delete(job.id);
        jobs.set(job.id, { ...job, note: job.note === null ? null : storable(job.note) });
      }
    });
  }

  listJobs(executionId: string): Promise<readonly JobRecord[]> {
    return this.read(() => {
      const jobs = [...(this.database.jobs.get(executionId)?.values() ?? [])];
      const sorted = [...jobs.filter(isEnded), ...jobs.filter((job) => !isEnded(job))];
      return sorted.sort((a, b) => a.startedAt - b.startedAt);
    });
  }

  async pageJobs(executionId: string, { from, limit }: Parameters<Store["pageJobs"]>[1]) {
    const jobs = await this.listJobs(executionId);
    return { jobs: jobs.slice(from, from + limit), count: jobs.length };
  }

  async *readJobs(executionId: string): AsyncGenerator<readonly JobRecord[]> {
    const jobs = await this.listJobs(executionId);
    if (jobs.length > 0) yield [...jobs.filter(isEnded), ...jobs.filter((job) => !isEnded(job))];
  }
}
