/** From summaries to a graph: one node for everything that a task's code reaches. */

import { isBuiltin } from "node:module";
import { relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { Edge, GraphNode } from "./components.ts";
import { exportVersion } from "./own-exports.ts";
import {
  exportNames,
  type GraphModule,
  type Meaning,
  type ModuleGraph,
  own,
  resolveExport,
  resolveIn,
  resolveReference,
} from "./resolve.ts";
import { DEFAULT_NAME, type Finding, type Place, placeOf, type Reference, type Unit } from "./summary.ts";
import { codeDigest } from "./tokens.ts";

/** What only the loaded modules know. Both are asked with a module's URL and a local name; `*default*` is an unnamed default export. */
export interface Oracles {
  /** The digest of a constant's value, where the value can be encoded. */
  constantValue(url: string, localName: string): string | undefined;
  /** The name of the task that a module-level binding holds. */
  taskNameOf(url: string, localName: string): string | undefined;
}

/** What a task's code is made of. */
export type PartKind =
  | "body"
  | "function"
  | "class"
  | "constant"
  | "statement"
  | "value"
  | "task"
  | "package"
  | "builtin"
  | "json"
  | "commonjs"
  | "meta"
  | "namespace"
  | "missing";

/** One thing that a task's code reaches. */
export interface Part {
  /** Its name in its module; no part of the identity. */
  readonly name: string;
  readonly kind: PartKind;
  /** Digest of this thing alone, without what it reaches. */
  readonly digest: string;
  /** The URL of its module, the line there from 1, and its text. */
  readonly file?: string;
  readonly line?: number;
  readonly text?: string;
}

/** Something undecided, with its place. */
export interface UndecidedPlace extends Place {
  readonly reason: string;
  readonly file: string;
}

/** A node that knows what it stands for. */
export interface CodeNode extends GraphNode {
  readonly part: Part;
  readonly undecided: UndecidedPlace[];
}

interface Shell extends CodeNode {
  expand: (() => void) | undefined;
}

/** A graph that grows by what is asked for. */
export interface Linker {
  /** The node of the function of a task; expands everything that it reaches. */
  body(module: GraphModule, unit: Unit): CodeNode;
  /** The node of a thing that code cannot be found for. */
  unknown(module: GraphModule, name: string, finding: Finding): CodeNode;
  /** The unit that a reference means. */
  unitOf(module: GraphModule, reference: Reference): Unit | undefined;
}

/** Links the modules of one version. `root` (a `file:` URL of a folder) is what `import.meta.url` is taken relative to. */
export function createLinker(graph: ModuleGraph, oracles: Oracles, root: string | undefined): Linker {
  const nodes = new Map<string, Shell>();
  const pending: Shell[] = [];
  const changed = findMutations(graph);
  const effects = findEffects(graph);

  function shell(key: string, part: Part, init: { own?: string; expand?: (node: Shell) => void } = {}): Shell {
    const node: Shell = {
      own: init.own ?? part.digest,
      edges: [],
      digest: "",
      component: -1,
      index: -1,
      low: -1,
      part,
      undecided: [],
      expand: undefined,
    };
    nodes.set(key, node);
    if (init.expand !== undefined) {
      node.expand = () => init.expand?.(node);
      pending.push(node);
    }
    return node;
  }

  function codeNode(key: string, module: GraphModule, unit: Unit, target?: string): Shell {
    const text = module.text.slice(unit.start, unit.end);
    const part: Part = {
      name: unit.name,
      kind: unit.kind,
      digest: unit.code,
      file: module.url,
      line: placeOf(module.summary.lines, unit.start).line,
      text,
    };
    return shell(key, part, {
      expand: (node) => {
        for (const finding of unit.undecided) node.undecided.push({ file: module.url, ...finding });
        for (const reference of unit.references) node.edges.push(edgeOf(module, reference));
        if (target !== undefined) addEffects(node, target);
      },
    });
  }

  function addEffects(node: Shell, target: string): void {
    const groups = effects.get(target);
    if (groups === undefined) return;
    const sorted = [...groups].map(([url, units]) => ({ url, units, key: units.map((unit) => unit.code).join() }));
    sorted.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    for (const { url, units } of sorted) {
      const module = graph.get(url);
      if (module === undefined) continue;
      for (const unit of units) {
        const key = `effect ${unit.start} ${unit.name} ${url}`;
        node.edges.push({ node: nodes.get(key) ?? codeNode(key, module, unit), label: "effect" });
      }
    }
  }

  function edgeOf(module: GraphModule, reference: Reference): Edge {
    if (reference.kind === "meta") {
      const path =
        root === undefined ? module.url.slice(module.url.lastIndexOf("/") + 1) : relativePath(root, module.url);
      return {
        node: leaf("meta", `import.meta.${reference.property}`, codeDigest("meta", [reference.property, path])),
        label: "",
      };
    }
    if (reference.kind === "require") return { node: required(module, reference.specifier), label: "" };
    const { meaning, member } = resolveReference(graph, module, reference);
    const node = meaning === undefined ? missing(module, reference.member ?? reference.name) : nodeOf(meaning);
    return { node, label: member ? "member" : "" };
  }

  function required(module: GraphModule, specifier: string): Shell {
    const resolution =
      own(module.imports, specifier) ??
      (isBuiltin(specifier) ? ({ kind: "builtin", name: specifier } as const) : undefined);
    const meaning = resolution && resolveIn(graph, resolution, "*");
    return meaning === undefined ? missing(module, specifier) : nodeOf(meaning);
  }

  function leaf(kind: PartKind, name: string, digest: string, place?: Pick<Part, "file" | "text">): Shell {
    const key = `leaf ${kind} ${digest}`;
    return nodes.get(key) ?? shell(key, { name, kind, digest, ...place });
  }

  function missing(module: GraphModule, name: string): Shell {
    const node = leaf("missing", name, codeDigest("missing", [module.url, name]));
    if (node.undecided.length === 0)
      node.undecided.push({ reason: `cannot be resolved: ${name}`, file: module.url, line: 1, column: 1 });
    return node;
  }

  function nodeOf(meaning: Meaning): Shell {
    if (meaning.kind === "external") {
      const { from, name } = meaning;
      if (from.kind === "builtin") {
        const plain = from.name.replace(/^node:/, "");
        return leaf("builtin", `node:${plain} ${name}`, codeDigest("builtin", [plain, name]));
      }
      const ownVersion = from.name === "firesteel" && from.subpath === "" ? exportVersion(name) : undefined;
      if (ownVersion !== undefined)
        return leaf("package", `firesteel.${name}@${ownVersion} ${name}`, codeDigest("own export", [name, ownVersion]));
      const label = `${from.name}${from.subpath === "" ? "" : `/${from.subpath}`}@${from.version} ${name}`;
      return leaf("package", label, codeDigest("package", [from.name, from.version, from.subpath, name]));
    }
    const module = graph.get(meaning.url);
    if (module === undefined) throw new TypeError(`module is not in the graph: ${meaning.url}`);
    if (meaning.kind === "file") return fileNode(module);
    if (meaning.kind === "namespace") return namespaceNode(module);
    return unitNode(module, meaning.name);
  }

  function fileNode(module: GraphModule): Shell {
    const { summary, url } = module;
    if (summary.kind === "json") return leaf("json", pathName(url), summary.content, { file: url, text: module.text });
    const key = `file ${url}`;
    const part: Part = { name: pathName(url), kind: "commonjs", digest: summary.content, file: url, text: module.text };
    return (
      nodes.get(key) ??
      shell(key, part, {
        expand: (node) => {
          for (const finding of summary.undecided) node.undecided.push({ file: url, ...finding });
          for (const specifier of Object.keys(module.imports).sort())
            node.edges.push({ node: required(module, specifier), label: specifier });
        },
      })
    );
  }

  function namespaceNode(module: GraphModule): Shell {
    const key = `namespace ${module.url}`;
    const known = nodes.get(key);
    if (known !== undefined) return known;
    const names = exportNames(graph, module);
    const digest = codeDigest("namespace", names);
    return shell(
      key,
      { name: `* ${pathName(module.url)}`, kind: "namespace", digest, file: module.url },
      {
        expand: (node) => {
          for (const name of names) {
            if (name.startsWith("* ")) {
              node.edges.push({ node: required(module, name.slice(2)), label: "*" });
              continue;
            }
            const meaning = resolveExport(graph, module, name);
            node.edges.push({ node: meaning === undefined ? missing(module, name) : nodeOf(meaning), label: name });
          }
        },
      },
    );
  }

  function unitNode(module: GraphModule, name: string): Shell {
    const key = `unit ${name} ${module.url}`;
    const known = nodes.get(key);
    if (known !== undefined) return known;
    const unit = own(module.summary.units, name) ?? unwritten(name);
    const node = makeUnitNode(key, module, unit);
    if (node.part.kind !== "task") {
      for (const finding of changed.get(key) ?? []) node.undecided.push(finding);
      for (const finding of stateOf(module, unit)) node.undecided.push(finding);
    }
    nodes.set(key, node);
    return node;
  }

  function makeUnitNode(key: string, module: GraphModule, unit: Unit): Shell {
    if (unit.kind === "constant" && unit.literal !== true) {
      const task = oracles.taskNameOf(module.url, unit.name);
      if (task !== undefined) return leaf("task", task, codeDigest("task", [task]));
      const value = oracles.constantValue(module.url, unit.name);
      if (value !== undefined) {
        const text = module.text.slice(unit.start, unit.end);
        const { line } = placeOf(module.summary.lines, unit.start);
        return shell(
          key,
          { name: unit.name, kind: "value", digest: value, file: module.url, line, text },
          { own: codeDigest("value", [value]) },
        );
      }
    }
    return codeNode(key, module, unit, key);
  }

  /** State inside the thing itself: methods that change `this`. */
  function stateOf(module: GraphModule, unit: Unit): UndecidedPlace[] {
    const found: UndecidedPlace[] = [];
    const name = unit.name === DEFAULT_NAME ? "default" : unit.name;
    const add = (finding: Finding, file: string) =>
      found.push({ ...finding, file, reason: `module state changes after load: ${name} (${finding.reason})` });
    if (unit.changesSelf !== undefined) add(unit.changesSelf, module.url);
    if (unit.kind !== "constant" || unit.literal === true) return found;
    if (unit.changesInstance !== undefined) add(unit.changesInstance, module.url);
    for (let at: { module: GraphModule; unit: Unit } | undefined = { module, unit }, steps = 0; steps < 100; steps++) {
      at = baseOf(at.module, at.unit);
      if (at === undefined) break;
      if (at.unit.changesInstance !== undefined) add(at.unit.changesInstance, at.module.url);
    }
    return found;
  }

  function baseOf(module: GraphModule, unit: Unit): { module: GraphModule; unit: Unit } | undefined {
    const reference = unit.base === undefined ? undefined : unit.references[unit.base];
    return reference && declarationOf(module, reference);
  }

  function declarationOf(module: GraphModule, reference: Reference): { module: GraphModule; unit: Unit } | undefined {
    if (reference.kind !== "binding") return undefined;
    const { meaning } = resolveReference(graph, module, reference);
    if (meaning?.kind !== "unit") return undefined;
    const target = graph.get(meaning.url);
    const unit = target && own(target.summary.units, meaning.name);
    return target && unit && { module: target, unit };
  }

  function expandAll(): void {
    for (let node = pending.pop(); node !== undefined; node = pending.pop()) node.expand?.();
  }

  return {
    body(module, unit) {
      const key = `body ${unit.start} ${module.url}`;
      const node = nodes.get(key) ?? codeNode(key, module, unit);
      expandAll();
      return node;
    },
    unknown(module, name, finding) {
      const node = leaf("missing", name, codeDigest("module", [module.text]), { file: module.url });
      node.undecided.push({ file: module.url, ...finding });
      return node;
    },
    unitOf: (module, reference) => declarationOf(module, reference)?.unit,
  };
}

/** A `var` that is declared inside a statement: its code is the statements that mention it. */
function unwritten(name: string): Unit {
  return {
    name,
    kind: "constant",
    code: codeDigest("declared", []),
    start: 0,
    end: 0,
    references: [],
    undecided: [],
    touches: [],
  };
}

function findMutations(graph: ModuleGraph): Map<string, UndecidedPlace[]> {
  const found = new Map<string, UndecidedPlace[]>();
  for (const module of graph.values()) {
    for (const { target, onlyIfRemembers, reason, line, column } of module.summary.mutations) {
      if (target.kind !== "binding") continue;
      const { meaning } = resolveReference(graph, module, target);
      if (meaning?.kind !== "unit") continue;
      const summary = graph.get(meaning.url)?.summary;
      if (onlyIfRemembers === true && (summary === undefined || own(summary.units, meaning.name)?.remembers !== true))
        continue;
      append(found, `unit ${meaning.name} ${meaning.url}`, { reason, line, column, file: module.url });
    }
  }
  return found;
}

/** For each unit, the code that changes it (or gets hold of it) while modules load, by module and in order. */
function findEffects(graph: ModuleGraph): Map<string, Map<string, Unit[]>> {
  const found = new Map<string, Map<string, Unit[]>>();
  for (const module of graph.values()) {
    const { units, statements } = module.summary;
    const touching = [...statements, ...Object.values(units)].filter((unit) => unit.touches.length > 0);
    for (const unit of touching.sort((a, b) => a.start - b.start)) {
      for (const index of unit.touches) {
        const reference = unit.references[index];
        if (reference?.kind !== "binding") continue;
        const { meaning } = resolveReference(graph, module, reference);
        if (meaning?.kind !== "unit") continue;
        const key = `unit ${meaning.name} ${meaning.url}`;
        const groups = found.get(key) ?? new Map<string, Unit[]>();
        const list = groups.get(module.url) ?? [];
        if (!list.includes(unit)) list.push(unit);
        found.set(key, groups.set(module.url, list));
      }
    }
  }
  return found;
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

function pathName(url: string): string {
  return decodeURIComponent(url.slice(url.lastIndexOf("/") + 1));
}

function relativePath(root: string, url: string): string {
  if (!root.startsWith("file:") || !url.startsWith("file:")) return url;
  return relative(fileURLToPath(root), fileURLToPath(url)).split(sep).join("/");
}
