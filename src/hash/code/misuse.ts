/**
 * Uses of a lazy result that JavaScript does not let us trap, or not with a message of ours: `if (lazy)`, `!lazy`, `lazy && x`, `lazy === x`, `switch (lazy)`, `lazy.map(...)`.
 *
 * Seen where the operand is a call of a task, a partial task or one of firesteel's forms, a field of its result, or a local `const` that was set to one of these. A lazy is an object: always true, equal
 * to nothing else, and without methods.
 */
import type { Node } from "oxc-parser";
import { refusal } from "./arrow.ts";
import { bare } from "./mutation.ts";
import { type GraphModule, type ModuleGraph, resolveReference } from "./resolve.ts";
import { lookUp, type Scope, type Target } from "./scope.ts";
import type { Place } from "./summary.ts";
import { at, isNamespace, targetReference, type Writer } from "./writer.ts";

/** A use of a lazy result as if it were there already. */
export interface Misuse extends Place {
  /** Such as `the result of sales.main is lazy, so a condition on it always holds; write cond(...), ...`. */
  readonly message: string;
  readonly file: string;
}

/** What firesteel exports that gives a lazy when it is called. */
const LAZY_EXPORTS: ReadonlySet<string> = new Set([
  ...["cond", "catchError", "catchAll", "map", "flatMap", "filter", "reduce", "all", "seq", "apply", "raise", "field"],
  ...["withTags", "withLimits", "withContext", "file", "dataset", "createDataset", "text"],
  ...["add", "sub", "mul", "div", "mod", "neg", "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not"],
]);

const EQUALITY: Readonly<Record<string, string>> = { "===": "eq", "==": "eq", "!==": "ne", "!=": "ne" };
const LOGIC: Readonly<Record<string, string>> = {
  "&&": "and(a, b)",
  "||": "or(a, b)",
  "??": "cond(eq(a, null), b, a)",
};
/** Methods of lists for which there is a form. */
const LIST_FORMS: ReadonlySet<string> = new Set(["map", "flatMap", "filter", "reduce"]);

/** Notes the operands of a node that would be lazy if what they call is a task. */
export function noteMisuse(w: Writer, node: Node, scope: Scope): void {
  // A task body is written a second time as part of its surroundings; one note is enough.
  if (w.kind === "body") return;
  switch (node.type) {
    case "IfStatement":
    case "ConditionalExpression":
    case "WhileStatement":
    case "DoWhileStatement":
    case "ForStatement":
      if (node.test !== null) note(w, node.test, scope, "a condition on it always holds", CHOOSE);
      return;
    case "SwitchStatement":
      note(w, node.discriminant, scope, "switch compares it as an object", CHOOSE);
      return;
    case "UnaryExpression":
      if (node.operator === "!") note(w, node.argument, scope, "! of it is always false", "not(condition)");
      return;
    case "LogicalExpression":
      note(w, node.left, scope, `${node.operator} always takes the same side`, LOGIC[node.operator]!);
      return;
    case "BinaryExpression": {
      const form = EQUALITY[node.operator];
      if (form === undefined) return;
      for (const operand of [node.left, node.right])
        note(w, operand, scope, `${node.operator} compares it as an object`, `${form}(a, b)`);
      return;
    }
    case "CallExpression":
      noteMethod(w, node.callee, scope);
  }
}

const CHOOSE = "cond(condition, then, otherwise)";

function note(w: Writer, operand: Node, scope: Scope, what: string, instead: string): void {
  const target = callOf(w, operand, scope);
  if (target === undefined) return;
  const reason = `${what}; write ${instead}`;
  w.module.misuses.push({ target: targetReference(target), reason, ...at(w, operand) });
}

function noteMethod(w: Writer, given: Node, scope: Scope): void {
  const callee = bare(given);
  if (callee.type !== "MemberExpression" || callee.computed || callee.property.type !== "Identifier") return;
  const { name } = callee.property;
  const instead = LIST_FORMS.has(name) ? `${name}(task, list)` : "it in the body of a task that receives the value";
  note(w, callee.object, scope, `it has no method ${name}`, instead);
}

