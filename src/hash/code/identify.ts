/** The identity of tasks' code. Start here. */
import { hash } from "node:crypto";
import { digestGraph } from "./components.ts";
import { type CodeNode, createLinker, type Linker, type Oracles, type Part, type UndecidedPlace } from "./link.ts";
import { findMisuse, type LazySource, type Misuse } from "./misuse.ts";
import { summarise } from "./module-graph.ts";
import type { GraphModule, LoadedModule } from "./resolve.ts";
import type { ModuleSummary, Parameter, Site } from "./summary.ts";
import { CODE_VERSION, codeDigest } from "./tokens.ts";

/** A task and the place of its `task(...)` call, as V8 gives it. */
export interface TaskPlace {
  readonly name: string;
  readonly url: string;
  readonly line: number;
  readonly column: number;
  /** It has schemas of its arguments: their code is code of the task. */
  readonly schemas?: boolean;
  /** It is a codec, and the place that of `registerCodec(...)`. */
  readonly codec?: boolean;
  /** It is a function that a form is given, and the place its own. */
  readonly arrow?: boolean;
}

/** The identity of a task's code, and what it is made of. */
export interface TaskCode {
  /** SHA-256 in hex over the code of the task's function and everything that it reaches; the task's name and options are not in it. */
  readonly digest: string;
  /** The function first, then what it reaches in the order of mention; each once. */
  readonly parts: readonly Part[];
  /** What makes the digest no proof; empty for most tasks. */
  readonly undecided: readonly UndecidedPlace[];
  /** Undefined when the task was not given a function that can be seen, as in `task("t", wrap(f))`. */
  readonly params: readonly Parameter[] | undefined;
  /** For a codec: its class is not declared in the modules that were given. */
  readonly foreign?: boolean;
}

/** What {@link CodeIndex.identify} needs. */
export interface IdentifyRequest extends Oracles {
  readonly tasks: readonly TaskPlace[];
  /** `file:` URL of the project's folder; `import.meta.url` counts relative to it. */
  readonly root?: string;
}

/** Summaries by a digest of text and kind: JSON, to be kept from one version to the next. */
export interface SavedCodeIndex {
  readonly version: number;
  readonly summaries: Readonly<Record<string, ModuleSummary>>;
}

/** The modules of a version, parsed once per text. */
export interface CodeIndex {
  /**
   * Takes a module in, or its new text.
   *
   * @throws FiresteelError `invalid_argument` with file, line, column and a code frame when it does not parse.
   */
  update(module: LoadedModule): ModuleSummary;
  remove(url: string): void;
  /** Code identities by task name. */
  identify(request: IdentifyRequest): ReadonlyMap<string, TaskCode>;
  /** Uses of lazy results as if they were there already; never an error by itself. */
  findMisuse(sourceOf: LazySource): readonly Misuse[];
  /** What {@link createCodeIndex} takes to save parsing again. */
  save(): SavedCodeIndex;
}

/** An index; `saved` comes from an earlier one. A saved one of another version is ignored. */
export function createCodeIndex(saved?: SavedCodeIndex): CodeIndex {
  const known = new Map(saved?.version === CODE_VERSION ? Object.entries(saved.summaries) : []);
  const modules = new Map<string, GraphModule & { readonly key: string }>();
  return {
    update(module) {
      const before = modules.get(module.url);
      const key = textKey(module);
      const summary =
        before?.key === key ? before.summary : (known.get(key) ?? summarise(module.url, module.text, module.kind));
      known.set(key, summary);
      modules.set(module.url, { ...module, summary, key });
      return summary;
    },
    remove(url) {
      modules.delete(url);
    },
    identify(request) {
      const linker = createLinker(modules, request, request.root);
      const nodes = request.tasks.map((task) => bodyOf(linker, modules, task));
      digestGraph(nodes.flatMap(({ node, schemas }) => (schemas ? [node, schemas] : [node])));
      return new Map(request.tasks.map(({ name }, index) => [name, describe(name, nodes[index] as Body)]));
    },
    findMisuse: (sourceOf) => findMisuse(modules, sourceOf),
    save() {
      const summaries: Record<string, ModuleSummary> = {};
      for (const { key, summary } of modules.values()) summaries[key] = summary;
      return { version: CODE_VERSION, summaries };
    },
  };
}

/** The code identities of all tasks of a version. Keep a {@link CodeIndex} instead to parse only what changed. */
export function identifyModules(
  request: IdentifyRequest & { readonly modules: Iterable<LoadedModule> },
): ReadonlyMap<string, TaskCode> {
  const index = createCodeIndex();
  for (const module of request.modules) index.update(module);
  return index.identify(request);
}

