/**
 * Uses of a lazy result that JavaScript does not let us trap: `if (lazy)`, `!lazy`, `lazy && x`, `lazy === x`.
 *
 * Seen where the operand is a call of a task, or a local `const` that was set to one. A lazy is an object: always true, equal to nothing else.
 */
import type { Node } from "oxc-parser";
import { bare } from "./mutation.ts";
import { type GraphModule, type ModuleGraph, resolveReference } from "./resolve.ts";
import { lookUp, patternNames, type Scope, type Target } from "./scope.ts";
import type { Place } from "./summary.ts";
import { at, isNamespace, targetReference, type Writer } from "./writer.ts";

/** A use of a task's result as if it were there already. */
export interface Misuse extends Place {
  /** Such as `if (...) is always taken: the result of sales.main is lazy`, with what to write instead. */
  readonly message: string;
  readonly file: string;
}

const EQUALITY: ReadonlySet<string> = new Set(["===", "!==", "==", "!="]);

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
      if (node.test !== null) note(w, node.test, scope, "a condition on it always holds");
      return;
    case "UnaryExpression":
      if (node.operator === "!") note(w, node.argument, scope, "! of it is always false");
      return;
    case "LogicalExpression":
      note(w, node.left, scope, `${node.operator} always takes the same side`);
      return;
    case "BinaryExpression":
      if (!EQUALITY.has(node.operator)) return;
      note(w, node.left, scope, `${node.operator} compares it as an object`);
      note(w, node.right, scope, `${node.operator} compares it as an object`);
  }
}

function note(w: Writer, operand: Node, scope: Scope, what: string): void {
  const target = callOf(w, operand, scope);
  if (target !== undefined) w.module.misuses.push({ target: targetReference(target), reason: what, ...at(w, operand) });
}

/** What an expression is the result of calling, where that is module-level. */
function callOf(w: Writer, expression: Node, scope: Scope): Target | undefined {
  const node = bare(expression);
  if (node.type === "Identifier") return lookUp(scope, node.name)?.resultOf;
  if (node.type !== "CallExpression") return undefined;
  const callee = bare(node.callee);
  if (callee.type === "Identifier") return lookUp(scope, callee.name)?.depth === 0 ? { name: callee.name } : undefined;
  if (callee.type !== "MemberExpression" || callee.computed || callee.property.type !== "Identifier") return undefined;
  const object = bare(callee.object);
  if (object.type !== "Identifier" || lookUp(scope, object.name)?.depth !== 0 || !isNamespace(w)(object.name))
    return undefined;
  return { name: object.name, member: callee.property.name };
}

/** Remembers what a local `const` is the result of. */
export function setResult(w: Writer, id: Node, init: Node, scope: Scope): void {
  if (id.type !== "Identifier") return;
  const target = callOf(w, init, scope);
  for (const name of target === undefined ? [] : patternNames(id)) {
    const binding = lookUp(scope, name);
    if (binding !== undefined && binding.depth > 0) binding.resultOf = target as Target;
  }
}

/** The misuses of all modules; `taskNameOf` tells which module-level names are tasks. */
export function findMisuse(
  graph: ModuleGraph,
  taskNameOf: (url: string, localName: string) => string | undefined,
): Misuse[] {
  return [...graph.values()].flatMap((module) => misusesOf(graph, module, taskNameOf));
}

function misusesOf(
  graph: ModuleGraph,
  module: GraphModule,
  taskNameOf: (url: string, localName: string) => string | undefined,
): Misuse[] {
  const found: Misuse[] = [];
  for (const { target, reason, line, column } of module.summary.misuses) {
    if (target.kind !== "binding") continue;
    const { meaning } = resolveReference(graph, module, target);
    const task = meaning?.kind === "unit" ? taskNameOf(meaning.url, meaning.name) : undefined;
    if (task === undefined) continue;
    const message = `the result of ${task} is lazy, so ${reason}; decide with cond(...), or in a task that receives it`;
    found.push({ message, file: module.url, line, column });
  }
  return found;
}
