/** What every store keeps to: run it on a new one. */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BulkResult, JobState, Store } from "../../src/evaluate/ports.ts";
import {
  all,
  digest,
  endedJob,
  plain,
  sampleCall,
  sampleDataset,
  sampleExecution,
  sampleJob,
  sampleSubmission,
  sized,
} from "./samples.ts";

/** A place where a store is opened, and opened again. */
export interface SuitePlace {
  open(settings?: { readonly logLines?: number }): Promise<Store>;
}

/** A place for one store after another. */
export interface SuiteBackend {
  /** A new, empty place. */
  fresh(): Promise<SuitePlace>;
  stop(): Promise<void>;
}

export function storeSuite(name: string, start: () => Promise<SuiteBackend>): void {
  describe(`store ${name}`, () => {
    let backend: SuiteBackend;
    let store: Store;

    beforeAll(async () => {
      backend = await start();
      store = await (await backend.fresh()).open();
    });
    afterAll(async () => {
      await store?.[Symbol.asyncDispose]();
      await backend?.stop();
    });

    it("finds a call at once, and after it is durable", async () => {
      const call = sampleCall("pending");
      const written = store.recordCalls([call]);
      const early = await store.findCalls([call.evalHash, digest("unknown")]);
      await written;
      const late = await store.findCalls([call.evalHash, digest("unknown")]);
      const expected = new Map([[call.evalHash, plain({ evalHash: call.evalHash, outcome: call.outcome })]]);
      expect(plain(early)).toEqual(expected);
      expect(plain(late)).toEqual(expected);
      expect(plain(await store.findCallRecord(call.evalHash))).toEqual(plain(call));
      expect(await store.findCallRecord(digest("unknown"))).toBeNull();
      expect(await store.findValue(digest("unknown value"))).toBeNull();
    });

    it("keeps the first record of a call until one replaces it", async () => {
      const [first, second, third] = ["1", "2", "3"].map((result) => sampleCall("same", result));
      const result = async (): Promise<string> =>
        Buffer.from((await store.findCalls([first!.evalHash])).get(first!.evalHash)!.outcome.bytes).toString();
      await store.recordCalls([first!]);
      const second$ = store.recordCalls([second!]);
      expect(await result()).toBe("1");
      await second$;
      expect(await result()).toBe("1");
      const third$ = store.recordCalls([third!], true);
      expect(await result()).toBe("3");
      await third$;
      expect(await result()).toBe("3");
    });

    it("keeps empty and large values, and no arguments", async () => {
      const large = Buffer.alloc(5_000_000, "x");
      const call = {
        ...sampleCall("large"),
        args: [],
        outcome: { kind: "expression" as const, bytes: large, digest: digest("large") },
      };
      const empty = {
        ...sampleCall("empty"),
        outcome: { kind: "value" as const, bytes: new Uint8Array(), digest: digest("empty") },
      };
      await Promise.all([store.recordCalls([call]), store.recordCalls([empty])]);
      const found = await store.findCalls([call.evalHash, empty.evalHash]);
      expect(found.get(call.evalHash)?.outcome.kind).toBe("expression");
      expect(Buffer.compare(found.get(call.evalHash)!.outcome.bytes, large)).toBe(0);
      expect(found.get(empty.evalHash)?.outcome.bytes.length).toBe(0);
    });

    it("inserts and updates jobs with any text in them", async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.string({ unit: "binary", maxLength: 20 }),
          fc.string({ unit: "grapheme", maxLength: 20 }),
          async (note, message) => {
            const stored = note.toWellFormed().replaceAll("\0", "\u2400");
            const error = { code: "unknown", name: "Error", message: `${message}\0`, details: { b: 1, a: [message] } };
            const job = sampleJob("texts", {
              executionId: "texts",
              note,
              task: 'a,b {"c"} \\ NULL',
              error,
              state: "failed",
              endedAt: 1_700_000_000_999,
              cached: true,
            });
            store.recordJobs([sampleJob("texts", { executionId: "texts" })]);
            await store.recordJobs([job]);
            expect(await store.listJobs("texts")).toEqual([{ ...job, note: stored, task: 'a,b {"c"} \\ NULL' }]);
          },
        ),
        { numRuns: 40 },
      );
    });

    it("creates an execution once for each request id", async () => {
      const first = sampleExecution("once-1", { requestId: "request" });
      const answers = await Promise.all([
        store.createExecution(first),
        store.createExecution(sampleExecution("once-2", { requestId: "request" })),
      ]);
      expect(plain(answers)).toEqual([
        { execution: plain(first), created: true },
        { execution: plain(first), created: false },
      ]);
      expect(await store.findExecution("once-2")).toBeNull();
    });

    it("changes an execution, and refuses an unknown one without harm to what is written with it", async () => {
      await store.createExecution(sampleExecution("change"));
      const change = {
        state: "failed",
        endedAt: 1_700_000_001_000,
        result: Uint8Array.of(1, 2),
        error: { code: "unknown", name: "E", message: "m" },
        resumes: 2,
        cancelRequested: true,
      } as const;
      const unknown = store.updateExecution("nobody", { state: "failed" });
      const beside = store.recordJobs([sampleJob("beside", { executionId: "beside" })]);
      await store.updateExecution("change", change);
      await expect(unknown).rejects.toMatchObject({ code: "not_found" });
      await beside;
      await expect(store.flushed()).rejects.toMatchObject({ code: "not_found" });
      await store.flushed();
      expect(plain(await store.findExecution("change"))).toEqual(plain({ ...sampleExecution("change"), ...change }));
      expect(await store.listJobs("beside")).toHaveLength(1);
    });

    it("lists executions newest first, page by page", async () => {
      for (let i = 0; i < 7; i++)
        void store.createExecution(
          sampleExecution(`page-${i}`, { task: "test.pages", state: i % 2 === 0 ? "running" : "failed" }),
        );
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await store.listExecutions(
          { task: "test.pages" },
          { limit: 3, ...(cursor === undefined ? {} : { cursor }) },
        );
        seen.push(...page.rows.map((row) => row.id));
        cursor = page.nextCursor ?? undefined;
      } while (cursor !== undefined);
      expect(seen).toEqual([6, 5, 4, 3, 2, 1, 0].map((i) => `page-${i}`));
      const failed = await store.listExecutions({ task: "test.pages", state: "failed" }, { limit: 10 });
      expect(failed.rows.map((row) => row.id)).toEqual(["page-5", "page-3", "page-1"]);
      await expect(store.listExecutions({}, { limit: 0 })).rejects.toMatchObject({ code: "invalid_argument" });
      await expect(store.listExecutions({}, { limit: 1, cursor: "x" })).rejects.toMatchObject({
        code: "invalid_argument",
      });
    });

    it("keeps every place of a dataset, the last verified first", async () => {
      const [one, two] = [
        sampleDataset("d"),
        sampleDataset("d", {
          location: "file:/elsewhere",
          format: "csv",
          options: { header: "true" },
          rows: null,
          partitionBy: [],
          schema: null,
        }),
      ];
      store.recordDataset(one!);
      store.recordDataset(two!);
      expect(await store.findDataset(one!.identity)).toEqual([{ ...two, rows: one!.rows }, one]);
      store.recordDataset(one!);
      expect((await store.findDataset(one!.identity)).map((dataset) => dataset.location)).toEqual([
        one!.location,
        two!.location,
      ]);
      expect(await store.findDataset(digest("no dataset"))).toEqual([]);
    });

    it("keeps the newest stat of each file", async () => {
      const stat = {
        path: '/a, b {"c"}',
        bytes: 5_000_000_000,
        modifiedNs: "1700000000000000001",
        inode: "18446744073709551615",
        digest: digest("old"),
      };
      store.recordFileStat(stat);
      store.recordFileStat({ ...stat, digest: digest("new") });
      expect(await store.findFileStats([stat.path, "/b"])).toEqual(
        new Map([[stat.path, { ...stat, digest: digest("new") }]]),
      );
    });

    it("keeps a submission, its changes and one transition for each change of state", async () => {
      const submission = sampleSubmission("life");
      store.createSubmission(submission);
      const failure = {
        class: "user",
        type: "AnalysisException",
        message: "no such column",
        position: { line: 1, column: 2 },
        traceback: "t",
      } as const;
      const changes = [
        { state: "submitting", cause: "POST" },
        { batchId: 0, session: "s", statementId: 0, submittedAt: 1_700_000_002_000 },
        { state: "running", cause: "Livy says so", appId: "application_1", confirmedAt: 1_700_000_003_000 },
        { state: "running", cause: "still" },
        { state: "failed", cause: "manifest", failure, endedAt: 1_700_000_004_000 },
      ] as const;
      for (const change of changes) store.updateSubmission("life", change);
      expect(await store.findSubmission("life")).toEqual(Object.assign({}, submission, ...changes));
      expect((await store.listTransitions("life")).map(({ from, to, cause }) => [from, to, cause])).toEqual([
        [null, "planned", "planned"],
        ["planned", "submitting", "POST"],
        ["submitting", "running", "Livy says so"],
        ["running", "failed", "manifest"],
      ]);
      await expect(
        store.createSubmission(sampleSubmission("other", { livyName: submission.livyName })),
      ).rejects.toMatchObject({ code: "already_exists" });
    });

    it("confirms live submissions all at once, and never back to an earlier time", async () => {
      for (const [id, confirmedAt] of [
        ["c1", null],
        ["c2", 5_000],
        ["c3", 1_000],
      ] as const)
        store.createSubmission(sampleSubmission(id, { state: "running", confirmedAt }));
      store.updateSubmission("c3", { state: "failed" });
      store.confirmSubmissions(["c1", "c2", "c3"], 2_000);
      const times = (await store.findSubmissions(["c1", "c2", "c3"])).map(({ id, confirmedAt }) => [id, confirmedAt]);
      expect(times.sort()).toEqual([
        ["c1", 2_000],
        ["c2", 5_000],
        ["c3", 1_000],
      ]);
      expect(await store.listTransitions("c1")).toHaveLength(1);
    });

    it("lists submissions by each filter", async () => {
      store.createSubmission(sampleSubmission("f1", { cluster: "c1", executionId: "e1", work: digest("w") }));
      store.createSubmission(sampleSubmission("f2", { cluster: "c1", executionId: "e2", state: "lost" }));
      store.createSubmission(
        sampleSubmission("f3", { cluster: "c2", executionId: "e2", state: "killed", work: digest("w") }),
      );
      const ids = async (filter: Parameters<Store["listSubmissions"]>[0]): Promise<string[]> =>
        (await store.listSubmissions(filter, { limit: 10 })).rows.map((row) => row.id);
      expect(await ids({ cluster: "c1" })).toEqual(["f2", "f1"]);
      expect(await ids({ executionId: "e2" })).toEqual(["f3", "f2"]);
      expect(await ids({ state: "lost" })).toEqual(["f2"]);
      expect(await ids({ work: digest("w") })).toEqual(["f3", "f1"]);
      expect(await ids({ executionId: "e2", live: true })).toEqual(["f2"]);
      expect(await ids({ executionId: "e2", live: false })).toEqual(["f3"]);
    });

    it("finds the attempts at each of many pieces of work, also those asked for just now", async () => {
      const ids = async (work: string) => (await store.findAttempts(digest(work))).map((row) => row.id);
      for (const [id, work] of [
        ["g1", "g"],
        ["h1", "h"],
        ["g2", "g"],
      ] as const)
        store.createSubmission(sampleSubmission(id, { work: digest(work) }));
      expect(await Promise.all([ids("g"), ids("h"), ids("no such work"), ids("g")])).toEqual([
        ["g2", "g1"],
        ["h1"],
        [],
        ["g2", "g1"],
      ]);
      const first = ids("h");
      store.createSubmission(sampleSubmission("h2", { work: digest("h") }));
      expect(await Promise.all([first.then((found) => found.includes("h1")), ids("h")])).toEqual([true, ["h2", "h1"]]);
    });

    it("commits one attempt and replaces it only when it is named", async () => {
      const result = (submissionId: string): BulkResult => ({
        work: digest("bulk"),
        submissionId,
        outputs: { out: sampleDataset(submissionId) },
      });
      const answers = await Promise.all([
        store.commitResult(result("a")),
        store.commitResult(result("b")),
        store.commitResult(result("a")),
      ]);
      expect(answers).toEqual([true, false, true]);
      expect(await store.findResult(digest("bulk"))).toEqual(result("a"));
      expect(await store.commitResult(result("c"), "b")).toBe(false);
      expect(await store.commitResult(result("c"), "a")).toBe(true);
      expect(await store.findResult(digest("bulk"))).toEqual(result("c"));
      expect(await store.findResult(digest("nothing"))).toBeNull();
    });

    it("keeps the lines of each source by themselves, bounded by lines and bytes, and all as they came", async () => {
      const small = await (await backend.fresh()).open({ logLines: 3 });
      try {
        await small.appendLog("s", ["submitted"]);
        await small.appendLog("s", ["a", "b", "c"], "stdout");
        await small.appendLog("s", ["INFO 1"], "stderr");
        await small.appendLog("s", ["d"], "stdout");
        expect(await small.readLogs("s")).toEqual([
          { source: "submit", lines: ["submitted"] },
          { source: "stdout", lines: ["b", "c", "d"] },
          { source: "stderr", lines: ["INFO 1"] },
        ]);
        expect(await small.readLog("s")).toEqual(["submitted", "b", "c", "INFO 1", "d"]);
        expect(await small.readLog("s", "stdout")).toEqual(["b", "c", "d"]);
        expect(await Promise.all([small.readLogEnd("s", "stdout"), small.readLogEnd("t", "stdout")])).toEqual([
          ["b", "c", "d"],
          [],
        ]);
        small.appendLog("s", ["old"], "stdout");
        small.appendLog("s", ["e", "f"], "stdout", true);
        await small.appendLog("s", ["g"], "stdout");
        expect(await small.readLog("s", "stdout")).toEqual(["e", "f", "g"]);
        expect(await small.readLog("s", "stderr")).toEqual(["INFO 1"]);
        expect(await small.readLogs("other")).toEqual([]);
      } finally {
        await small[Symbol.asyncDispose]();
      }
      const large = await (await backend.fresh()).open();
      try {
        for (let i = 0; i < 4; i++)
          await large.appendLog(
            "s",
            Array.from({ length: 100 }, (_, n) => `${i} ${n} ${"x".repeat(10_000)}`),
            "stderr",
          );
        const lines = await large.readLog("s", "stderr");
        expect(lines.reduce((sum, line) => sum + line.length + 1, 0)).toBeLessThanOrEqual(512 * 1024);
        expect(lines.at(-1)).toMatch(/^3 99 x+ \.\.\. \d+ characters left out$/);
        expect(lines.length).toBeGreaterThan(50);
      } finally {
        await large[Symbol.asyncDispose]();
      }
    });

    it("keeps who drained a cluster, and why, until somebody resumes it, also when it is opened again", async () => {
      const place = await backend.fresh();
      const first = await place.open();
      const drain = await first.drainCluster("größer", "ann", "new disks");
      expect(drain).toEqual({ cluster: "größer", by: "ann", reason: "new disks", at: expect.any(Number) });
      const other = await first.drainCluster("other", "bob", "\0");
      await first[Symbol.asyncDispose]();
      const second = await place.open();
      try {
        expect(await second.listDrains()).toEqual([drain, other]);
        expect(await second.resumeCluster("größer", "bob")).toEqual(drain);
        expect(await second.resumeCluster("größer", "bob")).toBeNull();
        expect((await second.listDrains()).map(({ cluster }) => cluster)).toEqual(["other"]);
        expect(await second.drainCluster("größer", "bob", "again")).toMatchObject({ by: "bob", reason: "again" });
      } finally {
        await second[Symbol.asyncDispose]();
      }
    });

    it("keeps the newest lines of a log", async () => {
      const small = await (await backend.fresh()).open({ logLines: 5 });
      try {
        for (let i = 0; i < 4; i++) small.appendLog("s", [`${i} a\0`, `${i} b "quoted"`]);
        expect(await small.readLog("s")).toEqual([
          '1 b "quoted"',
          "2 a\u2400",
          '2 b "quoted"',
          "3 a\u2400",
          '3 b "quoted"',
        ]);
        small.appendLog(
          "s",
          Array.from({ length: 9 }, (_, i) => String(i)),
        );
        expect(await small.readLog("s")).toEqual(["4", "5", "6", "7", "8"]);
      } finally {
        await small[Symbol.asyncDispose]();
      }
    });

    it("finds a call whose result first came with a record that lost against another one of its batch", async () => {
      const [value, other] = ["result of a loser", "result of a winner"];
      await Promise.all([
        store.recordCalls([sampleCall("raced", other)]),
        store.recordCalls([sampleCall("raced", value)]),
        store.recordCalls([sampleCall("before", other)]),
      ]);
      const later = sampleCall("later", value);
      await store.recordCalls([later]);
      expect((await store.findCalls([later.evalHash])).get(later.evalHash)?.outcome).toMatchObject({
        digest: later.outcome.digest,
      });
    });

    it("does the same as one request after another, however requests are batched", async () => {
      const name = fc.constantFrom("a", "b", "c");
      const request = fc.oneof(
        fc.record({
          kind: fc.constant("job" as const),
          name,
          state: fc.constantFrom<JobState>("waiting", "running", "succeeded"),
        }),
        fc.record({ kind: fc.constant("call" as const), name, result: fc.nat(5), replace: fc.boolean() }),
        fc.record({ kind: fc.constant("result" as const), name, by: name, replaces: fc.option(name) }),
        fc.record({ kind: fc.constant("log" as const), name, line: fc.nat(99) }),
        fc.record({ kind: fc.constant("bad" as const) }),
        fc.record({ kind: fc.constant("pause" as const) }),
      );
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(request, { maxLength: 40 }), async (requests) => {
          const id = (text: string): string => `${text} ${run}`;
          run += 1;
          const jobs = new Map<string, JobState>();
          const calls = new Map<string, string>();
          const results = new Map<string, string>();
          const logs = new Map<string, string[]>();
          const answers: Promise<unknown>[] = [];
          const expected: unknown[] = [];
          const order: number[] = [];
          for (const [index, step] of requests.entries()) {
            const ask = (answer: Promise<unknown>, expectation: unknown): void => {
              answers.push(answer.catch((error: { code: string }) => error.code));
              expected.push(expectation);
              void answer.then(
                () => order.push(index),
                () => order.push(index),
              );
            };
            if (step.kind === "job") {
              // An end is final.
              if (jobs.get(step.name) !== "succeeded") jobs.set(step.name, step.state);
              ask(
                store.recordJobs([sampleJob(id(step.name), { executionId: id("run"), state: step.state })]),
                undefined,
              );
            } else if (step.kind === "call") {
              if (step.replace || !calls.has(step.name)) calls.set(step.name, String(step.result));
              ask(store.recordCalls([sampleCall(id(step.name), String(step.result))], step.replace), undefined);
            } else if (step.kind === "result") {
              const before = results.get(step.name);
              const wins = before === undefined || before === step.by || before === step.replaces;
              if (wins) results.set(step.name, step.by);
              ask(
                store.commitResult(
                  { work: digest(id(step.name)), submissionId: step.by, outputs: {} },
                  step.replaces ?? undefined,
                ),
                wins,
              );
            } else if (step.kind === "log") {
              logs.set(step.name, [...(logs.get(step.name) ?? []), String(step.line)]);
              ask(store.appendLog(id(step.name), [String(step.line)]), undefined);
            } else if (step.kind === "bad") {
              ask(store.updateExecution("nobody", { resumes: 1 }), "not_found");
            } else {
              await answers.at(-1);
            }
          }
          expect(await Promise.all(answers)).toEqual(expected);
          expect(order).toEqual(order.toSorted((a, b) => a - b));
          expect(new Map((await store.listJobs(id("run"))).map((job) => [job.id, job.state]))).toEqual(
            new Map([...jobs].map(([key, state]) => [id(key), state])),
          );
          for (const key of ["a", "b", "c"]) {
            const hash = sampleCall(id(key)).evalHash;
            const found = (await store.findCalls([hash])).get(hash);
            expect(found && Buffer.from(found.outcome.bytes).toString()).toEqual(calls.get(key));
            expect((await store.findResult(digest(id(key))))?.submissionId).toEqual(results.get(key));
            expect(await store.readLog(id(key))).toEqual(logs.get(key) ?? []);
          }
        }),
        { numRuns: 40 },
      );
      await store.flushed().catch(() => undefined);
    });

    it("keeps everything and its name when it is opened again, and takes over what it left running", async () => {
      const place = await backend.fresh();
      const first = await place.open();
      first.createExecution(sampleExecution("left"));
      first.createExecution(sampleExecution("ended", { state: "succeeded" }));
      first.createExecution(sampleExecution("cancelled", { cancelRequested: true }));
      const open = sampleJob("open", { executionId: "left", state: "waiting", note: "waiting: ..." });
      first.recordJobs([open, endedJob("done", "left")]);
      first.createSubmission(sampleSubmission("left", { state: "lost" }));
      first.createSubmission(sampleSubmission("unwanted", { state: "running", executionId: "cancelled" }));
      first.createSubmission(sampleSubmission("leaving", { state: "failed", endedAt: 1 }));
      first.createSubmission(sampleSubmission("ended", { state: "failed", endedAt: 1, goneAt: 2 }));
      expect(await first.claimWork(digest("w"))).toBe(true);
      expect(await first.adoptExecutions()).toEqual([]);
      await first[Symbol.asyncDispose]();
      await expect(first.recordJobs([sampleJob("late")])).rejects.toMatchObject({ code: "failed_precondition" });
      const second = await place.open();
      try {
        expect(second.storeId).toBe(first.storeId);
        expect(second.storeId).toMatch(/^[0-9a-z]{3,8}$/);
        expect((await second.adoptExecutions()).map((execution) => execution.id)).toEqual(["left", "cancelled"]);
        // Whatever asked for more in the former process does not any more.
        expect((await second.listJobs("left")).map(({ id, state, note }) => [id, state, note]).sort()).toEqual([
          ["done", "succeeded", null],
          ["open", "cancelled", null],
        ]);
        expect(await second.claimCluster("local")).toBe(true);
        const taken = await second.takeSubmissions(["local"]);
        expect(taken.map(({ submission: { id, cancelRequested } }) => [id, cancelRequested])).toEqual([
          ["left", null],
          ["unwanted", "its execution was cancelled"],
          ["leaving", null],
        ]);
        expect([await second.adoptExecutions(), await second.takeSubmissions(["local"])]).toEqual([[], []]);
        expect(await second.claimWork(digest("w"))).toBe(true);
        await second.ping();
      } finally {
        await second[Symbol.asyncDispose]();
      }
    });

    it("records thousands with one promise, and finds them before and after it settles", async () => {
      const calls = Array.from({ length: 2_500 }, (_, i) => sampleCall(`many ${i}`));
      const hashes = calls.map((call) => call.evalHash);
      const jobs = calls.map((call, i) => endedJob(`many-${i}`, "many", { evalHash: call.evalHash, startedAt: i }));
      const written = [store.recordCalls(calls), store.recordJobs(jobs)];
      expect((await store.findCalls(hashes)).size).toBe(calls.length);
      await Promise.all(written);
      const found = await store.findCalls([...hashes, digest("none"), ...hashes.slice(0, 3)]);
      expect(plain([...found.values()].map((call) => call.outcome))).toEqual(plain(calls.map((call) => call.outcome)));
      expect(await store.listJobs("many")).toEqual(jobs);
      expect(await all(store.readJobs("many"))).toEqual(jobs);
      await Promise.all([store.recordCalls([]), store.recordJobs([])]);
    });

    it("moves a job from its row into a block when it ends, and keeps its end", async () => {
      const running = sampleJob("slow", { executionId: "moved", state: "waiting", note: "waiting: cluster is down" });
      await store.recordJobs([running, endedJob("quick", "moved")]);
      expect((await store.listJobs("moved")).map((job) => [job.id, job.state])).toEqual([
        ["quick", "succeeded"],
        ["slow", "waiting"],
      ]);
      const error = { code: "unknown", name: "Error", message: "m\0", stack: "s", path: ["a", "b"] };
      const end = endedJob("slow", "moved", { state: "failed", parentId: "quick", error, submissionId: "s-1" });
      await store.recordJobs([end]);
      expect(await store.listJobs("moved")).toEqual([endedJob("quick", "moved"), end]);
      await store.recordJobs([running]);
      expect(await store.listJobs("moved")).toEqual([endedJob("quick", "moved"), end]);
      expect(await store.listJobs("unknown")).toEqual([]);
    });

    it("reads ahead what the last execution of the same root looked up, in the order of its jobs", async () => {
      const root = { task: "test.ahead", args: Uint8Array.of(0x81, 7) };
      const calls = Array.from({ length: 9_000 }, (_, i) => sized(`ahead ${i}`, i % 500 === 0 ? 1_000 : 10));
      await store.recordCalls(calls);
      const of = async (task: string, args: Uint8Array): Promise<string[]> =>
        (await all(store.previousCalls(task, args))).map((call) => call.evalHash);
      await store.createExecution(sampleExecution("ahead-1", root));
      expect(await of(root.task, root.args)).toEqual([]);
      // A chain: what is asked for first ends last.
      const jobs = calls.map((call, i) => endedJob(`ahead-${i}`, "ahead-1", { evalHash: call.evalHash, startedAt: i }));
      for (let to = jobs.length; to > 0; to -= 900) await store.recordJobs(jobs.slice(to - 900, to));
      const expected = calls.map((call) => call.evalHash);
      expect(await of(root.task, root.args)).toEqual(expected);
      // One that failed early says less than the one before it.
      await store.createExecution(sampleExecution("ahead-2", root));
      await store.recordJobs(
        jobs.slice(0, 3).map((job) => ({ ...job, id: `${job.id} again`, executionId: "ahead-2" })),
      );
      const some = await all(store.previousCalls(root.task, root.args));
      expect(some.map((call) => call.evalHash)).toEqual(expected);
      expect(plain(some[500]?.outcome)).toEqual(plain(calls[500]?.outcome));
      expect(await of("test.other", root.args)).toEqual([]);
      expect(await of(root.task, Uint8Array.of(0x81, 8))).toEqual([]);
    });
  });
}
