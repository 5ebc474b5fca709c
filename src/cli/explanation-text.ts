/**
 * Explanations as people read them: a summary, then each reason once with the calls that share it.
 */

import {
  type ArgumentChange,
  type CallGroup,
  Change,
  type Explanation,
  type PartChange,
  type Reason,
  SparkWork,
  type WaitingCalls,
} from "../gen/firesteel/v1/explain_pb.ts";
import { clipText, formatCount, oneLine, plainText, shortId } from "./format.ts";

/** How an explanation is shown. */
export interface ExplanationView {
  /** A dry run tells what would happen, an explanation of an execution what did. */
  readonly past: boolean;
  /** Every call of the answer and the tasks whose results are taken, rather than a few. */
  readonly all: boolean;
  /** Columns; undefined where nothing is cut. */
  readonly width: number | undefined;
  readonly paint: (format: "bold" | "dim" | "red" | "green" | "yellow" | "cyan", text: string) => string;
}

/** Examples that are shown of each reason. */
const EXAMPLES = 3;
/** Tasks named in one line. */
const NAMES = 3;

/** The lines of an explanation. */
export function explanationLines(explanation: Explanation, view: ExplanationView): string[] {
  const { groups, waiting, cached, failure, comparedWith } = explanation;
  const { paint, past } = view;
  const lines = [paint("bold", summary(explanation, past))];
  if (comparedWith !== undefined && groups.length > 0)
    lines.push(paint("dim", `compared with execution ${shortId(comparedWith)}`));
  for (const alike of merged(groups)) lines.push("", ...groupLines(alike, view));
  if (waiting.length > 0)
    lines.push("", paint("bold", "wait for these"), ...waiting.map((calls) => `  ${waitingWords(calls)}`));
  if (view.all && cached.length > 0)
    lines.push(
      "",
      paint("bold", past ? "were cached" : "are cached"),
      ...cached.map(({ task, calls }) => `  ${task}: ${formatCount(Number(calls), "call")}`),
    );
  if (failure) lines.push("", `${paint("red", "would fail:")} ${oneLine(failure.message)}`);
  if (groups.length > 0 && !past) lines.push("", paint("dim", "What these call in turn is known when they have run."));
  return lines.map((line) =>
    view.width === undefined || !plainText(line).startsWith("  ") ? line : cut(line, view.width),
  );
}

/** The first line: `12 calls would run, 340 are cached, 5 wait for them`. */
function summary({ groups, cached, waiting }: Explanation, past: boolean): string {
  const run = sum(groups);
  const kept = sum(cached);
  if (run === 0)
    return past
      ? `nothing ran: ${formatCount(kept, "call")} ${kept === 1 ? "was" : "were"} cached`
      : `nothing would run: ${formatCount(kept, "call")} ${kept === 1 ? "is" : "are"} cached`;
  const submit = sum(groups.filter(({ sparkWork }) => sparkWork === SparkWork.NEW));
  const open = waiting.some((calls) => calls.open);
  const waits = sum(waiting);
  return [
    `${formatCount(run, "call")} ${past ? "ran" : "would run"}${submit > 0 ? ` (${submit} on Spark)` : ""}`,
    `${kept.toLocaleString("en")} ${kept === 1 ? (past ? "was" : "is") : past ? "were" : "are"} cached`,
    ...(waiting.length > 0
      ? [
          open && waits === 0
            ? "others wait for them"
            : `${open ? "at least " : ""}${waits.toLocaleString("en")} ${waits === 1 ? "waits" : "wait"} for them`,
        ]
      : []),
  ].join(", ");
}

function sum(counts: readonly { readonly calls: bigint }[]): number {
  return counts.reduce((total, { calls }) => total + Number(calls), 0);
}

/** Groups of different tasks that run for one and the same reason are told of together. */
function merged(groups: readonly CallGroup[]): readonly (readonly CallGroup[])[] {
  return [
    ...Map.groupBy(groups, ({ reasons, sparkWork, failure, task }) => {
      const shared = failure === undefined && reasons.every(({ kind }) => kind.case !== "newArguments");
      return JSON.stringify([reasons, sparkWork, shared ? "" : [task, failure?.message]]);
    }).values(),
  ];
}

function groupLines(groups: readonly CallGroup[], view: ExplanationView): string[] {
  const { reasons, sparkWork, failure } = groups[0]!;
  const { paint, past, all } = view;
  const names = groups.map(({ task }) => task);
  const shown =
    names.length <= NAMES ? names : [...names.slice(0, NAMES - 1), `${names.length - NAMES + 1} more tasks`];
  const why = reasons.map(reasonWords).join(" and ");
  const work = past || sparkWork === SparkWork.UNSPECIFIED ? "" : `; ${WORK_WORDS[sparkWork]}`;
  const lines = [`${paint("cyan", shown.join(", "))}: ${formatCount(sum(groups), "call")}, ${why}${work}`];
  for (const reason of reasons) lines.push(...reasonLines(reason, view));
  if (failure) lines.push(`  ${paint("red", past ? "failed:" : "would fail:")} ${oneLine(failure.message)}`);
  // New code runs for all arguments alike.
  const alike = !all && reasons.every(({ kind }) => kind.case === "newCode");
  const argumentLines = alike ? [] : exampleLines(groups, reasons);
  const most = all ? argumentLines.length : EXAMPLES;
  lines.push(...argumentLines.slice(0, most));
  const told = groups.flatMap(({ examples }) => examples).length;
  const left = sum(groups) - Math.min(told, most);
  if (left > 0 && argumentLines.length > 1) lines.push(paint("dim", `  ... and ${formatCount(left, "more call")}`));
  return lines;
}

