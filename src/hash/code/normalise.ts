/**
 * Writes a syntax tree as the tokens of `tokens.ts`, so that two trees get one text exactly if they differ in nothing but positions,
 * comments, types, parentheses, quotes, empty statements, shorthand and the names of locals and of module-level things.
 */
import type { CallExpression, NewExpression, Node } from "oxc-parser";
import { writeGivenFunction } from "./arrow.ts";
import { noteMisuse, setResult } from "./misuse.ts";
import { aliasOf, bare, changedByCall, memberName, runsAtOnce, writtenBy } from "./mutation.ts";
import { writeClass, writeFunction, writeObjectValue } from "./normalise-function.ts";
import { writeKey, writeName, writePattern, writeStatements } from "./normalise-pattern.ts";
import { childScope, lexicalNames, lookUp, patternNames, type Scope } from "./scope.ts";
import { writeCodecSite, writeSite } from "./site.ts";
import { stringToken } from "./tokens.ts";
import {
  isNamespace,
  isRequire,
  noteChange,
  noteThis,
  undecided,
  type Writer,
  write,
  writeReference,
} from "./writer.ts";

/** Node types that are written field by field, nothing else to know. */
const PLAIN: Readonly<Record<string, readonly string[]>> = {
  ArrayExpression: ["elements"],
  ArrayPattern: ["elements"],
  AssignmentPattern: ["left", "right"],
  AwaitExpression: ["argument"],
  ChainExpression: ["expression"],
  ConditionalExpression: ["test", "consequent", "alternate"],
  DebuggerStatement: [],
  DoWhileStatement: ["body", "test"],
  EmptyStatement: [],
  ExpressionStatement: ["expression"],
  IfStatement: ["test", "consequent", "alternate"],
  ObjectExpression: ["properties"],
  ObjectPattern: ["properties"],
  RestElement: ["argument"],
  ReturnStatement: ["argument"],
  SequenceExpression: ["expressions"],
  SpreadElement: ["argument"],
  ThrowStatement: ["argument"],
  TryStatement: ["block", "handler", "finalizer"],
  WhileStatement: ["test", "body"],
  YieldExpression: ["delegate", "argument"],
};

function writeAll(w: Writer, nodes: readonly (Node | null)[], scope: Scope): void {
  w.text += `[${nodes.length}:`;
  for (const node of nodes) write(w, node, scope);
}

function writeField(w: Writer, value: unknown, scope: Scope): void {
  if (typeof value === "string") w.text += stringToken(value);
  else if (typeof value === "boolean") w.text += value ? "+" : "-";
  else if (Array.isArray(value)) writeAll(w, value as readonly (Node | null)[], scope);
  else write(w, (value ?? null) as Node | null, scope);
}

/** Writes one node; to be given to a module's context as its `write`. */
export function writeNode(w: Writer, node: Node, scope: Scope): void {
  noteMisuse(w, node, scope);
  switch (node.type) {
    case "Identifier":
      writeName(w, node, scope);
      return;
    case "Literal":
      writeLiteral(w, node);
      return;
    case "ArrowFunctionExpression":
    case "FunctionExpression":
    case "FunctionDeclaration":
      writeFunction(w, node, scope);
      return;
    case "ClassDeclaration":
    case "ClassExpression":
      writeClass(w, node, scope);
      return;
    case "TSAsExpression":
    case "TSSatisfiesExpression":
    case "TSNonNullExpression":
    case "TSTypeAssertion":
    case "TSInstantiationExpression":
    case "ParenthesizedExpression":
      write(w, node.expression, scope);
      return;
    case "CallExpression":
    case "NewExpression":
      writeCall(w, node, scope);
      return;
    case "MemberExpression":
      writeMember(w, node, scope);
      return;
    case "Property":
      w.text += `Property(${stringToken(node.kind)}${node.method ? "+" : "-"}`;
      writeKey(w, node.key, node.computed, scope);
      // `__proto__: x` sets the prototype, the shorthand does not.
      if (node.key.type === "Identifier" && node.key.name === "__proto__") w.text += node.shorthand ? "+" : "-";
      writeObjectValue(w, node.value, scope);
      return;
    case "TemplateLiteral":
      w.text += `Template[${node.quasis.length}:`;
      for (const { value } of node.quasis) w.text += stringToken(value.cooked ?? value.raw);
      writeAll(w, node.expressions, scope);
      return;
    case "TaggedTemplateExpression":
      w.text += "Tagged(";
      writeCallee(w, node.tag, scope);
      w.text += `[${node.quasi.quasis.length}:`;
      for (const { value } of node.quasi.quasis)
        w.text += stringToken(value.raw) + (value.cooked === null ? "~" : stringToken(value.cooked));
      writeAll(w, node.quasi.expressions, scope);
      return;
    case "ThisExpression":
    case "Super":
      noteThis(w, node, scope, node.type === "Super" ? "super" : "this");
      w.text += `${node.type}(`;
      return;
    case "MetaProperty":
      writeMeta(w, node.meta.name, "", node, scope);
      return;
    case "ImportExpression":
      undecided(w, node, "dynamic import()");
      w.text += "Import(";
      write(w, node.source, scope);
      write(w, node.options, scope);
      return;
    case "BinaryExpression":
    case "LogicalExpression":
      writeOperators(w, node, scope);
      return;
    case "AssignmentExpression":
      for (const target of writtenBy(node.left)) noteChange(w, target, scope);
      w.text += `Assignment(${stringToken(node.operator)}`;
      write(w, node.left, scope);
      write(w, node.right, scope);
      return;
    case "UpdateExpression":
      noteChange(w, node.argument, scope);
      w.text += `Update(${stringToken(node.operator)}${node.prefix ? "+" : "-"}`;
      write(w, node.argument, scope);
      return;
    case "UnaryExpression":
      if (node.operator === "delete") noteChange(w, node.argument, scope);
      w.text += `Unary(${stringToken(node.operator)}`;
      write(w, node.argument, scope);
      return;
    case "PrivateIdentifier":
      w.text += `Private(${stringToken(node.name)}`;
      return;
    default:
      writeStatement(w, node, scope);
      return;
  }
}

