/**
 * Entry of the thread that evaluates the configuration file and hands over what it exports.
 */

import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import { codeExtension } from "./package-info.ts";

/** What the thread answers. */
export type Evaluated =
  | { readonly ok: true; readonly config: unknown; readonly files: readonly string[] }
  | { readonly ok: false; readonly message: string; readonly stack?: string };

const { file, name } = workerData as { readonly file: string; readonly name: string };
const url = pathToFileURL(file).href;

/** This package's own modules. */
const OWN = new URL(".", import.meta.url).href;
/** Files of the project that were read. */
const files = new Set([file]);

registerHooks({
  resolve(specifier, context, next) {
    // The running copy, also where none is installed.
    if (specifier === "firesteel")
      return { url: new URL(`./index${codeExtension}`, import.meta.url).href, shortCircuit: true };
    return next(specifier, context);
  },
  load(target, context, next) {
    if (target.startsWith("file:") && !/\/node_modules\//.test(target) && !target.startsWith(OWN))
      files.add(fileURLToPath(target));
    // Without `"type": "module"` above it Node would find out by trial, with a warning.
    if (target !== url || (context.format !== null && context.format !== undefined && !/commonjs/.test(context.format)))
      return next(target, context);
    const format = file.endsWith("ts") ? "module-typescript" : "module";
    return { format, source: readFileSync(file, "utf8"), shortCircuit: true };
  },
});

const answer: Evaluated = await evaluate();
try {
  parentPort!.postMessage(answer);
} catch (error) {
  // Functions and the like cannot be handed over.
  const message = `${name} exports something that is no plain data: ${(error as Error).message}`;
  parentPort!.postMessage({ ok: false, message } satisfies Evaluated);
}

async function evaluate(): Promise<Evaluated> {
  try {
    const module = (await import(url)) as { readonly default?: unknown };
    const config = await module.default;
    if (config !== undefined) return { ok: true, config, files: [...files] };
    return { ok: false, message: `${name} has no default export; write \`export default defineConfig({ ... })\`` };
  } catch (error) {
    return { ok: false, ...(await describe(error)) };
  }
}

async function describe(reason: unknown): Promise<{ readonly message: string; readonly stack?: string }> {
  const error = reason instanceof Error ? reason : new Error(String(reason));
  if (error instanceof SyntaxError) {
    const { parseModule } = await import("./hash/code/parse.ts");
    try {
      parseModule(url, readFileSync(file, "utf8"));
    } catch (placed) {
      return { message: (placed as Error).message.replace(file, name), stack: error.stack ?? "" };
    }
  }
  const place = error.stack?.split("\n").find((line) => line.includes(url));
  const at = place === undefined ? null : /:(\d+:\d+)\)?$/.exec(place);
  const where = at ? `${name}:${at[1]}` : name;
  return { message: `${where}: ${error.message.replaceAll(url, fileURLToPath(url))}`, stack: error.stack ?? "" };
}
