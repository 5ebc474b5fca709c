/**
 * A small, deterministic orchestrator in memory: executions end at once (`echo`), fail (`fail`), or when the test says so (`hang`).
 */

import type { FiresteelError } from "../../src/errors.ts";
import { Code, FiresteelError as Failure } from "../../src/errors.ts";
import type { CodeWarning } from "../../src/evaluate/code.ts";
import type { StartRequest } from "../../src/evaluate/executions.ts";
import type { Explanation } from "../../src/evaluate/explain/explainer.ts";
import type { CallGroup, ExampleCall } from "../../src/evaluate/explain/reasons.ts";
import type {
  ClusterDrain,
  ExecutionRecord,
  JobRecord,
  Page,
  PageRequest,
  SubmissionRecord,
  SubmissionTransition,
} from "../../src/evaluate/ports.ts";
import { decodeValue } from "../../src/hash/decode.ts";
import { isProgram } from "../../src/hash/program.ts";
import { encodeValue } from "../../src/hash/value.ts";
import type { ClusterStatus, Orchestrator, TaskInfo, WatchEvent } from "../../src/serve/orchestrator.ts";

export const START = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

export interface MemoryOrchestrator extends Orchestrator {
  /** All that was asked for by `start`. */
  readonly started: StartRequest[];
  /** Thrown by `start` when set. */
  fault: FiresteelError | null;
  ready: boolean;
  /** Number of `watch` and `wait` calls that have not ended. */
  readonly open: { watches: number; waits: number };
  readonly rows: SubmissionRecord[];
  /** Tells of a job, in the record and to the watchers. */
  recordJob(job: Partial<JobRecord> & { readonly id: string; readonly executionId: string }): void;
  emit(executionId: string, event: WatchEvent): void;
  finish(id: string, change?: Partial<ExecutionRecord>): void;
  /** Called by `get`, before it answers. */
  onGet: (() => void) | null;
  /** Called when submissions are listed. */
  onListSubmissions: (() => void) | null;
}

function oldestFirst(jobs: readonly JobRecord[]): readonly JobRecord[] {
  return jobs.toSorted((a, b) => a.startedAt - b.startedAt || (a.id < b.id ? -1 : 1));
}

