/** Keeps docs/behaviours.md from rotting. */
import { readFile } from "node:fs/promises";
import { parseSync, Visitor } from "oxc-parser";
import { expect, it } from "vitest";

const ROOT = new URL("../../", import.meta.url);
const text = (path: string) => readFile(new URL(path, ROOT), "utf8");

interface Row {
  readonly id: string;
  readonly shownBy: readonly { readonly file: string; readonly title: string }[];
}

async function table(): Promise<readonly Row[]> {
  const lines = (await text("docs/behaviours.md")).split("\n").filter((line) => /^\| [A-Z]\d/.test(line));
  return lines.map((line) => {
    const [, id = "", , places = ""] = line.split(" | ").length === 3 ? ["", ...line.slice(2).split(" | ")] : [];
    const shownBy = [...places.matchAll(/`(test\/[^`]+)`: ((?:“[^”]+”(?:, )?)+)/g)].flatMap(
      ([, file = "", titles = ""]) => [...titles.matchAll(/“([^”]+)”/g)].map(([, title = ""]) => ({ file, title })),
    );
    return { id, shownBy };
  });
}

/** The titles of a file's tests as they are written. */
async function titlesIn(file: string): Promise<ReadonlySet<string>> {
  const source = await text(file);
  if (file.endsWith(".py")) return new Set([...source.matchAll(/^def (test_\w+)/gm)].map(([, name = ""]) => name));
  const titles = new Set<string>();
  new Visitor({
    CallExpression(call) {
      // `it(...)`, `it.each(...)(...)`, `it.skipIf(...)(...)`
      let callee = call.callee;
      for (;;) {
        if (callee.type === "CallExpression") callee = callee.callee;
        else if (callee.type === "MemberExpression") callee = callee.object as typeof callee;
        else break;
      }
      const [title] = call.arguments;
      if (callee.type !== "Identifier" || !/^(it|test)$/.test(callee.name)) return;
      if (title?.type === "Literal" && typeof title.value === "string") titles.add(title.value);
    },
  }).visit(parseSync(file, source).program);
  return titles;
}

it("each promise has an id of its own, and names tests that exist", async () => {
  const rows = await table();
  expect(rows.length).toBeGreaterThan(80);
  expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
  expect(rows.filter(({ shownBy }) => shownBy.length === 0)).toEqual([]);
  const files = new Map<string, ReadonlySet<string>>();
  for (const { file } of rows.flatMap(({ shownBy }) => shownBy))
    if (!files.has(file)) files.set(file, await titlesIn(file));
  expect(
    rows.flatMap(({ id, shownBy }) =>
      shownBy.flatMap(({ file, title }) => (files.get(file)?.has(title) ? [] : [`${id}: ${file} has no ${title}`])),
    ),
  ).toEqual([]);
});

it("each test of behaviours.test.ts shows a promise", async () => {
  const file = "test/evaluate/behaviours.test.ts";
  const shown = new Set((await table()).flatMap(({ shownBy }) => shownBy.map(({ title }) => title)));
  expect([...(await titlesIn(file))].filter((title) => !shown.has(title))).toEqual([]);
});
