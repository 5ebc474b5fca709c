/** Parsing of flow modules, and errors that show the place. */
import { fileURLToPath } from "node:url";
import { type Node, type Program, parseSync } from "oxc-parser";
import { Code, FiresteelError } from "../../errors.ts";
import { lineStarts, placeOf } from "./summary.ts";

/**
 * The syntax tree of an ES module, without parentheses.
 *
 * @throws FiresteelError `invalid_argument` with file, line, column and a code frame, for a syntax error and for what type stripping cannot strip.
 */
export function parseModule(url: string, text: string): Program {
  const lang = /\.m?ts$/.test(pathOf(url)) ? "ts" : "js";
  const result = parseSync(`module.${lang}`, text, { lang, sourceType: "module", preserveParens: false });
  const error = result.errors.find((candidate) => candidate.severity === "Error");
  if (error !== undefined) throw syntaxError(url, text, error.labels[0]?.start ?? 0, error.message);
  const { program } = result;
  for (const statement of program.body) refuse(url, text, statement);
  return program;
}

/** The syntax tree of a CommonJS module; undefined if it does not parse. */
export function parseCommonJs(text: string): Program | undefined {
  const result = parseSync("module.cjs", text, { lang: "js", sourceType: "commonjs", preserveParens: false });
  return result.errors.some((error) => error.severity === "Error") ? undefined : result.program;
}

const UNSTRIPPABLE: ReadonlyMap<string, string> = new Map([
  ["TSEnumDeclaration", "an enum cannot be stripped; write a const object"],
  ["TSImportEqualsDeclaration", "import = cannot be stripped; write an import declaration"],
  ["TSExportAssignment", "export = cannot be stripped; write an export declaration"],
]);

function refuse(url: string, text: string, statement: Node): void {
  const inner =
    statement.type === "ExportNamedDeclaration" && statement.declaration !== null ? statement.declaration : statement;
  const reason = UNSTRIPPABLE.get(inner.type);
  if (reason !== undefined && !("declare" in inner && inner.declare === true))
    throw syntaxError(url, text, inner.start, reason);
}

/** An `invalid_argument` error that shows the place: `file:line:column: message`, then the lines around it. */
export function syntaxError(url: string, text: string, offset: number, message: string): FiresteelError {
  const starts = lineStarts(text);
  const { line, column } = placeOf(starts, offset);
  const file = pathOf(url);
  const frame = codeFrame(text, starts, line, column);
  return new FiresteelError(Code.invalidArgument, `${file}:${line}:${column}: ${message}\n${frame}`, {
    details: { file, line, column, frame, reason: message },
  });
}

/** The path of a `file:` URL; any other URL as it is. */
export function pathOf(url: string): string {
  return url.startsWith("file:") ? fileURLToPath(url) : url;
}

function codeFrame(text: string, starts: readonly number[], line: number, column: number): string {
  const first = Math.max(1, line - 2);
  const width = String(line + 1).length;
  const rows: string[] = [];
  for (let at = first; at <= Math.min(line + 1, starts.length); at++) {
    const row = text.slice(starts[at - 1], starts[at] ?? text.length).replace(/[\r\n\u2028\u2029]+$/, "");
    rows.push(`${at === line ? ">" : " "} ${String(at).padStart(width)} | ${row}`);
    if (at === line) rows.push(`  ${" ".repeat(width)} | ${row.slice(0, column - 1).replace(/[^\t]/g, " ")}^`);
  }
  return rows.join("\n");
}
