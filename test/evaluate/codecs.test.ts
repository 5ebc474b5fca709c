/** Instances of classes with a codec: through every executor and the store, and what makes them be looked at anew. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InstanceValue } from "../../src/define/codec.ts";
import { findExternals } from "../../src/hash/scan.ts";
import { encodeValue } from "../../src/hash/value.ts";
import { jsonFromValue, valueFromJson } from "../../src/serve/json-value.ts";
import { messageFromValue, valueFromMessage } from "../../src/serve/value-message.ts";
import { anyValue } from "../hash/values.ts";
import { Engine } from "./engine.ts";
import { useTemporaryStore } from "./temporary-store.ts";

const opened = useTemporaryStore();

/** Files, directories and datasets would have to be there. */
function isSelfContained(value: unknown): boolean {
  const { files, directories, datasets } = findExternals(encodeValue(value));
  return files.length + directories.length + datasets.length === 0;
}

const BOX = `import { registerCodec, task } from "firesteel";
class Box {
  readonly #held: unknown;
  constructor(held: unknown) { this.#held = held; }
  open() { return this.#held; }
}
registerCodec({ name: "Box", class: Box, encode: (box) => ({ held: box.open() }), decode: ({ held }) => new Box(held) });
const again = (box: unknown) => {
  if (!(box instanceof Box)) throw new TypeError("no box");
  return new Box(box.open());
};
export const inline = task("$.inline", again);
export const thread = task("$.thread", { executor: "thread" }, again);
export const process = task("$.process", { executor: "process" }, again);
export const through = task("$.through", (box: unknown) => [process(thread(inline(box))), new Map([[new Box(1), new Set([new Box(2)])]])]);
export const inside = task("$.inside", () => (inline(new Box({ held: 1 })) as never as { held: number }).held);
class Other extends Box {}
export const derived = task("$.derived", () => new Other(1));
export const failing = task("$.failing", () => new Bad());
class Bad {}
registerCodec({ name: "Bad", class: Bad, encode: (): string => { throw new Error("not today"); }, decode: () => new Bad() });
`;

describe("instances", () => {
  it("go through every executor and the store, whatever they hold", async () => {
    await using engine = await Engine.start(opened.store, BOX);
    await fc.assert(
      fc.asyncProperty(anyValue.filter(isSelfContained), async (held) => {
        const box = new InstanceValue("Box", { held });
        const wanted = [
          box,
          new Map([[new InstanceValue("Box", { held: 1 }), new Set([new InstanceValue("Box", { held: 2 })])]]),
        ];
        const first = await engine.run("through", box);
        expect(encodeValue(first.value)).toEqual(encodeValue(wanted));
        const second = await engine.run("through", box);
        expect(second.ran).toEqual([]);
        expect(encodeValue(second.value)).toEqual(encodeValue(wanted));
      }),
      { numRuns: 25 },
    );
  });

  it("are shown, and taken, as codec and value", () => {
    const value = [new InstanceValue("Box", { held: new InstanceValue("Box", 1) })];
    const json = [{ $instance: { codec: "Box", value: { held: { $instance: { codec: "Box", value: 1 } } } } }];
    expect(jsonFromValue(value)).toEqual(json);
    expect(valueFromJson(json)).toEqual(value);
    expect(valueFromMessage(messageFromValue(value))).toEqual(value);
    expect(() => valueFromJson({ $instance: { value: 1 } })).toThrow("needs the name of a codec");
  });

  it.each<[string, readonly unknown[], string]>([
    ["inline", [new InstanceValue("Crate", 1)], "value is an instance of codec Crate, which no flow module registers"],
    [
      "inside",
      [],
      'cannot read field "held" of an instance (codec Box) outside of a body; give the instance to a task',
    ],
    [
      "derived",
      [],
      "result of $.derived is an instance of Other, which is no value; use a plain object, or registerCodec",
    ],
    ["failing", [], "result of $.failing is an instance of codec Bad, whose encode failed: not today"],
  ])("that cannot be used are refused clearly: %s", async (task, args, message) => {
    await using engine = await Engine.start(opened.store, BOX);
    const { error } = await engine.run(task, ...args);
    expect(error?.message).toContain(message.replace("$.", engine.name("")));
  });

  it.each([
    [
      "of a second codec of the name",
      'registerCodec({ name: "A", class: B, encode: () => 1, decode: () => new B() });',
      "two codecs have one name or class: A, at ",
    ],
    [
      "of a second codec of the class",
      'registerCodec({ name: "B", class: A, encode: () => 1, decode: () => new A() });',
      "two codecs have one name or class: A, at ",
    ],
    [
      "of a value",
      'registerCodec({ name: "D", class: Date, encode: () => 1, decode: () => new Date(1) });',
      "(D) is for Date, whose instances are values already",
    ],
    ["without a name", "registerCodec({ class: B } as never);", "needs a name"],
    [
      "without functions",
      'registerCodec({ name: "B", class: B } as never);',
      "(B) needs the functions encode and decode",
    ],
    [
      "whose class is not named",
      'registerCodec({ name: "B", class: [B][0]!, encode: () => 1, decode: () => new B() });',
      "code of codec B cannot be decided: the class of a codec is not named",
    ],
    [
      "that remembers something",
      'let n = 0; registerCodec({ name: "B", class: B, encode: () => n++, decode: () => new B() });',
      "code of codec B cannot be decided: module state changes after load: n",
    ],
  ])("are refused when the code is loaded: %s", async (_, line, message) => {
    await expect(
      Engine.start(
        opened.store,
        `import { registerCodec } from "firesteel"; class A { a = 1; } class B { b = 1; }
registerCodec({ name: "A", class: A, encode: () => 1, decode: () => new A() });\n${line}`,
      ),
    ).rejects.toMatchObject({ message: expect.stringContaining(message) });
  });
});

