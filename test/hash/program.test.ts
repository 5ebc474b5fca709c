import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Expression } from "../../src/define/expression.ts";
import { all, catchError, cond } from "../../src/define/forms.ts";
import { field, type Lazy, lazy } from "../../src/define/lazy.ts";
import { map } from "../../src/define/lists.ts";
import { task } from "../../src/define/task.ts";
import { decodeValue } from "../../src/hash/decode.ts";
import {
  encodeProgram,
  fillTemplate,
  isProgram,
  joinList,
  listItems,
  parseProgram,
  selectField,
} from "../../src/hash/program.ts";
import { encodeValue } from "../../src/hash/value.ts";
import { anyValue, same } from "./values.ts";

const inc = task("hash.program.inc", (n: number) => n + 1);
const pair = task("hash.program.pair", (a: unknown, b: unknown) => [a, b]);
const recover = task("hash.program.recover", () => 0);
const call = (name: string, ...args: unknown[]): Lazy<unknown> => lazy({ kind: "call", task: name, args });

describe("programs", () => {
  it("are plain values where no lazy is in them", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const { kind, bytes } = encodeProgram(value);
        expect(kind).toBe("value");
        expect(isProgram(bytes)).toBe(false);
        expect(bytes).toEqual(encodeValue(value));
        expect(parseProgram(bytes)).toEqual({ root: { bytes, holes: [] }, nodes: [] });
      }),
    );
  });

  it("keep calls, forms and fields with what they refer to", () => {
    const one = inc(1);
    const { bytes, kind } = encodeProgram({
      a: one,
      b: [cond(true, one, 2)],
      c: field(pair(one, "x") as unknown as Lazy<{ then: number }>, "then"),
      d: catchError(one, recover, ["not_found"]),
    });
    expect(kind).toBe("expression");
    const { root, nodes } = parseProgram(bytes);
    expect(root.holes).toHaveLength(4);
    expect(
      nodes.map((node) => (node.kind === "call" ? node.task : node.kind === "form" ? node.form : node.key)),
    ).toEqual(["hash.program.inc", "cond", "then", "catchError", "hash.program.pair"]);
    const fifth = nodes[4];
    expect(fifth?.kind === "call" && fifth.args.map((arg) => arg.holes.map((hole) => hole.node))).toEqual([[0], []]);
  });

  it("keep the options of a call, and are as before where there are none", () => {
    const options = { retries: { max: 2, only: ["TypeError"] }, tags: ["x"], timeoutMs: undefined as never };
    const { bytes } = encodeProgram(inc.with(options)(inc(1)));
    expect(parseProgram(bytes).nodes).toMatchObject([
      { kind: "call", task: "hash.program.inc", options: { retries: { max: 2, only: ["TypeError"] }, tags: ["x"] } },
      { kind: "call", task: "hash.program.inc", args: [{ bytes: encodeValue(1) }] },
    ]);
    expect(parseProgram(bytes).nodes[1]).not.toHaveProperty("options");
    expect(() => encodeProgram([inc.with({ retries: 1 })])).toThrow(
      "value at [0] is a function (hash.program.inc.with(...)), which is no value; define a task",
    );
  });

  it("store a shared node once, so a graph of 2^100 paths is small", () => {
    let node: unknown = inc(0);
    for (let i = 0; i < 100; i++) node = pair(node, node);
    const { bytes } = encodeProgram(node);
    expect(parseProgram(bytes).nodes).toHaveLength(101);
    expect(bytes.length).toBeLessThan(10_000);
  });

  it("are equal for equal graphs built twice", () => {
    const build = () => [map(inc, [1, 2]), all({ b: inc(1), a: inc(2) })];
    expect(encodeProgram(build()).bytes).toEqual(encodeProgram(build()).bytes);
  });

  it("take nesting of 100,000 calls without recursion", () => {
    const depth = 100_000;
    let node: unknown = 0;
    for (let i = 0; i < depth; i++) node = call("t", node);
    const program = parseProgram(encodeProgram(node).bytes);
    expect(program.nodes).toHaveLength(depth);
    const last = program.nodes.at(-1);
    expect(last?.kind === "call" && decodeValue(last.args[0]!.bytes)).toBe(0);
  });

  it("take a list of 100,000 calls", () => {
    const program = parseProgram(encodeProgram(Array.from({ length: 100_000 }, (_, i) => call("t", i))).bytes);
    expect(program.nodes).toHaveLength(100_000);
    expect(program.root.holes.map((hole) => hole.node)).toEqual(Array.from({ length: 100_000 }, (_, i) => i));
  });

  it("say which argument of which task is no value", () => {
    expect(() => encodeProgram([inc(Symbol("x") as unknown as number)])).toThrow(
      "argument 1 of hash.program.inc is a symbol, which is no value",
    );
    expect(() => encodeProgram({ a: () => 1 }, "result of t")).toThrow(/^result of t at \.a is a function/);
  });

  it("refuse lazies as keys and Set items, which have no place before their value is known", () => {
    expect(() => encodeProgram(new Set([inc(1)]))).toThrow(/at <item 0> is lazy/);
    expect(() => encodeProgram(new Map([[inc(1), 1]]))).toThrow(/at <key 0> is lazy/);
    expect(encodeProgram(new Map([["a", inc(1)]])).kind).toBe("expression");
  });

  it("tell damage from a defect", () => {
    const { bytes } = encodeProgram([inc(1)]);
    for (let length = 3; length < bytes.length; length++)
      expect(() => parseProgram(bytes.subarray(0, length))).toThrow(expect.objectContaining({ code: "data_loss" }));
  });
});

