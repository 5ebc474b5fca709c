import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CallRecord, JobRecord } from "../../src/evaluate/ports.ts";
import { digestValue } from "../../src/hash/digest.ts";
import { ByteReader, ByteWriter } from "../../src/record/bytes.ts";
import { eachOutside, type PlaceValue, readCallBody, readOutcome, writeCallBody } from "../../src/record/call-body.ts";
import { packJobs, unpackJobs } from "../../src/record/job-block.ts";
import { digest, plain } from "./samples.ts";

const time = fc.integer({ min: 0, max: 8_000_000_000_000 });

describe("bytes", () => {
  it("are read as they were written", () => {
    const item = fc.oneof(
      fc.record({ kind: fc.constant("int" as const), value: fc.maxSafeNat() }),
      fc.record({ kind: fc.constant("signed" as const), value: fc.integer({ min: -(2 ** 50), max: 2 ** 50 }) }),
      fc.record({ kind: fc.constant("uint32" as const), value: fc.integer({ min: 0, max: 2 ** 32 - 1 }) }),
      fc.record({ kind: fc.constant("text" as const), value: fc.string({ unit: "binary" }) }),
      fc.record({ kind: fc.constant("digest" as const), value: fc.string().map(digest) }),
    );
    fc.assert(
      fc.property(fc.array(item), (items) => {
        const writer = new ByteWriter(1);
        for (const { kind, value } of items) writer[kind](value as never);
        const reader = new ByteReader(writer.finish());
        const expected = items.map(({ value }) => (typeof value === "string" ? value.toWellFormed() : value));
        expect(items.map(({ kind }) => reader[kind]())).toEqual(expected);
        expect(reader.done).toBe(true);
      }),
    );
  });

  it.each(["", "ab", "g".repeat(64), "a".repeat(63), "a".repeat(65), "é".repeat(32)])(
    "refuse %j as a digest",
    (text) => {
      expect(() => new ByteWriter().digest(text)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
    },
  );
});

describe("body of a call", () => {
  const value = fc.uint8Array({ maxLength: 60 }).map((bytes) => ({ bytes, digest: digestValue(bytes) }));
  const call: fc.Arbitrary<CallRecord> = fc.record({
    evalHash: fc.constant(digest("call")),
    task: fc.constant("t"),
    code: fc.constant(digest("code")),
    args: fc.array(value, { maxLength: 5 }),
    outcome: fc
      .tuple(value, fc.constantFrom("value" as const, "expression" as const))
      .map(([result, kind]) => ({ ...result, kind })),
    executor: fc.constant("inline"),
    startedAt: time,
    endedAt: time,
  });
  const placeOf = (length: number, taken: number): ReturnType<PlaceValue> =>
    length > 40 ? "file" : length + taken > 50 ? "row" : "inline";

  it("gives every value back, or names it and tells of it", () => {
    fc.assert(
      fc.property(call, (record) => {
        const outside = new Map<string, Uint8Array>();
        eachOutside(record, placeOf, (place, key, bytes) => outside.set(`${place} ${key} ${bytes.length}`, bytes));
        const writer = new ByteWriter();
        writeCallBody(writer, record, placeOf);
        const bytes = writer.finish();
        const body = readCallBody(new ByteReader(bytes));
        const whole = <T extends (typeof body.args)[number]>(part: T) => ({
          ...part,
          bytes:
            part.bytes instanceof Uint8Array
              ? part.bytes
              : outside.get(`${part.bytes.place} ${part.bytes.digest} ${part.bytes.length}`),
        });
        const { args, outcome, startedAt, endedAt } = record;
        expect(plain({ ...body, outcome: whole(body.outcome), args: body.args.map(whole) })).toEqual(
          plain({ args, outcome, startedAt, endedAt }),
        );

        // Two behind their lengths, as a look-up gives them.
        const twice = new ByteWriter();
        for (let i = 0; i < 2; i++) {
          twice.uint32(bytes.length);
          twice.raw(bytes);
        }
        const reader = new ByteReader(twice.finish());
        expect([readOutcome(reader), readOutcome(reader)]).toEqual([body.outcome, body.outcome]);
        expect(reader.done).toBe(true);
      }),
    );
  });
});

describe("block of jobs", () => {
  const text = fc
    .string({ unit: "grapheme", maxLength: 8 })
    .filter((word) => word.isWellFormed() && !word.includes("\0"));
  const id = fc.oneof(
    fc.uuid(),
    text,
    fc.nat(30).map((n) => `execution/${n}`),
  );
  const job = (ids: fc.Arbitrary<string>): fc.Arbitrary<JobRecord> =>
    fc.record({
      id: ids,
      executionId: fc.constant("e"),
      parentId: fc.option(ids),
      task: text,
      evalHash: text.map(digest),
      state: fc.constantFrom("succeeded", "failed", "cancelled"),
      executor: fc.constantFrom("inline", "thread", "spark"),
      cached: fc.boolean(),
      startedAt: time,
      endedAt: time,
      error: fc.option(fc.record({ code: text, name: text, message: fc.string(), path: fc.array(text) })),
      submissionId: fc.option(text),
      note: fc.option(text),
    });
  const unique = (ids: fc.Arbitrary<string>): fc.Arbitrary<JobRecord[]> =>
    fc.uniqueArray(job(ids), { selector: (one) => one.id, maxLength: 30 });

  it("gives its jobs back, oldest first", () => {
    fc.assert(
      fc.property(fc.oneof(unique(id), unique(fc.uuid({ version: 4 }))), (jobs) => {
        const block = packJobs(jobs);
        const sorted = jobs.toSorted((a, b) => a.startedAt - b.startedAt);
        expect(block.count).toBe(jobs.length);
        expect(block.firstStartedAt).toBe(sorted[0]?.startedAt ?? 0);
        expect(plain(unpackJobs("e", block.count, block.data))).toEqual(plain(sorted));
        // What SQL cuts out.
        expect(block.data.toString("hex", 0, 32 * jobs.length)).toBe(sorted.map((one) => one.evalHash).join(""));
      }),
    );
  });
});
