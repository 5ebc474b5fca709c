/** What the types make of argument schemas; checked by the compiler. */
import { type } from "arktype";
import * as v from "valibot";
import { expect, it } from "vitest";
import { z } from "zod";
import type { LazyOf } from "../../src/define/lazy.ts";
import { task } from "../../src/define/task.ts";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Equal<A, B>): void => undefined;
type Of<L> = L extends LazyOf<infer T> ? T : never;

const zods = task("schema.types.zods", { args: [z.string(), z.coerce.date(), z.int().default(3)] }, (name, day, n) => {
  same<typeof name, string>(true);
  same<typeof day, Date>(true);
  same<typeof n, number>(true);
  return { name, n };
});
const whole = task(
  "schema.types.whole",
  { retries: 1, args: z.tuple([z.string(), z.string().transform((text) => text.length)]) },
  (name, size) => {
    same<typeof size, number>(true);
    return [name, size] as const;
  },
);
const mixed = task(
  "schema.types.mixed",
  {
    args: [
      v.pipe(
        v.string(),
        v.transform((text) => text.length),
      ),
      type({ id: "number" }),
    ],
  },
  (size, row) => {
    same<typeof size, number>(true);
    same<typeof row, { id: number }>(true);
    return size + row.id;
  },
);

it("parameters and arguments follow the schemas", () => {
  const calls = [zods("a", "2024-01-01"), zods("a", new Date(0), 4), whole("a", "b"), mixed("a", { id: 1 })] as const;
  same<Of<(typeof calls)[0]>, { readonly name: string; readonly n: number }>(true);
  same<Of<(typeof calls)[3]>, number>(true);
  expect(calls).toHaveLength(4);
  const wrong = () => {
    // @ts-expect-error the second argument is missing
    whole("a");
    // @ts-expect-error an input of the schema is a string
    whole("a", 1);
    // @ts-expect-error too many
    zods("a", "2024-01-01", 1, 2);
    // @ts-expect-error a field is missing
    mixed("a", {});
  };
  expect(wrong).toBeTypeOf("function");
});

it("refuses what is no schema, with the place", () => {
  for (const args of [{}, [1], "x", [z.string(), () => true], null])
    expect(() => task("schema.types.wrong", { args } as never, () => 1)).toThrow(
      /^task schema\.types\.wrong has a wrong option at .*schema-types\.test\.ts\S*:\d+:\d+: args must be a list of schemas/,
    );
});
