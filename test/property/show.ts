/** A text for every value that occurs, equal only for equal values. The same text is made in bodies, in the evaluator's process and by the oracle. Its source is part of the programs under test, so it imports nothing. Of a partial task it tells the task only. */
export function show(value: unknown): string {
  if (value === undefined) return "undefined";
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (Array.isArray(value)) return `[${value.map(show).join(",")}]`;
  if (typeof value === "function" || (typeof value === "object" && value !== null && "taskName" in value))
    return `task(${(value as unknown as { readonly taskName: string }).taskName})`;
  if (typeof value === "object" && value !== null) {
    return `{${Object.entries(value as Readonly<Record<string, unknown>>)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => `${key}:${show(item)}`)
      .join(",")}}`;
  }
  return JSON.stringify(value);
}

/** The name of the file that a call writes. */
export function outName(task: string, args: readonly unknown[]): string {
  let x = 0x811c9dc5;
  for (const char of show(args)) x = Math.imul(x ^ char.charCodeAt(0), 0x01000193);
  return `${task}-${(x >>> 0).toString(16)}.txt`;
}
