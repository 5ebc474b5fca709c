/** Prints programs as flow modules. The style settles everything that must not count. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  type Constant,
  dataFolder,
  dataPath,
  type Expr,
  GLOBS,
  outFolder,
  type Program,
  type Pure,
  type Task,
  type Type,
  taskName,
  type Undecided,
} from "./language.ts";

/** Texts by path from the project's root. */
export type Files = Readonly<Record<string, string>>;

const SHOW = readFileSync(fileURLToPath(new URL("./show.ts", import.meta.url)), "utf8");

/** The module by which bodies tell that they run: one line a body in a file, which survives a kill. */
export function ranModule(log: string): string {
  return `import { appendFileSync } from "node:fs";\n${SHOW}\nexport function ran(task: string, args: readonly unknown[]): void {\n  appendFileSync(${JSON.stringify(log)}, \`\${task}\${show(args)}\\n\`);\n}\n`;
}

const TYPES: Readonly<Record<Type, string>> = {
  num: "number",
  bool: "boolean",
  list: "number[]",
  rec: "{ a: number; b: number[] }",
  file: "File",
  files: "File[]",
  dir: "Directory",
  task: "Task<[number], number>",
  error: "CaughtError",
};

const FORMS = [
  "all",
  "apply",
  "catchAll",
  "catchError",
  "cond",
  "contextValue",
  "directory",
  "file",
  "filter",
  "flatMap",
  "glob",
  "map",
  "partial",
  "raise",
  "readText",
  "reduce",
  "seq",
  "task",
  "withContext",
  "writeFile",
] as const;

/** Numbers that depend on the style and a place in it; the style 0 is the plain one. */
function vary(style: number, place: number, n: number): number {
  if (style === 0) return 0;
  let x = Math.imul(style * 2_654_435_761, place + 40_503) >>> 0;
  x ^= x >>> 15;
  x = Math.imul(x, 2_246_822_519) >>> 0;
  return ((x ^ (x >>> 13)) >>> 0) % n;
}

/** The folder of a program. */
const folder = (prefix: string) => `code/${prefix}`;
/** The path of one file of it, without the folder. */
const fileName = (program: Program, file: number) => `m${program.files[file]}.ts`;
/** The modules among some files. */
export const modulesOf = (files: Files): readonly string[] => Object.keys(files).filter((path) => path.endsWith(".ts"));

/** All files of code of a program. */
export function printProgram(prefix: string, program: Program): Files {
  const files: Record<string, string> = {};
  const used = new Set([...program.tasks, ...program.helpers, ...program.constants].map((thing) => thing.file));
  for (const file of used)
    files[`${folder(prefix)}/${fileName(program, file)}`] = new Printer(prefix, program, file).text();
  return files;
}

class Printer {
  readonly #prefix: string;
  readonly #program: Program;
  readonly #file: number;
  readonly #names: Readonly<Record<"task" | "helper" | "constant" | "param", string>>;
  /** Names by the file that they are imported from. */
  readonly #imports = new Map<number, Set<string>>();
  readonly #forms = new Set<string>();

