/**
 * What the product adds to a Spark job: one bulk task from the gRPC request to the answer, against the same job (same harness, same SQL) POSTed to Livy by hand and polled every 100 ms. Pairs alternate; the
 * first pair warms up and is not counted.
 *
 * The fingerprint is part of both, so it is shown apart: the time of a write with it and without it (`fingerprint.py`, in one Spark session).
 */

import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type ClusterInfo, startCluster, stopCluster } from "../cluster/cluster.ts";
import { median, report } from "./figures.ts";
import { createProject, type Serving, serve } from "./orchestrator.ts";

const PAIRS = 10;

const FLOW = `
import { sql, task } from "firesteel";
export const main = task("bench.main", { tags: ["bulk-data"] }, (salt: number) => sql\`SELECT id, id % 7 AS k, \${salt} AS salt FROM range(1000000)\`);
`;

await using project = await createProject({ "flows/bench.ts": FLOW });
const directory = join(project.root, "cluster");
let cluster: ClusterInfo | undefined;
try {
  cluster = await startCluster({ directory, allow: [project.root], onProgress: (line) => console.log(line) });
  {
    await using serving = await serve(project.root, {
      clusters: [{ name: "bench", url: cluster.livyUrl, resourceManager: cluster.resourceManagerUrl }],
    });
    const product: number[] = [];
    const hand: number[] = [];
    for (let pair = 0; pair <= PAIRS; pair++) {
      const { seconds, submission } = await throughProduct(serving, pair);
      const byHand = await throughLivy(cluster.livyUrl, submission, pair);
      console.log(
        `${pair === 0 ? "warm-up" : `pair ${pair}`}: product ${seconds.toFixed(2)} s, by hand ${byHand.toFixed(2)} s`,
      );
      if (pair === 0) continue;
      product.push(seconds);
      hand.push(byHand);
    }
    const fingerprint = await fingerprintCost(cluster.python);
    const [ours, theirs] = [median(product), median(hand)];
    const overhead = median(product.map((seconds, i) => seconds - hand[i]!));
    report(
      ["", "median, s"],
      [
        ["through the product", ours.toFixed(2)],
        ["by hand, polled every 100 ms", theirs.toFixed(2)],
        ["overhead, median of the pairs", overhead.toFixed(2)],
        ["allowed: the larger of 10 % and 1 s", Math.max(theirs / 10, 1).toFixed(2)],
        ["writing 5,000,000 rows", fingerprint.plain.toFixed(2)],
        ["the same with the fingerprint", fingerprint.fingerprinted.toFixed(2)],
      ],
      {
        pairs: PAIRS,
        productSeconds: ours,
        byHandSeconds: theirs,
        overheadSeconds: overhead,
        ratio: ours / theirs,
        fingerprint,
      },
    );
  }
} finally {
  if (cluster) await stopCluster({ directory, wipe: true });
}

interface Submitted {
  readonly name: string;
  readonly args: readonly string[];
}

async function throughProduct(
  { client, run }: Serving,
  salt: number,
): Promise<{ readonly seconds: number; readonly submission: Submitted }> {
  const { id, seconds } = await run("bench.main", [salt]);
  const { submissions } = await client.submissions.listSubmissions({ executionId: id });
  return { seconds, submission: submissions[0]!.request as unknown as Submitted };
}

/** The same request under another name, with a spec that differs in where it writes. */
async function throughLivy(livyUrl: string, request: Submitted, pair: number): Promise<number> {
  const specFile = fileURLToPath(new URL(request.args[0]!));
  const spec = JSON.parse(await readFile(specFile, "utf8")) as Record<string, unknown>;
  const ownSpec = `${specFile}.by-hand.json`;
  await writeFile(ownSpec, JSON.stringify({ ...spec, attempt: `byhand${pair}`, base: `${spec["base"]}-by-hand` }));
  const body = JSON.stringify({ ...request, name: `by-hand-${pair}`, args: [`file://${ownSpec}`] });
  const start = performance.now();
  const posted = await fetch(`${livyUrl}/batches`, {
    method: "POST",
    body,
    headers: { "content-type": "application/json", "x-requested-by": "bench" },
  });
  if (posted.status !== 201) throw new Error(`Livy answered ${posted.status}: ${await posted.text()}`);
  const { id } = (await posted.json()) as { readonly id: number };
  for (;;) {
    const { state } = (await (await fetch(`${livyUrl}/batches/${id}/state`)).json()) as { readonly state: string };
    if (state === "success") return (performance.now() - start) / 1000;
    if (state === "dead" || state === "killed") throw new Error(`job by hand ended as ${state}`);
    await sleep(100);
  }
}

async function fingerprintCost(python: string): Promise<{ readonly plain: number; readonly fingerprinted: number }> {
  const { stdout } = await promisify(execFile)(python, [fileURLToPath(new URL("fingerprint.py", import.meta.url))]);
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as { readonly plain: number; readonly fingerprinted: number };
}
