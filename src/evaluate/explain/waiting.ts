/**
 * What waits for calls whose results are unknown, read off the programs that a dry run has entered.
 */

import { TaskReference } from "../../define/task.ts";
import { decodeValue } from "../../hash/decode.ts";
import type { ProgramNode, Template } from "../../hash/program.ts";
import type { Frame } from "../evaluation.ts";

/** Names of those that a group waits for. */
const MOST_NAMES = 3;

/** Calls of one task that cannot be looked up before others have run. */
export interface WaitingCalls {
  readonly task: string;
  /** How many are known of. */
  readonly calls: number;
  /** Some of them are items of a list that is not known, so there may be any number. */
  readonly open: boolean;
  /** The tasks whose results they take, the first few. */
  readonly on: readonly string[];
}

/** The calls in these programs whose arguments are not known. Branches that nobody asked for yet are not among them. */
export function waitingCalls(frames: Iterable<Frame>): readonly WaitingCalls[] {
  const groups = new Map<string, { calls: number; open: boolean; readonly task: string; readonly on: string[] }>();
  const add = (task: string, on: readonly string[], open: boolean): void => {
    const key = JSON.stringify([task, on]);
    const group = groups.get(key) ?? { task, on: [...on], calls: 0, open: false };
    group.open ||= open;
    if (!open) group.calls++;
    groups.set(key, group);
  };
  for (const frame of frames) {
    frame.program.nodes.forEach((node, i) => {
      const cell = frame.cells[i];
      // Asked for, not settled, and its own parts are not known yet.
      if (!cell || cell.settled || cell.start || isReady(frame, node)) return;
      if (node.kind === "call") add(node.task, waitsOn(frame, node), false);
      else if (node.kind === "form") for (const task of tasksGivenTo(node)) add(task, waitsOn(frame, node), true);
    });
  }
  return [...groups.values()];
}

function templatesOf(node: ProgramNode): readonly Template[] {
  return node.kind === "field" ? [node.of] : node.args;
}

function isReady(frame: Frame, node: ProgramNode): boolean {
  return templatesOf(node).every(({ holes }) => holes.every((hole) => frame.cells[hole.node]?.settled));
}

/** The tasks that a form calls back. */
function tasksGivenTo(node: Extract<ProgramNode, { readonly kind: "form" }>): string[] {
  return node.args.flatMap(({ bytes, holes }) => {
    const value = holes.length === 0 ? decodeValue(bytes) : null;
    return value instanceof TaskReference ? [value.taskName] : [];
  });
}

/** The tasks on whose results a node waits, through fields and forms but not through further calls. */
function waitsOn(frame: Frame, of: ProgramNode): readonly string[] {
  const names = new Set<string>();
  const seen = new Set<number>();
  const stack: ProgramNode[] = [of];
  for (let node = stack.pop(); node !== undefined && names.size < MOST_NAMES; node = stack.pop()) {
    for (const { holes } of templatesOf(node).toReversed()) {
      for (const hole of holes) {
        if (frame.cells[hole.node]?.settled || seen.has(hole.node)) continue;
        seen.add(hole.node);
        const next = frame.program.nodes[hole.node]!;
        const tasks = next.kind === "call" ? [next.task] : next.kind === "form" ? tasksGivenTo(next) : [];
        for (const task of tasks) names.add(task);
        if (tasks.length === 0) stack.push(next);
      }
    }
  }
  return [...names].slice(0, MOST_NAMES).sort();
}
