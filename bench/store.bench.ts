/**
 * What the store alone costs: calls with their jobs, cold (both written), cached (looked up, the job written) and read ahead, on both databases.
 *
 * A call has one argument of 10 bytes and a result of 10. "loop" is the time of the main thread, "server" the CPU time of Postgres' processes; PGlite runs in a thread of this process, so its time is the process's
 * without the main thread's.
 */

import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import pg from "pg";
import type { CallRecord, JobRecord } from "../src/evaluate/ports.ts";
import { digestValue } from "../src/hash/digest.ts";
import { encodeValue } from "../src/hash/value.ts";
import { openStore, type RecordStore, type StoreLocation } from "../src/record/store.ts";
import { startPostgres } from "../test/postgres.ts";
import { tableSizes } from "./database.ts";
import { cpuOf, report } from "./figures.ts";

const CALLS = Number(process.argv[3] ?? 100_000);
/** Records that are handed over together. */
const PART = 500;
const LARGE_BYTES = 50 * 1024 * 1024;

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");
const CODE = digest("code");
const rows: (string | number)[][] = [];
const figures: Record<string, number> = {};

function call(n: number): CallRecord {
  const arg = encodeValue(n + 1_000_000_000);
  const result = encodeValue(n + 2_000_000_000);
  return {
    evalHash: digest(`call ${n}`),
    task: "bench.one",
    code: CODE,
    args: [{ digest: digestValue(arg), bytes: arg }],
    outcome: { kind: "value", bytes: result, digest: digestValue(result) },
    executor: "inline",
    startedAt: Date.now(),
    endedAt: Date.now() + 1,
  };
}

function job(call: CallRecord, executionId: string, parentId: string, cached: boolean): JobRecord {
  const { evalHash, task, executor, startedAt, endedAt } = call;
  const id = randomUUID();
  return {
    ...{ id, executionId, parentId, task, evalHash, state: "succeeded", executor, cached, startedAt, endedAt },
    ...{ error: null, submissionId: null, note: null },
  };
}

async function measure(name: string, count: number, server: number | null, run: () => Promise<void>): Promise<void> {
  const us = (ms: number): number => Math.round((ms * 100_000) / count) / 100;
  const before = {
    cpu: process.cpuUsage(),
    thread: process.threadCpuUsage(),
    server: server === null ? 0 : cpuOf(server),
  };
  const start = performance.now();
  await run();
  const wall = performance.now() - start;
  const thread = process.threadCpuUsage(before.thread);
  const cpu = process.cpuUsage(before.cpu);
  const loop = (thread.user + thread.system) / 1000;
  const rest = server === null ? (cpu.user + cpu.system) / 1000 - loop : cpuOf(server) - before.server;
  const rate = Math.round(count / (wall / 1000));
  rows.push([name, rate, us(loop), us(rest), us(loop + rest)]);
  figures[`${name} calls/s`] = rate;
  figures[`${name} us`] = us(loop + rest);
}

