/**
 * Arrows: functions that are given to a form where it is called, `map((n) => n * RATE, items)`. Each that captures nothing is a task, named after its module and code.
 *
 * The loader finds them in the syntax before a module runs, and lets the module hand out a copy of each, made at its top level: so a stored expression can be evaluated where the code around the arrow
 * has not run. A form finds the arrow that it was given by the place of its call.
 */

import { Code, FiresteelError } from "../errors.ts";
import { callSite } from "./call-site.ts";
import { arrowByName, defineArrow, type Task } from "./task.ts";

/** A function that can be a task. Line and column count from 1. */
export interface ArrowPlace {
  readonly name: string;
  /** Its first place: offsets in the module's text, and line and column. */
  readonly start: number;
  readonly end: number;
  readonly line: number;
  readonly column: number;
  /** It is the name of a function of the module, not a function. */
  readonly named: boolean;
}

/** A call of a form that is given a function: the places at which V8 may put the call, and the arrow's name or why it is refused. */
export interface ArrowSite {
  readonly places: readonly { readonly line: number; readonly column: number }[];
  readonly arrow: string | null;
  readonly refused: string | null;
}

/** All about the arrows of one module; plain data. */
export interface ModuleArrows {
  readonly arrows: readonly ArrowPlace[];
  readonly sites: readonly ArrowSite[];
}

/** Where a copy of an arrow stands behind a module's text: its first and last line, and the line that the first one stands for. Columns are the same. */
export interface ArrowCopy {
  readonly first: number;
  readonly last: number;
  readonly line: number;
}

interface Known {
  readonly sites: ReadonlyMap<string, ArrowSite>;
  readonly copies: readonly ArrowCopy[];
}

const modules = new Map<string, Known>();

/** Makes a module's arrows known, before it runs. @internal */
export function declareArrows(url: string, { sites }: ModuleArrows, copies: readonly ArrowCopy[]): void {
  const byPlace = new Map<string, ArrowSite>();
  for (const site of sites) for (const { line, column } of site.places) byPlace.set(`${line}:${column}`, site);
  modules.set(url, { sites: byPlace, copies });
}

/** Takes in the copies that a module hands out when it has run. @internal */
export function defineArrows(
  url: string,
  arrows: readonly ArrowPlace[],
  copies: Readonly<Record<string, (...args: never[]) => unknown>>,
): void {
  for (const { name, line, column } of arrows) defineArrow(name, copies[name]!, { url, line, column });
}

/**
 * The task of a plain function that a form was given; `between` is the number of frames between this and the caller of the form.
 *
 * @internal
 * @throws FiresteelError `invalid_argument` for a function that captures something, or that is not seen in the syntax
 */
export function arrowTask(form: string, between: number): Task {
  const place = callSite(between);
  const known = place && modules.get(place.url);
  const site = known && place && known.sites.get(`${originalLine(known.copies, place.line)}:${place.column}`);
  if (site?.arrow) return arrowByName(site.arrow);
  throw new FiresteelError(
    Code.invalidArgument,
    site?.refused ??
      `${form}(...) wants a task here; a plain function is taken only where it is seen in the code: write it in the call of ${form} (imported from "firesteel", in a module that firesteel loads) or give the name of a function of the same module, else define it with task("name", ...)`,
  );
}

/** A stack with the lines of arrows as they are in the files. @internal */
export function originalStack(stack: string): string {
  return stack.replace(/((?:file|data):[^\s()]*?):(\d+):(\d+)/g, (all, url: string, line: string, column: string) => {
    const copies = modules.get(url)?.copies;
    return copies ? `${url}:${originalLine(copies, Number(line))}:${column}` : all;
  });
}

function originalLine(copies: readonly ArrowCopy[], line: number): number {
  const copy = copies.find(({ first, last }) => first <= line && line <= last);
  return copy ? copy.line + line - copy.first : line;
}
