/**
 * The project: the folder with `firesteel.config.ts`, and what that file says.
 *
 * The file is user code and is evaluated in a worker thread that ends with it.
 */

import { existsSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { Worker } from "node:worker_threads";
import type { Config } from "./config.ts";
import type { Evaluated } from "./config-worker.ts";
import { Code, FiresteelError } from "./errors.ts";
import { codeExtension } from "./package-info.ts";
import { parseConfig } from "./parse-config.ts";

/** Names of the configuration file; the first that is there counts. */
const CONFIG_FILES = ["firesteel.config.ts", "firesteel.config.mts", "firesteel.config.js"] as const;

/** How long the configuration may take to evaluate, in ms. */
const TIMEOUT_MS = 20_000;

/**
 * The root of the project that a folder belongs to: the folder itself or the nearest one above with a configuration file.
 *
 * @throws FiresteelError `failed_precondition` when there is none
 */
export function findProject(from: string): string {
  const start = resolve(from);
  for (let folder = start; ; folder = dirname(folder)) {
    if (configFile(folder) !== undefined) return folder;
    if (folder === dirname(folder))
      throw new FiresteelError(
        Code.failedPrecondition,
        `no firesteel project here: there is no firesteel.config.ts in this folder or above it: ${start}`,
      );
  }
}

function configFile(folder: string): string | undefined {
  return CONFIG_FILES.map((name) => join(folder, name)).find((file) => existsSync(file));
}

/**
 * The configuration of the project at a root, complete and checked.
 *
 * What the file prints goes to stderr.
 *
 * @throws FiresteelError `invalid_argument` with file and place when it does not parse, throws, or says something unknown
 */
export async function loadConfig(root: string): Promise<Config> {
  return (await loadConfigFiles(root)).config;
}

/** As {@link loadConfig}, with the files that it was read from: the configuration's own and those of the project that it imports. */
export async function loadConfigFiles(
  root: string,
): Promise<{ readonly config: Config; readonly files: readonly string[] }> {
  const file = configFile(root);
  if (file === undefined)
    throw new FiresteelError(Code.failedPrecondition, `no firesteel.config.ts in the project's root: ${root}`);
  const name = relative(root, file);
  const { config, files } = await evaluate(file, name);
  return { config: parseConfig(config, name), files };
}

async function evaluate(file: string, name: string): Promise<Extract<Evaluated, { readonly ok: true }>> {
  const worker = new Worker(new URL(`./config-worker${codeExtension}`, import.meta.url), {
    workerData: { file, name },
    name: "firesteel configuration",
    stdout: true,
  });
  worker.stdout.pipe(process.stderr, { end: false });
  const result = Promise.withResolvers<Evaluated>();
  const fail = (reason: string, cause?: unknown) =>
    result.reject(new FiresteelError(Code.invalidArgument, `${name} ${reason}`, { cause }));
  worker.once("message", result.resolve);
  worker.once("error", (error) => fail(`cannot be evaluated: ${error.message}`, error));
  worker.once("exit", (code) => fail(`ended its thread instead of exporting a configuration (exit code ${code})`));
  const timer = setTimeout(() => fail(`did not export a configuration within ${TIMEOUT_MS / 1000} s`), TIMEOUT_MS);
  try {
    const evaluated = await result.promise;
    if (evaluated.ok) return evaluated;
    const { message, stack } = evaluated;
    throw new FiresteelError(Code.invalidArgument, message, { details: stack === undefined ? {} : { stack } });
  } finally {
    clearTimeout(timer);
    worker.stdout.unpipe(process.stderr);
    await worker.terminate();
  }
}