describe("the code of a class and of its codec", () => {
  const flow = (codec: string) => `import { task } from "firesteel";
import { Price } from "./price.ts";
${codec}
const list = new Price(7);
export const make = task("$.make", (n: number) => new Price(n));
export const use = task("$.use", (price: never) => (price as Price).gross());
export const constant = task("$.constant", () => list.gross());
export const plain = task("$.plain", (n: number) => n);
export const main = task("$.main", () => [use(make(100) as never), constant(), plain(1)]);
`;
  const price = (tax: number) =>
    `export class Price { readonly net: number; constructor(net: number) { this.net = net; } gross() { return this.net + ${tax}; } }`;
  const CODECS: Readonly<Record<string, (scale: number) => string>> = {
    "as a statement": (scale) =>
      `import { registerCodec } from "firesteel"; registerCodec({ name: "Price", class: Price, encode: (p) => p.net * ${scale}, decode: (n) => new Price(n / ${scale}) });`,
    "by a function that is called": (scale) =>
      `import * as fs from "firesteel"; function setUp() { fs.registerCodec({ name: "Price", class: Price, encode: (p) => p.net * ${scale}, decode: (n) => new Price(n / ${scale}) }); return 1; }\nconst done = setUp();`,
  };
  it.each(Object.entries(CODECS))("counts where an instance is made or given, %s", async (_, codec) => {
    await using engine = await Engine.start(opened.store, { "flow.ts": flow(codec(1)), "price.ts": price(10) });
    expect(await engine.run("main")).toMatchObject({ value: [110, 17, 1] });
    expect((await engine.run("main")).ran).toEqual([]);
    await engine.edit({ "price.ts": price(20) });
    const edited = await engine.run("main");
    expect(edited.value).toEqual([120, 27, 1]);
    expect(edited.ran).toEqual(expect.arrayContaining(["constant", "make", "use"]));
    expect(edited.ran).not.toContain("plain");
    await engine.edit({ "flow.ts": flow(codec(2)) });
    const scaled = await engine.run("main");
    expect(scaled.value).toEqual([120, 27, 1]);
    expect(scaled.ran).toEqual(expect.arrayContaining(["make", "use"]));
    expect(scaled.ran).not.toContain("plain");
    const made = await engine.run("make", 5);
    expect(made.value).toEqual(new InstanceValue("Price", 10));
    await engine.edit({ "flow.ts": flow(codec(1)), "price.ts": price(10) });
    expect((await engine.run("main")).ran).toEqual([]);
  });

  it("counts everywhere where the class is none of the project's", async () => {
    const flow = (prefix: string) => `import { registerCodec, task } from "firesteel";
registerCodec({ name: "url", class: URL, encode: (url) => "${prefix}" + url.href, decode: (text) => new URL(text.slice(${prefix.length})) });
export const main = task("$.main", (text: string) => new URL(text));
`;
    await using engine = await Engine.start(opened.store, flow("a"));
    expect((await engine.run("main", "http://x/")).value).toEqual(new InstanceValue("url", "ahttp://x/"));
    await engine.edit(flow("bb"));
    expect((await engine.run("main", "http://x/")).value).toEqual(new InstanceValue("url", "bbhttp://x/"));
  });

  it("is replaced by a version", async () => {
    const flow = (extra: string) => `import { registerCodec, task } from "firesteel";
class A { a = 1; }
let n = 0;
registerCodec({ name: "A", version: "1", class: A, encode: () => { n++; ${extra} return 1; }, decode: () => new A() });
export const take = task("$.take", (a: never) => String(a));
`;
    await using engine = await Engine.start(opened.store, flow(""));
    expect((await engine.run("take", new InstanceValue("A", 1))).ran).toEqual(["take"]);
    await engine.edit(flow("n++;"));
    expect((await engine.run("take", new InstanceValue("A", 1))).ran).toEqual([]);
  });
});
