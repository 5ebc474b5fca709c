import { describe, expect, it } from "vitest";
import { fromHadoopPath, toHadoopPath, toSparkUri } from "../../../src/route/livy/witness/hadoop-path.ts";

describe("the spellings of a place", () => {
  it.each([
    ["file:///my%20data/k=1%253A0", "file:///my data/k=1%3A0", "file:///my%20data/k=1%253A0"],
    ["hdfs://nn:8020/%23%3F", "hdfs://nn:8020/#?", "hdfs://nn:8020/%23%3F"],
    ["s3://bucket/a%20b", "s3a://bucket/a b", "s3a://bucket/a%20b"],
    ["s3a://bucket/a", "s3a://bucket/a", "s3a://bucket/a"],
  ])("%s", (uri, path, spark) => {
    expect(toHadoopPath(uri)).toBe(path);
    expect(toSparkUri(uri)).toBe(spark);
    expect(fromHadoopPath(path)).toBe(uri.replace("s3a:", "s3:"));
  });
});
