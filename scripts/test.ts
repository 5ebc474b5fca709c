/**
 * `npm test`: the TypeScript tests (Vitest) and the Python tests (pytest), real cluster included. The last line counts both: `N passed, N failed`.
 *
 * Arguments go to Vitest and leave the Python tests out: `npm test -- test/hash`.
 */

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pythonPath } from "../cluster/install.ts";
import { checkPrerequisites } from "../cluster/prerequisites.ts";
import { runTool } from "./steps.ts";

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const chosen = process.argv.slice(2);
const total: Counts = { passed: 0, failed: 0, skipped: 0 };
const folder = await mkdtemp(join(tmpdir(), "firesteel-test-"));
try {
  await checkPrerequisites(["java", "python", "maven"]);
  await vitest(join(folder, "vitest.json"));
  if (chosen.length === 0) await pytest(join(folder, "pytest.xml"));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  total.failed++;
} finally {
  await rm(folder, { recursive: true, force: true });
}
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

async function vitest(report: string): Promise<void> {
  const { code } = await runTool(
    "vitest",
    ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`, ...chosen],
    { show: true },
  );
  const counted = JSON.parse(await readFile(report, "utf8")) as {
    readonly numPassedTests: number;
    readonly numFailedTests: number;
    readonly numPendingTests: number;
    readonly numTodoTests: number;
    readonly numFailedTestSuites: number;
  };
  total.passed += counted.numPassedTests;
  total.failed += counted.numFailedTests;
  total.skipped += counted.numPendingTests + counted.numTodoTests;
  // A file that does not load, or an error outside of any test, fails no single test.
  if (code !== 0 && counted.numFailedTests === 0) total.failed += Math.max(1, counted.numFailedTestSuites);
}

async function pytest(report: string): Promise<void> {
  const python = await pythonPath({
    requirements: "test/jobs/requirements.txt",
    onProgress: (line) => console.log(line),
  });
  const { code } = await runTool(
    python,
    ["-m", "pytest", "test/jobs", "-q", "-p", "no:cacheprovider", `--junitxml=${report}`],
    { show: true, env: { PYTHONDONTWRITEBYTECODE: "1" } },
  );
  const xml = await readFile(report, "utf8").catch(() => "");
  const count = (name: string) => Number(new RegExp(`<testsuite [^>]*\\b${name}="(\\d+)"`).exec(xml)?.[1] ?? 0);
  const failed = count("failures") + count("errors");
  total.failed += code !== 0 && failed === 0 ? 1 : failed;
  total.skipped += count("skipped");
  total.passed += count("tests") - failed - count("skipped");
}
