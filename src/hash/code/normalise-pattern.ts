/** Names, keys, declared patterns and lists of statements as tokens: what functions, classes and statements are made of. */
import type { BindingPattern, Node } from "oxc-parser";
import { hoistedNames, lexicalNames, lookUp, type Scope } from "./scope.ts";
import { stringToken } from "./tokens.ts";
import { noteThis, undecided, type Writer, write, writeLocal, writeReference } from "./writer.ts";

/** Statements that type stripping removes, and empty ones. */
export function isErased(node: Node): boolean {
  switch (node.type) {
    case "EmptyStatement":
    case "TSInterfaceDeclaration":
    case "TSTypeAliasDeclaration":
    case "TSDeclareFunction":
    case "TSModuleDeclaration":
      return true;
    default:
      return "declare" in node && node.declare === true;
  }
}

/** Writes a list of statements that share `scope`. */
export function writeStatements(w: Writer, statements: readonly Node[], scope: Scope): void {
  const kept = statements.filter((statement) => !isErased(statement));
  w.text += `[${kept.length}:`;
  for (const statement of kept) write(w, statement, scope);
}

/** Writes the names that a pattern declares, with its defaults and computed keys. */
export function writePattern(w: Writer, node: BindingPattern | Node | null, scope: Scope): void {
  if (node === null) {
    w.text += "~";
    return;
  }
  switch (node.type) {
    case "Identifier": {
      const own = lookUp(scope, node.name)?.depth === 0 ? w.declared.get(node.name) : undefined;
      if (own === undefined) writeName(w, node, scope);
      else w.text += `=${own};`;
      return;
    }
    case "ObjectPattern":
      w.text += `ObjectPattern([${node.properties.length}:`;
      for (const property of node.properties) {
        if (property.type === "Property") {
          w.text += "Property(";
          writeKey(w, property.key, property.computed, scope);
          writePattern(w, property.value, scope);
        } else writePattern(w, property, scope);
      }
      return;
    case "ArrayPattern":
      w.text += `ArrayPattern([${node.elements.length}:`;
      for (const element of node.elements) writePattern(w, element, scope);
      return;
    case "AssignmentPattern":
      w.text += "AssignmentPattern(";
      writePattern(w, node.left, scope);
      write(w, node.right, scope);
      return;
    case "RestElement":
      w.text += "RestElement(";
      writePattern(w, node.argument, scope);
      return;
    default:
      write(w, node, scope);
  }
}

/** Writes a property's or class element's name. */
export function writeKey(w: Writer, key: Node, computed: boolean, scope: Scope): void {
  if (computed) {
    w.text += "Computed(";
    write(w, key, scope);
  } else if (key.type === "Identifier") w.text += stringToken(key.name);
  else if (key.type === "Literal") w.text += stringToken(String(key.value));
  else write(w, key, scope);
}

/** Writes a mention of a name. `called` says that it is only called. */
export function writeName(w: Writer, node: Node & { type: "Identifier" }, scope: Scope, called = false): void {
  const binding = lookUp(scope, node.name);
  if (binding === undefined) {
    if (node.name === "eval") undecided(w, node, "eval");
    if (node.name === "arguments") noteThis(w, node, scope, "arguments");
    w.text += `!${node.name.length}:${node.name}`;
  } else if (binding.depth === 0) writeReference(w, { kind: "binding", name: node.name }, called);
  else writeLocal(w, binding, node);
}

/** Names that the statements of a function body or static block declare there. */
export function bodyNames(statements: readonly Node[]): string[] {
  const names = lexicalNames(statements);
  for (const statement of statements) hoistedNames(statement, names);
  return names;
}
