import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ensureInstalled, ensureParts } from "../../cluster/install.ts";
import { checkLivyHome, installLivyArchive } from "../../cluster/livy-archive.ts";
import type { Part } from "../../cluster/parts.ts";
import { descendants, identify, signalAll } from "../../cluster/processes.ts";
import { runTool } from "../../cluster/tool.ts";

const installer = fileURLToPath(new URL("./installer.ts", import.meta.url));
let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), "firesteel-cache-"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(cache, { recursive: true, force: true, maxRetries: 5 });
});

function install(...parts: string[]): { child: ChildProcess; lines: Promise<string[]>; code: Promise<unknown> } {
  const child = spawn(process.execPath, [installer, cache, ...parts], { stdio: ["ignore", "pipe", "inherit"] });
  const text = (async () => {
    let all = "";
    for await (const chunk of child.stdout ?? []) all += String(chunk);
    return all.split("\n").filter((line) => line !== "");
  })();
  return { child, lines: text, code: once(child, "exit").then(([code]) => code) };
}
const folders = (): Promise<string[]> => readdir(join(cache, "installed")).catch(() => []);

test("an installation that was killed midway is done again, whole, and what it left is removed", async () => {
  const { child } = install("livy");
  while ((await folders()).length === 0) await sleep(20);
  const self = identify(child.pid ?? 0);
  const [left = ""] = await folders();
  // The Maven of the killed installer goes on for a while, as it would; it is ended before the folder is removed below.
  const orphans = self ? descendants([self]) : [];
  child.kill("SIGKILL");
  await once(child, "exit");
  try {
    const lines: string[] = [];
    const installed = await ensureInstalled({ cache, parts: ["livy"], onProgress: (line) => lines.push(line) });
    // A slow network gets a line more from time to time.
    const steps = lines.filter((line) => !line.startsWith("still installing "));
    expect(steps.map((line) => line.replace(/\d+ s$/, "N s"))).toEqual([
      "installing Livy 0.7.1-incubating (about 75 MB from Maven Central)",
      "installed Livy 0.7.1-incubating (about 75 MB from Maven Central) in N s",
    ]);
    expect(installed.livyHome).not.toContain(left);
    await checkLivyHome(installed.livyHome ?? "");
    // The second time there is nothing to do, and no program is needed for it.
    vi.stubEnv("PATH", "");
    const again = await ensureInstalled({
      cache,
      parts: ["livy"],
      onProgress: () => expect.unreachable("there is nothing to do"),
    });
    expect(again).toEqual(installed);
  } finally {
    signalAll(orphans, "SIGKILL");
  }
});

test("two installers at once: one works, the other waits, both end well", async () => {
  const [first, second] = [install("livy"), install("livy")];
  const all = [...(await first.lines), ...(await second.lines)];
  expect([await first.code, await second.code]).toEqual([0, 0]);
  expect(all.filter((line) => line.startsWith("installed "))).toHaveLength(1);
  expect(all.filter((line) => line.startsWith("waiting for another installer"))).toHaveLength(1);
  expect(await folders()).toHaveLength(1);
});

function part(name: string, version: string, write: () => Promise<void> = async () => undefined): Part {
  const install: Part["install"] = async ({ folder }) => {
    await writeFile(join(folder, "content"), version);
    await write();
  };
  return { name, title: `${name} ${version}`, version, needs: [], requires: ["content"], install };
}

test("only what is missing, damaged or of another version is installed", async () => {
  const lines: string[] = [];
  const options = { cache, onProgress: (line: string) => lines.push(line) };
  const [a1, b1] = [part("a", "1"), part("b", "1")];
  const [folderA = ""] = await ensureParts([a1], options);
  await ensureParts([a1, b1], options);
  await rm(join(folderA, "content"));
  await ensureParts([a1, b1], options);
  const [folderA2 = ""] = await ensureParts([part("a", "2"), b1], options);
  await writeFile(join(cache, "parts", "b.json"), "{");
  await ensureParts([part("a", "2"), b1], options);
  expect(lines.filter((line) => line.startsWith("installing"))).toEqual(
    ["a 1", "b 1", "a 1", "a 2", "b 1"].map((x) => `installing ${x}`),
  );
  expect(await readFile(join(folderA2, "content"), "utf8")).toBe("2");
});

test("a part that fails leaves nothing behind but its error, and the parts that were finished stay", async () => {
  const failing = part("b", "1", async () => {
    throw new Error("disk is full");
  });
  await expect(ensureParts([part("a", "1"), failing], { cache })).rejects.toThrow("disk is full");
  expect((await folders()).map((name) => name[0])).toEqual(["a"]);
  await ensureParts([part("a", "1"), part("b", "1")], { cache });
  expect((await folders()).map((name) => name[0]).sort()).toEqual(["a", "b"]);
});

test("a program that fails is reported with the end of its output and the path of all of it; aborted, it is killed", async () => {
  const log = join(cache, "tool.log");
  const tool = { what: "installing x", command: "sh", log };
  const error = await runTool({
    ...tool,
    args: ["-c", "seq 100; printf '\\033[31mno such version\\033[0m\\n' >&2; exit 3"],
  }).catch((e: Error) => e.message);
  expect(error).toMatch(
    /^installing x failed with exit code 3:\n {2}90\n[\s\S]*\n {2}no such version\n {2}\(all of it: .*tool\.log\)$/,
  );
  const off = new AbortController();
  const running = runTool({ ...tool, args: ["-c", "echo $$; sleep 60"], signal: off.signal });
  let pid = 0;
  while (pid === 0) {
    await sleep(20);
    pid = Number(await readFile(log, "utf8"));
  }
  off.abort(new Error("called off"));
  await expect(running).rejects.toThrow("called off");
  expect(identify(pid)).toBeUndefined();
});

test("a cache whose path Spark would split, a LIVY_HOME that is none and an archive that is none are refused", async () => {
  await expect(ensureInstalled({ cache: join(cache, "with blank") })).rejects.toThrow(
    /the cache folder may only have .*with blank$/,
  );
  await expect(checkLivyHome(cache)).rejects.toThrow(`LIVY_HOME has no jars/livy-server*.jar: ${cache}`);
  await expect(checkLivyHome(join(cache, "none"))).rejects.toThrow("LIVY_HOME does not exist");
  await expect(installLivyArchive(join(cache, "none.zip"), { cache })).rejects.toThrow("Livy archive cannot be read");
  await writeFile(join(cache, "apache-livy-9-bin.zip"), "not an archive");
  await expect(installLivyArchive(join(cache, "apache-livy-9-bin.zip"), { cache })).rejects.toThrow(
    /unpacking Livy from .* failed[\s\S]*BadZipFile/,
  );
});
