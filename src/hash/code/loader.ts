/**
 * Loads flow modules so that what is hashed is what is loaded.
 *
 * The hooks are synchronous and belong to the thread that installs them. They see every module of the project (files outside
 * `node_modules`): they keep its text and what its specifiers were resolved to, refuse what does not parse, and let the module hand out its
 * top-level bindings. For that, code is appended to the text, after its end: no position moves.
 */
import { readFileSync } from "node:fs";
import { type LoadHookContext, registerHooks } from "node:module";
import { parseSync } from "oxc-parser";
import { declareArrows, defineArrows, type ModuleArrows } from "../../define/arrow.ts";
import { Code, FiresteelError } from "../../errors.ts";
import { ARROWS, arrowsOf, arrowsText } from "./arrow-text.ts";
import type { CodeIndex } from "./identify.ts";
import { isProjectFile, packageOf } from "./package.ts";
import { pathOf, syntaxError } from "./parse.ts";
import type { LoadedModule, Resolution } from "./resolve.ts";
import { DEFAULT_NAME, type ModuleSummary } from "./summary.ts";

/** Options of {@link installLoader}. */
export interface LoaderOptions {
  /** The running copy of firesteel: the bare specifier `firesteel` means its index, in whatever folder the flow module is. */
  readonly firesteel: { readonly url: string; readonly version: string };
  /** Takes in every module. Without it nothing is parsed and no bindings are kept: for workers that only run what was identified elsewhere. */
  readonly index?: CodeIndex;
  /** Texts by URL that are served instead of what is on disk. */
  readonly snapshot?: ReadonlyMap<string, string>;
  /** The arrows of those texts, by URL; without an index nothing else tells them. */
  readonly arrows?: ReadonlyMap<string, ModuleArrows>;
  /** `file:` URL of the project's folder; names of arrows count from there. */
  readonly root?: string;
}

/** The installed hooks. */
export interface Loader {
  /** Every project module loaded so far, by URL. */
  readonly modules: ReadonlyMap<string, LoadedModule>;
  /** The arrows of those that have some, by URL. */
  readonly arrows: ReadonlyMap<string, ModuleArrows>;
  /** The value of a top-level constant or variable of a loaded module; undefined if there is no such name or it has no value yet. */
  binding(url: string, localName: string): { readonly value: unknown } | undefined;
  /** Takes the hooks away. Modules that are loaded stay loaded. */
  [Symbol.dispose](): void;
}

type Functions = Readonly<Record<string, (...args: never[]) => unknown>>;
type Getters = Readonly<Record<string, () => unknown>>;

const REGISTER = Symbol.for("firesteel.bindings");
const SELF = "firesteel:self";

