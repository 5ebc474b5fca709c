/**
 * Spark's classes as a JVM has them in memory, made once on this machine: a driver or an executor that maps them needs a third less CPU for a short job (see `docs/facts.md`).
 *
 * This is the JVM's dynamic class data sharing (JEP 350, Java 13 and newer). An archive holds for one JVM and one class path, of which it must be the beginning: so Spark's jars come first on that of the containers. Where it
 * does not fit (another Java, a job with a class path of its own) the JVM goes without it and says nothing.
 */
import { createHash } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FiresteelError } from "../src/errors.ts";
import { FRUGAL, sparkEnvironment } from "./daemons.ts";
import { ensureParts, type InstallOptions } from "./install.ts";
import type { Part } from "./parts.ts";
import type { Found } from "./prerequisites.ts";
import { runTool } from "./tool.ts";

const FILE = "spark.jsa";
/** Of what cannot be shared the JVM says nothing. */
const SILENT = ["-Xlog:cds=off", "-Xlog:cds+dynamic=off"];

/** Flags of a JVM that uses an archive, and is silent where it cannot. */
export function sharingFlags(archive: string): readonly string[] {
  return [`-XX:SharedArchiveFile=${archive}`, "-Xshare:auto", ...SILENT];
}

/** What the harness of a job uses of Spark, about. */
const TYPICAL_JOB = `import sys
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
rows = spark.sql("SELECT id, id % 7 AS k, CAST(id AS STRING) AS t, CAST(id AS DECIMAL(20, 2)) AS d FROM range(1000)")
rows.createOrReplaceTempView("rows")
spark.sql("SELECT k, count(*) AS n, sum(d) AS d, max(t) AS t FROM rows GROUP BY k").write.parquet(sys.argv[1])
read = spark.read.parquet(sys.argv[1])
print(read.selectExpr("xxhash64(k, n, d, t) AS h").selectExpr("bit_xor(h)", "sum(shiftright(h, 32))").collect())
print(read.join(rows, "k").orderBy("id").limit(10).collect())
spark.stop()
`;

function classArchivePart(spark: { readonly home: string; readonly python: string }, java: Found): Part {
  const title = "Spark's classes for quick starts (about 140 MB, made here)";
  return {
    name: "spark-classes",
    title,
    version: createHash("sha256").update([spark.home, java.path, java.version, TYPICAL_JOB].join("\n")).digest("hex"),
    needs: [],
    requires: [FILE],
    install: async ({ folder, log, signal }) => {
      const work = join(folder, "work");
      await mkdir(work);
      await writeFile(join(work, "job.py"), TYPICAL_JOB);
      await runTool({
        what: `making ${title}`,
        command: join(spark.home, "bin", "spark-submit"),
        args: [
          ...["--master", "local[1]", "--conf", "spark.ui.enabled=false", "--conf", `spark.local.dir=${work}`],
          join(work, "job.py"),
          join(work, "rows"),
        ],
        env: {
          ...sparkEnvironment({ java: java.path, python: spark.python, sparkHome: spark.home }),
          // One that is not there: its class path begins with this folder, which an archive must not hold.
          SPARK_CONF_DIR: join(work, "none"),
          SPARK_SUBMIT_OPTS: [
            ...FRUGAL,
            ...SILENT,
            `-Djava.io.tmpdir=${work}`,
            `-XX:ArchiveClassesAtExit=${join(folder, FILE)}`,
          ].join(" "),
        },
        log,
        signal,
      });
      await rm(work, { recursive: true });
    },
  };
}

/** The archive of an installed Spark, made if it is not there yet; undefined where this Java has none or it cannot be made, which is told. */
export async function ensureClassArchive(
  spark: { readonly home: string; readonly python: string },
  java: Found,
  options: InstallOptions,
): Promise<string | undefined> {
  if (Number(java.version.split(".")[0]) < 13) return undefined;
  try {
    const [folder = ""] = await ensureParts([classArchivePart(spark, java)], options);
    return join(folder, FILE);
  } catch (error) {
    options.signal?.throwIfAborted();
    options.onProgress?.(`jobs start slower: ${FiresteelError.from(error).message}`);
    return undefined;
  }
}
