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
import { FRUGAL } from "./daemons.ts";
import { ensureParts, type InstallOptions } from "./install.ts";
import type { Part } from "./parts.ts";
import type { Found } from "./prerequisites.ts";
import { runTool } from "./tool.ts";

const FILE = "spark.jsa";

/** Flags of a JVM that uses an archive, and is silent where it cannot. */
export function sharingFlags(archive: string): readonly string[] {
  return [`-XX:SharedArchiveFile=${archive}`, "-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"];
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

/** What Spark 3.5 reaches by reflection: `org.apache.spark.launcher.JavaModuleOptions`, which its own start scripts add. */
const SPARK_OPENS = [
  ...[
    "lang",
    "lang.invoke",
    "lang.reflect",
    "io",
    "net",
    "nio",
    "util",
    "util.concurrent",
    "util.concurrent.atomic",
  ].map((name) => `java.base/java.${name}`),
  ...["nio.ch", "nio.cs", "security.action", "util.calendar"].map((name) => `java.base/sun.${name}`),
  "java.security.jgss/sun.security.krb5",
].map((name) => `--add-opens=${name}=ALL-UNNAMED`);

function classArchivePart(spark: { readonly home: string; readonly python: string }, java: Found): Part {
  const title = "Spark's classes for quick starts (about 140 MB, made here)";
  return {
    name: "spark-classes",
    title,
    version: createHash("sha256").update(`${spark.home}\n${java.path}\n${java.version}`).digest("hex"),
    needs: [],
    requires: [FILE],
    install: async ({ folder, log, signal }) => {
      const work = join(folder, "work");
      await mkdir(work);
      await writeFile(join(work, "job.py"), TYPICAL_JOB);
      await runTool({
        what: `making ${title}`,
        command: join(java.path, "bin", "java"),
        args: [
          ...FRUGAL,
          ...SPARK_OPENS,
          "-Djdk.reflect.useDirectMethodHandle=false",
          `-Djava.io.tmpdir=${work}`,
          `-XX:ArchiveClassesAtExit=${join(folder, FILE)}`,
          "-Xlog:cds=off",
          "-Xlog:cds+dynamic=off",
          "-cp",
          `${spark.home}/jars/*`,
          "org.apache.spark.deploy.SparkSubmit",
          ...["--master", "local[1]", "--conf", "spark.ui.enabled=false", "--conf", `spark.local.dir=${work}`],
          join(work, "job.py"),
          `${work}/rows`,
        ],
        env: {
          ...process.env,
          JAVA_HOME: java.path,
          SPARK_HOME: spark.home,
          SPARK_CONF_DIR: work,
          SPARK_LOCAL_IP: "127.0.0.1",
          PYSPARK_PYTHON: spark.python,
          PYSPARK_DRIVER_PYTHON: spark.python,
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
