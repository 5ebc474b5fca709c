import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { machineClock } from "../src/clock.ts";

it("acts later, not when called off, and never where the time is longer than a timer can be", async () => {
  const acted: string[] = [];
  machineClock.after(1, () => acted.push("soon"));
  machineClock.after(1, () => acted.push("called off"))();
  for (const ms of [Number.POSITIVE_INFINITY, 2 ** 31]) machineClock.after(ms, () => acted.push(`${ms}`));
  await sleep(50);
  expect(acted).toEqual(["soon"]);
});
