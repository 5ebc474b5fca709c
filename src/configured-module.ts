/**
 * Modules that firesteel.config.ts names. They belong to whoever runs the orchestrator, and run on its serving thread; the bodies of tasks must not.
 */

import { registerHooks } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Code, FiresteelError } from "./errors.ts";
import { codeExtension } from "./package-info.ts";

let hooked = false;

/** The bare specifiers mean the running copy, also where none is installed. */
function hookSpecifiers(): void {
  if (hooked) return;
  hooked = true;
  const own = new Map([
    ["firesteel", new URL(`./index${codeExtension}`, import.meta.url).href],
    ["firesteel/executor", new URL(`./executor${codeExtension}`, import.meta.url).href],
  ]);
  registerHooks({
    resolve(specifier, context, next) {
      const url = own.get(specifier);
      return url === undefined ? next(specifier, context) : { url, shortCircuit: true };
    },
  });
}

/**
 * The function that a module exports as its default. `subject` is what needs it and `shape` how it is written, for messages.
 *
 * @throws FiresteelError `invalid_argument` for a module that cannot be loaded or has no function as its default export
 */
export async function importFactory<F>(root: string, module: string, subject: string, shape: string): Promise<F> {
  hookSpecifiers();
  const url = pathToFileURL(resolve(root, module)).href;
  const loaded = await import(url).catch((error: unknown) => {
    throw new FiresteelError(
      Code.invalidArgument,
      `${subject} cannot be loaded from ${module}: ${(error as Error)?.message ?? error}`,
      { cause: error },
    );
  });
  const factory = (loaded as { readonly default?: unknown }).default;
  if (typeof factory !== "function")
    throw new FiresteelError(
      Code.invalidArgument,
      `${subject}: ${module} has no function as its default export; write \`export default ${shape}\``,
    );
  return factory as F;
}
