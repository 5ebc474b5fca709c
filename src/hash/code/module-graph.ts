/** From the text of one module to its summary: imports, exports, and the code of everything that it declares. */
import type { Expression, ImportDeclaration, ModuleExportName, Node, Program, VariableDeclaration } from "oxc-parser";
import { moduleFunctions } from "./arrow.ts";
import { bare } from "./mutation.ts";
import { writeNode } from "./normalise.ts";
import { writeClass, writeFunction } from "./normalise-function.ts";
import { isErased, writePattern } from "./normalise-pattern.ts";
import { describeParameters } from "./parameters.ts";
import { parseCommonJs, parseModule } from "./parse.ts";
import { hoistedNames, lexicalNames, moduleScope, patternNames, type Scope } from "./scope.ts";
import { DEFAULT_NAME, type From, lineStarts, type ModuleSummary, type Unit } from "./summary.ts";
import { codeDigest } from "./tokens.ts";
import { finishUnit, isCreateRequire, type ModuleContext, newWriter, referenceIndex, write } from "./writer.ts";

/** How a module was loaded. */
export type ModuleKind = ModuleSummary["kind"];

interface Build {
  readonly context: ModuleContext;
  readonly scope: Scope;
  readonly imports: Map<string, From>;
  readonly exports: Map<string, { readonly local: string } | From>;
  readonly stars: string[];
  readonly units: Map<string, Unit[]>;
  readonly statements: Unit[];
}

/**
 * Summarises a module's text.
 *
 * @throws FiresteelError `invalid_argument` with file, line, column and a code frame when an ES module does not parse.
 */
export function summarise(url: string, text: string, kind: ModuleKind): ModuleSummary {
  if (kind === "json") return contentOnly(kind, codeDigest("json", [compactJson(text)]), text);
  if (kind === "commonjs") return summariseCommonJs(text);
  const program = parseModule(url, text);
  const build = newBuild(text, program);
  for (const statement of program.body) addStatement(build, statement);
  const { context } = build;
  return {
    kind,
    content: "",
    lines: context.lines,
    imports: Object.fromEntries(build.imports),
    exports: Object.fromEntries(build.exports),
    stars: build.stars,
    units: Object.fromEntries([...build.units].map(([name, units]) => [name, merged(units)])),
    statements: build.statements,
    sites: context.sites,
    given: context.given,
    mutations: context.mutations,
    misuses: context.misuses,
    undecided: [],
  };
}

function contentOnly(kind: ModuleKind, content: string, text: string): ModuleSummary {
  return {
    kind,
    content,
    lines: lineStarts(text),
    imports: {},
    exports: {},
    stars: [],
    units: {},
    statements: [],
    sites: [],
    given: [],
    mutations: [],
    misuses: [],
    undecided: [],
  };
}

/** White space between JSON's tokens is not content; the order of members is. */
function compactJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return text;
  }
}

/** A CommonJS module counts as a whole, by its text; only what cannot be decided is looked for in its tree. */
function summariseCommonJs(text: string): ModuleSummary {
  const program = parseCommonJs(text);
  const summary = contentOnly("commonjs", codeDigest("commonjs", [text]), text);
  if (program === undefined) return summary;
  const { context, scope } = newBuild(text, program);
  const w = newWriter(context, "statement");
  for (const statement of program.body) write(w, statement, scope);
  return { ...summary, undecided: w.undecided.filter((finding) => !finding.reason.startsWith("syntax that")) };
}

function newBuild(text: string, program: Program): Build {
  const imports = new Map<string, From>();
  const names = [...lexicalNames(program.body), ...hoistedNames(program)];
  for (const statement of program.body) if (statement.type === "ImportDeclaration") addImport(imports, statement);
  const requires = new Set<string>();
  for (const statement of program.body) {
    if (statement.type !== "VariableDeclaration") continue;
    for (const { id, init } of statement.declarations)
      if (id.type === "Identifier" && init?.type === "CallExpression" && isCreateRequire(imports, init.callee))
        requires.add(id.name);
  }
  return {
    context: {
      text,
      lines: lineStarts(text),
      imports,
      requires,
      mutations: [],
      misuses: [],
      sites: [],
      given: [],
      functions: moduleFunctions(program),
      write: writeNode,
    },
    scope: moduleScope([...names, ...imports.keys()]),
    imports,
    exports: new Map(),
    stars: [],
    units: new Map(),
    statements: [],
  };
}

function addImport(imports: Map<string, From>, node: ImportDeclaration): void {
  if (node.importKind === "type") return;
  for (const one of node.specifiers) {
    if (one.type === "ImportSpecifier" && one.importKind === "type") continue;
    const name =
      one.type === "ImportSpecifier"
        ? exportName(one.imported)
        : one.type === "ImportDefaultSpecifier"
          ? "default"
          : "*";
    imports.set(one.local.name, { specifier: node.source.value, name });
  }
}

function exportName(node: ModuleExportName): string {
  return node.type === "Identifier" ? node.name : node.value;
}

