/**
 * What changed between two versions of a task's code, part by part.
 *
 * A part is the same when its identity is, whatever its name, file and formatting: so an edit of a comment never shows. Of the others, those of one name (first in one file, then anywhere) are one part
 * that changed. Where every part is the same and the task's identity is not, something is mentioned in another order or place; that is told by what each part mentions.
 */

import { structuredPatch } from "diff";
import { unversioned } from "../../hash/code/identify.ts";
import type { CodePart, TaskVersion } from "./ports.ts";

/** Lines of source shown around a changed one. */
const CONTEXT_LINES = 2;
/** A longer diff is cut. */
const MOST_LINES = 60;

/** One part that differs. */
export interface PartChange {
  readonly change: "added" | "removed" | "changed";
  readonly kind: CodePart["kind"];
  /** Name as it is now; of a package without its version. */
  readonly name: string;
  /** Where it is now, or was; empty and 0 where it has no place in the project. */
  readonly file: string;
  readonly line: number;
  /** What it was and is, in a few words: a constant's value, a package's version. Null where the diff says it. */
  readonly before: string | null;
  readonly after: string | null;
  /** Lines of a unified diff of the source text, without headers: each starts with `-`, `+` or a blank; `...` stands between distant places. Empty where there is no text, or the same. */
  readonly diff: readonly string[];
}

/** The parts that differ; empty for versions of which nothing differs that can be shown. */
export function compareVersions(before: TaskVersion, after: TaskVersion): readonly PartChange[] {
  const gone = without(before.parts, after.parts, ({ digest }) => digest);
  const fresh = without(after.parts, before.parts, ({ digest }) => digest);
  const changes =
    gone.length + fresh.length > 0
      ? changesOf(gone, fresh)
      : changesOf(without(before.parts, after.parts, withMentions), without(after.parts, before.parts, withMentions));
  // Several names out of one package are one change of it.
  return [...new Map(changes.map((change) => [JSON.stringify(change), change])).values()];
}

function withMentions({ digest, mentions }: CodePart): string {
  return `${digest} ${mentions}`;
}

/** The items whose key the others lack, each as often as they lack it. */
function without(
  parts: readonly CodePart[],
  others: readonly CodePart[],
  keyOf: (part: CodePart) => string,
): CodePart[] {
  const counts = new Map<string, number>();
  for (const other of others) counts.set(keyOf(other), (counts.get(keyOf(other)) ?? 0) + 1);
  return parts.filter((part) => {
    const count = counts.get(keyOf(part)) ?? 0;
    counts.set(keyOf(part), count - 1);
    return count <= 0;
  });
}

function changesOf(gone: readonly CodePart[], fresh: readonly CodePart[]): PartChange[] {
  const partners = new Map<CodePart, CodePart>();
  const open = new Set(gone);
  const pair = (keyOf: (part: CodePart) => string): void => {
    const byKey = Map.groupBy(open, keyOf);
    for (const part of fresh) {
      const partner = partners.has(part) ? undefined : byKey.get(keyOf(part))?.shift();
      if (partner === undefined) continue;
      partners.set(part, partner);
      open.delete(partner);
    }
  };
  pair((part) => `${part.file} ${nameOf(part)}`);
  pair(nameOf);
  return [
    ...fresh.map((part) => {
      const partner = partners.get(part);
      return partner === undefined ? alone("added", part) : changed(partner, part);
    }),
    ...[...open].map((part) => alone("removed", part)),
  ];
}

/** What makes two parts one that changed. A constant can turn into a function, so its kind plays no part; the task's own function is the body whatever the task's name. */
function nameOf(part: CodePart): string {
  if (part.kind === "body" || part.kind === "version") return part.kind;
  const outside = part.kind === "package" || part.kind === "builtin" || part.kind === "task" || part.kind === "meta";
  return `${outside ? part.kind : "code"} ${unversioned(part)}`;
}

function alone(change: "added" | "removed", part: CodePart): PartChange {
  const text = part.kind === "version" || part.kind === "package" ? versionOf(part) : part.value;
  return {
    ...placed(part),
    change,
    before: change === "removed" ? text : null,
    after: change === "added" ? text : null,
    diff: [],
  };
}

function changed(before: CodePart, after: CodePart): PartChange {
  const words = after.kind === "version" || after.kind === "package";
  const diff = words ? [] : diffOf(before.text ?? "", after.text ?? "");
  // A value that is another although its text is the same was computed.
  const values = words || (diff.length === 0 && before.value !== after.value);
  return {
    ...placed(after),
    change: "changed",
    before: values ? (words ? versionOf(before) : before.value) : null,
    after: values ? (words ? versionOf(after) : after.value) : null,
    diff,
  };
}

function placed(part: CodePart): Pick<PartChange, "kind" | "name" | "file" | "line"> {
  const name = part.kind === "package" ? unversioned(part).split(" ")[0]! : part.name;
  return { kind: part.kind, name: part.kind === "version" ? "version" : name, file: part.file, line: part.line };
}

function versionOf({ kind, name }: CodePart): string {
  return kind === "version" ? name : (/@([^@ ]*) /.exec(name)?.[1] ?? name);
}

/** The changed lines of a text with a few around them. */
function diffOf(before: string, after: string): string[] {
  if (before === after) return [];
  const { hunks } = structuredPatch("", "", ended(before), ended(after), "", "", { context: CONTEXT_LINES });
  const lines = hunks.flatMap((hunk, i) => [...(i === 0 ? [] : ["..."]), ...hunk.lines]);
  return lines.length <= MOST_LINES
    ? lines
    : [...lines.slice(0, MOST_LINES), `... (${lines.length - MOST_LINES} more lines)`];
}

/** With a line end at the end: the lack of one is none of the code's. */
function ended(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}
