/** As much Python and SQL as the contract suite's statements need, with outputs as Livy frames them. */

export interface Output {
  readonly status: "ok" | "error";
  readonly execution_count: number;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly ename?: string;
  readonly evalue?: string;
  readonly traceback?: readonly string[];
}

/** What a statement gives, and how long it takes. */
export function interpret(
  code: string,
  kind: string,
  count: number,
  names: Map<string, number>,
): { readonly ms: number; readonly output: Output } {
  const text = (plain: string, ms = 5): { ms: number; output: Output } => ({
    ms,
    output: { status: "ok", execution_count: count, data: { "text/plain": plain } },
  });
  if (kind === "sql") return { ms: 5, output: { status: "ok", execution_count: count, data: select(code) } };
  const raised = /^raise (\w+)\('(.*)'\)$/.exec(code);
  if (raised !== null) {
    const [, ename = "", evalue = ""] = raised;
    const traceback = ["Traceback (most recent call last):\n", `${ename}: ${evalue}\n`];
    return { ms: 5, output: { status: "error", execution_count: count, ename, evalue, traceback } };
  }
  const slept = /time\.sleep\((\d+)\)/.exec(code);
  if (slept !== null) return text("", 1_000 * Number(slept[1]));
  const bound = /^(\w+) = (\d+)$/.exec(code);
  if (bound !== null) {
    names.set(bound[1]!, Number(bound[2]));
    return text("");
  }
  const printed = /^print\('(.*)'\)$/.exec(code);
  if (printed !== null) return text(printed[1]!);
  const counted = /^spark\.range\((\d+)\)\.count\(\)$/.exec(code);
  if (counted !== null) return text(counted[1]!);
  const sum = /^(\w+)(?:\s*\+\s*(\w+))?$/.exec(code);
  if (sum === null) return text("");
  const value = (term = "0") => (/^\d+$/.test(term) ? Number(term) : (names.get(term) ?? Number.NaN));
  return text(String(value(sum[1]) + value(sum[2])));
}

/** `select 1 as a` */
function select(code: string): Readonly<Record<string, unknown>> {
  const [, value = "0", name = ""] = /^select (\d+) as (\w+)$/i.exec(code) ?? [];
  const fields = [{ name, type: "integer", nullable: false, metadata: {} }];
  return { "application/json": { schema: { type: "struct", fields }, data: [[Number(value)]] } };
}
