/** Functions and classes as tokens: parameter scopes, own names, methods, fields. */
import type { ArrowFunctionExpression, Class, ClassElement, Function as FunctionNode, Node } from "oxc-parser";
import { bare } from "./mutation.ts";
import { bodyNames, writeKey, writePattern, writeStatements } from "./normalise-pattern.ts";
import { realParameters } from "./parameters.ts";
import { childScope, hoistedNames, lookUp, patternNames, type Scope } from "./scope.ts";
import { stringToken } from "./tokens.ts";
import { type Writer, write, writeLocal } from "./writer.ts";

/** Where a function stands. */
interface FunctionPlace {
  /** It runs while the module loads. */
  readonly atLoad?: boolean;
  readonly self?: "static" | "instance" | undefined;
  /** Its own name is not written: a module-level declaration. */
  readonly anonymous?: boolean;
}

/** Writes a function of any form. */
export function writeFunction(
  w: Writer,
  node: FunctionNode | ArrowFunctionExpression,
  outer: Scope,
  place: FunctionPlace = {},
): void {
  const arrow = node.type === "ArrowFunctionExpression";
  w.text += arrow ? "Arrow(" : "Function(";
  w.text += (node.async ? "+" : "-") + (node.generator ? "+" : "-");
  let scope = outer;
  if (place.anonymous !== true) {
    if (node.type === "FunctionExpression" && node.id !== null) scope = childScope(outer, [node.id.name]);
    writeOwnName(w, node.id, scope);
  }
  const params = realParameters(node.params);
  const names = params.flatMap((param) => patternNames(param));
  const inner = childScope(scope, names, {
    atLoad: place.atLoad ?? false,
    ownsThis: !arrow,
    labels: [],
    // An arrow has the `this` of its surroundings.
    ...(arrow && place.self === undefined ? {} : { self: place.self }),
  });
  w.text += `[${params.length}:`;
  for (const param of params) writePattern(w, param, inner);
  const { body } = node;
  if (body === null || body.type !== "BlockStatement") {
    write(w, body, inner);
    return;
  }
  const simple = params.every((param) => param.type === "Identifier");
  const declared = new Set(bodyNames(body.body));
  // With plain parameters, a `var` or function of a parameter's name is that parameter.
  if (simple) for (const name of names) declared.delete(name);
  const bodyScope = childScope(inner, declared);
  w.text += "Body(";
  if (!simple) {
    // Otherwise it is a variable of its own that starts with the parameter's value.
    const hoisted = new Set(body.body.flatMap((statement) => hoistedNames(statement)));
    for (const name of new Set(names)) {
      if (!hoisted.has(name)) continue;
      w.text += "Inherits(";
      writeBinding(w, name, inner, body);
      writeBinding(w, name, bodyScope, body);
    }
  }
  writeStatements(w, body.body, bodyScope);
}

function writeBinding(w: Writer, name: string, scope: Scope, node: Node): void {
  const binding = lookUp(scope, name);
  if (binding !== undefined) writeLocal(w, binding, node);
}

function writeOwnName(w: Writer, id: Node | null, scope: Scope): void {
  writePattern(w, id, scope);
}

/** Writes the value of an object's property; a method of an object made at load that changes `this` changes module state. */
export function writeObjectValue(w: Writer, value: Node, scope: Scope): void {
  const inner = bare(value);
  if (inner.type === "FunctionExpression")
    writeFunction(w, inner, scope, { self: scope.atLoad ? "static" : undefined });
  else write(w, value, scope);
}

/** Writes a class; `anonymous` leaves its own name out, as for a module-level declaration. */
export function writeClass(w: Writer, node: Class, outer: Scope, anonymous = false): void {
  w.text += "Class(";
  let scope = outer;
  if (!anonymous) {
    if (node.type === "ClassExpression" && node.id !== null) scope = childScope(outer, [node.id.name]);
    writeOwnName(w, node.id, scope);
  }
  write(w, node.superClass, scope);
  const elements = node.body.body.filter(isKept);
  w.text += `[${elements.length}:`;
  for (const element of elements) writeElement(w, element, scope);
}

function isKept(element: ClassElement): boolean {
  switch (element.type) {
    case "MethodDefinition":
      return element.value.body !== null;
    case "PropertyDefinition":
      return element.declare !== true;
    case "StaticBlock":
    case "AccessorProperty":
      return true;
    default:
      return false;
  }
}

function writeElement(w: Writer, element: ClassElement, scope: Scope): void {
  if (element.type === "StaticBlock") {
    w.text += "Static(";
    const inner = childScope(scope, bodyNames(element.body), { ownsThis: true, labels: [], self: undefined });
    writeStatements(w, element.body, inner);
    return;
  }
  if (
    element.type !== "MethodDefinition" &&
    element.type !== "PropertyDefinition" &&
    element.type !== "AccessorProperty"
  )
    return;
  const self = !scope.atLoad ? undefined : element.static ? "static" : "instance";
  const word = element.type === "MethodDefinition" ? element.kind : element.type;
  w.text += `Element(${stringToken(word)}${element.static ? "+" : "-"}`;
  writeKey(w, element.key, element.computed, scope);
  if (element.type === "MethodDefinition") {
    writeFunction(w, element.value, scope, element.kind === "constructor" ? {} : { self });
    return;
  }
  const fieldScope = childScope(scope, [], {
    atLoad: element.static && scope.atLoad,
    ownsThis: true,
    self: undefined,
    labels: [],
  });
  const value = element.value === null ? null : bare(element.value);
  if (value?.type === "ArrowFunctionExpression" || value?.type === "FunctionExpression") {
    writeFunction(w, value, fieldScope, { self });
    return;
  }
  write(w, element.value, fieldScope);
}
