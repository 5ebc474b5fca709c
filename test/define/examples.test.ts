/** The examples in the doc comments of `src/define`: each that has a task `main` is run, and gives what the comment behind it says. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { Engine } from "../evaluate/engine.ts";
import { useTemporaryStore } from "../evaluate/temporary-store.ts";

const folder = new URL("../../src/define/", import.meta.url);

interface Example {
  /** The file and the line at which it begins. */
  readonly place: string;
  /** What is documented. */
  readonly subject: string;
  readonly code: string;
  readonly result: string | undefined;
}

const examples: Example[] = readdirSync(folder)
  .sort()
  .flatMap((file) => {
    const text = readFileSync(new URL(file, folder), "utf8");
    return [...text.matchAll(/@example\n \* ```ts\n(.*?) \* ```.*?\*\/\nexport (?:const|function|class) (\w+)/gs)].map(
      ([all, block = "", subject = ""]) => {
        const code = block.replaceAll(/^ \* ?/gm, "");
        const at = text.indexOf(all);
        return {
          place: `${file}:${text.slice(0, at).split("\n").length}`,
          subject,
          code,
          result: /\/\/ (.*)\n$/.exec(code)?.[1],
        };
      },
    );
  })
  .filter(({ code }) => code.includes("export const main = "));

const opened = useTemporaryStore();

describe("the example of", () => {
  it.each(examples)("$subject at $place", async ({ code, result }) => {
    expect(result, "a comment that ends the example says what it gives").toBeDefined();
    await using project = await Engine.start(opened.store, code.replaceAll(/task\("\w+\./g, 'task("$.'), {
      limits: { mirror: 1 },
    });
    const run = await project.run("main");
    expect(run.error).toBeNull();
    expect(run.value).toEqual(new Function(`return (${result})`)());
  });

  it("each is right for the compiler", async () => {
    const root = fileURLToPath(new URL("../../", import.meta.url));
    const directory = await mkdtemp(join(tmpdir(), "firesteel-examples-"));
    try {
      for (const [i, { code }] of examples.entries()) await writeFile(join(directory, `example-${i}.mts`), code);
      const compilerOptions = {
        paths: { firesteel: [join(root, "src/index.ts")] },
        typeRoots: [join(root, "node_modules/@types")],
      };
      await writeFile(
        join(directory, "tsconfig.json"),
        JSON.stringify({ extends: join(root, "tsconfig.json"), compilerOptions, include: ["*.mts"] }),
      );
      const tsc = promisify(execFile)(join(root, "node_modules/.bin/tsc"), ["-p", directory]);
      await tsc.catch((error: { readonly stdout: string }) => expect(error.stdout).toBe(""));
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it("every form and operator, and of tasks", () => {
    const subjects = new Set(examples.map(({ subject }) => subject));
    const forms = [
      "cond",
      "catchError",
      "catchAll",
      "all",
      "seq",
      "apply",
      "raise",
      "map",
      "flatMap",
      "filter",
      "reduce",
    ];
    const others = ["partial", "withTags", "withLimits", "withContext", "text", "add", "eq", "and", "task"];
    expect([...forms, ...others].filter((name) => !subjects.has(name))).toEqual([]);
  });
});
