/** The README's first five minutes, as they stand there. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { projectFolder } from "./project-folder.ts";

test("the first five minutes without Spark", { timeout: 300_000 }, async () => {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const [, section = ""] = /## The first five minutes.*?\n(.*?)^## /ms.exec(readme) ?? [];
  const blocks = (language: string) =>
    [...section.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map((match) => match[1]!);
  const [config = "", words = ""] = blocks("ts");
  await using project = await projectFolder({
    "firesteel.config.ts": config,
    "flows/words.ts": words,
    "flows/demo.ts": "",
  });
  const bin = fileURLToPath(new URL("../../bin/firesteel.js", import.meta.url));
  const outputs: string[] = [];
  for (const line of blocks("sh")[1]!.trim().split("\n")) {
    const command = line.replace("npx firesteel", `'${process.execPath}' '${bin}'`);
    const { stdout, stderr } = await promisify(execFile)("sh", ["-c", command], { cwd: project.root });
    if (command !== line) outputs.push(stdout + stderr);
  }
  const expected = [
    /^\[ 3, 2 \]\n[\s\S]*3 jobs: 3 ran, 0 cached/,
    /^\[ 3, 2 \]\n[\s\S]*3 jobs: 0 ran, 3 cached/,
    /^1 call would run, 2 are cached\n[\s\S]*words\.count: 1 call, new argument text/,
    /^2 calls would run[\s\S]*new code[\s\S]*changed constant LEAST/,
    /words\.main/,
  ];
  expect(outputs).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
});
