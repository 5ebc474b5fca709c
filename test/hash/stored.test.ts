/** What stands for a stored value, and encodings in pieces. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { FileValue } from "../../src/define/external.ts";
import { task } from "../../src/define/task.ts";
import { concat } from "../../src/hash/cbor.ts";
import { decodeValue } from "../../src/hash/decode.ts";
import { digestValue } from "../../src/hash/digest.ts";
import { encodeResult, joinList } from "../../src/hash/program.ts";
import {
  encodeStored,
  fillStored,
  holdsStored,
  readStored,
  type StoredValue,
  storedPlaces,
} from "../../src/hash/stored.ts";
import { encodeValue } from "../../src/hash/value.ts";
import { anyValue } from "./values.ts";

const name = fc.record({
  digest: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex")),
  length: fc.oneof(fc.nat(), fc.constantFrom(0, 23, 24, 255, 65_536, 2 ** 32, 2 ** 40)),
});

it("a stored value is found where it stands, and nothing else is taken for one", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(anyValue, name.map(encodeStored)), { maxLength: 5 }), (members) => {
      // What stands for a stored value, given as bytes, is bytes.
      expect(holdsStored(encodeValue(members))).toBe(false);
      expect(readStored(encodeValue(members))).toBeNull();
    }),
  );
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          anyValue.map((one) => encodeValue(one)),
          name,
        ),
        { maxLength: 5 },
      ),
      (members) => {
        const names = members.filter((member) => !isBytes(member)) as StoredValue[];
        const joined = joinList(members.map((member) => (isBytes(member) ? member : encodeStored(member))));
        expect(storedPlaces(joined).map(({ digest, length }) => ({ digest, length }))).toEqual(names);
        for (const one of names) expect(readStored(encodeStored(one))).toMatchObject(one);
        const filled = fillStored(joined, ({ digest }) => encodeValue(digest));
        const wanted = members.map((member) => (isBytes(member) ? member : encodeValue(member.digest)));
        expect(Buffer.compare(filled, joinList(wanted))).toBe(0);
      },
    ),
  );
});

function isBytes(member: Uint8Array | StoredValue): member is Uint8Array {
  return member instanceof Uint8Array;
}

it("is an error for who decodes it without reading it", () => {
  const bytes = joinList([encodeStored({ digest: digestValue(encodeValue(1)), length: 1 })]);
  expect(() => decodeValue(bytes)).toThrow("was not read");
  expect(decodeValue(bytes, undefined, undefined, () => ({ encoding: encodeValue("read") }))).toEqual(["read"]);
});

it("pieces joined are the encoding, whatever its members' lengths", () => {
  const length = fc.constantFrom(0, 1, 300, 70_000, 262_143, 262_144, 262_145, 600_000);
  const member = fc.oneof(
    length.map((n) => new Uint8Array(n).fill(n)),
    length.map((n) => "x".repeat(n)),
    length.map((n) => new Float32Array(n >> 2).fill(n)),
    fc.nat(),
  );
  fc.assert(
    fc.property(fc.array(member, { maxLength: 6 }), (members) => {
      const encoded = encodeResult(members, "value", 0);
      if (encoded.kind !== "pieces") throw new Error("not in pieces");
      const joined = concat(encoded.pieces);
      expect(joined.length).toBe(encoded.length);
      expect(Buffer.compare(joined, encodeValue(members))).toBe(0);
      expect(decodeValue(joined)).toEqual(members);
    }),
    { numRuns: 40 },
  );
});

it.each<[string, unknown]>([
  ["a file", new FileValue("a", "0".repeat(64))],
  ["a task", task("stored.test", () => 1)],
  ["a Map with a task as a key", new Map([[task("stored.test2", () => 1), 1]])],
  ["a file in a Set", new Set([[new FileValue("a", "0".repeat(64))]])],
])("%s is never given in pieces", (_, one) => {
  expect(encodeResult([one, 1], "value", 0).kind).toBe("value");
  expect(encodeResult([1, [2]], "value", 0).kind).toBe("pieces");
  expect(encodeResult([1, [2]], "value", 4).kind).toBe("value");
});
