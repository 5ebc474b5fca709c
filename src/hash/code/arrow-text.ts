/** From the functions that a module gives to forms to the code behind its text that hands out a copy of each. */
import { basename, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { ArrowCopy, ArrowPlace, ModuleArrows } from "../../define/arrow.ts";
import { refusal } from "./arrow.ts";
import { type GivenFunction, lineStarts, type ModuleSummary, placeOf } from "./summary.ts";
import { codeDigest } from "./tokens.ts";

/** The name of the global function that takes the copies. */
export const ARROWS: unique symbol = Symbol.for("firesteel.arrows");

/** The arrows of a module and the calls that are given them; undefined for a module without any. `root` is the `file:` URL of the project's folder. */
export function arrowsOf(
  url: string,
  { given, lines }: ModuleSummary,
  root: string | undefined,
): ModuleArrows | undefined {
  if (given.length === 0) return undefined;
  const path = root === undefined ? url.slice(url.lastIndexOf("/") + 1) : pathFrom(root, url);
  const arrows = new Map<string, ArrowPlace>();
  const sites = given.map((one) => {
    const places = one.offsets.map((offset) => placeOf(lines, offset));
    const [captured] = one.captures;
    if (captured)
      return {
        places,
        arrow: null,
        refused: `${refusal(one)}, at ${path}:${captured.line}:${captured.column}`,
      };
    const name = arrowName(path, one);
    const { start, end } = one.unit;
    if (!arrows.has(name)) arrows.set(name, { name, start, end, line: one.line, column: one.column, named: one.named });
    return { places, arrow: name, refused: null };
  });
  return { arrows: [...arrows.values()], sites };
}

/** Equal code of one module has one name, wherever it stands there. */
function arrowName(path: string, { unit }: GivenFunction): string {
  const digest = codeDigest("arrow", [path, unit.code, JSON.stringify(unit.references)]);
  const stem = basename(path)
    .replace(/\..*$/, "")
    .replace(/[^\w-]/g, "_")
    .replace(/^(?=[^A-Za-z_])/, "_");
  return `arrow.${stem}.x${digest.slice(0, 12)}`;
}

function pathFrom(root: string, url: string): string {
  if (!root.startsWith("file:") || !url.startsWith("file:")) return url;
  return relative(fileURLToPath(root), fileURLToPath(url)).split(sep).join("/") + new URL(url).search;
}

/**
 * The code that hands out the copies, to be put behind a module's text, and where they stand there. Each begins in the column in which the original does, so only lines differ.
 */
export function arrowsText(
  text: string,
  { arrows }: ModuleArrows,
): { readonly code: string; readonly copies: readonly ArrowCopy[] } {
  if (arrows.length === 0) return { code: "", copies: [] };
  let code = `\n;globalThis[Symbol.for("firesteel.arrows")]?.(import.meta.url, {`;
  let line = lineStarts(text + code).length;
  const copies: ArrowCopy[] = [];
  for (const arrow of arrows) {
    const slice = text.slice(arrow.start, arrow.end);
    if (arrow.named) {
      code += `\n${JSON.stringify(arrow.name)}: (...args) => ${slice}(...args),`;
      line += 1;
      continue;
    }
    code += `\n${JSON.stringify(arrow.name)}:\n${" ".repeat(arrow.column - 1)}${slice}\n,`;
    const first = line + 2;
    const last = first + lineStarts(slice).length - 1;
    copies.push({ first, last, line: arrow.line });
    line = last + 1;
  }
  return { code: `${code}});\n`, copies };
}