/** Installs the hooks on this thread. One at a time: the bindings of a second one would shadow the first's. */
export function installLoader(options: LoaderOptions): Loader {
  const modules = new Map<string, LoadedModule & { readonly imports: Record<string, Resolution> }>();
  const arrows = new Map<string, ModuleArrows>();
  const bindings = new Map<string, Getters>();
  const shared = globalThis as {
    [REGISTER]?: (url: string, getters: Getters) => void;
    [ARROWS]?: (url: string, copies: Functions) => void;
  };
  if (shared[REGISTER] !== undefined)
    throw new FiresteelError(Code.failedPrecondition, "a loader is installed on this thread already");
  shared[REGISTER] = (url, getters) => bindings.set(url, getters);
  shared[ARROWS] = (url, copies) => defineArrows(url, arrows.get(url)?.arrows ?? [], copies);
  const ownFolder = new URL("./", options.firesteel.url).href;
  const isLocal = (url: string) => isProjectFile(url) && !url.startsWith(ownFolder);

  const classify = (url: string): Resolution => {
    if (url.startsWith(ownFolder))
      return {
        kind: "package",
        name: "firesteel",
        version: options.firesteel.version,
        subpath: url.slice(ownFolder.length),
      };
    if (url.startsWith("node:")) return { kind: "builtin", name: url };
    if (isProjectFile(url)) return { kind: "local", url };
    // Anything else that Node imports (`data:`) is its own content.
    return url.startsWith("file:") ? packageOf(url) : { kind: "package", name: url, version: "", subpath: "" };
  };

  const hooks = registerHooks({
    resolve(specifier, context, next) {
      if (specifier === SELF && context.parentURL !== undefined) return { url: context.parentURL, shortCircuit: true };
      const parent = context.parentURL === undefined ? undefined : modules.get(context.parentURL);
      if (specifier === "firesteel") {
        if (parent !== undefined)
          parent.imports[specifier] = {
            kind: "package",
            name: "firesteel",
            version: options.firesteel.version,
            subpath: "",
          };
        return { url: options.firesteel.url, shortCircuit: true };
      }
      // A pinned module is found even when its file is gone by now.
      const pinned =
        options.snapshot && /^(?:\.{0,2}\/|file:)/.test(specifier) && new URL(specifier, context.parentURL).href;
      if (pinned && options.snapshot.has(pinned)) return { url: pinned, shortCircuit: true };
      const resolved = next(specifier, context);
      // CommonJS names built-in modules without the prefix.
      const url = resolved.url.includes(":") ? resolved.url : `node:${resolved.url}`;
      if (parent !== undefined) parent.imports[specifier] = classify(url);
      return resolved;
    },
    load(url, context, next) {
      if (!isLocal(url) || /\.(node|wasm)$/.test(url)) return next(url, context);
      const text = options.snapshot?.get(url) ?? readFileSync(new URL(url), "utf8");
      const kind = kindOf(url, text, context);
      const module = { url, text, kind, imports: {} };
      modules.set(url, module);
      const summary = options.index?.update(module);
      if (summary !== undefined) refuseUnknownSyntax(url, text, summary);
      const format = kind !== "module" ? kind : /\.m?ts$/.test(pathOf(url)) ? "module-typescript" : "module";
      const source = text + handingOut(url, text, summary) + (summary?.kind === "module" ? exposing(summary) : "");
      return { format, source, shortCircuit: true };
    },
  });

  /** The code behind a text that hands out its arrows, which are known from here on. */
  function handingOut(url: string, text: string, summary: ModuleSummary | undefined): string {
    const found = summary ? arrowsOf(url, summary, options.root) : options.arrows?.get(url);
    if (found === undefined) return "";
    arrows.set(url, found);
    const { code, copies } = arrowsText(text, found);
    declareArrows(url, found, copies);
    return code;
  }

  return {
    modules,
    arrows,
    binding(url, localName) {
      const getters = bindings.get(url);
      if (getters === undefined || !Object.hasOwn(getters, localName)) return undefined;
      try {
        return { value: getters[localName]?.() };
      } catch (error) {
        // The module did not get as far as the declaration.
        if (error instanceof ReferenceError) return undefined;
        throw error;
      }
    },
    [Symbol.dispose]() {
      hooks.deregister();
      delete shared[REGISTER];
      delete shared[ARROWS];
    },
  };
}

function kindOf(url: string, text: string, { format }: LoadHookContext): ModuleSummary["kind"] {
  const path = pathOf(url);
  if (format === "json" || path.endsWith(".json")) return "json";
  if (format === "commonjs-typescript" || path.endsWith(".cts"))
    throw new FiresteelError(
      Code.invalidArgument,
      `TypeScript modules must be ES modules; name it .mts, or write "type": "module" in the package.json above: ${path}`,
      { details: { file: path } },
    );
  if (format === "commonjs" || path.endsWith(".cjs")) return "commonjs";
  // Node leaves a `.js` file of a package without "type" open; like Node, let its syntax decide.
  if (format === null || format === undefined)
    return path.endsWith(".js") && !parseSync("module.js", text).module.hasModuleSyntax ? "commonjs" : "module";
  return "module";
}

function refuseUnknownSyntax(url: string, text: string, summary: ModuleSummary): void {
  for (const unit of [...Object.values(summary.units), ...summary.statements])
    for (const { reason, line, column } of unit.undecided)
      if (reason.startsWith("syntax that"))
        throw syntaxError(
          url,
          text,
          (summary.lines[line - 1] ?? 0) + column - 1,
          `${reason}; type stripping cannot strip it`,
        );
}

/** The code that makes the constants of a module readable. */
function exposing(summary: ModuleSummary): string {
  const names = Object.values(summary.units).filter((unit) => unit.kind === "constant" && unit.literal !== true);
  if (names.length === 0) return "";
  const getters = names.map(({ name }) => {
    const value = name === DEFAULT_NAME ? "__firesteel_self.default" : name;
    return `${JSON.stringify(name)}: () => ${value}`;
  });
  const self = names.some(({ name }) => name === DEFAULT_NAME) ? `import * as __firesteel_self from "${SELF}";` : "";
  return `\n;${self}globalThis[Symbol.for("firesteel.bindings")]?.(import.meta.url, {${getters.join(", ")}});\n`;
}
