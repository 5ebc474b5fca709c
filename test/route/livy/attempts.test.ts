/** Attempts at a piece of work, where what happens between two looks matters. */

import { describe, expect, it } from "vitest";
import { machineClock } from "../../../src/clock.ts";
import type { SubmissionRecord } from "../../../src/evaluate/ports.ts";
import { NO_OBSERVER } from "../../../src/route/livy/clusters/observer.ts";
import { type AttemptsOptions, obtainResult } from "../../../src/route/livy/submissions/attempts.ts";
import { MemoryStore } from "../memory-store.ts";
import { MemoryStorage } from "../storage/memory-storage.ts";

describe("work that is asked for", () => {
  it("is not begun again when the submission that lived has ended between the looks for a result and for it", async () => {
    const store = new MemoryStore();
    const result = { work: "a".repeat(64), submissionId: "earlier", outputs: {} };
    store.findAttempts = async () => {
      await store.commitResult(result);
      return [{ id: "earlier", state: "succeeded" } as SubmissionRecord];
    };
    const unreachable = () => expect.unreachable();
    const options: AttemptsOptions = {
      prepared: { key: result.work } as AttemptsOptions["prepared"],
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
      },
      store,
      storage: new MemoryStorage(),
      tell: () => {},
      told: new Set(),
      signal: new AbortController().signal,
    };
    expect(await obtainResult(options)).toEqual(result);
  });
});
