// biome-ignore-all lint/suspicious/noTemplateCurlyInString: one comment holds half a template
/**
 * Random projects, kept as plain graphs and written out in random styles. The oracle is the graph: it knows nothing of syntax.
 * Another style must change no digest; another literal in one thing must change exactly the tasks that reach it.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { identify } from "./project.ts";

interface Thing {
  readonly form: "function" | "arrow" | "class" | "constant";
  readonly value: number;
  readonly mentions: readonly number[];
}

interface Project {
  readonly things: readonly Thing[];
  /** Things and tasks that each task mentions. */
  readonly tasks: readonly {
    readonly value: number;
    readonly mentions: readonly number[];
    readonly tasks: readonly number[];
  }[];
}

const COUNT = 7;
const TASKS = 4;

const project: fc.Arbitrary<Project> = fc.record({
  things: fc.array(
    fc.record({
      form: fc.constantFrom("function", "arrow", "class", "constant"),
      value: fc.integer({ min: 0, max: 99 }),
      mentions: fc.array(fc.nat(COUNT - 1), { maxLength: 3 }),
    }),
    { minLength: COUNT, maxLength: COUNT },
  ),
  tasks: fc.array(
    fc.record({
      value: fc.integer({ min: 0, max: 99 }),
      mentions: fc.array(fc.nat(COUNT - 1), { maxLength: 3 }),
      tasks: fc.array(fc.nat(TASKS - 1), { maxLength: 2 }),
    }),
    { minLength: TASKS, maxLength: TASKS },
  ),
});

/** Everything that may differ between two ways to write one project. */
interface Style {
  readonly names: readonly string[];
  readonly locals: readonly string[];
  readonly files: readonly number[];
  readonly order: readonly number[];
  readonly spaces: readonly number[];
  readonly typed: boolean;
  readonly barrel: boolean;
  readonly renameImports: boolean;
}

const NAMES = [
  "alpha",
  "beta",
  "gamma",
  "delta",
  "omega",
  "kappa",
  "theta",
  "a",
  "b",
  "x",
  "total",
  "of",
  "async",
  "get",
];
const SPACES = [" ", "  ", "\n", " /* note */ ", " // note\n", "\r\n\t", " /* `${` */ "];

const style: fc.Arbitrary<Style> = fc.record({
  names: fc.shuffledSubarray(NAMES, { minLength: COUNT, maxLength: COUNT }),
  locals: fc.shuffledSubarray(NAMES, { minLength: 4, maxLength: 4 }),
  files: fc.array(fc.nat(2), { minLength: COUNT, maxLength: COUNT }),
  order: fc.shuffledSubarray([...Array(COUNT).keys()], { minLength: COUNT, maxLength: COUNT }),
  spaces: fc.array(fc.nat(SPACES.length - 1), { minLength: 1, maxLength: 20 }),
  typed: fc.boolean(),
  barrel: fc.boolean(),
  renameImports: fc.boolean(),
});