export function memoryOrchestrator(): MemoryOrchestrator {
  const executions = new Map<string, ExecutionRecord>();
  const jobs = new Map<string, JobRecord[]>();
  const watchers = new Map<string, Set<(event: WatchEvent) => void>>();
  const transitions: SubmissionTransition[] = [];
  let clock = START;
  const tick = (): number => clock++;

  const emit = (id: string, event: WatchEvent): void => {
    for (const watcher of [...(watchers.get(id) ?? [])]) watcher(event);
  };
  const require = (id: string): ExecutionRecord => {
    const execution = executions.get(id);
    if (!execution) throw new Failure(Code.notFound, `execution is not known: ${id}`);
    return execution;
  };
  const finish = (id: string, change: Partial<ExecutionRecord> = {}): void => {
    const execution: ExecutionRecord = {
      ...require(id),
      state: "succeeded",
      endedAt: tick(),
      result: encodeValue(null),
      ...change,
    };
    executions.set(id, execution);
    emit(id, { kind: "execution", execution });
  };
  const page = <T>(rows: readonly T[], { limit, cursor }: PageRequest): Page<T> => {
    const from = Number(cursor ?? 0);
    return {
      rows: rows.slice(from, from + limit),
      nextCursor: from + limit < rows.length ? String(from + limit) : null,
    };
  };

  const drains = new Map<string, ClusterDrain>();
  const self: MemoryOrchestrator = {
    started: [],
    fault: null,
    ready: true,
    open: { watches: 0, waits: 0 },
    rows: [],
    onGet: null,
    onListSubmissions: null,
    emit,
    finish,

    recordJob(job) {
      const list = jobs.get(job.executionId) ?? [];
      const earlier = list.find(({ id }) => id === job.id);
      const whole: JobRecord = {
        parentId: null,
        task: "hang",
        evalHash: "ab".repeat(32),
        state: "running",
        executor: "inline",
        cached: false,
        startedAt: earlier?.startedAt ?? tick(),
        endedAt: null,
        error: null,
        submissionId: null,
        note: null,
        ...earlier,
        ...job,
      };
      jobs.set(job.executionId, [...list.filter(({ id }) => id !== job.id), whole]);
      emit(job.executionId, { kind: "job", job: whole });
    },

    async start(request) {
      self.started.push(request);
      if (self.fault) throw self.fault;
      const earlier = [...executions.values()].find(
        ({ requestId }) => requestId !== null && requestId === request.requestId,
      );
      if (earlier) return earlier;
      if (!self.tasks().some(({ name }) => name === request.task))
        throw new Failure(Code.notFound, `task is not known: ${request.task}`);
      const id = `e${executions.size + 1}`;
      executions.set(id, {
        id,
        requestId: request.requestId ?? null,
        task: request.task,
        args: request.args.bytes,
        reason: request.reason,
        user: request.user,
        state: "running",
        startedAt: tick(),
        endedAt: null,
        result: null,
        error: null,
        codeVersion: "cd".repeat(32),
        resumes: 0,
        cancelRequested: false,
      });
      if (request.task === "echo")
        finish(id, { result: isProgram(request.args.bytes) ? encodeValue("looked at later") : request.args.bytes });
      if (request.task === "fail") {
        const details = { class: "user", position: { line: 1, column: 14 } };
        const error = {
          code: "unknown",
          name: "RangeError",
          message: "no such year: 1066",
          stack: "RangeError: ...",
          path: ["fail", "years"],
          details,
        };
        finish(id, { state: "failed", result: null, error });
      }
      return require(id);
    },

    async get(id) {
      self.onGet?.();
      return executions.get(id) ?? null;
    },

    jobs: {
      async pageJobs(id, { from, limit }) {
        const all = oldestFirst(jobs.get(id) ?? []);
        return { jobs: all.slice(from, from + limit), count: all.length };
      },
      async *readJobs(id) {
        yield oldestFirst(jobs.get(id) ?? []);
      },
    },

    async dryRun({ task, examples }) {
      if (self.fault) throw self.fault;
      return { ...EXPLANATION, task, groups: EXPLANATION.groups.map((group) => cutTo(group, examples)) };
    },

    async explain(id, examples) {
      return {
        ...EXPLANATION,
        groups: EXPLANATION.groups.map((group) => cutTo(group, examples)),
        comparedWith: require(id),
      };
    },

    async wait(id, timeoutMs, signal) {
      require(id);
      self.open.waits++;
      const left = new AbortController();
      const timer = timeoutMs === undefined ? undefined : setTimeout(() => left.abort(), timeoutMs);
      try {
        for await (const _event of self.watch(id, AbortSignal.any([signal, left.signal])));
        return require(id);
      } catch (error) {
        if (left.signal.aborted && !signal.aborted) return require(id);
        throw error;
      } finally {
        clearTimeout(timer);
        self.open.waits--;
      }
    },

    async *watch(id, signal) {
      if (require(id).endedAt !== null) return;
      const queue: WatchEvent[] = [];
      let wake = (): void => undefined;
      const watcher = (event: WatchEvent): void => {
        queue.push(event);
        wake();
      };
      const own = watchers.get(id) ?? new Set();
      watchers.set(id, own.add(watcher));
      const abort = (): void => wake();
      signal.addEventListener("abort", abort);
      self.open.watches++;
      try {
        for (;;) {
          signal.throwIfAborted();
          const event = queue.shift();
          if (!event) {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
            continue;
          }
          yield event;
          if (event.kind === "execution" && event.execution.endedAt !== null) return;
        }
      } finally {
        own.delete(watcher);
        signal.removeEventListener("abort", abort);
        self.open.watches--;
      }
    },

    async list({ state, task }, request) {
      const rows = [...executions.values()].filter(
        (row) => (state === undefined || row.state === state) && (task === undefined || row.task === task),
      );
      return page(rows.toReversed(), request);
    },

    async cancel(id, reason) {
      if (require(id).endedAt !== null) return require(id);
      executions.set(id, { ...require(id), cancelRequested: true });
      finish(id, {
        state: "cancelled",
        result: null,
        error: { code: "cancelled", name: "FiresteelError", message: `cancelled: ${reason}` },
      });
      return require(id);
    },

    tasks: () => TASKS,
    warnings: () => WARNINGS,
    clusters: () => CLUSTERS.map((one) => ({ ...one, drained: drains.get(one.name) ?? one.drained })),
    async drain(cluster, by, reason) {
      if (!CLUSTERS.some(({ name }) => name === cluster))
        throw new Failure(Code.invalidArgument, `cluster is not known: ${cluster}`);
      const drain = drains.get(cluster) ?? { cluster, by, reason, at: START };
      drains.set(cluster, drain);
      return drain;
    },
    async resume(cluster) {
      const drain = drains.get(cluster) ?? null;
      drains.delete(cluster);
      return drain;
    },
    async cancelSubmission(id, by, reason) {
      const found = await self.submissions.findSubmission(id);
      if (found === null) throw new Failure(Code.notFound, `submission is not known: ${id}`);
      return { ...found, state: "cancelling", cancelRequested: `cancelled by ${by}: ${reason}` };
    },
    note: () => "waiting: it is a test",
    health: async () =>
      self.ready ? { ready: true, reasons: [] } : { ready: false, reasons: ["database is not reachable"] },

    submissions: {
      async listSubmissions(filter, request) {
        self.onListSubmissions?.();
        const rows = self.rows.filter(
          (row) =>
            (filter.cluster === undefined || row.cluster === filter.cluster) &&
            (filter.state === undefined || row.state === filter.state) &&
            (filter.executionId === undefined || row.executionId === filter.executionId) &&
            (filter.work === undefined || row.work === filter.work) &&
            (filter.live !== true || row.endedAt === null),
        );
        return page(rows, request);
      },
      findSubmission: async (id) => self.rows.find((row) => row.id === id) ?? null,
      listTransitions: async (id) => [
        ...transitions,
        { submissionId: id, at: START, from: null, to: "planned", cause: "asked for" },
        { submissionId: id, at: START + 1, from: "planned", to: "submitting", cause: "capacity is free" },
      ],
      readLogs: async () => [
        { source: "submit", lines: ["line 1", "line 2"] },
        { source: "stdout", lines: ["firesteel: body took 1.0 s"] },
      ],
    },
  };
  return self;
}

