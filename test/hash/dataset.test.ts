import { describe, expect, it } from "vitest";
import type { DataType, StructType } from "../../src/define/schema.ts";
import { type RowFingerprint, writtenDatasetIdentity } from "../../src/hash/dataset.ts";

const print: RowFingerprint = {
  mode: "rows",
  version: 1,
  xor: ["00000000000000ff", "0123456789abcdef"],
  sums: ["1", "2", "-3", "99999999999999999999"],
};
const field = (name: string, type: DataType, nullable = true, metadata = {}) => ({ name, type, nullable, metadata });
const struct = (...fields: StructType["fields"]): StructType => ({ type: "struct", fields });
const schema = struct(
  field("id", "long", false),
  field("tags", { type: "array", elementType: "string", containsNull: true }),
  field("m", {
    type: "map",
    keyType: "string",
    valueType: struct(field("x", "decimal(10,2)")),
    valueContainsNull: false,
  }),
);

describe("identity of a written dataset", () => {
  it("does not change from version to version", () => {
    expect(writtenDatasetIdentity(schema, 3, print)).toMatchInlineSnapshot(
      `"4b85139f07ebf2cdcd4bd999e53eb40630eea11e21710c74de89d5f6daa2a9dd"`,
    );
  });

  it("does not know of nullability and metadata", () => {
    const other = struct(
      field("id", "long", true, { comment: "x" }),
      field("tags", { type: "array", elementType: "string", containsNull: false }),
      field("m", {
        type: "map",
        keyType: "string",
        valueType: struct(field("x", "decimal(10,2)", false)),
        valueContainsNull: true,
      }),
    );
    expect(writtenDatasetIdentity(other, 3, print)).toBe(writtenDatasetIdentity(schema, 3, print));
  });

  it("knows names, types, order, rows and every part of the fingerprint", () => {
    const one = struct(field("a", "long"), field("b", "string"));
    const identities = [
      writtenDatasetIdentity(one, 3, print),
      writtenDatasetIdentity(struct(field("b", "string"), field("a", "long")), 3, print),
      writtenDatasetIdentity(struct(field("A", "long"), field("b", "string")), 3, print),
      writtenDatasetIdentity(struct(field("a", "integer"), field("b", "string")), 3, print),
      writtenDatasetIdentity(struct(field("s", one)), 3, print),
      writtenDatasetIdentity(
        struct(field("a", { type: "array", elementType: "long", containsNull: true }), field("b", "string")),
        3,
        print,
      ),
      writtenDatasetIdentity(one, 4, print),
      writtenDatasetIdentity(one, 3, { ...print, version: 2 }),
      writtenDatasetIdentity(one, 3, { ...print, xor: ["00000000000000fe", print.xor[1]!] }),
      writtenDatasetIdentity(one, 3, { ...print, sums: ["1", "2", "-3", "99999999999999999998"] }),
    ];
    expect(new Set(identities).size).toBe(identities.length);
  });
});
