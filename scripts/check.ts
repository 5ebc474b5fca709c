/**
 * `npm run check`: everything that must hold before a commit, besides the tests.
 *
 * Generates the code of `proto/`, lints, checks types and looks for dead code. Fails when generating changed a file; on CI (`CI=true`) also when the tree is not clean at all.
 */

import { runTool } from "./steps.ts";

const STEPS: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ["protocol", "buf", "lint"],
  ["generate", "buf", "generate"],
  ["lint, format, import rules, cycles", "biome", "check", "--error-on-warnings", "."],
  ["types", "tsc", "-p", "tsconfig.json"],
  ["types of the package", "tsc", "-p", "tsconfig.src.json", "--noEmit"],
  ["dead code", "knip", "--no-progress"],
];

const before = await tree();
let failed = 0;
for (const [name, command, ...args] of STEPS) {
  const { code, output } = await runTool(command, args);
  console.log(`${code === 0 ? "ok  " : "FAIL"} ${name}`);
  if (code === 0) continue;
  failed++;
  console.log(output.trimEnd());
}
const after = await tree();
if (after !== before) report("generated code is not up to date; commit what changed", after);
else if (process.env["CI"] === "true" && after !== "") report("the tree is not clean", after);
else console.log("ok   tree");
process.exitCode = failed === 0 ? 0 : 1;

function report(problem: string, state: string): void {
  failed++;
  console.log(`FAIL tree: ${problem}\n${state}`);
}

/** Names and content of all files that differ from the last commit. */
async function tree(): Promise<string> {
  const [status, diff] = await Promise.all([
    runTool("git", ["status", "--porcelain"]),
    runTool("git", ["diff", "HEAD", "--", "src/gen"]),
  ]);
  return status.output + diff.output;
}
