/**
 * Tables: drawn by cli-table3 on a terminal, columns separated by tabs elsewhere, so that `cut` and `awk` can read them.
 */

import Table from "cli-table3";
import { clipText, oneLine } from "./format.ts";
import { outputWidth, paint } from "./terminal.ts";

/** A column. */
export interface Column<T> {
  readonly title: string;
  readonly text: (row: T) => string;
  /** Colours the text of a cell; not called where there are no colours. */
  readonly paint?: (text: string, row: T) => string;
  readonly align?: "right";
  /** Gives room first when the terminal is narrow. */
  readonly shrinks?: true;
}

const NO_BORDERS = Object.fromEntries(
  ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"]
    .concat(["left", "left-mid", "mid", "mid-mid", "right", "right-mid"])
    .map((part) => [part, ""]),
);

const GAP = 2;
const LEAST_WIDTH = 8;

/** The rows as a table. `width` is the terminal's; without one the columns are separated by tabs. */
export function formatTable<T>(
  columns: readonly Column<T>[],
  rows: readonly T[],
  width: number | undefined = outputWidth(),
): string {
  const texts = rows.map((row) => columns.map((column) => oneLine(column.text(row))));
  if (width === undefined) return [columns.map(({ title }) => title), ...texts].map((row) => row.join("\t")).join("\n");
  const widths = widthsFor(columns, texts, width);
  const table = new Table({
    chars: { ...NO_BORDERS, middle: " ".repeat(GAP) },
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
    colWidths: widths,
    colAligns: columns.map(({ align }) => align ?? "left"),
  });
  table.push(columns.map(({ title }, i) => paint("bold", clipText(title, widths[i]!))));
  rows.forEach((row, at) => {
    table.push(
      columns.map((column, i) => {
        const text = clipText(texts[at]![i]!, widths[i]!);
        return column.paint ? column.paint(text, row) : text;
      }),
    );
  });
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n")
    .trimEnd();
}

/** Widths of the columns: what they need, less where the terminal has not that much. */
function widthsFor<T>(columns: readonly Column<T>[], texts: readonly (readonly string[])[], width: number): number[] {
  const widths = columns.map(({ title }, i) =>
    texts.reduce((most, row) => Math.max(most, [...row[i]!].length), Math.max(1, title.length)),
  );
  let excess = widths.reduce((sum, each) => sum + each, 0) + GAP * (columns.length - 1) - width;
  for (const shrinking of [true, false]) {
    while (excess > 0) {
      const widest = widths.reduce(
        (best, each, i) =>
          (columns[i]!.shrinks ?? false) === shrinking && each > LEAST_WIDTH && each > (widths[best] ?? 0) ? i : best,
        -1,
      );
      if (widest < 0) break;
      widths[widest]!--;
      excess--;
    }
  }
  return widths;
}