  constructor(prefix: string, program: Program, file: number) {
    this.#prefix = prefix;
    this.#program = program;
    this.#file = file;
    const of = (place: number, names: readonly string[]) => names[vary(program.style, place, names.length)]!;
    this.#names = {
      task: of(1, ["t", "step", "job$"]),
      helper: of(2, ["h", "compute", "of"]),
      constant: of(3, ["C", "limit", "K_"]),
      param: of(4, ["n", "x", "value"]),
    };
  }

  #vary(place: number, n: number): number {
    return vary(this.#program.style, place, n);
  }

  /** The local name of a thing of the program. */
  #use(kind: "task" | "helper" | "constant", id: number): string {
    const things = { task: this.#program.tasks, helper: this.#program.helpers, constant: this.#program.constants }[
      kind
    ];
    const { file } = things[id]!;
    const name = `${this.#names[kind]}${id}`;
    if (file === this.#file) return name;
    const names = this.#imports.get(file) ?? new Set();
    this.#imports.set(file, names);
    const alias = this.#vary(5, 2) === 1 ? `${name}_here` : name;
    names.add(alias === name ? name : `${name} as ${alias}`);
    return alias;
  }

  #form(name: (typeof FORMS)[number]): string {
    this.#forms.add(name);
    return this.#vary(6, 2) === 1 ? `fs_${name}` : name;
  }

  text(): string {
    const { tasks, helpers, constants } = this.#program;
    const here = <T extends { readonly file: number }>(list: readonly T[], print: (item: T, id: number) => string) =>
      list.flatMap((item, id) => (item.file === this.#file ? [print(item, id)] : []));
    const first = here(constants, (constant, id) => this.#constant(constant, id));
    const rest = [
      ...here(helpers, (helper, id) => {
        const name = `${this.#names.helper}${id}`;
        const param = this.#names.param;
        const { before, effect } = printUndecided(helper.undecided, `state_${name}`, param);
        const value = this.#pure(helper.body, [param]);
        const body = effect === "" ? value : `(${effect}, ${value})`;
        return helper.arrow
          ? `${before}export const ${name} = (${this.#typed(param, "number")}) => ${body};`
          : `${before}export function ${name}(${this.#typed(param, "number")}) {${this.#space(7)}return ${body}; }`;
      }),
      ...here(tasks, (task, id) => this.#task(task, id)),
    ];
    if (this.#vary(8, 2) === 1) rest.reverse();
    const forms = [...this.#forms, "task"].filter((name, i, all) => all.indexOf(name) === i);
    if (this.#vary(9, 2) === 1) forms.reverse();
    const specifiers = forms.map((name) => (this.#vary(6, 2) === 1 ? `${name} as fs_${name}` : name));
    const types = this.#vary(10, 2) === 1 ? [] : ["type CaughtError", "type Directory", "type File", "type Task"];
    return [
      `import { ${[...specifiers, ...types].join(", ")} } from "firesteel";`,
      `import { outName, ran } from "../../ran.ts";`,
      ...[...this.#imports].map(
        ([file, names]) => `import { ${[...names].join(", ")} } from "./${fileName(this.#program, file)}";`,
      ),
      ...first,
      ...rest.flatMap((text, i) => [["", "// a remark", "/* and\n another */"][this.#vary(20 + i, 3)]!, text]),
      "",
    ].join("\n");
  }

  #space(place: number): string {
    return [" ", "\n    ", " /* here */ "][this.#vary(place, 3)]!;
  }

  #typed(name: string, type: string): string {
    return this.#vary(10, 2) === 1 ? name : `${name}: ${type}`;
  }

  #constant({ value, form, extra }: Constant, id: number): string {
    const written = {
      literal: String(value),
      computed: `Math.max(${value}, ${value - 1})`,
      object: this.#vary(11, 2) === 1 ? `{ extra: ${extra}, value: ${value} }` : `{ value: ${value}, extra: ${extra} }`,
    };
    return `export const ${this.#names.constant}${id} = ${written[form]};`;
  }

  #task({ params, body, options, context }: Task, id: number): string {
    const name = taskName(this.#prefix, this.#program.tasks[id]!);
    const names = params.map((_, i) => `${this.#names.param}${i}`);
    const contents = params.flatMap(({ type }, i) => {
      const read = (of: string) => `Number(await ${this.#form("readText")}(${of}))`;
      if (type === "file") return [`const content${i} = ${read(names[i]!)};`];
      if (type !== "files" && type !== "dir") return [];
      const files = type === "dir" ? `${names[i]}.files` : names[i];
      return [`let content${i} = 0;`, `for (const one of ${files}) content${i} = (content${i} + ${read("one")}) % 7;`];
    });
    const asynchronous = body.async || contents.length > 0 || body.result.k === "write";
    const { before, effect } = printUndecided(body.undecided, `state_t${id}`, names[0]!);
    const list = params.map(
      (param, i) =>
        this.#typed(names[i]!, TYPES[param.type]) + (param.default === undefined ? "" : ` = ${param.default}`),
    );
    const lines = [
      `ran(${JSON.stringify(name)}, [${names.join(", ")}]);`,
      ...(effect === "" ? [] : [`${effect};`]),
      ...contents,
      ...(body.fail
        ? [
            `if (${this.#pure(body.fail.p, names)} > 0) throw new ${body.fail.kind}(${JSON.stringify(body.fail.message)});`,
          ]
        : []),
      ...body.shared.map((shared, slot) => `const shared${slot} = ${this.#expr(shared, names)};`),
      body.result.k === "write"
        ? `return ${this.#form("writeFile")}(\`${outFolder(this.#prefix)}/\${outName(${JSON.stringify(name)}, [${names.join(", ")}])}\`, String(${this.#pure(body.result.p, names)}));`
        : `return ${this.#expr(body.result, names)};`,
    ];
    const space = this.#space(12);
    const given = printOptions(options, context);
    const type = this.#vary(10, 2) === 1 ? "" : `: ${asynchronous ? "Promise<unknown>" : "unknown"}`;
    return `${before}export const ${this.#names.task}${id} = ${this.#form("task")}(${JSON.stringify(name)}, ${given === "" ? "" : `${given}, `}${asynchronous ? "async " : ""}(${list.join(", ")})${type} => {${space}${lines.join(space.includes("\n") ? space : "\n  ")}\n});`;
  }

  #pure(at: Pure, params: readonly string[]): string {
    const sub = (one: Pure) => this.#pure(one, params);
    switch (at.k) {
      case "lit":
        return String(at.v);
      case "param":
        return params[at.i]!;
      case "const": {
        const name = this.#use("constant", at.id);
        return this.#program.constants[at.id]!.form === "object" ? `${name}.value` : name;
      }
      case "op":
        return `((${sub(at.a)} ${at.op} ${sub(at.b)}) % 7)`;
      case "if":
        return `(${sub(at.a)} > 0 ? ${sub(at.b)} : ${sub(at.c)})`;
      case "help":
        return `${this.#use("helper", at.id)}(${sub(at.a)})`;
      case "again":
        return `(${params[0]} > 0 && ${params[0]} < 5 ? ${this.#use("helper", at.id)}(${params[0]} - 1) : 0)`;
      case "sum":
        return `(${params[at.i]}.reduce((a, b) => a + b, 0) % 7)`;
      case "size":
        return `${params[at.i]}.length`;
      case "content":
        return `content${at.i}`;
      case "context":
        return `${this.#form("contextValue")}("c${at.key}", ${at.otherwise})`;
      case "message":
        return `(${params[at.i]}.message.length % 7)`;
      case "part":
        return `((${params[at.i]}.a + ${params[at.i]}.b.length) % 7)`;
      case "same":
        return `[${sub(at.a)}][0]`;
    }
  }

  #expr(at: Expr, params: readonly string[]): string {
    const sub = (one: Expr) => this.#expr(one, params);
    const list = (items: readonly Expr[]) => `[${items.map(sub).join(", ")}]`;
    switch (at.k) {
      case "pure":
        return this.#pure(at.p, params);
      case "even":
        return `${this.#pure(at.p, params)} % 2 === 0`;
      case "given":
        return params[at.i]!;
      case "shared":
        return `shared${at.slot}`;
      case "call":
        return `${this.#use("task", at.task)}(${at.args.map(sub).join(", ")})`;
      case "when":
        return `(${this.#pure(at.p, params)} > 0 ? ${sub(at.a)} : ${sub(at.b)})`;
      case "cond":
        return `${this.#form("cond")}(${sub(at.c)}, ${sub(at.a)}, ${sub(at.b)})`;
      case "catch": {
        const only = at.only.length > 0 ? `, ${JSON.stringify(at.only)}` : "";
        return `${this.#form("catchError")}(${sub(at.body)}, ${this.#use("task", at.task)}${only})`;
      }
      case "map":
      case "flatMap":
      case "filter":
        return `${this.#form(at.k)}(${this.#use("task", at.task)}, ${sub(at.items)})`;
      case "each":
        return `${this.#form("map")}(${sub(at.f)}, ${sub(at.items)})`;
      case "reduce":
        return `${this.#form("reduce")}(${[this.#use("task", at.task), sub(at.items), ...(at.initial ? [sub(at.initial)] : [])].join(", ")})`;
      case "ends":
        return `${this.#form("catchAll")}(${list(at.items)}).length`;
      case "list":
        return list(at.items);
      case "seq":
        return `${this.#form("seq")}(${list(at.items)})`;
      case "rec":
        return `{ a: ${sub(at.a)}, b: ${sub(at.b)} }`;
      case "all":
        return `${this.#form("all")}(${sub(at.of)})`;
      case "field": {
        // A field of what is no lazy would be read at once, and the rest of it not be evaluated.
        const plain = ["rec", "list", "when", "shared", "given"].includes(at.of.k);
        const of = plain ? `${this.#form("all")}(${sub(at.of)})` : sub(at.of);
        return typeof at.key === "number" ? `${of}[${at.key}]` : `${of}.${at.key}`;
      }
      case "apply":
        return `${this.#form("apply")}(${sub(at.f)}, ${sub(at.arg)})`;
      case "task":
        return this.#use("task", at.task);
      case "raise":
        return `${this.#form("raise")}(${JSON.stringify(at.message)})`;
      case "file":
        return `${this.#form("file")}(${JSON.stringify(dataPath(this.#prefix, at.file))})`;
      case "glob":
        return `${this.#form("glob")}(${JSON.stringify(`${dataFolder(this.#prefix)}/${GLOBS[at.pattern]![0]}`)})`;
      case "dir":
      case "dirFiles":
        return `${this.#form("directory")}(${JSON.stringify(dataFolder(this.#prefix))})${at.k === "dir" ? "" : ".files"}`;
      case "partial":
        return `${this.#form("partial")}(${this.#use("task", at.task)}, ${sub(at.arg)})`;
      case "under":
        return `${this.#form("withContext")}({ c${at.key}: ${sub(at.value)} }, ${sub(at.body)})`;
      case "write":
        throw new Error("only the result of a body writes");
    }
  }
}

/** What makes code undecided, and the declaration that it needs. */
function printUndecided(
  undecided: Undecided,
  state: string,
  param: string,
): { readonly before: string; readonly effect: string } {
  if (undecided === "no") return { before: "", effect: "" };
  if (undecided === "state") return { before: `let ${state} = 0;\n`, effect: `${state}++` };
  return { before: "", effect: `${param} === ("never" as unknown) ? void import(\`./\${${param}}.ts\`) : 0` };
}

function printOptions({ version, cache, shallow, executor, idle }: Task["options"], context: Task["context"]): string {
  const parts = [
    ...(version === null ? [] : [`version: "v${version}"`]),
    ...(cache === "store" ? [] : [`cache: "${cache}"`]),
    ...(executor === "inline" ? [] : [`executor: "${executor}"`]),
    ...(context.length === 0 ? [] : [`context: [${context.map((key) => `"c${key}"`).join(", ")}]`]),
    ...(shallow ? ['checkValid: "shallow"'] : []),
    ...(["", 'description: "some"', 'tags: ["nightly"]', "timeoutMs: 600_000", 'cache: "store"'][idle] ?? "")
      .split("\n")
      .filter((part) => part !== "" && !(part.startsWith("cache") && cache !== "store")),
  ];
  return parts.length === 0 ? "" : `{ ${parts.join(", ")} }`;
}
