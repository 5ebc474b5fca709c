/** Many records at once, values of every size, and reading ahead. */

import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CallRecord, JobRecord } from "../../src/evaluate/ports.ts";
import { digestValue } from "../../src/hash/digest.ts";
import { openStore, type RecordStore, type StoreLocation } from "../../src/record/store.ts";
import { type Backend, embeddedBackend, openFresh, postgresBackend } from "./backends.ts";
import { digest, plain, sampleCall, sampleExecution, sampleJob } from "./samples.ts";

/** A call with values of these sizes. */
function sized(name: string, result: number, ...args: readonly number[]): CallRecord {
  const value = (bytes: number, at: number) => {
    const content = Buffer.alloc(bytes, `${name} ${at} `);
    return { bytes: content, digest: digestValue(content) };
  };
  return { ...sampleCall(name), args: args.map(value), outcome: { kind: "value", ...value(result, -1) } };
}

function ended(id: string, executionId: string, change: Partial<JobRecord> = {}): JobRecord {
  return sampleJob(id, { executionId, state: "succeeded", endedAt: 1_700_000_005_000, ...change });
}

async function all<T>(parts: AsyncIterable<readonly T[]>): Promise<T[]> {
  const found: T[] = [];
  for await (const part of parts) found.push(...part);
  return found;
}

