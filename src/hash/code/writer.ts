/** The state of writing one unit's token stream: numbering of locals and references, and what was noticed on the way. */

import type { Node } from "oxc-parser";
import { bare, rootOf } from "./mutation.ts";
import { type Binding, lookUp, type Scope, type Target, thisScope } from "./scope.ts";
import {
  type Finding,
  type From,
  type GivenFunction,
  type Mutation,
  type Place,
  placeOf,
  type Reference,
  type Site,
  type Unit,
} from "./summary.ts";
import { codeDigest } from "./tokens.ts";

/** What all units of one module share. */
export interface ModuleContext {
  readonly text: string;
  readonly lines: readonly number[];
  readonly imports: ReadonlyMap<string, From>;
  /** Names of module-level functions made by `createRequire`. */
  readonly requires: ReadonlySet<string>;
  readonly mutations: Mutation[];
  readonly sites: Site[];
  /** Functions that are given to forms. */
  readonly given: GivenFunction[];
  /** Names of the functions that the module declares. */
  readonly functions: ReadonlySet<string>;
  readonly misuses: (Finding & { readonly target: Reference })[];
  /** Writes any node. Handed in, because patterns and functions hold nodes of every type, and those hold patterns and functions. */
  readonly write: (w: Writer, node: Node, scope: Scope) => void;
}

/** A unit being written. */
export interface Writer {
  text: string;
  readonly kind: Unit["kind"];
  readonly module: ModuleContext;
  /** Locals of scopes down to this depth belong to the surroundings: they are captured. */
  readonly base: number;
  readonly locals: Map<Binding, number>;
  /** The names that the declaration being written binds at module level, and their order. */
  readonly declared: ReadonlyMap<string, number>;
  readonly references: Reference[];
  readonly indices: Map<string, number>;
  readonly touches: Set<number>;
  readonly undecided: Finding[];
  changesSelf: Finding | undefined;
  changesInstance: Finding | undefined;
}

/** A writer for a new unit. */
export function newWriter(
  module: ModuleContext,
  kind: Unit["kind"],
  base = 0,
  declared: readonly string[] = [],
): Writer {
  return {
    text: "",
    kind,
    module,
    base,
    locals: new Map(),
    declared: new Map(declared.map((name, index) => [name, index])),
    references: [],
    indices: new Map(),
    touches: new Set(),
    undecided: [],
    changesSelf: undefined,
    changesInstance: undefined,
  };
}

/** Writes one node, or its absence. */
export function write(w: Writer, node: Node | null, scope: Scope): void {
  if (node === null) w.text += "~";
  else w.module.write(w, node, scope);
}

/** The finished unit; `parts` are hashed in front of the token stream. */
export function finishUnit(
  w: Writer,
  name: string,
  node: { readonly start: number; readonly end: number },
  parts: readonly string[],
  extra: Partial<Unit> = {},
): Unit {
  return {
    name,
    kind: w.kind,
    code: codeDigest("tree", [...parts, w.text]),
    start: node.start,
    end: node.end,
    references: w.references,
    undecided: w.undecided,
    touches: [...w.touches],
    ...(w.changesSelf === undefined ? {} : { changesSelf: w.changesSelf }),
    ...(w.changesInstance === undefined ? {} : { changesInstance: w.changesInstance }),
    ...extra,
  };
}

/** Line and column of a node. */
export function at(w: Writer, node: { readonly start: number }): Place {
  return placeOf(w.module.lines, node.start);
}

/** Notes that the syntax alone cannot decide something. */
export function undecided(w: Writer, node: { readonly start: number }, reason: string): void {
  if (!w.undecided.some((finding) => finding.reason === reason)) w.undecided.push({ reason, ...at(w, node) });
}