async function bench(name: string, location: StoreLocation, server: number | null): Promise<void> {
  const calls = Array.from({ length: CALLS }, (_, n) => call(n));
  const args = encodeValue([1]);
  const jobs = (executionId: string, cached: boolean): JobRecord[] => {
    const parent = randomUUID();
    return calls.map((one) => job(one, executionId, parent, cached));
  };
  const each = async (store: RecordStore, write: (from: number, to: number) => void | Promise<void>): Promise<void> => {
    for (let from = 0; from < CALLS; from += PART) {
      await write(from, from + PART);
      await store.room();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await store.flushed();
  };
  const begin = async (store: RecordStore, id: string): Promise<void> => {
    await store.createExecution({
      ...{
        id,
        requestId: null,
        task: "bench.main",
        args,
        reason: "",
        user: "bench",
        state: "running",
        startedAt: Date.now(),
      },
      ...{ endedAt: null, result: null, error: null, codeVersion: "", resumes: 0, cancelRequested: false },
    });
  };
  {
    await using store = await openStore(location);
    const cold = jobs("cold", false);
    await begin(store, "cold");
    await measure(`${name} cold`, CALLS, server, () =>
      each(store, (from, to) => {
        store.recordCalls(calls.slice(from, to));
        store.recordJobs(cold.slice(from, to));
      }),
    );
  }
  await using store = await openStore(location);
  const cached = jobs("cached", true);
  await begin(store, "cached");
  for (const at of [1000, 4000]) {
    let found = 0;
    await measure(`${name} look-up, ${at} at a time`, CALLS, server, async () => {
      for (let from = 0; from < CALLS; from += at)
        found += (await store.findCalls(calls.slice(from, from + at).map((one) => one.evalHash))).size;
    });
    if (found !== CALLS) throw new Error(`${found} of ${CALLS} calls were found`);
  }
  await measure(`${name} read ahead`, CALLS, server, async () => {
    let found = 0;
    for await (const some of store.previousCalls("bench.main", args)) found += some.length;
    if (found !== CALLS) throw new Error(`${found} of ${CALLS} calls were found`);
  });
  await measure(`${name} cached: look-up and job`, CALLS, server, async () => {
    let looked: Promise<unknown> = Promise.resolve();
    await each(store, async (from, to) => {
      if (from % 1000 !== 0) return;
      await looked;
      looked = store.findCalls(calls.slice(from, from + 1000).map((one) => one.evalHash));
      store.recordJobs(cached.slice(from, from + PART));
      store.recordJobs(cached.slice(to, to + PART));
    });
    await looked;
  });
  await measure(`${name} listing of jobs`, CALLS, server, async () => {
    let listed = 0;
    for await (const some of store.readJobs("cached")) listed += some.length;
    if (listed !== CALLS) throw new Error(`${listed} of ${CALLS} jobs were listed`);
  });
}

/** Bytes of tables and indexes, a call. */
async function sizes(url: string): Promise<void> {
  for (const { name, bytes, rows: count } of await tableSizes(url)) {
    if (!["call", "job_block", "value", "job"].includes(name)) continue;
    // There are jobs of two executions.
    const each = Math.round(bytes / CALLS / (name === "job_block" ? 2 : 1));
    figures[`${name} bytes a call`] = each;
    rows.push([`${name}: ${count} rows`, `${each} bytes a call`, "", "", ""]);
  }
}

/** One large value through the store, against its digest and a plain write. */
async function large(store: RecordStore, folder: string): Promise<void> {
  const bytes = Buffer.alloc(LARGE_BYTES, "0123456789abcdef");
  const times: { plain: number[]; store: number[] } = { plain: [], store: [] };
  for (let run = 0; run < 5; run++) {
    bytes.writeInt32BE(run);
    let start = performance.now();
    digestValue(bytes);
    const file = await open(join(folder, `plain-${run}`), "w");
    await file.writeFile(bytes);
    await file.datasync();
    await file.close();
    times.plain.push(performance.now() - start);
    start = performance.now();
    await store.recordCalls([
      {
        ...call(-1 - run),
        outcome: { kind: "value", bytes, digest: digestValue(bytes) },
      },
    ]);
    times.store.push(performance.now() - start);
  }
  const [plain, ours] = [Math.min(...times.plain), Math.min(...times.store)];
  rows.push(["50 MiB: digest and write, ms", Math.round(plain), "", "", ""]);
  rows.push(["50 MiB: digest and record, ms", Math.round(ours), "", "", ""]);
  figures["50 MiB plain ms"] = Math.round(plain);
  figures["50 MiB store ms"] = Math.round(ours);
}

const root = await mkdtemp(join(tmpdir(), "firesteel-bench-"));
const postgres = await startPostgres();
try {
  const url = await postgres.createDatabase("bench");
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows: found } = await client.query<{ data_directory: string }>("show data_directory");
  await client.end();
  const pid = Number(readFileSync(join(found[0]!.data_directory, "postmaster.pid"), "utf8").split("\n")[0]);
  await bench("Postgres", { kind: "postgres", url }, pid);
  await sizes(url);
  await bench("PGlite", { kind: "embedded", directory: join(root, "db") }, null);
  {
    await using store = await openStore({ kind: "embedded", directory: join(root, "db") });
    await large(store, root);
  }
  report(["what", "calls/s", "loop, us", "server, us", "CPU a call, us"], rows, figures);
} finally {
  await postgres.stop();
  await rm(root, { recursive: true, force: true });
}
