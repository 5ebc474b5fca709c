/**
 * `npm test`: the TypeScript tests (Vitest) and the Python tests (pytest), real cluster included. The last lines name what failed and count both:
 * `N passed, N failed`.
 *
 * Arguments go to Vitest and leave the Python tests out: `npm test -- test/hash`.
 */

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { pythonPath } from "../cluster/install.ts";
import { checkPrerequisites } from "../cluster/prerequisites.ts";
import { runTool } from "./steps.ts";

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** What is read of Vitest's report, which has the form of Jest's. */
interface VitestReport {
  readonly numPassedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

const chosen = process.argv.slice(2);
const total: Counts = { passed: 0, failed: 0, skipped: 0 };
const failures: string[] = [];
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
for (const failure of failures) console.log(failure);
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

async function vitest(report: string): Promise<void> {
  const { code } = await runTool(
    "vitest",
    ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`, ...chosen],
    { show: true },
  );
  const counted = JSON.parse(await readFile(report, "utf8")) as VitestReport;
  total.passed += counted.numPassedTests;
  total.skipped += counted.numPendingTests + counted.numTodoTests;
  const failed = counted.testResults.flatMap(failuresOf);
  failures.push(...failed);
  // An error outside of any file fails none.
  total.failed += code !== 0 && failed.length === 0 ? 1 : failed.length;
}

/** A line for each failed test of a file with the first line of its message, or for the file where it does not load or a hook failed. */
function failuresOf(file: VitestReport["testResults"][number]): string[] {
  const line = (name: string, message: string | undefined) =>
    `FAILED ${[relative(".", file.name), name].filter(Boolean).join(" > ")}: ${message?.split("\n", 1)[0]?.slice(0, 300) ?? ""}`;
  const failed = file.assertionResults.filter(({ status }) => status === "failed");
  if (failed.length === 0 && file.status === "failed") return [line("", file.message)];
  return failed.map(({ fullName, failureMessages }) => line(fullName, failureMessages[0]));
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
