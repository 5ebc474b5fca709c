/** How long a user waits: `firesteel --help`, and `firesteel serve` until it is ready, on an existing embedded database. Whole processes, medians. */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { median, report } from "./figures.ts";

const RUNS = 7;
const bin = fileURLToPath(new URL("../bin/firesteel.js", import.meta.url));
const root = await mkdtemp(join(tmpdir(), "firesteel-bench-"));
try {
  await mkdir(join(root, "flows"));
  await writeFile(join(root, "package.json"), '{"type":"module"}');
  await writeFile(
    join(root, "flows", "bench.ts"),
    'import { task } from "firesteel";\nexport const main = task("bench.main", () => 1);\n',
  );
  await writeFile(
    join(root, "firesteel.config.ts"),
    'export default { flows: ["flows/*.ts"], grpcPort: 0, httpPort: 0 };\n',
  );
  const fresh = await readySeconds();
  const help: number[] = [];
  const bare: number[] = [];
  const ready: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    bare.push(runSeconds(["-e", "0"]));
    help.push(runSeconds([bin, "--help"]));
    ready.push(await readySeconds());
  }
  report(
    ["", "median, s", "target, s"],
    [
      ["firesteel --help", median(help).toFixed(2), "0.30"],
      ["node -e 0, beside it", median(bare).toFixed(2), ""],
      ["serve ready, existing database", median(ready).toFixed(2), "2.00"],
      ["serve ready, new database (once)", fresh.toFixed(2), ""],
    ],
    { helpSeconds: median(help), nodeSeconds: median(bare), readySeconds: median(ready), newDatabaseSeconds: fresh },
  );
} finally {
  await rm(root, { recursive: true, force: true });
}

function runSeconds(args: readonly string[]): number {
  const start = performance.now();
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "ignore" });
  if (status !== 0) throw new Error(`node ${args.join(" ")} ended with ${status}`);
  return (performance.now() - start) / 1000;
}

/** From the start of the process until `/readyz` answers 200. */
async function readySeconds(): Promise<number> {
  const start = performance.now();
  const child = spawn(process.execPath, [bin, "serve"], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  try {
    let output = "";
    const http = await new Promise<string>((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`serve ended with ${code}: ${output}`)));
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        const address = /HTTP\D*?(127\.0\.0\.1:\d+)/i.exec(output)?.[1];
        if (address) resolve(address);
      });
    });
    while (
      !(await fetch(`http://${http}/readyz`).then(
        (response) => response.ok,
        () => false,
      ))
    )
      await sleep(10);
    return (performance.now() - start) / 1000;
  } finally {
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  }
}