/** The index of a reference of this unit. */
export function referenceIndex(w: Writer, reference: Reference): number {
  const key =
    reference.kind === "binding"
      ? `b${reference.name} ${reference.member ?? ""}`
      : reference.kind === "meta"
        ? `m${reference.property}`
        : `r${reference.specifier}`;
  const known = w.indices.get(key);
  if (known !== undefined) return known;
  const index = w.references.length;
  w.references.push(reference);
  w.indices.set(key, index);
  return index;
}

/** Writes a mention of something outside the unit. `called` says that it is only called. */
export function writeReference(w: Writer, reference: Reference, called = false): void {
  const index = referenceIndex(w, reference);
  // A statement that runs at load may do anything to what it mentions.
  if (w.kind === "statement" && !called) w.touches.add(index);
  w.text += `@${index};`;
}

/** Writes a local by its number, and notes when it belongs to the surroundings of a task's function. */
export function writeLocal(w: Writer, binding: Binding, node: { readonly start: number }): void {
  if (binding.depth <= w.base) undecided(w, node, `captures the local ${binding.name}`);
  let number = w.locals.get(binding);
  if (number === undefined) {
    number = w.locals.size;
    w.locals.set(binding, number);
  }
  w.text += `$${number};`;
}

/** Notes `this` (or what goes with it) when it belongs to the surroundings of a task's function. */
export function noteThis(w: Writer, node: { readonly start: number }, scope: Scope, word: string): void {
  const owner = thisScope(scope);
  if (owner !== undefined && owner.depth <= w.base) undecided(w, node, `captures ${word}`);
}

/** Whether a module-level name is `import * as name`. */
export function isNamespace(w: Writer): (name: string) => boolean {
  return (name) => w.module.imports.get(name)?.name === "*";
}

/** A target as a reference; a member of anything imported may be a member of a namespace. */
export function targetReference(target: Target): Reference {
  return { kind: "binding", ...target };
}

/** Notes that `expression` (or the thing it is a part of) is changed here. */
export function noteChange(w: Writer, expression: Node, scope: Scope, by: "write" | "call" | "regexp" = "write"): void {
  const regexp = by === "regexp";
  const root = rootOf(expression, scope, isNamespace(w), by !== "write");
  if (root === undefined) return;
  if (root.kind === "this") {
    if (regexp) return;
    const finding = { reason: "a method changes this", ...at(w, expression) };
    if (scope.self === "static") w.changesSelf ??= finding;
    if (scope.self === "instance") w.changesInstance ??= finding;
    return;
  }
  if (root.kind === "local") {
    if (root.binding.atLoad && !scope.atLoad && by !== "regexp")
      undecided(w, expression, `module state changes after load: ${root.binding.name}`);
    return;
  }
  const reference = targetReference(root.target);
  if (scope.atLoad) {
    if (!w.declared.has(root.target.name)) w.touches.add(referenceIndex(w, reference));
    return;
  }
  // A task body is written a second time as part of its surroundings; the change is noted there.
  if (w.kind === "body") return;
  const reason = `module state changes after load: ${root.target.member ?? root.target.name}`;
  w.module.mutations.push({
    target: reference,
    reason,
    ...at(w, expression),
    ...(regexp ? { onlyIfRemembers: true } : {}),
  });
}

/** What kind of `require` a callee is: a call of it loads a CommonJS module. */
export function isRequire(w: Writer, callee: Node, scope: Scope): boolean {
  const target = bare(callee);
  if (target.type === "Identifier") {
    const binding = lookUp(scope, target.name);
    return binding === undefined
      ? target.name === "require"
      : binding.depth === 0 && w.module.requires.has(target.name);
  }
  return target.type === "CallExpression" && isCreateRequire(w.module.imports, target.callee);
}

/** Whether a callee is `createRequire` of `node:module`. */
export function isCreateRequire(imports: ReadonlyMap<string, From>, callee: Node): boolean {
  const target = bare(callee);
  if (target.type === "Identifier") return imports.get(target.name)?.name === "createRequire";
  return (
    target.type === "MemberExpression" &&
    target.property.type === "Identifier" &&
    target.property.name === "createRequire"
  );
}