type Operator = Extract<Node, { type: "BinaryExpression" | "LogicalExpression" }>;

/** Writes operators without recursion to the left: text put together with `+` can be thousands of terms long. */
function writeOperators(w: Writer, node: Operator, scope: Scope): void {
  const spine: Operator[] = [];
  let left: Node = node;
  while (left.type === "BinaryExpression" || left.type === "LogicalExpression") {
    if (left !== node) noteMisuse(w, left, scope);
    w.text += `${left.type}(${stringToken(left.operator)}`;
    spine.push(left);
    const inner: Node = bare(left.left);
    left = inner.type === "BinaryExpression" || inner.type === "LogicalExpression" ? inner : left.left;
  }
  write(w, left, scope);
  for (const { right } of spine.reverse()) write(w, right, scope);
}

function writeStatement(w: Writer, node: Node, scope: Scope): void {
  switch (node.type) {
    case "BlockStatement": {
      w.text += "Block(";
      writeStatements(w, node.body, childScope(scope, lexicalNames(node.body)));
      return;
    }
    case "VariableDeclaration":
      w.text += `Variables(${stringToken(node.kind)}[${node.declarations.length}:`;
      for (const { id, init } of node.declarations) {
        write(w, init, scope);
        writePattern(w, id, scope);
        if (init === null || node.kind !== "const") continue;
        setAlias(w, id, init, scope);
        setResult(w, id, init, scope);
      }
      return;
    case "ForStatement": {
      const inner = childScope(scope, node.init === null ? [] : lexicalNames([node.init]));
      w.text += "For(";
      write(w, node.init, inner);
      write(w, node.test, inner);
      write(w, node.update, inner);
      write(w, node.body, inner);
      return;
    }
    case "ForInStatement":
    case "ForOfStatement": {
      const inner = childScope(scope, lexicalNames([node.left]));
      w.text += node.type === "ForInStatement" ? "ForIn(" : node.await ? "ForAwait(" : "ForOf(";
      write(w, node.right, inner);
      if (node.left.type === "VariableDeclaration") {
        const id = node.left.declarations[0]?.id;
        if (id !== undefined && node.type === "ForOfStatement") setAlias(w, id, node.right, inner);
      } else for (const target of writtenBy(node.left)) noteChange(w, target, inner);
      write(w, node.left, inner);
      write(w, node.body, inner);
      return;
    }
    case "SwitchStatement": {
      w.text += "Switch(";
      write(w, node.discriminant, scope);
      const inner = childScope(scope, lexicalNames(node.cases.flatMap((one) => one.consequent)));
      w.text += `[${node.cases.length}:`;
      for (const one of node.cases) {
        write(w, one.test, inner);
        writeStatements(w, one.consequent, inner);
      }
      return;
    }
    case "CatchClause": {
      const inner = childScope(scope, patternNames(node.param));
      w.text += "Catch(";
      writePattern(w, node.param, inner);
      write(w, node.body, inner);
      return;
    }
    case "LabeledStatement": {
      w.text += `Label(:${scope.labels.length};`;
      write(w, node.body, childScope(scope, [], { labels: [...scope.labels, node.label.name] }));
      return;
    }
    case "BreakStatement":
    case "ContinueStatement":
      w.text += node.label === null ? `${node.type}(~` : `${node.type}(:${scope.labels.lastIndexOf(node.label.name)};`;
      return;
    default:
      writePlain(w, node, scope);
      return;
  }
}

function writePlain(w: Writer, node: Node, scope: Scope): void {
  const fields = PLAIN[node.type];
  w.text += `${node.type}(`;
  if (fields === undefined) {
    undecided(w, node, `syntax that is not known: ${node.type}`);
    return;
  }
  for (const field of fields) writeField(w, (node as unknown as Readonly<Record<string, unknown>>)[field], scope);
}

