/** The code of our statements. What it names, the spec of its attempt, marks it: Livy shows the code of a statement, and statements have no names. */

/** Prepares a new session. */
export const WARM_CODE = "import firesteel_statement\nfiresteel_statement.warm(spark)";

/** The last line of a statement after which its session cannot be used: what it left behind (`jobs/firesteel_statement.py`). */
const SESSION_ENDS = "firesteel: this session must end: ";

const CODE = /^import firesteel_statement\nfiresteel_statement\.run\(spark, ("(?:[^"\\]|\\.)*")\)$/;

/** Runs the spec at a place, in Hadoop's spelling. */
export function statementCode(spec: string): string {
  return `import firesteel_statement\nfiresteel_statement.run(spark, ${JSON.stringify(spec)})`;
}

/** The place of the spec that a code runs; null for other codes. */
export function specIn(code: string): string | null {
  const [, text] = CODE.exec(code) ?? [];
  return text === undefined ? null : (JSON.parse(text) as string);
}

/** What a statement printed, and why its session has to end, if it says so. */
export function readOutput(text: string): { readonly lines: readonly string[]; readonly ends: string | null } {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const last = lines.at(-1);
  return last?.startsWith(SESSION_ENDS) ? { lines, ends: last.slice(SESSION_ENDS.length) } : { lines, ends: null };
}