/** The decoded arguments of a start request that holds a plain value. */
export function argumentsOf(request: StartRequest): unknown {
  return decodeValue(request.args.bytes);
}

const parameter = { optional: false, rest: false, hasDefault: false };
const WARNINGS: readonly CodeWarning[] = [{ message: "a slip", file: "flows/echo.ts", line: 2, column: 3 }];

const TASKS: readonly TaskInfo[] = [
  {
    name: "hang",
    description: "",
    module: "flows/waits.ts",
    code: "11".repeat(32),
    options: {},
    parameters: [],
    undecided: [],
  },
  {
    name: "echo",
    description: "Gives its arguments back.",
    module: "flows/echo.ts",
    code: "22".repeat(32),
    options: { tags: ["small"], retries: 2 },
    parameters: [
      { ...parameter, name: "first" },
      { ...parameter, name: "limit", optional: true, hasDefault: true, constantDefault: 10n },
      { ...parameter, name: "more", rest: true },
    ],
    undecided: [{ reason: "eval", file: "flows/echo.ts", line: 3, column: 7 }],
  },
  {
    name: "fail",
    description: "",
    module: "flows/waits.ts",
    code: "33".repeat(32),
    options: {},
    parameters: [],
    undecided: [],
  },
  {
    name: "arrow.waits.x0123456789ab",
    description: "line 7: (n) => n + 1",
    module: "flows/waits.ts",
    code: "44".repeat(32),
    options: {},
    parameters: [],
    arrow: true,
    undecided: [],
  },
];
const example = (n: number): ExampleCall => ({
  evalHash: `${n}`.repeat(64),
  args: [String(n), "'x'"],
  arguments: { changes: [{ path: "first.n", before: "0", after: String(n) }], more: 1 },
});
/** One group a reason. */
export const EXPLANATION: Explanation = {
  task: "echo",
  groups: (
    [
      { kind: "newTask" },
      { kind: "newCall" },
      { kind: "newCode", changes: null },
      {
        kind: "newCode",
        changes: [
          {
            change: "changed",
            kind: "value",
            name: "RATE",
            file: "lib.ts",
            line: 2,
            before: "1",
            after: "2",
            diff: ["-RATE = 1", "+RATE = 2"],
          },
        ],
      },
      { kind: "newArguments", parameters: ["first"] },
      { kind: "invalidResult", places: ["file x.csv is gone"] },
      { kind: "notCacheable", places: [{ reason: "eval", file: "flows/echo.ts", line: 3, column: 7 }] },
      { kind: "noCache", option: "none" },
      { kind: "notFinished", state: "failed" },
      { kind: "notKept" },
      { kind: "newSurroundings", reads: ["x.txt"], context: ["region"] },
    ] as const
  ).map((reason, i) => ({
    task: "echo",
    calls: i + 2,
    reasons: [reason],
    work: i === 0 ? "new" : i === 1 ? "done" : null,
    failure: null,
    examples: [example(1), example(2)],
  })),
  cached: [{ task: "hang", calls: 340 }],
  waiting: [{ task: "fail", calls: 5, open: true, on: ["echo", "hang"] }],
  failure: { code: "not_found", name: "FiresteelError", message: "file does not exist: y.csv" },
  comparedWith: null,
};

