import { expect, it } from "vitest";
import { directory, file, glob } from "../../src/define/files.ts";
import { expressionOf } from "../../src/define/lazy.ts";

it("what says no more than the defaults is the same expression", () => {
  expect(expressionOf(file("a", { by: "content" }))).toEqual(expressionOf(file("a")));
  expect(expressionOf(directory("a", { by: "content", hidden: false }))).toEqual(expressionOf(directory("a")));
  expect(expressionOf(glob("*", { hidden: true }))).toEqual({
    kind: "form",
    form: "glob",
    args: ["*", { hidden: true }],
  });
});

it.each([
  [() => file("a", { by: "name" as never }), "file(path, options): by must be content, stat, etag, not name"],
  [() => file("a", { hidden: true } as never), "file(path, options): unknown option (known: by): hidden"],
  [() => file("a", null as never), "file(path, options): options must be an object, not null"],
  [() => directory("a", { depth: 1 } as never), "directory(path, options): unknown option (known: by, hidden): depth"],
  [() => glob("*", { hidden: 1 as never }), "glob(pattern, options): hidden must be true or false, not 1"],
])("refuses options that it does not know: %s", (make, message) => {
  expect(make).toThrow(expect.objectContaining({ code: "invalid_argument", message }));
});
