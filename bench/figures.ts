/** What the benchmarks share: medians, the table, and the last line. */

import { availableParallelism, cpus } from "node:os";
import Table from "cli-table3";

/** The middle of some figures. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Prints rows as a table, and the figures as one JSON object on the last line. */
export function report(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  figures: Readonly<Record<string, unknown>>,
): void {
  const table = new Table({ head: [...head], style: { head: [], border: [] } });
  table.push(...rows.map((row) => row.map(String)));
  const machine = `${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? "unknown"}), Node ${process.versions.node}`;
  console.log(`${table.toString()}\n${machine}`);
  console.log(JSON.stringify({ machine, ...figures }));
}
