/** A project in a temporary folder, and the real command run in it. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../../bin/firesteel.js", import.meta.url));

const CONFIG = `import { defineConfig } from "firesteel";
export default defineConfig({ flows: ["flows/*.ts"], grpcPort: 0, httpPort: 0 });
`;

const FLOW = `import { task } from "firesteel";
console.log("this module prints while it loads");
export const add = task("demo.add", { description: "Adds." }, (a: number, b: number = 10) => a + b);
export const echo = task("demo.echo", (...values: unknown[]) => {
  console.log("this body prints");
  return values;
});
export const slow = task("demo.slow", async (ms: number) => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return ms;
});
function check(year: number): number {
  if (year < 1900) throw new RangeError(\`no such year: \${year}\`);
  return year;
}
export const fails = task("demo.fails", (year: number) => check(year));
export const main = task("demo.main", (n: number) => [add(n, 1), fails(n)]);
`;

/** How a command ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs. */
export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when stdout and stderr together hold a text; rejects when the command ends without it. */
  says(text: string): Promise<void>;
}

export interface ProjectFolder extends AsyncDisposable {
  readonly root: string;
  write(path: string, text: string): Promise<void>;
  read(path: string): Promise<string>;
  /** Starts the command in the project. */
  start(...args: string[]): Started;
  /** Runs the command to its end. */
  run(...args: string[]): Promise<Ended>;
}

/** Makes a project; disposing ends what still runs there and removes it. */
export async function projectFolder(files: Readonly<Record<string, string>> = {}): Promise<ProjectFolder> {
  const root = await realpath(await mkdtemp(join(tmpdir(), "firesteel-cli-")));
  const children = new Set<ChildProcess>();
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  for (const [path, text] of Object.entries({ "firesteel.config.ts": CONFIG, "flows/demo.ts": FLOW, ...files }))
    if (text !== "") await write(path, text);

  const start = (...args: string[]): Started => {
    const child = spawn(process.execPath, [BIN, ...args], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1" },
    });
    children.add(child);
    const text = { stdout: "", stderr: "" };
    const wake = new Set<() => void>();
    for (const name of ["stdout", "stderr"] as const)
      child[name].setEncoding("utf8").on("data", (chunk: string) => {
        text[name] += chunk;
        for (const listener of wake) listener();
      });
    const ended = once(child, "close").then(([code]) => {
      children.delete(child);
      for (const listener of wake) listener();
      return { code: code as number | null, ...text };
    });
    const says = (wanted: string) =>
      new Promise<void>((resolve, reject) => {
        const look = () => {
          if (`${text.stdout}\n${text.stderr}`.includes(wanted)) resolve();
          else if (!children.has(child))
            reject(new Error(`command ended without ${wanted}:\n${text.stdout}${text.stderr}`));
          else return;
          wake.delete(look);
        };
        wake.add(look);
        look();
      });
    return { child, ended, says };
  };
  return {
    root,
    write,
    read: (path) => readFile(join(root, path), "utf8"),
    start,
    run: (...args) => start(...args).ended,
    async [Symbol.asyncDispose]() {
      await Promise.all(
        [...children].map(async (child) => {
          const closed = once(child, "close");
          child.kill("SIGKILL");
          await closed;
        }),
      );
      await rm(root, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
