/** What the benchmarks share: medians, CPU time, the table, and the last line. */

import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import Table from "cli-table3";

/** The middle of some figures. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The smallest of some figures that is not below a share of them. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!;
}

/** CPU time of a process and its children, in ms. */
export function cpuOf(pid: number): number {
  let ticks = 0;
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const text = readFileSync(`/proc/${name}/stat`, "utf8");
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      if (Number(name) === pid || Number(fields[1]) === pid) ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // Ended since it was listed.
    }
  }
  return ticks * 10;
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
