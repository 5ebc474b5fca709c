/** Attempts at a piece of work, where what happens between two looks matters. */

import { describe, expect, it } from "vitest";
import { machineClock } from "../../../src/clock.ts";
import type { SubmissionRecord } from "../../../src/evaluate/ports.ts";
import { NO_OBSERVER } from "../../../src/route/livy/clusters/observer.ts";
import { type AttemptsOptions, obtainResult } from "../../../src/route/livy/submissions/attempts.ts";
import type { Ended, Followed } from "../../../src/route/livy/submissions/submission.ts";
import { MemoryStore } from "../memory-store.ts";
import { MemoryStorage } from "../storage/memory-storage.ts";

/** What attempts need, for work that has no result. */
function optionsOf(store: MemoryStore, key: string, gateway: Partial<AttemptsOptions["gateway"]>): AttemptsOptions {
  const unreachable = () => expect.unreachable();
  return {
    prepared: { key } as AttemptsOptions["prepared"],
    origin: { task: "t", executionId: "e", jobId: "j", user: "u", evalHash: "b".repeat(64), tags: [] },
    gateway: {
      clock: machineClock,
      observer: NO_OBSERVER,
      warehouse: "file:///warehouse",
      choose: unreachable,
      shouldLeave: unreachable,
      follow: unreachable,
      submit: unreachable,
      findLive: () => null,
      ...gateway,
    },
    store,
    storage: new MemoryStorage(),
    tell: () => {},
    told: new Set(),
    signal: new AbortController().signal,
  };
}

describe("work that is asked for", () => {
  const key = "a".repeat(64);

  it.each([
    ["whose asker left it", "its execution was cancelled; the ResourceManager says KILLED", true],
    ["that an operator cancelled", "cancelled by ann: too big; the ResourceManager says KILLED", false],
  ])("and shares a submission %s (%s) is done again: %s", async (_, cause, again) => {
    const result = { work: key, submissionId: "later", outputs: {} };
    const ends: Ended[] = [
      { state: "cancelled", cause },
      { state: "succeeded", result },
    ];
    const findLive = () =>
      ({
        record: { id: "s", state: "running" },
        cancelled: false,
        ended: Promise.resolve(ends.shift()),
        listen: () => () => {},
      }) as unknown as Followed;
    const obtained = obtainResult(optionsOf(new MemoryStore(), key, { findLive }));
    if (again) expect(await obtained).toEqual(result);
    else await expect(obtained).rejects.toThrow("submission s was cancelled by ann: too big");
  });

  it("is not begun again when the submission that lived has ended between the looks for a result and for it", async () => {
    const store = new MemoryStore();
    const result = { work: key, submissionId: "earlier", outputs: {} };
    store.findAttempts = async () => {
      await store.commitResult(result);
      return [{ id: "earlier", state: "succeeded" } as SubmissionRecord];
    };
    const options = optionsOf(store, result.work, {});
    expect(await obtainResult(options)).toEqual(result);
  });
});
