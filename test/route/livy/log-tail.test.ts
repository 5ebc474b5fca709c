import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LogTail } from "../../../src/route/livy/witness/log-tail.ts";

const HEAD = ["stdout: "];
const FOOT = ["\nstderr: ", "\nYARN Diagnostics: "];

describe("a log seen through its tail", () => {
  it("is copied whole, each line once, however it grows between two looks", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30), { maxLength: 40 }), (steps) => {
        const tail = new LogTail();
        const log: string[] = [];
        const copied: string[] = [];
        for (const step of steps) {
          for (let i = 0; i < step; i++) log.push(`line ${log.length}`);
          // Livy shows the last 10 lines, headers included; after a gap all of its ring of 200 is asked for.
          const look = (size: number) => [...HEAD, ...log.slice(-200), ...FOOT].slice(-size);
          const news = tail.take(look(10), false);
          copied.push(...(news.gap ? tail.take(look(250), true).lines : news.lines));
        }
        expect(copied).toEqual(log);
      }),
    );
  });

  it("gives nothing for the same tail, and the diagnostics when they change", () => {
    const tail = new LogTail();
    expect(tail.take([...HEAD, "a", "b", ...FOOT], false).lines).toEqual(["a", "b"]);
    expect(tail.take([...HEAD, "a", "b", ...FOOT], false)).toEqual({ lines: [], diagnostics: [], gap: false });
    const waiting = [...HEAD, "a", "b", "c", ...FOOT, "waiting for a container"];
    expect(tail.take(waiting, false)).toEqual({ lines: ["c"], diagnostics: ["waiting for a container"], gap: false });
    expect(tail.take(waiting, false)).toEqual({ lines: [], diagnostics: [], gap: false });
  });

  it("takes an older look for nothing new", () => {
    const tail = new LogTail();
    tail.take(["a", "b", "c"], false);
    expect(tail.take(["a", "b"], false)).toEqual({ lines: [], diagnostics: [], gap: false });
  });

  it("goes on after what another process has copied, each line once", () => {
    const log = Array.from({ length: 250 }, (_, i) => `line ${i}`);
    const before = new LogTail();
    before.take([...HEAD, ...log.slice(0, 120), ...FOOT, "waiting"], true);
    // The one that takes it up knows what is stored: the lines without YARN's words.
    const after = new LogTail(log.slice(0, 120));
    expect(after.take([...HEAD, ...log.slice(-200), ...FOOT], true)).toMatchObject({
      lines: log.slice(120),
      gap: false,
    });
  });
});
