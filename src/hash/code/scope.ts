/** Lexical scopes: which names a syntax node declares, and which declaration a name means. */
import type { Node } from "oxc-parser";

/** A declared name. Bindings of the module itself have `depth` 0. */
export interface Binding {
  readonly name: string;
  readonly depth: number;
  /** Declared by code that runs once, while the module loads. */
  readonly atLoad: boolean;
  /** The module-level thing that this local is (part of), where that can be seen: `const row = table.rows[0]`. */
  alias?: Target;
  /** The module-level function whose call this local was set to. */
  resultOf?: Target;
}

/** A module-level binding, or a member of an imported namespace. */
export interface Target {
  readonly name: string;
  readonly member?: string;
}

/** One scope of the chain. */
export interface Scope {
  readonly parent: Scope | undefined;
  readonly names: Map<string, Binding>;
  readonly depth: number;
  /** Code here runs once, while the module loads. */
  readonly atLoad: boolean;
  /** This scope has a `this` of its own (a function that is no arrow, a class field, a static block). */
  readonly ownsThis: boolean;
  /** Whose state `this` is, where a method is written directly in a class or object made at load. */
  readonly self: "static" | "instance" | undefined;
  readonly labels: readonly string[];
}

/** How a child scope differs from its parent. */
export interface ScopeInit {
  readonly atLoad?: boolean;
  readonly ownsThis?: boolean;
  readonly self?: "static" | "instance" | undefined;
  readonly labels?: readonly string[];
}

/** A scope inside `parent`; what `init` leaves out is inherited. */
export function childScope(parent: Scope, names: Iterable<string>, init: ScopeInit = {}): Scope {
  const depth = parent.depth + 1;
  const atLoad = init.atLoad ?? parent.atLoad;
  const map = new Map<string, Binding>();
  for (const name of names) map.set(name, { name, depth, atLoad });
  return {
    parent,
    names: map,
    depth,
    atLoad,
    ownsThis: init.ownsThis ?? false,
    self: "self" in init ? init.self : parent.self,
    labels: init.labels ?? parent.labels,
  };
}

/** The scope of a module. */
export function moduleScope(names: Iterable<string>): Scope {
  const map = new Map<string, Binding>();
  for (const name of names) map.set(name, { name, depth: 0, atLoad: true });
  return { parent: undefined, names: map, depth: 0, atLoad: true, ownsThis: false, self: undefined, labels: [] };
}

/** The declaration that `name` means in `scope`; undefined for a global. */
export function lookUp(scope: Scope, name: string): Binding | undefined {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    const found = at.names.get(name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The nearest scope with a `this` of its own; undefined at module level. */
export function thisScope(scope: Scope): Scope | undefined {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) if (at.ownsThis) return at;
  return undefined;
}

/** Adds the names that a binding pattern declares, in order. */
export function patternNames(node: Node | null, into: string[] = []): string[] {
  if (node === null) return into;
  switch (node.type) {
    case "Identifier":
      into.push(node.name);
      break;
    case "ObjectPattern":
      for (const property of node.properties)
        patternNames(property.type === "RestElement" ? property.argument : property.value, into);
      break;
    case "ArrayPattern":
      for (const element of node.elements) patternNames(element, into);
      break;
    case "AssignmentPattern":
      patternNames(node.left, into);
      break;
    case "RestElement":
      patternNames(node.argument, into);
      break;
    case "TSParameterProperty":
      patternNames(node.parameter, into);
      break;
  }
  return into;
}

/** The `let`, `const`, `using`, class and function names that a list of statements declares for its own block. */
export function lexicalNames(statements: readonly Node[], into: string[] = []): string[] {
  for (const statement of statements) {
    switch (statement.type) {
      case "VariableDeclaration":
        if (statement.kind !== "var" && statement.declare !== true)
          for (const { id } of statement.declarations) patternNames(id, into);
        break;
      case "FunctionDeclaration":
      case "ClassDeclaration":
        if (statement.id !== null && statement.declare !== true) into.push(statement.id.name);
        break;
      case "LabeledStatement":
        lexicalNames([statement.body], into);
        break;
      case "ExportNamedDeclaration":
      case "ExportDefaultDeclaration":
        if (statement.declaration !== null) lexicalNames([statement.declaration], into);
        break;
    }
  }
  return into;
}

/** The `var` names declared anywhere below a node, functions inside it left out. */
export function hoistedNames(node: Node | null, into: string[] = []): string[] {
  if (node === null) return into;
  switch (node.type) {
    case "VariableDeclaration":
      if (node.kind === "var" && node.declare !== true) for (const { id } of node.declarations) patternNames(id, into);
      break;
    case "BlockStatement":
    case "Program":
      for (const statement of node.body) hoistedNames(statement, into);
      break;
    case "IfStatement":
      hoistedNames(node.consequent, into);
      hoistedNames(node.alternate, into);
      break;
    case "ForStatement":
      hoistedNames(node.init, into);
      hoistedNames(node.body, into);
      break;
    case "ForInStatement":
    case "ForOfStatement":
      hoistedNames(node.left, into);
      hoistedNames(node.body, into);
      break;
    case "WhileStatement":
    case "DoWhileStatement":
    case "LabeledStatement":
      hoistedNames(node.body, into);
      break;
    case "SwitchStatement":
      for (const { consequent } of node.cases) for (const statement of consequent) hoistedNames(statement, into);
      break;
    case "TryStatement":
      hoistedNames(node.block, into);
      if (node.handler !== null) hoistedNames(node.handler.body, into);
      hoistedNames(node.finalizer, into);
      break;
    case "ExportNamedDeclaration":
      hoistedNames(node.declaration, into);
      break;
  }
  return into;
}