/** What an expression is the result of calling (or a part of that result), where that is module-level. */
function callOf(w: Writer, expression: Node, scope: Scope): Target | undefined {
  const node = bare(expression);
  if (node.type === "Identifier") return lookUp(scope, node.name)?.resultOf;
  // `await lazy` gives the lazy back.
  if (node.type === "AwaitExpression") return callOf(w, node.argument, scope);
  if (node.type === "MemberExpression") return callOf(w, node.object, scope);
  if (node.type === "TaggedTemplateExpression") return moduleLevel(w, node.tag, scope);
  return node.type === "CallExpression" ? moduleLevel(w, node.callee, scope) : undefined;
}

/** The module-level thing that a callee is. */
function moduleLevel(w: Writer, given: Node, scope: Scope): Target | undefined {
  const callee = bare(given);
  if (callee.type === "Identifier") return lookUp(scope, callee.name)?.depth === 0 ? { name: callee.name } : undefined;
  if (callee.type !== "MemberExpression" || callee.computed || callee.property.type !== "Identifier") return undefined;
  const object = bare(callee.object);
  if (object.type !== "Identifier" || lookUp(scope, object.name)?.depth !== 0 || !isNamespace(w)(object.name))
    return undefined;
  return { name: object.name, member: callee.property.name };
}

/** Remembers what a local `const` is the result of; the names that an object pattern takes out of a lazy are lazy too. */
export function setResult(w: Writer, id: Node, init: Node, scope: Scope): void {
  const target = callOf(w, init, scope);
  if (target === undefined) return;
  for (const name of namesOfParts(id)) {
    const binding = lookUp(scope, name);
    if (binding !== undefined && binding.depth > 0) binding.resultOf = target;
  }
}

function namesOfParts(id: Node): string[] {
  if (id.type === "Identifier") return [id.name];
  if (id.type === "AssignmentPattern") return namesOfParts(id.left);
  if (id.type !== "ObjectPattern") return [];
  return id.properties.flatMap((property) => (property.type === "Property" ? namesOfParts(property.value) : []));
}

/** Says what a module-level name of the project is when it is something whose calls are lazy: the name of a task. */
export type LazySource = (url: string, localName: string) => string | undefined;

/** The misuses of all modules, and the functions that are given to forms and capture something, in order of place. */
export function findMisuse(graph: ModuleGraph, sourceOf: LazySource): Misuse[] {
  return [...graph.values()]
    .flatMap((module) => [...misusesOf(graph, module, sourceOf), ...capturesOf(module)])
    .sort((a, b) => (a.file === b.file ? a.line - b.line || a.column - b.column : a.file < b.file ? -1 : 1));
}

function misusesOf(graph: ModuleGraph, module: GraphModule, sourceOf: LazySource): Misuse[] {
  const found: Misuse[] = [];
  for (const { target, reason, line, column } of module.summary.misuses) {
    if (target.kind !== "binding") continue;
    const { meaning } = resolveReference(graph, module, target);
    const source =
      meaning?.kind === "unit"
        ? sourceOf(meaning.url, meaning.name)
        : meaning?.kind === "external" && isForm(meaning)
          ? `${meaning.name}(...)`
          : undefined;
    if (source === undefined) continue;
    const message = `the result of ${source} is lazy, so ${reason}, or decide in a task that receives it`;
    found.push({ message, file: module.url, line, column });
  }
  return found;
}

function capturesOf({ url, summary }: GraphModule): Misuse[] {
  return summary.given.flatMap((given) => {
    const [first] = given.captures;
    return first ? [{ message: refusal(given), file: url, line: first.line, column: first.column }] : [];
  });
}

function isForm({
  from,
  name,
}: {
  readonly from: { readonly kind: string; readonly name: string };
  readonly name: string;
}): boolean {
  return from.kind === "package" && from.name === "firesteel" && LAZY_EXPORTS.has(name);
}