function cutTo(group: CallGroup, examples: number): CallGroup {
  return { ...group, examples: group.examples.slice(0, examples) };
}

const CLUSTERS: readonly ClusterStatus[] = [
  {
    name: "local",
    url: "http://127.0.0.1:8998",
    labels: { zone: "a" },
    state: "down",
    since: START,
    version: "0.9.0",
    live: 1,
    waiting: 2,
    confirmedAt: START,
    isConfigured: true,
    drained: null,
    limits: { maxLive: 4, perUser: 2, perQueue: { etl: 1 } },
    waits: [{ reason: "cluster local is down", count: 2 }],
    sessions: { min: 0, max: 2, starting: 0, idle: 1, busy: 1, waiting: 3, lastError: null },
    lastError: "connect ECONNREFUSED",
  },
  {
    name: "new",
    url: "http://127.0.0.1:8999",
    labels: {},
    state: "unknown",
    since: null,
    confirmedAt: null,
    isConfigured: false,
    drained: null,
    limits: { maxLive: 16, maxPerSecond: 0.5 },
    waits: [],
    version: null,
    live: 0,
    waiting: 0,
    sessions: null,
    lastError: null,
  },
];

/** A submission with nothing but its id set to something of interest. */
export function submissionRecord(change: Partial<SubmissionRecord> & { readonly id: string }): SubmissionRecord {
  return {
    work: "ef".repeat(32),
    attempt: 1,
    task: "hang",
    executionId: "e1",
    jobId: "j1",
    user: "ada",
    cluster: "local",
    livyName: `s-${change.id}`,
    state: "running",
    cause: "Livy says so",
    batchId: 0,
    mode: "batch",
    session: null,
    statementId: null,
    appId: null,
    location: "file:///warehouse/attempts/a",
    request: { file: "file:///harness.py", args: ["file:///spec.json"] },
    sparkUiUrl: null,
    driverLogUrl: null,
    historyUrl: null,
    failure: null,
    createdAt: START,
    submittedAt: START + 1,
    startedAt: null,
    endedAt: null,
    confirmedAt: START + 2,
    note: "",
    cancelRequested: null,
    goneAt: null,
    ...change,
  };
}
