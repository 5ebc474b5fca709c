/**
 * Arguments of a task as they are typed on the command line.
 */

import type { JsonValue } from "@bufbuild/protobuf";
import { Code, FiresteelError } from "../errors.ts";

/**
 * The arguments of a task: each word is JSON when it parses as JSON, else a string. `list`, the text of a JSON list, replaces them.
 *
 * @throws FiresteelError `invalid_argument` when both are given, when the list is none, and for a number that JavaScript would change
 */
export function parseArguments(words: readonly string[], list?: string): JsonValue[] {
  if (list === undefined) return words.map((word, i) => parseWord(word, `argument ${i + 1}`));
  if (words.length > 0)
    throw new FiresteelError(
      Code.invalidArgument,
      `arguments are given twice, as words and with --args; leave one out: ${words.join(" ")}`,
    );
  let value: JsonValue;
  try {
    value = parseJson(list, "--args");
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new FiresteelError(Code.invalidArgument, `--args is no JSON (${error.message}): ${list}`, { cause: error });
  }
  if (!Array.isArray(value))
    throw new FiresteelError(
      Code.invalidArgument,
      `--args is no JSON list; write the arguments in brackets: --args '[${list}]'`,
    );
  return value;
}

function parseWord(word: string, subject: string): JsonValue {
  try {
    return parseJson(word, subject);
  } catch (error) {
    if (error instanceof SyntaxError) return word;
    throw error;
  }
}

function parseJson(text: string, subject: string): JsonValue {
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) => {
    if (typeof value === "number" && isChanged(value, context?.source ?? ""))
      throw new FiresteelError(
        Code.invalidArgument,
        `${subject} has a number that JavaScript cannot hold exactly; write it in quotes ('"..."') when a string will do: ${context?.source}`,
      );
    return value;
  }) as JsonValue;
}

/** Whether an integer was rounded, or a number went beyond the range of a double. */
function isChanged(value: number, source: string): boolean {
  if (!Number.isFinite(value)) return true;
  if (!/^-?\d+$/.test(source) || Number.isSafeInteger(value)) return false;
  // What JavaScript itself would write for a number is that number, though its last digits are not always the exact ones.
  return BigInt(source) !== BigInt(value) && source !== String(value);
}
