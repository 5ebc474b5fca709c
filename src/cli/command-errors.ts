/**
 * What is wrong with a command line, in words that help: values of options, options given twice, and what yargs itself refuses.
 */

import type { Argv } from "yargs";
import { nearest } from "./suggestion.ts";
import { UsageError } from "./usage-error.ts";

/** Reads a port. */
export function port(name: string): (text: string | undefined) => number | undefined {
  return (text) => (text === undefined ? undefined : whole(name, text, 0, 65_535));
}

/** Reads how many. */
export function count(name: string): (text: string) => number {
  return (text) => whole(name, text, 1, 1_000_000);
}

function whole(name: string, text: string, least: number, most: number): number {
  if (Array.isArray(text)) throw new UsageError(`--${name} is given more than once`, []);
  const value = /^\d{1,7}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most))
    throw new UsageError(`--${name} must be a whole number from ${least} to ${most}: ${text}`, []);
  return value;
}

/** Options that can be repeated, and positional ones. */
const REPEATED: ReadonlySet<string> = new Set(["_", "--", "arguments", "allow"]);

/** Of two values for one option neither is taken silently, and words after `--` only where arguments of a task are. */
export function refuseTwice(argv: Readonly<Record<string, unknown>>): true {
  const [command, rest] = [String((argv["_"] as readonly unknown[])[0]), argv["--"] as readonly string[] | undefined];
  if (rest && rest.length > 0 && command !== "run" && command !== "explain")
    throw new UsageError(`${command} takes no such argument: ${rest[0]}`, [command]);
  for (const [name, value] of Object.entries(argv))
    if (Array.isArray(value) && !REPEATED.has(name)) throw new UsageError(`--${name} is given more than once`, []);
  return true;
}

/** What yargs found wrong, with the word that was probably meant. */
export function usageError(message: string, words: readonly string[], options: readonly string[]): UsageError {
  const path = words.filter((word, i) => i < 2 && /^[a-z]+$/.test(word) && COMMANDS.has(word));
  if (/^Not enough non-option/.test(message))
    return new UsageError(`${path.join(" ")} needs ${NEEDS[path[0] ?? ""] ?? "an id"}`, path);
  const unknown = /^Unknown (?:argument|command)s?: (.*)$/.exec(message);
  if (!unknown)
    return new UsageError(
      message.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase()),
      path,
    );
  const [first = ""] = unknown[1]!.split(", ");
  const typed = words.find((word) => /^-/.test(word) && word.replace(/^-+|=.*$/g, "") === first);
  if (typed !== undefined) {
    const near = nearest(first, options);
    return new UsageError(
      `option is not known${near === undefined ? "" : `, did you mean --${near}?`}: ${typed.replace(/=.*$/, "")}`,
      path,
    );
  }
  const near = nearest(first, COMMANDS);
  return new UsageError(
    path.length > 0 && path[0] !== "cluster"
      ? `${path.join(" ")} takes no such argument: ${first}`
      : `command is not known${near === undefined ? "" : `, did you mean ${near}?`}: ${first}`,
    path,
  );
}

/** What a command cannot do without, where that is no id. */
const NEEDS: Readonly<Record<string, string>> = {
  clusters: "the name of a cluster",
  run: "the name of a task",
  explain: "the name of a task or an id",
};

const COMMANDS: ReadonlySet<string> = new Set(
  "serve run cancel ls show explain log submissions tasks clusters cluster completion up down status drain resume".split(
    " ",
  ),
);

/** Options at the place where the parser stopped. */
export function knownOptions(cli: Argv): string[] {
  // Not in the declarations: https://github.com/yargs/yargs/blob/main/lib/yargs-factory.ts has it as a public method.
  const { key } = (
    cli as unknown as { getOptions(): { readonly key: Readonly<Record<string, unknown>> } }
  ).getOptions();
  return Object.keys(key).filter((name) => name.length > 1);
}