const WORK_WORDS: Readonly<Record<number, string>> = {
  [SparkWork.NEW]: "Spark work is submitted",
  [SparkWork.DONE]: "their Spark work is done already, nothing is submitted",
};

function reasonWords({ kind }: Reason): string {
  switch (kind.case) {
    case "newTask":
      return "no result of the task is recorded yet";
    case "newCall":
      return "no earlier call is like it";
    case "newCode":
      return "new code";
    case "newArguments":
      return `new argument${kind.value.parameters.length === 1 ? "" : "s"} ${kind.value.parameters.join(", ")}`;
    case "invalidResult":
      return "the recorded result is not valid any more";
    case "notCacheable":
      return "results are not kept: what the code does cannot be decided";
    case "noCache":
      return `results are not kept: the option cache is "${kind.value.option}"`;
    case "newSurroundings": {
      const { reads, context } = kind.value;
      const read = reads.length > 0 ? [`what it reads (${reads.join(", ")})`] : [];
      const set = context.length > 0 ? [`the context (${context.join(", ")})`] : [];
      return `${[...read, ...set].join(" or ") || "what it reads or the context"} is another`;
    }
    case "notFinished":
      return kind.value.state === "failed" ? "it failed the last time" : "it was stopped the last time";
    case "notKept":
      return "no result was kept, so why it ran is not known";
    default:
      return "for a reason that this version does not know";
  }
}

function reasonLines({ kind }: Reason, { paint, past }: ExplanationView): string[] {
  switch (kind.case) {
    case "newCode":
      if (!kind.value.compared) return ["  the earlier version of the code was not recorded"];
      return kind.value.changes.flatMap((change) => changeLines(change, paint));
    case "invalidResult":
      return kind.value.places.length > 0
        ? kind.value.places.map((place) => `  ${oneLine(place)}`)
        : [past ? "  what had changed then is not recorded" : "  it changed while it was looked at"];
    case "notCacheable":
      return kind.value.places.map(
        ({ reason, file, line, column }) => `  ${oneLine(reason)}, at ${file}:${line}:${column}`,
      );
    default:
      return [];
  }
}

const CHANGE_WORDS: Readonly<Record<number, string>> = {
  [Change.ADDED]: "added",
  [Change.REMOVED]: "removed",
  [Change.CHANGED]: "changed",
};
const KIND_WORDS: Readonly<Record<string, string>> = {
  body: "the function of",
  value: "constant",
  version: "option",
  commonjs: "module",
  json: "file",
  builtin: "module",
  meta: "",
};

function changeLines(change: PartChange, paint: ExplanationView["paint"]): string[] {
  const { kind, name, file, line, before, after, diff } = change;
  const word = CHANGE_WORDS[change.change] ?? "";
  const place = file === "" ? "" : `, ${file}${line > 0 ? `:${line}` : ""}`;
  const values = before !== undefined && after !== undefined ? `: ${oneLine(before)} -> ${oneLine(after)}` : "";
  const what = [kind === "body" && name === "" ? "the argument schemas" : (KIND_WORDS[kind] ?? kind), name]
    .filter((part) => part !== "")
    .join(" ");
  return [
    `  ${word} ${what}${values}${paint("dim", place)}`,
    ...diff.map((text) => {
      const shown = `    ${plainText(text)}`;
      return text.startsWith("-") ? paint("red", shown) : text.startsWith("+") ? paint("green", shown) : shown;
    }),
  ];
}

/** How the calls differ from earlier ones, or what they are given; each line once. */
function exampleLines(groups: readonly CallGroup[], reasons: readonly Reason[]): string[] {
  const compared = reasons.some(({ kind }) => kind.case === "newArguments");
  const lines = groups.flatMap(({ task, examples }) =>
    examples.flatMap(({ arguments: args, changes, moreChanges }) => {
      if (compared)
        return [
          ...changes.map((change) => `  ${changeWords(change)}`),
          ...(moreChanges > 0 ? [`  ... and ${formatCount(moreChanges, "more place")}`] : []),
        ];
      return args.length === 0 ? [] : [`  ${task}(${args.map(oneLine).join(", ")})`];
    }),
  );
  return [...new Set(lines)];
}

function changeWords({ path, before, after }: ArgumentChange): string {
  if (before === undefined) return `${path}: ${oneLine(after ?? "")} is new`;
  if (after === undefined) return `${path}: ${oneLine(before)} is gone`;
  return `${path}: ${oneLine(before)} -> ${oneLine(after)}`;
}

function waitingWords({ task, calls, open, on }: WaitingCalls): string {
  const count = Number(calls);
  const many = open
    ? count === 0
      ? "any number of calls"
      : `${formatCount(count, "call")} or more`
    : formatCount(count, "call");
  return `${task}: ${many}, for ${on.join(", ")}`;
}

/** A line of details cut to a width; colours, which take none, are not cut. Lines that say what and why are left to the terminal to wrap. */
function cut(line: string, width: number): string {
  return plainText(line).length <= width
    ? line
    : line.includes("\u001b")
      ? cutColoured(line, width)
      : clipText(line, width);
}

function cutColoured(line: string, width: number): string {
  let left = width - 1;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are told by it
  return line.replace(/(\u001b\[[0-9;]*m)|([^\u001b]+)/g, (_, colour: string | undefined, text: string) => {
    if (colour !== undefined) return colour;
    if (left <= 0) return "";
    const kept = text.length <= left ? text : `${text.slice(0, left)}\u2026`;
    left -= text.length;
    return kept;
  });
}
