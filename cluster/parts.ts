/** What the local cluster consists of, which versions, and how each part gets onto the machine. */
import { createHash } from "node:crypto";
import { access, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { homedir, userInfo } from "node:os";
import { basename, join } from "node:path";
import { Code, FiresteelError } from "../src/errors.ts";
import { templateFolder } from "./folders.ts";
import type { Found, Prerequisite } from "./prerequisites.ts";
import { runTool } from "./tool.ts";

/** The versions that are installed. Changing one here makes the next start install that one. */
export const VERSIONS = { spark: "3.5.6", hadoop: "3.3.4", livy: "0.7.1-incubating" } as const;

/** What a part's installation may use. */
export interface PartContext {
  /** The new, empty folder to fill. */
  readonly folder: string;
  readonly log: string;
  readonly tools: Readonly<Record<Prerequisite, Found | undefined>>;
  readonly signal: AbortSignal | undefined;
}

/** One thing that is installed as a whole or not at all. */
export interface Part {
  /** Names its record in the cache. */
  readonly name: string;
  readonly title: string;
  readonly version: string;
  readonly needs: readonly Prerequisite[];
  /** Files below its folder without which it is not usable; a name that ends in `*` stands for any that begins so. */
  readonly requires: readonly string[];
  readonly install: (context: PartContext) => Promise<void>;
}

function tool(context: PartContext, name: Prerequisite): Found {
  const found = context.tools[name];
  if (found === undefined) throw new FiresteelError(Code.internal, `part uses a program it did not ask for: ${name}`);
  return found;
}

/** Maven takes the home folder from the password file, not from `HOME`; a user who sets `HOME` means the `.m2` in there. */
function mavenOptions(): string {
  const given = process.env["MAVEN_OPTS"] ?? "";
  const home = homedir();
  if (given.includes("-Duser.home=") || /\s/.test(home) || home === userInfo().homedir) return given;
  return `${given} -Duser.home=${home}`.trim();
}

async function copyJars(context: PartContext, version: string, pom: string, title: string): Promise<void> {
  // Maven works beside the project file (it makes a target folder there), and the package's own folder may be read-only.
  const work = join(context.folder, "maven");
  await mkdir(work);
  const text = await readFile(join(templateFolder(), "maven", pom), "utf8");
  await writeFile(join(work, "pom.xml"), text.replaceAll("@VERSION@", version));
  await runTool({
    what: `installing ${title}`,
    command: tool(context, "maven").path,
    args: [
      "--quiet",
      "--batch-mode",
      "--no-transfer-progress",
      "--file",
      join(work, "pom.xml"),
      "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies",
      "-DincludeScope=runtime",
      `-DoutputDirectory=${join(context.folder, "jars")}`,
    ],
    env: { ...process.env, JAVA_HOME: tool(context, "java").path, MAVEN_OPTS: mavenOptions() },
    log: context.log,
    signal: context.signal,
  });
  await rm(work, { recursive: true });
}

async function pip(context: PartContext, title: string, args: readonly string[]): Promise<void> {
  await runTool({
    what: `installing ${title}`,
    command: join(context.folder, "bin", "python"),
    args: ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", ...args],
    log: context.log,
    signal: context.signal,
  });
}

async function makeVenv(context: PartContext, title: string, python: string): Promise<void> {
  const { folder, log, signal } = context;
  await runTool({ what: `installing ${title}`, command: python, args: ["-m", "venv", folder], log, signal });
}

/** Where a virtual environment has its packages, relative to it; the name holds Python's version. */
async function pythonLibrary(venv: string): Promise<string> {
  const name = (await readdir(join(venv, "lib"))).find((entry) => entry.startsWith("python3"));
  if (name === undefined) throw new FiresteelError(Code.internal, `virtual environment has no library folder: ${venv}`);
  return join("lib", name, "site-packages");
}

/** Spark: PySpark from PyPI in a Python environment of its own. The package is also a complete SPARK_HOME. */
export const sparkPart: Part = {
  name: "spark",
  title: `Spark ${VERSIONS.spark} (about 320 MB from PyPI)`,
  version: VERSIONS.spark,
  needs: ["python"],
  requires: ["bin/python", "spark/bin/spark-submit", "spark/jars/spark-yarn*"],
  install: async (context) => {
    await makeVenv(context, sparkPart.title, tool(context, "python").path);
    const [major = 0, minor = 0] = tool(context, "python").version.split(".").map(Number);
    // PySpark 3.5 imports distutils, which Python 3.12 left to setuptools.
    const also = major > 3 || minor >= 12 ? ["setuptools"] : [];
    await pip(context, sparkPart.title, [`pyspark==${VERSIONS.spark}`, ...also]);
    // One path whatever the Python: lib/python3.x differs from machine to machine.
    await symlink(join(await pythonLibrary(context.folder), "pyspark"), join(context.folder, "spark"));
  },
};

/** YARN and HDFS: the jars of the Apache Hadoop release that Spark 3.5 itself is built with. */
export const hadoopPart: Part = {
  name: "hadoop",
  title: `Hadoop ${VERSIONS.hadoop} (YARN and HDFS, about 80 MB from Maven Central)`,
  version: VERSIONS.hadoop,
  needs: ["java", "maven"],
  requires: ["jars/hadoop-yarn-server-resourcemanager*", "jars/hadoop-yarn-server-nodemanager*", "jars/hadoop-hdfs*"],
  install: (context) => copyJars(context, VERSIONS.hadoop, "hadoop.xml", hadoopPart.title),
};

/** Livy from Maven Central; it serves batches of any Spark, interactive sessions only of Spark 2. */
export const livyPart: Part = {
  name: "livy",
  title: `Livy ${VERSIONS.livy} (about 75 MB from Maven Central)`,
  version: VERSIONS.livy,
  needs: ["java", "maven"],
  requires: ["jars/livy-server*"],
  install: (context) => copyJars(context, VERSIONS.livy, "livy.xml", livyPart.title),
};

/**
 * A second Python environment: Spark's own, as it is, and the packages of a pip requirements file.
 *
 * Separate, so that a running cluster's Python does not change under it. A `.pth` file lends it Spark's packages, which pip
 * then takes for installed.
 */
export function requirementsPart(file: string, text: string, spark: string): Part {
  const title = `Python packages of ${basename(file)}`;
  return {
    name: `python-${createHash("sha256").update(file).digest("hex").slice(0, 12)}`,
    title,
    version: createHash("sha256").update(`${spark}\n${text}`).digest("hex"),
    needs: [],
    requires: ["bin/python"],
    install: async (context) => {
      await makeVenv(context, title, join(spark, "bin", "python"));
      const library = await pythonLibrary(spark);
      await writeFile(join(context.folder, library, "spark.pth"), `${join(spark, library)}\n`);
      await pip(context, title, ["-r", file]);
    },
  };
}

/** A Livy distribution archive (`apache-livy-<version>-bin.zip`); its content is its version. */
export function livyArchivePart(archive: string, digest: string): Part {
  const title = `Livy from ${basename(archive)}`;
  return {
    name: `livy-archive-${digest.slice(0, 16)}`,
    title,
    version: digest,
    needs: ["python"],
    requires: ["jars/livy-server*"],
    install: async (context) => {
      const unpacked = join(context.folder, "unpacked");
      await runTool({
        what: `unpacking ${title}`,
        command: tool(context, "python").path,
        args: ["-m", "zipfile", "-e", archive, unpacked],
        log: context.log,
        signal: context.signal,
      });
      // The archive holds one folder with everything in it.
      const [top] = await readdir(unpacked);
      const source = join(unpacked, top ?? "");
      for (const name of await readdir(source)) await rename(join(source, name), join(context.folder, name));
      await rm(unpacked, { recursive: true });
    },
  };
}

/** Whether the files are there without which the part cannot be used. */
export async function isComplete(part: Part, folder: string): Promise<boolean> {
  const checks = part.requires.map(async (name) => {
    if (!name.endsWith("*"))
      return access(join(folder, name)).then(
        () => true,
        () => false,
      );
    const slash = name.lastIndexOf("/");
    const names = await readdir(join(folder, name.slice(0, slash))).catch(() => []);
    return names.some((entry) => entry.startsWith(name.slice(slash + 1, -1)));
  });
  return (await Promise.all(checks)).every(Boolean);
}
