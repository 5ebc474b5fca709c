/**
 * What a warm session saves, and what the product adds to it: one small bulk task from the gRPC request to the answer, as a statement, against the same statement (same harness, same SQL, same session) POSTed to Livy by hand and
 * looked at every 10 ms, and against the same task as a batch. Pairs alternate; the first is not counted.
 *
 * On a real Livy 0.9 with YARN, all of it inside a network namespace with nothing but the loopback interface (see `test/livy/session-host.ts`).
 */

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startCluster, stopCluster } from "../cluster/cluster.ts";
import { findLivyArchive, installLivyArchive } from "../cluster/livy-archive.ts";
import { specIn, statementCode } from "../src/route/livy/sessions/statement-code.ts";
import { LIVY_ARCHIVES } from "../test/livy-archives.ts";
import { median, report } from "./figures.ts";
import { createProject, type Serving, serve } from "./orchestrator.ts";

const PAIRS = 20;
const BATCHES = 3;
const INSIDE = "FIRESTEEL_BENCH_NAMESPACE";

const FLOW = `
import { sql, task } from "firesteel";
const rows = (salt: number) => sql\`SELECT id, id % 7 AS k, \${salt} AS salt FROM range(1000)\`;
export const small = task("bench.small", { tags: ["bulk-data"] }, (salt: number) => rows(salt));
export const batch = task("bench.batch", { tags: ["bulk-data"] }, (salt: number) => rows(salt).with({ mode: "batch" }));
`;

if (process.env[INSIDE] === undefined) {
  const inside = spawn("unshare", ["-n", process.execPath, fileURLToPath(import.meta.url)], {
    stdio: "inherit",
    env: { ...process.env, [INSIDE]: "1" },
  });
  [process.exitCode] = (await once(inside, "exit")) as [number];
} else await measure();

async function measure(): Promise<void> {
  execFileSync("ip", ["link", "set", "lo", "up"]);
  const archive = await findLivyArchive(LIVY_ARCHIVES);
  if (archive === undefined) throw new Error("the archive of Livy 0.9 is not there");
  const livyHome = await installLivyArchive(archive);
  await using project = await createProject({ "flows/bench.ts": FLOW });
  const directory = join(project.root, "cluster");
  try {
    const cluster = await startCluster({ directory, livyHome, allow: [project.root], onProgress: console.log });
    await using serving = await serve(project.root, {
      clusters: [
        {
          name: "bench",
          url: cluster.livyUrl,
          resourceManager: cluster.resourceManagerUrl,
          sessions: { min: 1, max: 1 },
        },
      ],
    });
    await pairs(serving, cluster.livyUrl);
  } finally {
    await stopCluster({ directory, wipe: true });
  }
}

async function pairs(serving: Serving, livyUrl: string): Promise<void> {
  const product: number[] = [];
  const hand: number[] = [];
  for (let pair = 0; pair <= PAIRS; pair++) {
    const { id, seconds } = await serving.run("bench.small", [pair]);
    const { submissions } = await serving.client.submissions.listSubmissions({ executionId: id });
    const { session, request } = submissions[0]!;
    if (session === undefined) throw new Error("the work was no statement");
    const byHand = await statementByHand(livyUrl, session, String((request as { code?: unknown }).code), pair);
    console.log(
      `${pair === 0 ? "warm-up" : `pair ${pair}`}: product ${(seconds * 1_000).toFixed(0)} ms, by hand ${byHand.toFixed(0)} ms`,
    );
    if (pair === 0) continue;
    product.push(seconds * 1_000);
    hand.push(byHand);
  }
  const batches: number[] = [];
  for (let n = 0; n < BATCHES; n++) batches.push((await serving.run("bench.batch", [1_000 + n])).seconds * 1_000);
  const [ours, theirs, batch] = [median(product), median(hand), median(batches)];
  const overhead = median(product.map((ms, i) => ms - hand[i]!));
  report(
    ["", "median, ms", "target"],
    [
      ["as a warm statement, through the product", ours.toFixed(0), ""],
      ["the same statement by hand", theirs.toFixed(0), ""],
      ["overhead, median of the pairs", overhead.toFixed(0), "100"],
      ["as a batch, through the product", batch.toFixed(0), ""],
      ["times quicker than as a batch", (batch / ours).toFixed(1), "20"],
    ],
    { pairs: PAIRS, productMs: ours, byHandMs: theirs, overheadMs: overhead, batchMs: batch, ratio: batch / ours },
  );
}

/** The same code with a spec that differs in where it writes. */
async function statementByHand(livyUrl: string, session: string, code: string, pair: number): Promise<number> {
  const specFile = fileURLToPath(new URL(specIn(code) ?? ""));
  const spec = JSON.parse(await readFile(specFile, "utf8")) as Record<string, unknown>;
  const ownSpec = `${specFile}.by-hand.json`;
  await writeFile(ownSpec, JSON.stringify({ ...spec, attempt: `byhand${pair}`, base: `${spec["base"]}-by-hand` }));
  const start = performance.now();
  const statements = `${livyUrl}/sessions/${session}/statements`;
  const posted = await fetch(statements, {
    method: "POST",
    body: JSON.stringify({ code: statementCode(`file://${ownSpec}`) }),
    headers: { "content-type": "application/json", "x-requested-by": "bench" },
  });
  if (posted.status !== 201) throw new Error(`Livy answered ${posted.status}: ${await posted.text()}`);
  const { id } = (await posted.json()) as { readonly id: number };
  for (;;) {
    const { state } = (await (await fetch(`${statements}/${id}`)).json()) as { readonly state: string };
    if (state === "available") return performance.now() - start;
    await sleep(10);
  }
}
