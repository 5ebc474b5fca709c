/** Projects given as texts, identified without loading them. */
import { identifyModules, type TaskCode } from "../../../src/hash/code/identify.ts";
import type { Oracles } from "../../../src/hash/code/link.ts";
import type { LoadedModule, Resolution } from "../../../src/hash/code/resolve.ts";

export const ROOT = "file:///project/";

/** File names (relative to the project) and their texts. */
export type Files = Readonly<Record<string, string>>;

/** The modules of a project; packages have version 1.0.0, or that of `versions`. */
export function modulesOf(files: Files, versions: Readonly<Record<string, string>> = {}): LoadedModule[] {
  return Object.entries(files).map(([name, text]) => {
    const url = new URL(name, ROOT).href;
    const imports: Record<string, Resolution> = {};
    for (const [, specifier] of text.matchAll(/(?:from|import|require\()\s*["']([^"']+)["']/g)) {
      if (specifier === undefined) continue;
      if (specifier.startsWith(".")) imports[specifier] = { kind: "local", url: new URL(specifier, url).href };
      else if (specifier.startsWith("node:")) imports[specifier] = { kind: "builtin", name: specifier };
      else
        imports[specifier] = { kind: "package", name: specifier, version: versions[specifier] ?? "1.0.0", subpath: "" };
    }
    const kind = name.endsWith(".json") ? "json" : name.endsWith(".cjs") ? "commonjs" : "module";
    return { url, text, kind, imports };
  });
}

/** Where the tasks named in the texts are made, and which constants hold them: by searching the text for `task("`. */
export function tasksOf(modules: readonly LoadedModule[]) {
  const held = new Map<string, string>();
  const tasks = modules.flatMap(({ url, text }) => {
    for (const [, local, name] of text.matchAll(/const\s+(\w+)[^=;]*=\s*task\(["']([\w.]+)["']/g))
      held.set(`${url} ${local}`, `${name}`);
    return [...text.matchAll(/\btask\(["']([\w.]+)["']/g)].map((match) => {
      const lines = text.slice(0, match.index).split(/\r\n|[\n\r\u2028\u2029]/);
      return { name: `${match[1]}`, url, line: lines.length, column: (lines.at(-1) ?? "").length + 1 };
    });
  });
  return { tasks, taskNameOf: (url: string, local: string) => held.get(`${url} ${local}`) };
}

/** All code identities of a project. */
export function identify(
  files: Files,
  options: {
    readonly versions?: Readonly<Record<string, string>>;
    readonly constantValue?: Oracles["constantValue"];
  } = {},
): ReadonlyMap<string, TaskCode> {
  const modules = modulesOf(files, options.versions);
  return identifyModules({
    modules,
    ...tasksOf(modules),
    root: ROOT,
    constantValue: options.constantValue ?? (() => undefined),
  });
}

/** The identity of the task `t` of a project, or of one file. */
export function identifyOne(files: Files | string, options: Parameters<typeof identify>[1] = {}): TaskCode {
  const found = identify(typeof files === "string" ? { "flow.ts": files } : files, options).get("t");
  if (found === undefined) throw new Error("the project has no task t");
  return found;
}

/** A task `t` with a body, behind some declarations. */
export function flow(body: string, before = ""): string {
  return `import { task } from "firesteel";\n${before}\nexport const t = task("t", ${body});\n`;
}
