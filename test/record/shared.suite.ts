/** What every store keeps to that several processes share: run it on a new one. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Store, StoreChange } from "../../src/evaluate/ports.ts";
import { digest, sampleExecution, sampleJob, sampleSubmission } from "./samples.ts";

/** A place that several processes open. */
export interface SharedPlace {
  open(): Promise<Store>;
  /** As if every owner so far but the last `alive` had been silent for an hour. */
  silence(alive: number): Promise<void>;
  /** Waits until so many stores hear of changes. */
  listening(count: number): Promise<void>;
  /** As if the owners that ended had ended so much earlier. */
  age(ms: number): Promise<void>;
}

/** A place after another. */
export interface SharedBackend {
  fresh(): Promise<SharedPlace>;
  stop(): Promise<void>;
}

export function sharedSuite(name: string, start: () => Promise<SharedBackend>): void {
  describe(`shared store ${name}`, () => {
    let backend: SharedBackend;
    beforeAll(async () => {
      backend = await start();
    });
    afterAll(() => backend?.stop());

    /** Several stores on one new database, closed at the end. */
    async function withStores(
      count: number,
      run: (stores: readonly Store[], place: SharedPlace) => Promise<void>,
    ): Promise<void> {
      const place = await backend.fresh();
      const stores: Store[] = [];
      try {
        for (let i = 0; i < count; i++) stores.push(await place.open());
        await run(stores, place);
      } finally {
        for (const store of stores) await store[Symbol.asyncDispose]();
      }
    }

    it("refuses the writes of an owner that another process took over from", async () => {
      await withStores(2, async ([former, next], place) => {
        await former!.createExecution(sampleExecution("e"));
        await former!.createSubmission(sampleSubmission("s"));
        await place.silence(1);
        expect((await next!.adoptExecutions()).map((execution) => execution.id)).toEqual(["e"]);
        expect(await next!.claimCluster("local")).toBe(true);
        expect((await next!.takeSubmissions(["local"])).map(({ submission }) => submission.id)).toEqual(["s"]);
        const refused = [
          former!.updateExecution("e", { state: "failed" }),
          former!.updateSubmission("s", { state: "failed" }),
          former!.recordJobs([sampleJob("j")]),
          former!.claimCall(digest("c")),
        ];
        for (const write of refused) await expect(write).rejects.toMatchObject({ code: "aborted" });
        expect(await former!.lost).toMatchObject({ code: "aborted" });
        await expect(former!.flushed()).rejects.toMatchObject({ code: "aborted" });
        await expect(former!.recordJobs([sampleJob("later")])).rejects.toMatchObject({ code: "aborted" });
        expect((await next!.findExecution("e"))?.state).toBe("running");
        expect((await next!.findSubmission("s"))?.state).toBe("planned");
        expect(await next!.listJobs("execution-1")).toEqual([]);
      });
    });

    it("lets an owner that was silent go on when nobody took over", async () => {
      await withStores(1, async ([store], place) => {
        await place.silence(0);
        await store!.recordJobs([sampleJob("j")]);
        expect(await store!.listJobs("execution-1")).toHaveLength(1);
      });
    });

    it("gives each claim to one owner, for as long as that one lives", async () => {
      await withStores(3, async ([a, b, c], place) => {
        expect(
          await Promise.all([a!.claimCall(digest("1")), a!.claimWork(digest("1")), a!.claimCall(digest("1"))]),
        ).toEqual([true, true, true]);
        expect(
          await Promise.all([b!.claimCall(digest("1")), b!.claimCall(digest("2")), b!.claimWork(digest("1"))]),
        ).toEqual([false, true, false]);
        const order = [
          a!.releaseCall(digest("1")),
          a!.claimCall(digest("3")),
          a!.releaseCall(digest("3")),
          a!.claimCall(digest("3")),
        ];
        expect(await Promise.all(order)).toEqual([undefined, true, undefined, true]);
        await b!.releaseWork(digest("1"));
        expect(
          await Promise.all([b!.claimCall(digest("1")), b!.claimCall(digest("3")), b!.claimWork(digest("1"))]),
        ).toEqual([true, false, false]);
        await place.silence(2);
        expect(
          await Promise.all([c!.claimWork(digest("1")), c!.claimCall(digest("3")), c!.claimCall(digest("1"))]),
        ).toEqual([true, true, false]);
        await b![Symbol.asyncDispose]();
        expect(await Promise.all([c!.claimCall(digest("1")), c!.claimCall(digest("2"))])).toEqual([true, true]);
        await expect(a!.claimCall(digest("4"))).rejects.toMatchObject({ code: "aborted" });
      });
    });

    it("gives one claim to one of many that ask at once", async () => {
      await withStores(4, async (stores) => {
        for (let round = 0; round < 20; round++) {
          const keys = Array.from({ length: 20 }, (_, i) => digest(`${round} ${i}`));
          const answers = await Promise.all(
            stores.map((store, i) =>
              Promise.all(
                (i % 2 === 0 ? keys : keys.toReversed()).map(async (key) =>
                  (await store.claimWork(key)) ? key : null,
                ),
              ),
            ),
          );
          expect(
            answers
              .flat()
              .filter((key) => key !== null)
              .sort(),
          ).toEqual(keys.toSorted());
        }
      });
    });

    it("hands each execution of a dead owner to one caller, and its submissions to the keeper of their cluster", async () => {
      await withStores(4, async ([dead, ...others], place) => {
        const ids = Array.from({ length: 200 }, (_, i) => `x${String(i).padStart(3, "0")}`);
        for (const id of ids) {
          void dead!.createExecution(sampleExecution(id));
          void dead!.createSubmission(sampleSubmission(id));
          void others[1]!.createSubmission(sampleSubmission(`not kept ${id}`), false);
        }
        expect(await dead!.claimCluster("local")).toBe(true);
        expect(await others[0]!.claimCluster("local")).toBe(false);
        await Promise.all([dead, ...others].map((store) => store!.flushed()));
        await place.silence(3);
        const executions = await Promise.all(others.map((store) => store.adoptExecutions()));
        const keeps = await Promise.all(others.map((store) => store.claimCluster("local")));
        expect(keeps.filter((one) => one)).toHaveLength(1);
        const submissions = await Promise.all(others.map((store) => store.takeSubmissions(["local", "other"])));
        expect(submissions.map((taken) => taken.length > 0)).toEqual(keeps);
        for (const store of others)
          expect([await store.adoptExecutions(), await store.takeSubmissions(["local"])]).toEqual([[], []]);
        expect(
          executions
            .flat()
            .map((execution) => execution.id)
            .sort(),
        ).toEqual(ids);
        expect(
          submissions
            .flat()
            .map(({ submission }) => submission.id)
            .sort(),
        ).toEqual([...ids.map((id) => `not kept ${id}`), ...ids]);
      });
    });

    it("a look around shows what there is to do, and for whom", async () => {
      await withStores(2, async ([one, other]) => {
        const nothing = {
          executions: false,
          submissions: false,
          cancelledExecutions: [],
          cancelledSubmissions: [],
          drains: [],
          keptClusters: new Map(),
        };
        expect(await one!.lookAround()).toEqual(nothing);
        expect(await one!.claimCluster("größer")).toBe(true);
        expect(await other!.claimCluster("größer")).toBe(false);
        await one!.tellCluster({ name: "größer", status: { live: 3 } });
        await other!.createSubmission(sampleSubmission("s", { cluster: "größer" }), false);
        await other!.createSubmission(sampleSubmission("elsewhere", { cluster: "unknown" }), false);
        const keptClusters = new Map([["größer", { live: 3 }]]);
        expect(await other!.lookAround()).toEqual({ ...nothing, submissions: true, keptClusters });
        expect(await other!.takeSubmissions(["größer"])).toEqual([]);
        expect(await one!.takeSubmissions(["größer"])).toMatchObject([{ submission: { id: "s" }, asked: false }]);
        await other!.updateSubmission("s", { cancelRequested: "enough" });
        expect((await one!.lookAround()).cancelledSubmissions).toEqual(["s"]);
        expect((await other!.lookAround()).cancelledSubmissions).toEqual([]);
        await one!.createExecution(sampleExecution("e"));
        await other!.updateExecution("e", { cancelRequested: true });
        expect((await one!.lookAround()).cancelledExecutions).toEqual(["e"]);
        expect(await one!.claimWork(digest("work of s"))).toBe(true);
        expect(await other!.isWorkClaimed(digest("work of s"))).toBe(true);
        await one![Symbol.asyncDispose]();
        expect(await other!.lookAround()).toEqual({ ...nothing, executions: true, submissions: true });
        expect(await other!.isWorkClaimed(digest("work of s"))).toBe(false);
      });
    });

    it("a drained cluster is so for all until somebody resumes it", async () => {
      await withStores(2, async ([one, other]) => {
        const drain = await one!.drainCluster("prod", "ann", "new disks");
        expect((await other!.lookAround()).drains).toEqual([drain]);
        expect(await other!.drainCluster("prod", "bob", "too")).toEqual(drain);
        const resumed = await Promise.all([other!.resumeCluster("prod", "bob"), one!.resumeCluster("prod", "ann")]);
        expect(resumed.filter((found) => found !== null)).toEqual([drain]);
        expect((await one!.lookAround()).drains).toEqual([]);
      });
    });

    it("an execution of a task that is not known here is left to a process that knows it, for a while", async () => {
      await withStores(2, async ([dead, one], place) => {
        await dead!.createExecution(sampleExecution("known", { task: "a.known" }));
        await dead!.createExecution(sampleExecution("strange", { task: "a.strange" }));
        await dead![Symbol.asyncDispose]();
        const ids = async (tasks: readonly string[]) => (await one!.adoptExecutions(tasks)).map(({ id }) => id);
        expect(await ids(["a.known", 'a "quoted" one'])).toEqual(["known"]);
        expect(await ids(["a.known"])).toEqual([]);
        await place.age(61_000);
        expect(await ids(["a.known"])).toEqual(["strange"]);
      });
    });

    it("tells of a submission its keeper, of its changes and its end who follows it, and nobody of what nobody follows", async () => {
      await withStores(2, async ([keeper, other], place) => {
        const changes: StoreChange[] = [];
        await place.listening(2);
        keeper!.onChange((change) => changes.push(change));
        await keeper!.createSubmission(sampleSubmission("own"));
        await keeper!.updateSubmission("own", { state: "submitting" });
        await other!.createSubmission(sampleSubmission("theirs"), false);
        await other!.updateSubmission("theirs", { cancelRequested: "enough" });
        await keeper!.updateSubmission("theirs", { confirmedAt: 5 });
        await keeper!.updateSubmission("theirs", { state: "cancelled" });
        await other!.createExecution(sampleExecution("e"));
        await other!.updateExecution("e", { cancelRequested: true });
        const id = "theirs";
        await expect
          .poll(() => changes)
          .toEqual([
            { kind: "wish", id },
            { kind: "submission", id },
            { kind: "wish", id },
            { kind: "submission", id },
            { kind: "execution", id: "e" },
          ]);
        await other![Symbol.asyncDispose]();
        await expect.poll(() => changes.at(-1)).toMatchObject({ kind: "owner" });
      });
    });
  });
}