function writeLiteral(w: Writer, node: Node & { type: "Literal" }): void {
  if ("regex" in node) w.text += `RegExp(${stringToken(node.regex.pattern)}${stringToken(node.regex.flags)}`;
  else if ("bigint" in node) w.text += `BigInt(${stringToken(node.bigint)}`;
  else if (typeof node.value === "string") w.text += stringToken(node.value);
  else if (typeof node.value === "boolean") w.text += node.value ? "+" : "-";
  else if (typeof node.value === "number") w.text += `#${String(node.value).length}:${node.value}`;
  else w.text += "Null(";
}

function writeMember(w: Writer, node: Node & { type: "MemberExpression" }, scope: Scope, called = false): void {
  const { object, property } = node;
  if (object.type === "MetaProperty") {
    writeMeta(w, object.meta.name, memberName(node) ?? "", node, scope);
    return;
  }
  w.text += node.optional ? "OptionalMember(" : "Member(";
  const name = !node.computed && property.type === "Identifier" ? property.name : undefined;
  const target = bare(object);
  if (name !== undefined && target.type === "Identifier" && lookUp(scope, target.name)?.depth === 0) {
    const from = w.module.imports.get(target.name);
    if (from !== undefined) {
      writeReference(w, { kind: "binding", name: target.name, member: name }, called && from.name === "*");
      // A member of a namespace is a module-level thing, whose name does not count.
      w.text += from.name === "*" ? "." : stringToken(name);
      return;
    }
  }
  write(w, object, scope);
  if (node.computed) w.text += "Computed(";
  if (name === undefined) write(w, property, scope);
  else w.text += stringToken(name);
}

function writeMeta(w: Writer, meta: string, property: string, node: Node, scope: Scope): void {
  if (meta === "new") {
    noteThis(w, node, scope, "new.target");
    w.text += `NewTarget(${stringToken(property)}`;
  } else if (["url", "filename", "dirname"].includes(property)) {
    w.text += `Meta(${stringToken(property)}`;
    writeReference(w, { kind: "meta", property });
  } else {
    undecided(w, node, `import.meta${property === "" ? "" : `.${property}`}`);
    w.text += `Meta(${stringToken(property)}`;
  }
}

function writeCallee(w: Writer, callee: Node, scope: Scope): void {
  const target = bare(callee);
  if (target.type === "Identifier") {
    if (target.name === "Function" && lookUp(scope, "Function") === undefined)
      undecided(w, target, "Function(...) makes code from text");
    writeName(w, target, scope, true);
  } else if (target === callee && target.type === "MemberExpression") writeMember(w, target, scope, true);
  else write(w, callee, scope);
}

function writeCall(w: Writer, node: CallExpression | NewExpression, scope: Scope): void {
  const isNew = node.type === "NewExpression";
  w.text += isNew ? "New(" : node.optional ? "OptionalCall(" : "Call(";
  const { callee, arguments: args } = node;
  if (!isNew) {
    const changed = changedByCall(callee, args, scope);
    if (changed !== undefined) noteChange(w, changed.node, scope, changed.regexp ? "regexp" : "call");
    if (isRequire(w, callee, scope) && writeRequire(w, node, scope)) return;
    if (w.kind !== "body") {
      writeSite(w, node, scope);
      writeCodecSite(w, node, scope);
      writeGivenFunction(w, node, scope);
    }
  }
  const called = bare(callee);
  if (scope.atLoad && (called.type === "ArrowFunctionExpression" || called.type === "FunctionExpression"))
    writeFunction(w, called, scope, { atLoad: true });
  else writeCallee(w, callee, scope);
  const atOnce = scope.atLoad && !isNew && runsAtOnce(callee);
  w.text += `[${args.length}:`;
  for (const argument of args) {
    const value = bare(argument);
    if (atOnce && (value.type === "ArrowFunctionExpression" || value.type === "FunctionExpression"))
      writeFunction(w, value, scope, { atLoad: true });
    else write(w, argument, scope);
  }
}

function writeRequire(w: Writer, node: CallExpression, scope: Scope): boolean {
  const [first] = node.arguments;
  if (first?.type !== "Literal" || typeof first.value !== "string") {
    undecided(w, node, "require of a name that is not a literal");
    return false;
  }
  w.text += "Require(";
  write(w, node.callee, scope);
  writeReference(w, { kind: "require", specifier: first.value });
  return true;
}

function setAlias(w: Writer, id: Node, init: Node, scope: Scope): void {
  const alias = aliasOf(init, scope, isNamespace(w));
  if (alias === undefined) return;
  for (const name of patternNames(id)) {
    const binding = lookUp(scope, name);
    if (binding !== undefined && binding.depth > 0) binding.alias = alias;
  }
}