describe("templates", () => {
  it("filled with encodings are the encoding of the filled value", () => {
    /** Replaces parts of a value by lazies, and remembers what they stood for. */
    const puncture = (value: unknown, pick: () => boolean, parts: Map<Expression, unknown>): unknown => {
      if (pick()) {
        const expression: Expression = { kind: "call", task: "t", args: [parts.size] };
        parts.set(expression, value);
        return lazy(expression);
      }
      if (Array.isArray(value)) return value.map((item) => puncture(item, pick, parts));
      if (value instanceof Map) return new Map([...value].map(([k, item]) => [k, puncture(item, pick, parts)]));
      if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype)
        return Object.fromEntries(Object.entries(value).map(([k, item]) => [k, puncture(item, pick, parts)]));
      return value;
    };
    fc.assert(
      fc.property(fc.array(anyValue, { maxLength: 4 }), fc.infiniteStream(fc.boolean()), (value, picks) => {
        const parts = new Map<Expression, unknown>();
        const punctured = puncture(value, () => picks.next().value === true, parts);
        const stood = [...parts.values()];
        const { root, nodes } = parseProgram(encodeProgram(punctured).bytes);
        const filled = fillTemplate(root, (index) => {
          const node = nodes[index];
          if (node?.kind !== "call") throw new Error("only calls were put in");
          return encodeValue(stood[decodeValue(node.args[0]!.bytes) as number]);
        });
        expect(filled).toEqual(encodeValue(value));
      }),
      { numRuns: 300 },
    );
  });

  it("lists are taken apart and put together", () => {
    fc.assert(
      fc.property(fc.array(anyValue, { maxLength: 30 }), (items) => {
        const bytes = encodeValue(items);
        const parts = listItems(bytes);
        expect(parts?.map((part) => same(decodeValue(part), items[parts.indexOf(part)]))).toEqual(
          items.map(() => true),
        );
        expect(joinList(parts ?? [])).toEqual(bytes);
      }),
    );
    expect(listItems(encodeValue({ a: 1 }))).toBeNull();
  });

  it("fields are what JavaScript reads", () => {
    const read = (value: unknown, key: string | number) => {
      const found = selectField(encodeValue(value), key);
      return found ? decodeValue(found) : undefined;
    };
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: "binary" }), anyValue, { maxKeys: 4 }), (record) => {
        for (const [key, item] of Object.entries(record)) expect(same(read(record, key), item)).toBe(true);
        expect(read(record, "no such member")).toBe(undefined);
      }),
    );
    fc.assert(
      fc.property(fc.array(anyValue, { maxLength: 5 }), (list) => {
        for (const i of list.keys()) expect(same(read(list, i), list[i])).toBe(true);
        expect(read(list, "length")).toBe(list.length);
        for (const key of [-1, 0.5, list.length, "first"]) expect(read(list, key)).toBe(undefined);
      }),
    );
    expect(read({ 7: "a" }, 7)).toBe("a");
    expect(read(new Map([["k", 1]]), "k")).toBe(1);
    expect(read("text", "length")).toBe(undefined);
  });
});