function addStatement(build: Build, node: Program["body"][number]): void {
  switch (node.type) {
    case "ImportDeclaration":
      return;
    case "ExportAllDeclaration":
      if (node.exportKind === "type") return;
      if (node.exported === null) build.stars.push(node.source.value);
      else build.exports.set(exportName(node.exported), { specifier: node.source.value, name: "*" });
      return;
    case "ExportNamedDeclaration":
      if (node.exportKind === "type") return;
      for (const one of node.specifiers) {
        if (one.exportKind === "type") continue;
        const local = exportName(one.local);
        build.exports.set(
          exportName(one.exported),
          node.source === null ? { local } : { specifier: node.source.value, name: local },
        );
      }
      if (node.declaration === null || isErased(node.declaration)) return;
      for (const name of [...lexicalNames([node.declaration]), ...hoistedNames(node.declaration)])
        build.exports.set(name, { local: name });
      addDeclaration(build, node.declaration);
      return;
    case "ExportDefaultDeclaration":
      addDefault(build, node.declaration);
      return;
    default:
      if (!isErased(node)) addDeclaration(build, node);
  }
}

function addDefault(build: Build, node: Node): void {
  if (isErased(node)) return;
  const named = (node.type === "FunctionDeclaration" || node.type === "ClassDeclaration") && node.id !== null;
  build.exports.set("default", { local: named && node.id !== null ? node.id.name : DEFAULT_NAME });
  if (node.type === "FunctionDeclaration" || node.type === "ClassDeclaration") addDeclaration(build, node);
  else addConstant(build, DEFAULT_NAME, "const", node as Expression, node);
}

function addDeclaration(build: Build, node: Node): void {
  const { context, scope } = build;
  switch (node.type) {
    case "FunctionDeclaration": {
      const w = newWriter(context, "function");
      writeFunction(w, node, scope, { anonymous: true });
      const unit = { parameters: describeParameters(node.params), literal: true } as const;
      addUnit(build, finishUnit(w, node.id?.name ?? DEFAULT_NAME, node, ["function"], unit));
      return;
    }
    case "ClassDeclaration": {
      const w = newWriter(context, "class");
      writeClass(w, node, scope, true);
      const base = baseIndex(w, node.superClass);
      addUnit(build, finishUnit(w, node.id?.name ?? DEFAULT_NAME, node, ["class"], { literal: true, ...base }));
      return;
    }
    case "VariableDeclaration":
      addVariables(build, node);
      return;
    default: {
      const w = newWriter(context, "statement");
      write(w, node, scope);
      build.statements.push(finishUnit(w, "", node, ["statement"]));
    }
  }
}

function addVariables(build: Build, node: VariableDeclaration): void {
  for (const declarator of node.declarations) {
    const { id, init } = declarator;
    if (id.type === "Identifier") {
      // A second `var x;` without a value changes nothing.
      if (init !== null || node.kind !== "var" || !build.units.has(id.name))
        addConstant(build, id.name, node.kind, init, declarator);
      continue;
    }
    const names = patternNames(id);
    names.forEach((name, index) => {
      // Only the first writes its findings for the module, or each change would be noted once a name.
      const context =
        index === 0 ? build.context : { ...build.context, mutations: [], misuses: [], sites: [], given: [] };
      const w = newWriter(context, "constant", 0, names);
      write(w, init, build.scope);
      writePattern(w, id, build.scope);
      addUnit(build, finishUnit(w, name, declarator, ["pattern", node.kind, String(index)]));
    });
  }
}

function addConstant(build: Build, name: string, kind: string, init: Expression | null, node: Node): void {
  const w = newWriter(build.context, "constant", 0, [name]);
  write(w, init, build.scope);
  addUnit(build, finishUnit(w, name, node, ["constant", kind], init === null ? {} : initialiser(w, bare(init))));
}

function initialiser(w: ReturnType<typeof newWriter>, init: Node): Partial<Unit> {
  switch (init.type) {
    case "ArrowFunctionExpression":
    case "FunctionExpression":
      return { literal: true, parameters: describeParameters(init.params) };
    case "ClassExpression":
      return { literal: true, ...baseIndex(w, init.superClass) };
    case "NewExpression":
      return baseIndex(w, init.callee);
    case "Literal":
      return "regex" in init && /[gy]/.test(init.regex.flags) ? { remembers: true } : {};
    default:
      return {};
  }
}

function baseIndex(w: ReturnType<typeof newWriter>, base: Node | null): Partial<Unit> {
  const target = base === null ? undefined : bare(base);
  if (target?.type !== "Identifier" || !w.indices.has(`b${target.name} `)) return {};
  return { base: referenceIndex(w, { kind: "binding", name: target.name }) };
}

function addUnit(build: Build, unit: Unit): void {
  const units = build.units.get(unit.name);
  if (units === undefined) build.units.set(unit.name, [unit]);
  else units.push(unit);
}

/** One name declared twice (`var`) counts as both in their order. */
function merged(units: readonly Unit[]): Unit {
  const [first, ...others] = units;
  if (first === undefined) throw new TypeError("no unit to merge");
  let one = first;
  for (const next of others) {
    const before = one.references.length;
    one = {
      ...one,
      code: codeDigest("again", [one.code, String(before), next.code]),
      references: [...one.references, ...next.references],
      undecided: [...one.undecided, ...next.undecided],
      touches: [...one.touches, ...next.touches.map((index) => index + before)],
    };
  }
  return one;
}
