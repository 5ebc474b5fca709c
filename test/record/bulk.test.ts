/** Many records at once, values of every size, and reading ahead. */

import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CallRecord } from "../../src/evaluate/ports.ts";
import { digestValue } from "../../src/hash/digest.ts";
import { openStore, type RecordStore, type StoreLocation } from "../../src/record/store.ts";
import { type Backend, embeddedBackend, openFresh, postgresBackend } from "./backends.ts";
import { digest, endedJob, plain, sampleCall, sampleJob, sized } from "./samples.ts";

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
  /** Where Postgres has its large values. */
  let beside: Backend | undefined;

  beforeAll(async () => {
    backend = await start();
    location = await backend.fresh();
    if (location.kind === "embedded") folder = join(location.directory, "values");
    else {
      beside = await embeddedBackend();
      const place = await beside.fresh();
      folder = place.kind === "embedded" ? place.directory : "";
      location = { ...location, values: folder };
    }
    store = await openStore(location);
  });
  afterAll(async () => {
    await store?.[Symbol.asyncDispose]();
    await backend?.stop();
    await beside?.stop();
  });

  const fileOf = (key: string): string => join(folder, key.slice(0, 2), key);

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

  it.each([4, 12_000])("pages through %i jobs and those that have not ended", async (count) => {
    const id = `paged ${count}`;
    const jobs = Array.from({ length: count }, (_, i) =>
      endedJob(`${id} ${i}`, id, { startedAt: 1_700_000_000_000 + i }),
    );
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
});
