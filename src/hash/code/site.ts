/** Calls that may define a task: where V8 places them, and the function they are given as a unit of its own. */
import type { CallExpression, Node } from "oxc-parser";
import { bare } from "./mutation.ts";
import { describeParameters } from "./parameters.ts";
import type { Scope } from "./scope.ts";
import type { Unit } from "./summary.ts";
import { finishUnit, newWriter, undecided, type Writer, write } from "./writer.ts";

/** Notes a call whose callee is called `task` here, or was where it was imported from. */
export function writeSite(w: Writer, node: CallExpression, scope: Scope): void {
  const body = node.arguments.at(-1);
  if (body === undefined || node.arguments.length < 2 || !isTaskCallee(w, node.callee)) return;
  const own = newWriter(w.module, "body", scope.depth);
  const given = bare(body);
  if (given.type === "SpreadElement") undecided(own, given, "the arguments of task(...) are spread");
  write(own, body, scope);
  const isFunction = given.type === "ArrowFunctionExpression" || given.type === "FunctionExpression";
  const isName = given.type === "Identifier" || given.type === "MemberExpression";
  // A function that is named is the first and only thing mentioned.
  const named = isName && own.references.length === 1 ? { base: 0 } : {};
  const extra = isFunction ? { parameters: describeParameters(given.params) } : named;
  w.module.sites.push({
    offsets: callOffsets(w.module.text, node),
    unit: finishUnit(own, "", body, ["body"], extra),
    ...schemasUnit(w, node, scope),
  });
}

/** The code of the argument schemas, where the options may hold some. */
function schemasUnit(w: Writer, node: CallExpression, scope: Scope): { readonly schemas?: Unit } {
  const options = node.arguments.length < 3 ? undefined : node.arguments.at(-2);
  const given = options && schemasOf(bare(options));
  if (given === undefined) return {};
  const own = newWriter(w.module, "body", scope.depth);
  write(own, given, scope);
  return { schemas: finishUnit(own, "", given, ["schemas"]) };
}

function schemasOf(options: Node): Node | undefined {
  if (options.type !== "ObjectExpression") return options;
  let found: Node | undefined;
  for (const property of options.properties) {
    if (property.type === "SpreadElement" || property.computed) return options;
    const { key, value } = property;
    if ((key.type === "Identifier" && key.name === "args") || (key.type === "Literal" && key.value === "args"))
      found = value;
  }
  return found;
}

function isTaskCallee(w: Writer, callee: Node): boolean {
  const target = bare(callee);
  if (target.type === "Identifier") return target.name === "task" || w.module.imports.get(target.name)?.name === "task";
  if (target.type === "SequenceExpression") return isTaskCallee(w, target.expressions.at(-1) as Node);
  if (target.type !== "MemberExpression" || target.property.type === "PrivateIdentifier") return false;
  return target.property.type === "Identifier" ? target.property.name === "task" : true;
}

/** V8 places `f(...)` at `f`, `x.f(...)` at `f`, and anything else (also `(f)(...)` and `f?.(...)`) at the parenthesis of its arguments. */
function callOffsets(text: string, node: CallExpression): number[] {
  const callee = bare(node.callee);
  const open = text.indexOf("(", node.typeArguments?.end ?? node.callee.end);
  if (callee.type === "Identifier") return [callee.start, open];
  return callee.type === "MemberExpression" && !callee.computed ? [callee.property.start, open] : [open];
}
