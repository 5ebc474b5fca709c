import { expect, it } from "vitest";
import { storeLocation } from "../src/store-location.ts";

const database = "postgres://db/x";

it("keeps large values in the warehouse where that is a folder, and wants to be told where it is none", () => {
  const of = (warehouse: string, values?: string) =>
    storeLocation("/project", { database, warehouse, ...(values === undefined ? {} : { values }) });
  expect(of("w")).toMatchObject({ values: "/project/w/values" });
  expect(of("file:///a%20b")).toMatchObject({ values: "/a b/values" });
  expect(of("hdfs://nn/w", "large")).toMatchObject({ values: "/project/large" });
  for (const warehouse of ["hdfs://nn/w", "s3://bucket/w"])
    expect(() => of(warehouse)).toThrow(
      expect.objectContaining({ code: "invalid_argument", message: expect.stringContaining("`values`") }),
    );
  expect(storeLocation("/project", { database: "embedded", warehouse: "s3://bucket/w" })).toMatchObject({
    kind: "embedded",
  });
});
