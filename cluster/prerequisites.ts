/**
 * What a machine must have before the local cluster can be installed.
 *
 * Java 11 or 17, because Spark 3.5 supports 8, 11 and 17 (https://spark.apache.org/docs/3.5.6/) and Java 8 lacks the module
 * flags that Hadoop 3.3 needs on 17. Newer ones are refused rather than tried. Python 3.10 or newer with venv: 3.10 and 3.11
 * are what PySpark 3.5 was released for, and are taken first when there are several. Maven 3.8 or newer copies the jars.
 */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, readdir, readFile, realpath } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { promisify, stripVTControlCharacters } from "node:util";
import { Code, FiresteelError } from "../src/errors.ts";

const run = promisify(execFile);

/** A program that was found. `version` as it says itself, such as `17.0.15`. */
export interface Found {
  readonly path: string;
  readonly version: string;
}

/** What may be asked for. */
export type Prerequisite = "java" | "python" | "maven";

const SUPPORTED_JAVA = [17, 11];
const BEST_PYTHONS = ["3.11", "3.10"];

interface Search {
  readonly found?: Found;
  /** What was there instead. */
  readonly instead: readonly string[];
}

async function onPath(name: string): Promise<string[]> {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  const hits = folders.map(async (folder) => {
    const path = join(folder, name);
    return access(path, constants.X_OK).then(
      () => path,
      () => undefined,
    );
  });
  return (await Promise.all(hits)).filter((path) => path !== undefined);
}

/** Output of a program with both streams joined; undefined when it cannot be run or fails. */
async function output(path: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await run(path, args, { timeout: 30_000 });
    return stripVTControlCharacters(stdout + stderr);
  } catch {
    return undefined;
  }
}

async function javaHomes(): Promise<string[]> {
  const homes: string[] = [];
  const named = process.env["JAVA_HOME"];
  if (named) homes.push(named);
  for (const path of await onPath("java")) homes.push(dirname(dirname(await realpath(path))));
  // A machine with several often has the wrong one first on PATH.
  for (const folder of ["/usr/lib/jvm", "/Library/Java/JavaVirtualMachines"]) {
    for (const name of await readdir(folder).catch(() => []))
      homes.push(join(folder, name), join(folder, name, "Contents", "Home"));
  }
  return [...new Set(homes)];
}

async function javaVersion(home: string): Promise<string | undefined> {
  const java = join(home, "bin", "java");
  if (
    !(await access(java, constants.X_OK).then(
      () => true,
      () => false,
    ))
  )
    return undefined;
  // The release file answers at once; starting a JVM takes 0.1 s each.
  const release = await readFile(join(home, "release"), "utf8").catch(() => "");
  const named = /^JAVA_VERSION="([^"]+)"/m.exec(release)?.[1];
  return named ?? /version "([^"]+)"/.exec((await output(java, ["-version"])) ?? "")?.[1];
}

function javaMajor(version: string): number {
  const [first, second] = version.split(/[._]/).map(Number);
  return (first === 1 ? second : first) ?? 0;
}

async function searchJava(): Promise<Search> {
  const instead: string[] = [];
  for (const home of await javaHomes()) {
    const version = await javaVersion(home);
    if (version === undefined) continue;
    if (SUPPORTED_JAVA.includes(javaMajor(version))) return { found: { path: home, version }, instead };
    instead.push(`${version} in ${home}`);
  }
  return { instead };
}

const ASK_PYTHON =
  "import sys; print('.'.join(map(str, sys.version_info[:3])), end=' ')\nimport venv, ensurepip; print('venv', end='')";

async function searchPython(): Promise<Search> {
  const instead: string[] = [];
  const usable: Found[] = [];
  for (const name of ["python3", "python3.11", "python3.10", "python3.12", "python3.13", "python3.14", "python"]) {
    for (const path of await onPath(name)) {
      const said = await new Promise<string>((resolve) => {
        execFile(path, ["-c", ASK_PYTHON], { timeout: 30_000 }, (_error, stdout) => resolve(stdout));
      });
      const [version = "", venv] = said.trim().split(/\s+/);
      const [major = 0, minor = 0] = version.split(".").map(Number);
      if (major !== 3 || minor < 10) instead.push(`${version || "a broken one"} at ${path}`);
      else if (venv !== "venv")
        instead.push(`${version} at ${path} without venv (Debian, Ubuntu: apt install python3-venv)`);
      else usable.push({ path, version });
    }
    // The usual case: the first interpreter will do, and no other has to be asked.
    if (BEST_PYTHONS.some((best) => usable[0]?.version.startsWith(`${best}.`))) break;
  }
  const best =
    usable.find(({ version }) => BEST_PYTHONS.some((wanted) => version.startsWith(`${wanted}.`))) ?? usable[0];
  return best ? { found: best, instead } : { instead: [...new Set(instead)] };
}

async function searchMaven(): Promise<Search> {
  const instead: string[] = [];
  for (const path of await onPath("mvn")) {
    const version = /Apache Maven (\S+)/.exec((await output(path, ["--version"])) ?? "")?.[1];
    const [major = 0, minor = 0] = (version ?? "").split(".").map(Number);
    if (version !== undefined && (major > 3 || (major === 3 && minor >= 8)))
      return { found: { path, version }, instead };
    instead.push(`${version ?? "one that does not start"} at ${path}`);
  }
  return { instead };
}

const SEARCHES: Readonly<Record<Prerequisite, { readonly needed: string; readonly search: () => Promise<Search> }>> = {
  java: { needed: "Java 17 (or 11)", search: searchJava },
  python: { needed: "Python 3.10 or newer, with venv", search: searchPython },
  maven: { needed: "Maven 3.8 or newer", search: searchMaven },
};

/**
 * Finds the programs asked for, or names all that are missing at once.
 *
 * `java`'s path is its home; the others' are the programs. Looks at `JAVA_HOME`, `PATH` and the usual folders of JDKs.
 *
 * @throws FiresteelError `failedPrecondition` with one line for each missing program, and the version that is needed.
 */
export async function checkPrerequisites<P extends Prerequisite>(
  wanted: readonly P[],
): Promise<Readonly<Record<P, Found>>> {
  const results = await Promise.all(wanted.map(async (name) => [name, await SEARCHES[name].search()] as const));
  const missing = results.flatMap(([name, { found, instead }]) => {
    if (found) return [];
    return `${SEARCHES[name].needed} is needed; found ${instead.length === 0 ? "none" : instead.join(", ")}`;
  });
  if (missing.length > 0) {
    throw new FiresteelError(
      Code.failedPrecondition,
      `the local cluster cannot be set up here:\n  ${missing.join("\n  ")}`,
      {
        details: { missing },
      },
    );
  }
  return Object.fromEntries(results.map(([name, { found }]) => [name, found])) as Record<P, Found>;
}
