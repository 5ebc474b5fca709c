/** The project of several programs on disk. */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Change, LAST_TASK } from "./lane.ts";
import { dataFolder, dataPath, outFolder, type State } from "./language.ts";
import { type Files, modulesOf, printProgram, ranModule } from "./print.ts";

export class Project {
  readonly #root: string;
  readonly #executors: boolean;
  readonly #written = new Map<string, Files>();
  readonly #modules = new Map<string, readonly string[]>();

  /** Without `executors` all bodies run in place. */
  constructor(root: string, executors: boolean) {
    this.#root = root;
    this.#executors = executors;
    this.apply({ "ran.ts": ranModule(join(root, "ran.txt")) });
  }

  /** What has to change on disk for a state of a program; counts as done. */
  change(prefix: string, { program, data }: State): Change {
    const inPlace = (): typeof program => ({
      ...program,
      tasks: program.tasks.map((task) => ({ ...task, options: { ...task.options, executor: "inline" } })),
    });
    const files = data.flatMap((content, file) =>
      content === null ? [] : [[dataPath(prefix, file), String(content)] as const],
    );
    return this.files(prefix, {
      ...printProgram(prefix, this.#executors ? program : inPlace()),
      ...Object.fromEntries(files),
    });
  }

  /** What has to change for these to be the files of a program. */
  files(prefix: string, after: Files): Change {
    const before = this.#written.get(prefix) ?? {};
    this.#written.set(prefix, after);
    mkdirSync(join(this.#root, dataFolder(prefix)), { recursive: true });
    const change: Record<string, string | null> = {};
    for (const path of Object.keys(before)) if (!Object.hasOwn(after, path)) change[path] = null;
    for (const [path, text] of Object.entries(after)) if (before[path] !== text) change[path] = text;
    const modules = modulesOf(after);
    if (String(this.#modules.get(prefix)) === String(modules)) return change;
    this.#modules.set(prefix, modules);
    const imports = [...this.#modules.values()].flat().map((path) => `import "./${path}";\n`);
    const last = `import { task } from "firesteel";\nexport const last = task("${LAST_TASK}", { cache: "none" }, () => 0);\n`;
    return { ...change, "flow.ts": last + imports.join("") };
  }

  apply(change: Change): void {
    for (const [path, text] of Object.entries(change)) {
      const place = join(this.#root, path);
      if (text === null) rmSync(place, { force: true });
      else {
        mkdirSync(dirname(place), { recursive: true });
        writeFileSync(place, text);
      }
    }
  }

  /** What the tasks of a program have written, by path from the root. */
  outputs(prefix: string): Map<string, string> {
    const folder = outFolder(prefix);
    const names = existsSync(join(this.#root, folder)) ? readdirSync(join(this.#root, folder)) : [];
    return new Map(names.map((name) => [`${folder}/${name}`, readFileSync(join(this.#root, folder, name), "utf8")]));
  }

  /** Deletes or changes one of these files, where the number is given and there is one. */
  damage(prefix: string, which: number | undefined): Change {
    if (which === undefined) return {};
    const paths = [...this.outputs(prefix).keys()].sort();
    const path = paths[which % paths.length];
    const change = path === undefined ? {} : { [path]: which % 3 === 0 ? "6" : null };
    this.apply(change);
    return change;
  }
}
