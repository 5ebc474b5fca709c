/**
 * Functions that are given to forms where these are called: `map((n) => n * RATE, items)`, `map(double, items)`. One that captures nothing of the code around it can run anywhere, as a task.
 *
 * A form is known by its import from `firesteel` (also renamed, or as a member of the namespace). By its name alone a function can be given that the same module declares with `function` or as a `const` arrow.
 */
import type { ArrowFunctionExpression, CallExpression, Function as FunctionNode, Node, Program } from "oxc-parser";
import { bare } from "./mutation.ts";
import { describeParameters } from "./parameters.ts";
import { lookUp, type Scope } from "./scope.ts";
import { callOffsets } from "./site.ts";
import type { Finding, GivenFunction } from "./summary.ts";
import { at, finishUnit, isNamespace, newWriter, type Writer, write } from "./writer.ts";

/** Which argument of each form is a task. */
const TASK_ARGUMENT: ReadonlyMap<string, number> = new Map([
  ["map", 0],
  ["flatMap", 0],
  ["filter", 0],
  ["reduce", 0],
  ["apply", 0],
  ["partial", 0],
  ["catchError", 1],
  ["catchAll", 1],
]);

/** Notes the function that a form is given in this call. */
export function writeGivenFunction(w: Writer, node: CallExpression, scope: Scope): void {
  const form = formOf(w, node.callee, scope);
  if (form === undefined) return;
  const index = TASK_ARGUMENT.get(form)!;
  const argument = node.arguments[index];
  // Behind a spread list nothing has a fixed place.
  if (argument === undefined || node.arguments.slice(0, index).some(({ type }) => type === "SpreadElement")) return;
  const given = bare(argument);
  const isFunction = given.type === "ArrowFunctionExpression" || given.type === "FunctionExpression";
  const isName =
    given.type === "Identifier" && w.module.functions.has(given.name) && lookUp(scope, given.name)?.depth === 0;
  if (!isFunction && !isName) return;
  const own = newWriter(w.module, "body", scope.depth);
  write(own, given, scope);
  // What eval(...) mentions is not seen, and would be looked for at the module's top level.
  const captures = own.undecided.filter(({ reason }) => reason.startsWith("captures ") || reason === "eval");
  if (isFunction) findPrivateNames(own, given, captures);
  w.module.given.push({
    offsets: callOffsets(w.module.text, node),
    form,
    named: isName,
    unit: finishUnit(
      own,
      "",
      given,
      ["body"],
      isFunction ? { parameters: describeParameters(given.params) } : { base: 0 },
    ),
    captures,
    ...at(own, given),
  });
}

/** The name of the form that a callee is; undefined for anything else. */
function formOf(w: Writer, callee: Node, scope: Scope): string | undefined {
  const target = bare(callee);
  const object = target.type === "MemberExpression" ? bare(target.object) : target;
  if (object.type !== "Identifier" || lookUp(scope, object.name)?.depth !== 0) return undefined;
  const from = w.module.imports.get(object.name);
  if (from?.specifier !== "firesteel") return undefined;
  let { name } = from;
  if (target.type === "MemberExpression") {
    if (!isNamespace(w)(object.name) || target.computed || target.property.type !== "Identifier") return undefined;
    ({ name } = target.property);
  }
  return TASK_ARGUMENT.has(name) ? name : undefined;
}

/** Private names of a class around the function: outside it they are no syntax. */
function findPrivateNames(
  w: Writer,
  given: FunctionNode | ArrowFunctionExpression,
  captures: Finding[],
  inside: ReadonlySet<string> = new Set(),
): void {
  const visit = (value: unknown, declared: ReadonlySet<string>): void => {
    if (Array.isArray(value)) {
      for (const item of value) visit(item, declared);
      return;
    }
    if (typeof value !== "object" || value === null || !("type" in value)) return;
    const node = value as Node;
    if (node.type === "PrivateIdentifier") {
      if (!declared.has(node.name)) captures.push({ reason: `captures #${node.name}`, ...at(w, node) });
      return;
    }
    let names = declared;
    if (node.type === "ClassBody") {
      const own = node.body.flatMap((element) =>
        "key" in element && element.key.type === "PrivateIdentifier" ? [element.key.name] : [],
      );
      names = new Set([...declared, ...own]);
    }
    for (const member of Object.values(node)) visit(member, names);
  };
  visit(given, inside);
}

/** Names of the functions that a module declares at its top level: with `function`, or as `const` of a function literal. */
export function moduleFunctions(program: Program): ReadonlySet<string> {
  const names = new Set<string>();
  for (const statement of program.body) {
    const node =
      (statement.type === "ExportNamedDeclaration" || statement.type === "ExportDefaultDeclaration") &&
      statement.declaration !== null
        ? statement.declaration
        : statement;
    if (node.type === "FunctionDeclaration" && node.id !== null && node.body !== null) names.add(node.id.name);
    if (node.type !== "VariableDeclaration" || node.kind !== "const") continue;
    for (const { id, init } of node.declarations) {
      const value = init && bare(init);
      if (
        id.type === "Identifier" &&
        (value?.type === "ArrowFunctionExpression" || value?.type === "FunctionExpression")
      )
        names.add(id.name);
    }
  }
  return names;
}

/** Why a function cannot be given to a form, in words. */
export function refusal({ form, named, unit, captures }: GivenFunction): string {
  const what = [...new Set(captures.map(({ reason }) => reason.replace("captures ", "")))].join(", ");
  const [first] = (unit.parameters ?? []).filter(({ name }) => name !== "");
  const rest = named || first === undefined ? "..." : first.name;
  const [, local] = /^captures the local (.*)$/.exec(captures[0]?.reason ?? "") ?? [];
  const instead =
    local === undefined
      ? 'define a task("name", ...) that gets it as an argument'
      : `let it be a parameter, partial((${local}, ${rest}) => ..., ${local}), or define a task("name", ...) and give it with partial(task, ${local})`;
  return `the function given to ${form}(...) captures ${what}, so it cannot run without the code around it; ${instead}`;
}