async function joined(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

describe.each([
  { name: "embedded", start: embeddedBackend as () => Promise<Backend> },
  { name: "postgres", start: postgresBackend as () => Promise<Backend> },
])("many records on $name", ({ name, start }) => {
  let backend: Backend;
  let location: StoreLocation;
  let store: RecordStore;
  let folder: string;

  beforeAll(async () => {
    backend = await start();
    location = await backend.fresh();
    if (location.kind === "embedded") folder = join(location.directory, "values");
    else {
      const beside = await embeddedBackend();
      const place = await beside.fresh();
      folder = place.kind === "embedded" ? place.directory : "";
      location = { ...location, values: folder };
    }
    store = await openStore(location);
  });
  afterAll(async () => {
    await store?.[Symbol.asyncDispose]();
    await backend?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const fileOf = (key: string): string => join(folder, key.slice(0, 2), key);

  it("records thousands with one promise, and finds them before and after it settles", async () => {
    const calls = Array.from({ length: 2_500 }, (_, i) => sampleCall(`many ${i}`));
    const hashes = calls.map((call) => call.evalHash);
    const jobs = calls.map((call, i) => ended(`many-${i}`, "many", { evalHash: call.evalHash, startedAt: i }));
    const written = [store.recordCalls(calls), store.recordJobs(jobs)];
    expect((await store.findCalls(hashes)).size).toBe(calls.length);
    await Promise.all(written);
    const found = await store.findCalls([...hashes, digest("none"), ...hashes.slice(0, 3)]);
    expect(plain([...found.values()].map((call) => call.outcome))).toEqual(plain(calls.map((call) => call.outcome)));
    expect(await store.listJobs("many")).toEqual(jobs);
    expect(await all(store.readJobs("many"))).toEqual(jobs);
    await Promise.all([store.recordCalls([]), store.recordJobs([])]);
  });

  it("finds the same by few look-ups as by many at once, wherever results are kept", async () => {
    const sizes = [0, 1, 100, 300, 70_000];
    const calls = Array.from({ length: 25 }, (_, i) => sized(`few ${i}`, sizes[i % sizes.length]!, 10));
    await store.recordCalls(calls);
    const hashes = [...calls.map((call) => call.evalHash), digest("not there")];
    const many = await store.findCalls(hashes);
    expect(plain([...many.values()].map((call) => call.outcome))).toEqual(plain(calls.map((call) => call.outcome)));
    for (const size of [1, 2, 20]) {
      const found = new Map<string, unknown>();
      for (let at = 0; at < hashes.length; at += size)
        for (const [evalHash, call] of await store.findCalls(hashes.slice(at, at + size))) found.set(evalHash, call);
      expect(plain(found)).toEqual(plain(many));
    }
  });

  it("records all but the one that is refused, and says so once", async () => {
    const calls = Array.from({ length: 1_500 }, (_, i) => sampleCall(`refused ${i}`));
    const bad = { ...(calls[700] as CallRecord), code: "no digest" };
    const after = store.recordCalls([sampleCall("after the refused")]);
    await expect(store.recordCalls(calls.with(700, bad))).rejects.toMatchObject({ code: "invalid_argument" });
    await after;
    await expect(store.flushed()).rejects.toMatchObject({ code: "invalid_argument" });
    await store.flushed();
    expect(store.waitingWrites).toBe(0);
    const found = await store.findCalls(calls.map((call) => call.evalHash));
    expect(calls.filter((call) => !found.has(call.evalHash))).toEqual([calls[700]]);
  });

  it("moves a job from its row into a block when it ends, and keeps its end", async () => {
    const running = sampleJob("slow", { executionId: "moved", state: "waiting", note: "waiting: cluster is down" });
    await store.recordJobs([running, ended("quick", "moved")]);
    expect((await store.listJobs("moved")).map((job) => [job.id, job.state])).toEqual([
      ["quick", "succeeded"],
      ["slow", "waiting"],
    ]);
    const error = { code: "unknown", name: "Error", message: "m\0", stack: "s", path: ["a", "b"] };
    const end = ended("slow", "moved", { state: "failed", parentId: "quick", error, submissionId: "s-1" });
    await store.recordJobs([end]);
    expect(await store.listJobs("moved")).toEqual([ended("quick", "moved"), end]);
    await store.recordJobs([running]);
    expect(await store.listJobs("moved")).toEqual([ended("quick", "moved"), end]);
    expect(await store.listJobs("unknown")).toEqual([]);
  });

  it.each([4, 12_000])("pages through %i jobs and those that have not ended", async (count) => {
    const id = `paged ${count}`;
    const jobs = Array.from({ length: count }, (_, i) => ended(`${id} ${i}`, id, { startedAt: 1_700_000_000_000 + i }));
    const live = [0, 1, 2].map((i) =>
      sampleJob(`${id} live ${i}`, { executionId: id, startedAt: 1_700_000_000_000 + count + i }),
    );
    for (let to = count; to > 0; to -= 1_000) await store.recordJobs(jobs.slice(Math.max(0, to - 1_000), to));
    await store.recordJobs(live);
    const all = [...jobs, ...live];
    for (const limit of [1_500, 10_000])
      for (let from = 0; from <= count + 3; from += limit - 1)
        expect(await store.pageJobs(id, { from, limit })).toEqual({
          jobs: all.slice(from, from + limit),
          count: all.length,
        });
    expect((await store.pageJobs(id, { from: count + 1, limit: 1 })).jobs).toEqual([live[1]]);
  });

  it("keeps values of every size, in the row, in rows and in files of their own", async () => {
    const calls = [
      sized("sizes 1", 0, 1, 511, 512, 513),
      sized("sizes 2", 512, ...new Array<number>(12).fill(200)),
      sized("sizes 3", 65_536, 5_000),
      sized("sizes 4", 65_537, 65_537, 300_000, 0),
    ];
    const stored = async () =>
      (await readdir(folder, { recursive: true })).filter((file) => /[0-9a-f]{64}$/.test(file));
    const before = new Set(await stored());
    await store.recordCalls(calls);
    const found = await store.findCalls(calls.map((call) => call.evalHash));
    for (const call of calls) {
      expect(plain(found.get(call.evalHash)?.outcome)).toEqual(plain(call.outcome));
      expect(plain(await store.findCallRecord(call.evalHash))).toEqual(plain(call));
    }
    const files = (await stored()).filter((file) => !before.has(file));
    expect(new Set(files.map((file) => file.slice(-64)))).toEqual(
      new Set(
        calls
          .flatMap((call) => [call.outcome, ...call.args])
          .flatMap((v) => (v.bytes.length > 65_536 ? [v.digest] : [])),
      ),
    );
    expect(await readdir(join(folder, "new"))).toEqual([]);
    for (const { digest: key, bytes } of [calls[2]!.outcome, calls[3]!.outcome]) {
      expect(plain(await store.findValue(key))).toEqual(plain(bytes));
      const opened = await store.openValue(key, true);
      expect(opened?.length).toBe(bytes.length);
      expect(Buffer.compare(await joined(opened!.chunks), bytes)).toBe(0);
    }
    expect(await store.openValue(digest("nothing"))).toBeNull();
  });

  it.each(["missing", "short"] as const)(
    "misses a call whose large result is %s, until it is recorded again",
    async (how) => {
      const call = sized(`lost ${how}`, 70_000);
      const other = sized(`lost ${how} other`, 80_000);
      await store.recordCalls([call, other]);
      if (how === "missing") await rm(fileOf(call.outcome.digest));
      else await writeFile(fileOf(call.outcome.digest), "short");
      const found = await store.findCalls([call.evalHash, other.evalHash]);
      expect([...found.keys()]).toEqual([other.evalHash]);
      expect(await store.findCallRecord(call.evalHash)).toBeNull();
      // The body gave something else this time: the record that cannot be read must not win.
      const again = { ...call, outcome: sized("else", 90_000).outcome };
      await store.recordCalls([again]);
      expect(plain((await store.findCalls([call.evalHash])).get(call.evalHash)?.outcome)).toEqual(plain(again.outcome));
    },
  );

  it("finds damage that leaves the length when it is asked to verify, and the next write mends it", async () => {
    const call = sized("damaged", 70_000);
    await store.recordCalls([call]);
    const { digest: key, bytes } = call.outcome;
    await writeFile(fileOf(key), Buffer.alloc(70_000));
    expect(await store.openValue(key)).not.toBeNull();
    expect(await store.openValue(key, true)).toBeNull();
    expect((await store.findCalls([call.evalHash])).size).toBe(0);
    await store.putValue(key, [bytes.subarray(0, 10), bytes.subarray(10)]);
    expect(plain((await store.findCalls([call.evalHash])).get(call.evalHash)?.outcome.bytes)).toEqual(plain(bytes));
  });

  it("keeps large values in the database where it has no folder for them", async () => {
    if (name === "embedded") return;
    const bare = await openFresh(backend);
    try {
      const call = sized("bare", 100_000, 200_000);
      await bare.recordCalls([call]);
      expect(plain(await bare.findCallRecord(call.evalHash))).toEqual(plain(call));
      const bytes = Buffer.alloc(100_000, "put");
      await bare.putValue(digestValue(bytes), [bytes.subarray(0, 7), bytes.subarray(7)]);
      expect(Buffer.compare((await bare.findValue(digestValue(bytes)))!, bytes)).toBe(0);
    } finally {
      await bare[Symbol.asyncDispose]();
    }
  });

  it("reads ahead what the last execution of the same root looked up, in the order of its jobs", async () => {
    const root = { task: "test.ahead", args: Uint8Array.of(0x81, 7) };
    const calls = Array.from({ length: 9_000 }, (_, i) => sized(`ahead ${i}`, i % 500 === 0 ? 1_000 : 10));
    await store.recordCalls(calls);
    const of = async (task: string, args: Uint8Array): Promise<string[]> =>
      (await all(store.previousCalls(task, args))).map((call) => call.evalHash);
    await store.createExecution(sampleExecution("ahead-1", root));
    expect(await of(root.task, root.args)).toEqual([]);
    // A chain: what is asked for first ends last.
    const jobs = calls.map((call, i) => ended(`ahead-${i}`, "ahead-1", { evalHash: call.evalHash, startedAt: i }));
    for (let to = jobs.length; to > 0; to -= 900) await store.recordJobs(jobs.slice(to - 900, to));
    const expected = calls.map((call) => call.evalHash);
    expect(await of(root.task, root.args)).toEqual(expected);
    // One that failed early says less than the one before it.
    await store.createExecution(sampleExecution("ahead-2", root));
    await store.recordJobs(jobs.slice(0, 3).map((job) => ({ ...job, id: `${job.id} again`, executionId: "ahead-2" })));
    const some = await all(store.previousCalls(root.task, root.args));
    expect(some.map((call) => call.evalHash)).toEqual(expected);
    expect(plain(some[500]?.outcome)).toEqual(plain(calls[500]?.outcome));
    expect(await of("test.other", root.args)).toEqual([]);
    expect(await of(root.task, Uint8Array.of(0x81, 8))).toEqual([]);
  });
});
