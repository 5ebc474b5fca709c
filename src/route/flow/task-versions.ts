/**
 * The code of tasks taken apart, for whoever compares it with a later version (`evaluate/explain/`).
 */

import { inspect } from "node:util";
import type { TaskInfo } from "../../evaluate/code.ts";
import type { CodePart, TaskVersion } from "../../evaluate/explain/ports.ts";
import { mentionsOf, type TaskCode } from "../../hash/code/identify.ts";
import type { Part } from "../../hash/code/link.ts";
import { digestOf } from "../../hash/digest.ts";

/** A longer text (a large JSON file, a bundled module) is not kept: that it changed can be told without it. */
const MOST_TEXT = 64 * 1024;
/** Characters of a constant's value that are kept. */
const VALUE_WIDTH = 200;

/** What {@link taskVersions} takes. */
export interface TaskVersionsOptions {
  readonly tasks: readonly TaskInfo[];
  readonly identified: ReadonlyMap<string, TaskCode>;
  /** Values of constants by their digests. */
  readonly values: ReadonlyMap<string, unknown>;
  /** Versions that are left out, by {@link versionKey}. */
  readonly known: ReadonlySet<string>;
  /** How a module's URL is shown. */
  readonly show: (url: string) => string;
}

/** Names a version of a task: two tasks can have the same code. */
export function versionKey({ name, code }: Pick<TaskInfo, "name" | "code">): string {
  return `${code} ${name}`;
}

/** The parts of each task whose code is not known. A part that several tasks reach is one object, so it crosses threads once. */
export function taskVersions({ tasks, identified, values, known, show }: TaskVersionsOptions): TaskVersion[] {
  const shared = new Map<Part, CodePart>();
  const partOf = (part: Part, mentions: string): CodePart => {
    let made = shared.get(part);
    if (made === undefined) {
      made = {
        kind: part.kind,
        name: part.name,
        file: part.file === undefined ? "" : show(part.file),
        line: part.line ?? 0,
        digest: part.digest,
        mentions,
        text: part.text === undefined || part.text.length > MOST_TEXT ? null : part.text,
        value: part.kind === "value" ? shorten(values.get(part.digest)) : null,
      };
      shared.set(part, made);
    }
    return made;
  };
  return tasks
    .filter((task) => !known.has(versionKey(task)))
    .map(({ name, code, options, module, line }) => {
      if (options.version !== undefined) {
        const { version } = options;
        const digest = digestOf("version", version);
        return {
          task: name,
          code,
          parts: [
            { kind: "version", name: version, file: module, line, digest, mentions: digest, text: null, value: null },
          ],
        };
      }
      const own = identified.get(name)!;
      const mentioned = mentionsOf(own);
      return { task: name, code, parts: own.parts.map((part, i) => partOf(part, mentioned[i]!)) };
    });
}

function shorten(value: unknown): string {
  const text = inspect(value, {
    depth: 3,
    breakLength: Number.POSITIVE_INFINITY,
    maxArrayLength: 20,
    maxStringLength: VALUE_WIDTH,
  });
  return text.length <= VALUE_WIDTH ? text : `${text.slice(0, VALUE_WIDTH - 1)}\u2026`;
}
