/**
 * The rule for module state.
 *
 * Code that runs after a module was loaded changes a module-level thing when it, anywhere in the project,
 * - assigns to it or to a part of it (`x = `, `x.a.b++`, `delete x[k]`, `[x.a] = `, `for (x.a of ...)`),
 * - calls one of {@link MUTATORS} on it or on a part of it (`x.a.push(1)`; parts may be fetched by `.get(k)` and `.at(i)`),
 * - hands it to one of {@link OBJECT_MUTATORS} as the first argument,
 * - does one of these to a local `const` that was set to it, destructured from it or iterates over it,
 * - does one of these to a local of code that runs at load (`const next = (() => { let n = 0; return () => ++n; })()`),
 * - or calls a method that changes `this`, where the thing is an object literal or `new` of a local class.
 *
 * Every task that reaches such a thing is undecided. A change made while its module loads is no such change: it has happened when the
 * value is read, and counts as part of the code of a thing that has no value. What a callee does to an argument, and what a function keeps
 * that another function made at load (`memoize(f)`), is not followed.
 */
import type { Node } from "oxc-parser";
import { type Binding, lookUp, type Scope, type Target } from "./scope.ts";

const MUTATORS: ReadonlySet<string> = new Set(
  (
    "push pop shift unshift splice sort reverse fill copyWithin set add delete clear next " +
    "setTime setMilliseconds setSeconds setMinutes setHours setDate setMonth setFullYear setUTCMilliseconds setUTCSeconds " +
    "setUTCMinutes setUTCHours setUTCDate setUTCMonth setUTCFullYear setYear setInt8 setInt16 setInt32 setUint8 setUint16 " +
    "setUint32 setFloat32 setFloat64 setBigInt64 setBigUint64"
  ).split(" "),
);
const OBJECT_MUTATORS: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ["Object", new Set(["assign", "defineProperty", "defineProperties", "setPrototypeOf"])],
  ["Reflect", new Set(["set", "defineProperty", "deleteProperty", "setPrototypeOf"])],
]);
const FETCHERS: ReadonlySet<string> = new Set(["get", "at"]);
const REGEXP_METHODS: ReadonlySet<string> = new Set(["exec", "test"]);
const ITERATORS: ReadonlySet<string> = new Set(
  "forEach map flatMap filter reduce reduceRight some every find findIndex findLast sort toSorted from fromEntries".split(
    " ",
  ),
);

/** What an expression is part of. */
export type Root =
  | { readonly kind: "module"; readonly target: Target }
  | { readonly kind: "local"; readonly binding: Binding }
  | { readonly kind: "this" };

/** An expression without the wrappers that types put around it. */
export function bare(node: Node): Node {
  switch (node.type) {
    case "TSAsExpression":
    case "TSSatisfiesExpression":
    case "TSNonNullExpression":
    case "TSTypeAssertion":
    case "TSInstantiationExpression":
    case "ParenthesizedExpression":
    case "ChainExpression":
      return bare(node.expression);
    default:
      return node;
  }
}

/** The plain name of a member access, `x.name` or `x["name"]`. */
export function memberName(node: Node): string | undefined {
  if (node.type !== "MemberExpression") return undefined;
  if (node.property.type === "Literal") return String(node.property.value);
  return !node.computed && node.property.type === "Identifier" ? node.property.name : undefined;
}

/**
 * What module-level thing (or `this`) is changed when an expression is: the thing that it is, or is a part of. `content` says that the
 * change is to what the expression's value holds; otherwise it is to the place that the expression names, which for a local is nobody else's.
 */
export function rootOf(
  expression: Node,
  scope: Scope,
  isNamespace: (name: string) => boolean,
  content: boolean,
): Root | undefined {
  let node = bare(expression);
  let inside = content;
  let member: string | undefined;
  for (;;) {
    if (node.type === "MemberExpression") {
      member = memberName(node);
      node = bare(node.object);
      inside = true;
    } else if (node.type === "CallExpression" && inside) {
      const callee = bare(node.callee);
      if (callee.type !== "MemberExpression" || !FETCHERS.has(memberName(callee) ?? "")) return undefined;
      node = bare(callee.object);
      member = undefined;
    } else break;
  }
  if (node.type === "ThisExpression") return inside ? { kind: "this" } : undefined;
  if (node.type !== "Identifier") return undefined;
  const binding = lookUp(scope, node.name);
  if (binding === undefined) return undefined;
  if (binding.depth > 0)
    return inside && binding.alias !== undefined
      ? { kind: "module", target: binding.alias }
      : { kind: "local", binding };
  const target = member !== undefined && isNamespace(node.name) ? { name: node.name, member } : { name: node.name };
  return { kind: "module", target };
}

/** The module-level thing that a local gets when it is set to an expression. */
export function aliasOf(expression: Node, scope: Scope, isNamespace: (name: string) => boolean): Target | undefined {
  const node = bare(expression);
  if (node.type === "Identifier") {
    const binding = lookUp(scope, node.name);
    return binding?.depth === 0 ? { name: node.name } : binding?.alias;
  }
  // A call at the end of the chain gives a new thing, unless it fetches a part.
  const probe = node.type === "CallExpression" ? bare(node.callee) : node;
  if (probe.type !== "MemberExpression") return undefined;
  if (node.type === "CallExpression" && !FETCHERS.has(memberName(probe) ?? "")) return undefined;
  const root = rootOf(probe, scope, isNamespace, false);
  return root?.kind === "module" ? root.target : undefined;
}

/** The expressions that an assignment target writes to. */
export function writtenBy(target: Node | null, into: Node[] = []): Node[] {
  if (target === null) return into;
  switch (target.type) {
    case "ArrayPattern":
      for (const element of target.elements) writtenBy(element, into);
      break;
    case "ObjectPattern":
      for (const property of target.properties)
        writtenBy(property.type === "RestElement" ? property.argument : property.value, into);
      break;
    case "AssignmentPattern":
      writtenBy(target.left, into);
      break;
    case "RestElement":
      writtenBy(target.argument, into);
      break;
    default:
      into.push(target);
  }
  return into;
}

/** What a call changes by the rule above: the object and, for a call that matters to regular expressions only, `regexp`. */
export function changedByCall(
  callee: Node,
  args: readonly Node[],
  scope: Scope,
): { node: Node; regexp: boolean } | undefined {
  const target = bare(callee);
  if (target.type !== "MemberExpression") return undefined;
  const name = memberName(target);
  if (name === undefined) return undefined;
  const object = bare(target.object);
  if (object.type === "Identifier" && lookUp(scope, object.name) === undefined) {
    const [first] = args;
    return OBJECT_MUTATORS.get(object.name)?.has(name) && first !== undefined
      ? { node: first, regexp: false }
      : undefined;
  }
  if (MUTATORS.has(name)) return { node: target.object, regexp: false };
  return REGEXP_METHODS.has(name) ? { node: target.object, regexp: true } : undefined;
}

/** A function handed to this callee at load time runs at once, as one that is called in place does. */
export function runsAtOnce(callee: Node): boolean {
  const name = memberName(bare(callee));
  return name !== undefined && ITERATORS.has(name);
}