function textKey({ url, text, kind }: LoadedModule): string {
  return hash("sha256", `${kind} ${/\.m?ts$/.test(url) ? "ts" : "js"} ${text}`, "hex");
}

interface Body {
  readonly node: CodeNode;
  /** The schemas of its arguments. */
  readonly schemas?: CodeNode;
  readonly params: readonly Parameter[] | undefined;
  readonly foreign?: boolean;
}

function bodyOf(linker: Linker, modules: ReadonlyMap<string, GraphModule>, task: TaskPlace): Body {
  const { name, line, column, url } = task;
  const module = modules.get(url) ?? { url, text: "", kind: "json", imports: {}, summary: summarise(url, "", "json") };
  const offset = (module.summary.lines[line - 1] ?? Number.NaN) + column - 1;
  const site = sitesOf(module.summary).get(offset);
  const unit =
    task.arrow === true ? module.summary.given.find(({ unit: { start } }) => start === offset)?.unit : site?.unit;
  if (unit === undefined) {
    const reason = "the call of task(...) is not found in the syntax; call it by that name";
    return { node: linker.unknown(module, name, { reason, line, column }), params: undefined };
  }
  const named = unit.base === undefined ? undefined : unit.references[unit.base];
  const params = unit.parameters ?? (named && linker.unitOf(module, named)?.parameters);
  const node = linker.body(module, unit);
  if (task.codec === true)
    return { node, params, foreign: named === undefined || linker.unitOf(module, named) === undefined };
  if (task.schemas !== true) return { node, params };
  const reason = "the schemas of the arguments are not found in the syntax; write them in the options of task(...)";
  const schemas = site?.schemas
    ? linker.body(module, site.schemas)
    : linker.unknown(module, `${name} args`, { reason, line, column });
  return { node, schemas, params };
}

const sitesBySummary = new WeakMap<ModuleSummary, ReadonlyMap<number, Site>>();

function sitesOf(summary: ModuleSummary): ReadonlyMap<number, Site> {
  const known = sitesBySummary.get(summary);
  if (known !== undefined) return known;
  const sites = new Map(summary.sites.flatMap((site) => site.offsets.map((offset) => [offset, site] as const)));
  sitesBySummary.set(summary, sites);
  return sites;
}

function describe(name: string, { node: root, schemas, params, foreign }: Body): TaskCode {
  const parts: Part[] = [];
  const nodes: CodeNode[] = [];
  const undecided = new Map<string, UndecidedPlace>();
  const seen = new Set<CodeNode>([root]);
  const stack = [root];
  if (schemas) {
    seen.add(schemas);
    stack.unshift(schemas);
  }
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    nodes.push(node);
    parts.push(node === root ? { ...node.part, name } : node.part);
    for (const finding of node.undecided)
      undecided.set(`${finding.file} ${finding.line} ${finding.column} ${finding.reason}`, finding);
    for (let index = node.edges.length - 1; index >= 0; index--) {
      // Every node of this graph was made by the linker.
      const to = node.edges[index]?.node as CodeNode;
      if (seen.has(to)) continue;
      seen.add(to);
      stack.push(to);
    }
  }
  const digest = schemas ? codeDigest("body and schemas", [root.digest, schemas.digest]) : root.digest;
  const code: TaskCode = {
    digest,
    parts,
    undecided: [...undecided.values()],
    params,
    ...(foreign === undefined ? {} : { foreign }),
  };
  nodesOf.set(code, nodes);
  return code;
}

const nodesOf = new WeakMap<TaskCode, readonly CodeNode[]>();

/** For each part of a task's code a digest of the names that it mentions, in order: tells calls of `f` and `g` from calls of `g` and `f`, which the parts alone do not. No part of the identity. */
export function mentionsOf(code: TaskCode): readonly string[] {
  return (nodesOf.get(code) ?? []).map(digestMentions);
}

const mentions = new WeakMap<CodeNode, string>();

function digestMentions(node: CodeNode): string {
  let known = mentions.get(node);
  if (known === undefined) {
    // Every node of this graph was made by the linker. The version of a package is a change of that package, not of whoever mentions it.
    const names = node.edges.map(({ label, node: to }) => `${label} ${unversioned((to as CodeNode).part)}`);
    known = codeDigest("mentions", names);
    mentions.set(node, known);
  }
  return known;
}

/** The name of a part without the version of its package. */
export function unversioned({ kind, name }: { readonly kind: string; readonly name: string }): string {
  return kind === "package" ? name.replace(/@[^@ ]*(?= )/, "") : name;
}