/** Writes a project: the tasks in `flow.ts`, each thing in `flow.ts`, `one.ts` or `two.ts`. */
function render({ things, tasks }: Project, how: Style): Record<string, string> {
  const fileNames = ["flow.ts", "one.ts", "two.ts"];
  const imports = [new Map<number, string>(), new Map<number, string>(), new Map<number, string>()];
  const nameIn = (file: number, thing: number): string => {
    const name = how.names[thing] as string;
    if (how.files[thing] === file) return name;
    const local = how.renameImports ? `${name}_imported` : name;
    imports[file]?.set(thing, local);
    return local;
  };
  let step = 0;
  const join = (tokens: readonly string[]) =>
    tokens.map((token) => token + SPACES[how.spaces[step++ % how.spaces.length] as number]).join("");
  const type = (text: string) => (how.typed ? [":", text] : []);
  /** Locals that hide module-level things, except those that this body mentions. */
  const localNames = (mentioned: readonly string[]) => {
    const free = [...how.locals, "p", "q", "r", "s"].filter((name) => !mentioned.includes(name));
    return free as [string, string, string, string];
  };
  const body = (value: number, mentioned: readonly string[]): readonly [parameter: string, body: readonly string[]] => {
    const [parameter, local, item, list] = localNames(mentioned);
    const literal = how.typed ? ["(", `${value} as number`, ")"] : [`${value}`];
    return [
      parameter,
      [
        "{",
        "const",
        local,
        ...type("number"),
        "=",
        ...literal,
        ";",
        "const",
        list,
        "=",
        "[",
        ...mentioned.flatMap((name) => [name, ","]),
        "]",
        ";",
        "for",
        "(",
        "const",
        item,
        "of",
        list,
        ")",
        "{",
        "use",
        "(",
        "{",
        "item",
        ":",
        item,
        ",",
        "local",
        ":",
        local,
        "}",
        ")",
        ";",
        "}",
        "return (",
        parameter,
        ")",
        "+",
        local,
        ";",
        "}",
      ],
    ];
  };
  const thingText = (index: number): string => {
    const { form, value, mentions } = things[index] as Thing;
    const mentioned = mentions.map((other) => nameIn(how.files[index] as number, other));
    const name = how.names[index] as string;
    const [parameter, statements] = body(value, mentioned);
    if (form === "function")
      return join([
        "export",
        "function",
        name,
        "(",
        parameter,
        ...type("number"),
        ")",
        ...type("number"),
        ...statements,
      ]);
    if (form === "arrow")
      return join([
        "export",
        "const",
        name,
        "=",
        "(",
        parameter,
        ...type("number"),
        how.typed ? "): number =>" : ") =>",
        ...statements,
        ";",
      ]);
    if (form === "class")
      return join([
        "export",
        "class",
        name,
        "{",
        how.typed ? "private method" : "method",
        "(",
        parameter,
        ")",
        ...statements,
        "}",
      ]);
    return join([
      "export",
      "const",
      name,
      "=",
      "make",
      "(",
      `${value}`,
      ",",
      ...mentioned.flatMap((other) => [other, ","]),
      ")",
      ";",
    ]);
  };
  const texts: string[][] = [[], [], []];
  for (const index of how.order) texts[how.files[index] as number]?.push(thingText(index));
  tasks.forEach(({ value, mentions, tasks: others }, index) => {
    const [parameter, statements] = body(value, [
      ...mentions.map((other) => nameIn(0, other)),
      ...others.map((other) => `task_${other}`),
    ]);
    texts[0]?.push(`export const task_${index} = task("t${index}", ${join(["(", parameter, ") =>", ...statements])});`);
  });
  const files: Record<string, string> = {};
  texts.forEach((text, file) => {
    const lines = [...(imports[file] ?? [])].map(([thing, local]) => {
      const from = how.barrel ? "./barrel.ts" : `./${fileNames[how.files[thing] as number]}`;
      const name = how.names[thing] as string;
      return `import { ${local === name ? name : `${name} as ${local}`} } from "${from}";`;
    });
    files[fileNames[file] as string] = [`import { task } from "firesteel";`, ...lines, ...text].join("\n");
  });
  files["barrel.ts"] = 'export * from "./one.ts"; export * from "./two.ts"; export * from "./flow.ts";';
  return files;
}

/** Which things each task reaches, by the graph alone. */
function reached({ things, tasks }: Project): ReadonlySet<number>[] {
  return tasks.map(({ mentions }) => {
    const found = new Set(mentions);
    for (const index of found) for (const other of things[index]?.mentions ?? []) found.add(other);
    return found;
  });
}

const digests = (files: Record<string, string>) => {
  const codes = identify(files);
  for (const { undecided } of codes.values()) expect(undecided).toEqual([]);
  return Array.from({ length: TASKS }, (_, index) => codes.get(`t${index}`)?.digest);
};

describe("random edits", () => {
  it("of style change no digest", () => {
    fc.assert(
      fc.property(project, style, style, (made, one, other) => {
        expect(digests(render(made, one))).toEqual(digests(render(made, other)));
      }),
      { numRuns: 100 },
    );
  });

  it("of a thing change exactly the tasks that reach it", () => {
    fc.assert(
      fc.property(project, style, style, fc.nat(COUNT - 1), (made, one, other, index) => {
        const things = made.things.map((thing, at) => (at === index ? { ...thing, value: thing.value + 100 } : thing));
        const before = digests(render(made, one));
        const after = digests(render({ ...made, things }, other));
        const changed = before.map((digest, task) => digest !== after[task]);
        expect(changed).toEqual(reached(made).map((found) => found.has(index)));
      }),
      { numRuns: 100 },
    );
  });

  it("of what a thing mentions change exactly the tasks that reach it", () => {
    fc.assert(
      fc.property(project, style, fc.nat(COUNT - 1), (made, how, index) => {
        const things = made.things.map((thing, at) =>
          at === index ? { ...thing, mentions: [...thing.mentions, index] } : thing,
        );
        const before = digests(render(made, how));
        const after = digests(render({ ...made, things }, how));
        expect(before.map((digest, task) => digest !== after[task])).toEqual(
          reached(made).map((found) => found.has(index)),
        );
      }),
      { numRuns: 100 },
    );
  });

  it("of a task change that task alone", () => {
    fc.assert(
      fc.property(project, style, style, fc.nat(TASKS - 1), (made, one, other, index) => {
        const tasks = made.tasks.map((task, at) => (at === index ? { ...task, value: task.value + 100 } : task));
        const before = digests(render(made, one));
        const after = digests(render({ ...made, tasks }, other));
        expect(before.map((digest, task) => digest !== after[task])).toEqual(before.map((_, task) => task === index));
      }),
      { numRuns: 100 },
    );
  });
});
