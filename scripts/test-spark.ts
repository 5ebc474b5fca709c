/**
 * `npm run test:spark -- 4.1.4`: the Python tests of `jobs/` under another version of Spark (3.4 to 4.x), in a scratch environment that is removed again.
 */

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runTool } from "./steps.ts";

const [version] = process.argv.slice(2);
if (version === undefined || !/^\d+\.\d+\.\d+$/.test(version)) {
  console.error("usage: npm run test:spark -- VERSION, a version of PySpark such as 4.1.4");
  process.exitCode = 2;
} else process.exitCode = await testWith(version);

async function testWith(pyspark: string): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "firesteel-spark-"));
  try {
    const requirements = (await readFile("test/jobs/requirements.txt", "utf8"))
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("pyspark"));
    console.log(`installing PySpark ${pyspark} and ${requirements.join(", ")}`);
    const python = join(folder, "bin", "python");
    for (const [command, ...args] of [
      ["python3", "-m", "venv", folder],
      [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "setuptools",
        `pyspark==${pyspark}`,
        ...requirements,
      ],
    ] as const) {
      const { code, output } = await runTool(command, args);
      if (code === 0) continue;
      console.error(output.trimEnd());
      return 1;
    }
    const { code } = await runTool(python, ["-m", "pytest", "test/jobs", "-q", "-p", "no:cacheprovider"], {
      show: true,
      env: { PYTHONDONTWRITEBYTECODE: "1" },
    });
    return code;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
