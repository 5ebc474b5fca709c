/** `docs/operators.md` cannot drift: its configurations parse, its links lead somewhere, and what it quotes of the product is in the sources. */

import { existsSync } from "node:fs";
import { glob, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../src/parse-config.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const page = await readFile(`${root}/docs/operators.md`, "utf8");

const snippets = [...page.matchAll(/^### (.+?)$(?:(?!^###? ).)*?^```ts\n(.*?)^```/gms)].map(
  ([, title, code]) => [title!, code!] as const,
);

/** The texts in the first column of every table of what one sees. */
const quoted = [...page.matchAll(/^\| what you see \|.*\n\| --- .*\n((?:\|.*\n)+)/gm)].flatMap(([, rows]) =>
  rows!.split("\n").flatMap((row) => [...(row.split(" | ")[0] ?? "").matchAll(/`([^`]+)`/g)].map(([, text]) => text!)),
);

async function sources(): Promise<string> {
  const texts: string[] = [];
  for await (const file of glob("src/**/*.ts", { cwd: root, exclude: ["src/gen/**"] }))
    texts.push(await readFile(`${root}/${file}`, "utf8"));
  return texts.join("\n");
}

describe("the operators' page", () => {
  it("has a configuration for each set-up", () => {
    expect(snippets.map(([title]) => title)).toEqual([
      "Plain Livy",
      "YARN without Kerberos",
      "YARN with Kerberos",
      "Livy behind Knox",
      "Kubernetes",
    ]);
  });

  it.each(snippets)("has one that is valid for: %s", async (_, code) => {
    const source = `const defineConfig = (config) => config;\n${code}`;
    const { default: config } = (await import(`data:text/javascript,${encodeURIComponent(source)}`)) as {
      readonly default: unknown;
    };
    expect(parseConfig(config, "operators.md", {}).clusters).toHaveLength(1);
  });

  it("quotes what the product says", async () => {
    const text = await sources();
    const escaped = (piece: string) => piece.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const said = (quote: string) =>
      new RegExp(
        quote
          .split("...")
          .map((piece) => escaped(piece.trim()))
          .join("[^\\n]*"),
      ).test(text);
    expect(quoted.length).toBeGreaterThan(40);
    expect(quoted.filter((quote) => !said(quote))).toEqual([]);
  });

  it("has links that lead somewhere", () => {
    const anchor = (title: string) =>
      title
        .toLowerCase()
        .replace(/[^\w\- ]/g, "")
        .replace(/ /g, "-");
    const anchors = new Set([...page.matchAll(/^#+ (.+)$/gm)].map(([, title]) => `#${anchor(title!)}`));
    const links = [...page.matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target!);
    const dead = links.filter((target) =>
      target.startsWith("#") ? !anchors.has(target) : !existsSync(`${root}/docs/${target.replace(/#.*/, "")}`),
    );
    expect(dead).toEqual([]);
  });
});
