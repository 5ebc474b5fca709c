/** Calls that may define a task: where V8 places them, and the function they are given as a unit of its own. */
import type { CallExpression, Node, ObjectExpression } from "oxc-parser";
import { bare } from "./mutation.ts";
import { describeParameters } from "./parameters.ts";
import type { Scope } from "./scope.ts";
import type { Unit } from "./summary.ts";
import { finishUnit, newWriter, referenceIndex, undecided, type Writer, write } from "./writer.ts";

/** Notes the call of `registerCodec({ class: C, ... })`: its codec is a unit of its own, and from here on part of whatever reaches the class. */
export function writeCodecSite(w: Writer, node: CallExpression, scope: Scope): void {
  const codec = node.arguments.at(-1);
  if (codec === undefined || !isCallee(w, node.callee, "registerCodec")) return;
  const own = newWriter(w.module, "body", scope.depth);
  const given = bare(codec);
  const type = given.type === "ObjectExpression" ? propertyOf(given, "class") : undefined;
  let base: { readonly base?: number } = {};
  if (type?.type !== "Identifier")
    undecided(own, codec, "the class of a codec is not named: write registerCodec({ class: Money, ... })");
  else {
    write(own, type, scope);
    if (own.references.length === 1) base = { base: 0 };
    for (const reference of own.references) w.touches.add(referenceIndex(w, reference));
  }
  write(own, codec, scope);
  w.module.sites.push({
    offsets: callOffsets(w.module.text, node),
    unit: finishUnit(own, "", codec, ["codec"], base),
  });
}

/** Notes a call whose callee is called `task` here, or was where it was imported from. */
export function writeSite(w: Writer, node: CallExpression, scope: Scope): void {
  const body = node.arguments.at(-1);
  if (body === undefined || node.arguments.length < 2 || !isCallee(w, node.callee, "task")) return;
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
  const open = options.properties.some((property) => property.type === "SpreadElement" || property.computed);
  return open ? options : propertyOf(options, "args");
}

/** The value of a property that is written out. */
function propertyOf(object: ObjectExpression, name: string): Node | undefined {
  let found: Node | undefined;
  for (const property of object.properties) {
    if (property.type === "SpreadElement" || property.computed) continue;
    const { key, value } = property;
    if ((key.type === "Identifier" && key.name === name) || (key.type === "Literal" && key.value === name))
      found = bare(value);
  }
  return found;
}

function isCallee(w: Writer, callee: Node, name: "task" | "registerCodec"): boolean {
  const target = bare(callee);
  if (target.type === "Identifier") return target.name === name || w.module.imports.get(target.name)?.name === name;
  if (target.type === "SequenceExpression") return isCallee(w, target.expressions.at(-1) as Node, name);
  if (target.type !== "MemberExpression" || target.property.type === "PrivateIdentifier") return false;
  // What a computed member is called is not known; that may be a task.
  return target.property.type === "Identifier" ? target.property.name === name : name === "task";
}

/** V8 places `f(...)` at `f`, `x.f(...)` at `f`, and anything else (also `(f)(...)` and `f?.(...)`) at the parenthesis of its arguments. */
export function callOffsets(text: string, node: CallExpression): number[] {
  const callee = bare(node.callee);
  const open = text.indexOf("(", node.typeArguments?.end ?? node.callee.end);
  if (callee.type === "Identifier") return [callee.start, open];
  return callee.type === "MemberExpression" && !callee.computed ? [callee.property.start, open] : [open];
}
