/** Which declaration a name means across modules: imports, exports, re-exports, namespaces, packages. */
import type { From, ModuleSummary, Reference } from "./summary.ts";

/** What a specifier was resolved to when the module was loaded. */
export type Resolution =
  /** A file whose real path is outside `node_modules`: its code counts. */
  | { readonly kind: "local"; readonly url: string }
  /** A package: it counts by name, exact version and the file in it. */
  | { readonly kind: "package"; readonly name: string; readonly version: string; readonly subpath: string }
  | { readonly kind: "builtin"; readonly name: string };

/** A local module as it was loaded. */
export interface LoadedModule {
  readonly url: string;
  /** The text that was loaded, before type stripping. */
  readonly text: string;
  readonly kind: ModuleSummary["kind"];
  /** By the specifier as it is written. */
  readonly imports: Readonly<Record<string, Resolution>>;
}

/** A module with its summary. */
export interface GraphModule extends LoadedModule {
  readonly summary: ModuleSummary;
}

/** The modules of one version, by URL. */
export type ModuleGraph = ReadonlyMap<string, GraphModule>;

/** What a name means. */
export type Meaning =
  | { readonly kind: "unit"; readonly url: string; readonly name: string }
  | { readonly kind: "namespace"; readonly url: string }
  /** A whole JSON or CommonJS module. */
  | { readonly kind: "file"; readonly url: string }
  | { readonly kind: "external"; readonly from: Exclude<Resolution, { kind: "local" }>; readonly name: string };

/** An own property; a name like `constructor` is nothing special. */
export function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

/** The meaning of a module-level name of a module. Undefined when an import leads nowhere. */
export function resolveName(
  graph: ModuleGraph,
  module: GraphModule,
  name: string,
  seen?: Set<string>,
): Meaning | undefined {
  const from = own(module.summary.imports, name);
  return from === undefined ? { kind: "unit", url: module.url, name } : resolveFrom(graph, module, from, seen);
}

/** The meaning of a reference to a binding, and whether it went through a member of a namespace. */
export function resolveReference(
  graph: ModuleGraph,
  module: GraphModule,
  reference: Reference & { kind: "binding" },
): { readonly meaning: Meaning | undefined; readonly member: boolean } {
  const meaning = resolveName(graph, module, reference.name);
  const { member } = reference;
  if (member === undefined || meaning === undefined) return { meaning, member: false };
  if (meaning.kind === "external" && meaning.name === "*")
    return { meaning: { ...meaning, name: member }, member: true };
  if (meaning.kind !== "namespace") return { meaning, member: false };
  const target = graph.get(meaning.url);
  return { meaning: target && resolveExport(graph, target, member), member: true };
}

function resolveFrom(graph: ModuleGraph, module: GraphModule, from: From, seen?: Set<string>): Meaning | undefined {
  const resolution = own(module.imports, from.specifier);
  return resolution && resolveIn(graph, resolution, from.name, seen);
}

/** The meaning of an export of whatever a specifier was resolved to. */
export function resolveIn(
  graph: ModuleGraph,
  resolution: Resolution,
  name: string,
  seen?: Set<string>,
): Meaning | undefined {
  if (resolution.kind !== "local") return { kind: "external", from: resolution, name };
  const target = graph.get(resolution.url);
  if (target === undefined) return undefined;
  if (target.summary.kind !== "module") return { kind: "file", url: target.url };
  return name === "*" ? { kind: "namespace", url: target.url } : resolveExport(graph, target, name, seen);
}

/** The meaning of an export of a module. */
export function resolveExport(
  graph: ModuleGraph,
  module: GraphModule,
  name: string,
  seen: Set<string> = new Set(),
): Meaning | undefined {
  const key = `${name} ${module.url}`;
  if (seen.has(key)) return undefined;
  seen.add(key);
  const found = own(module.summary.exports, name);
  if (found !== undefined)
    return "local" in found ? resolveName(graph, module, found.local, seen) : resolveFrom(graph, module, found, seen);
  if (name === "default") return undefined;
  let external: Meaning | undefined;
  for (const specifier of module.summary.stars) {
    const resolution = own(module.imports, specifier);
    const meaning = resolution && resolveIn(graph, resolution, name, seen);
    if (meaning?.kind === "external" || meaning?.kind === "file") external ??= meaning;
    else if (meaning !== undefined) return meaning;
  }
  return external;
}

/** The names that a module exports, sorted; what comes by `export *` from outside stands as `* specifier`. */
export function exportNames(graph: ModuleGraph, module: GraphModule, seen: Set<string> = new Set()): string[] {
  if (seen.has(module.url)) return [];
  seen.add(module.url);
  const names = new Set(Object.keys(module.summary.exports));
  for (const specifier of module.summary.stars) {
    const resolution = own(module.imports, specifier);
    const target = resolution?.kind === "local" ? graph.get(resolution.url) : undefined;
    if (target === undefined || target.summary.kind !== "module") names.add(`* ${specifier}`);
    else for (const name of exportNames(graph, target, seen)) if (name !== "default") names.add(name);
  }
  return [...names].sort();
}
