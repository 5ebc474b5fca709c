/** The small projects that cells run: what is asked for, how the jobs go, and what has to come out. */

import { ExecutionState } from "../../src/gen/firesteel/v1/execution_pb.ts";
import type { SessionsConfig } from "../../src/route/livy/sessions/session-request.ts";
import type { Fault } from "../livy/faults.ts";
import type { JobPlan } from "../livy/job.ts";

/** The flow module of all of them. */
export const FLOW = `import { sparkApp, sql, task, type Dataset } from "firesteel";

const bulk = { tags: ["bulk-data"] };
export const source = task("m.source", bulk, (n: number) => sql\`SELECT \${n} AS id\`);
export const derived = task("m.derived", bulk, (rows: Dataset, n: number) => sql\`SELECT id + \${n} AS id FROM \${rows}\`);
export const broken = task("m.broken", bulk, (n: number) => sql\`SELECT 1 / \${n} AS id\`);
export const flaky = task("m.flaky", bulk, (n: number) => sql\`SELECT \${n} * 2 AS id\`);
export const endless = task("m.endless", bulk, (n: number) => sql\`SELECT \${n} * 3 AS id\`);
export const app = task("m.app", bulk, (n: number) => sparkApp({ file: "app.py", args: ({ outputs }) => [outputs.rows, n], outputs: { rows: {} } }));
export const identities = task("m.identities", (a: Dataset, b: Dataset) => [a.identity, b.identity]);
export const pipeline = task("m.pipeline", { checkValid: "shallow" }, (n: number) => identities(source(1), derived(source(1), n)));
export const single = task("m.single", (n: number) => identities(flaky(n), flaky(n)));
export const applied = task("m.applied", (n: number) => { const { rows } = app(n).outputs; return identities(rows, rows); });
`;

/** The application of `m.app`; the double plays it by its comment. */
export const APP = '# job: {"runs": "app"}\n';

/** One execution, and its end. */
export interface Asked {
  readonly task: string;
  readonly argument: number;
  readonly ends: ExecutionState;
  /** Found in the message of the failure. */
  readonly failure?: RegExp;
}

export interface Scenario {
  readonly executions: readonly Asked[];
  /** Bulk work that has to have a result in the end: as many pieces. */
  readonly works: number;
  /** How jobs go, by the start of their names; others go well. */
  readonly plans?: Readonly<Record<string, readonly JobPlan[]>>;
  /** Faults of the first requests of a kind. */
  readonly faults?: Readonly<Record<string, readonly Fault[]>>;
  /** A job is let go when its submission is in this state. @default running */
  readonly until?: "running" | "lost";
  /** Once something runs. */
  readonly act?: "cancel" | "kill application" | "forget" | "forget and cancel";
  /** Only where it makes sense: with a ResourceManager, or without. */
  readonly witness?: boolean;
  /** Warm sessions of the cluster, which only Livy 0.9 has here. */
  readonly sessions?: SessionsConfig;
  /** Attempts at one piece of work beside those that a crash costs. */
  readonly attempts?: number;
}

const { SUCCEEDED, FAILED, CANCELLED } = ExecutionState;
const flaky: Asked = { task: "m.single", argument: 1, ends: SUCCEEDED };

/** Two tasks, the second after the first, in two executions that share the first; and one that fails. */
const pipeline = {
  executions: [
    { task: "m.pipeline", argument: 1, ends: SUCCEEDED },
    { task: "m.pipeline", argument: 2, ends: SUCCEEDED },
    { task: "m.broken", argument: 0, ends: FAILED, failure: /column price is missing/ },
  ],
  works: 3,
  plans: { "m.broken": [{ runs: "fails" }] },
} as const satisfies Scenario;
/** Somebody cancels. */
const cancelled = {
  executions: [{ task: "m.endless", argument: 1, ends: CANCELLED }],
  works: 0,
  plans: { "m.endless": [{ runs: "forever" }] },
  act: "cancel",
} as const satisfies Scenario;

export const SCENARIOS = {
  pipeline,
  /** The same as statements of a warm session. */
  warm: { ...pipeline, sessions: { max: 1, mode: "statement" } },
  /** An application that knows nothing of firesteel: its outputs are fingerprinted, and only then there is a manifest. */
  application: { executions: [{ task: "m.applied", argument: 1, ends: SUCCEEDED }], works: 2 },
  /** A machine is lost, and the work is tried again. */
  flaky: { executions: [flaky], works: 1, plans: { "m.flaky": [{ runs: "dies" }, { runs: "ok" }] }, attempts: 2 },
  cancelled,
  /** A statement that does not end when it is asked to: its session has to. */
  "warm and cancelled": { ...cancelled, sessions: { max: 1, mode: "statement", cancelMs: 300 } },
  /** Somebody cancels what Livy has forgotten: only the ResourceManager can stop it. */
  "cancelled and forgotten": {
    executions: [{ task: "m.endless", argument: 1, ends: CANCELLED }],
    works: 0,
    plans: { "m.endless": [{ runs: "forever" }] },
    act: "forget and cancel",
    witness: true,
  },
  /** An operator kills the application. */
  killed: {
    executions: [{ task: "m.endless", argument: 1, ends: FAILED, failure: /killed/i }],
    works: 0,
    plans: { "m.endless": [{ runs: "forever" }] },
    act: "kill application",
    witness: true,
  },
  /** Livy forgets what runs, and nobody else can be asked; it ends well. */
  lost: { executions: [flaky], works: 1, act: "forget", until: "lost", witness: false },
  /** Too much to do for Livy at first. */
  crowded: {
    executions: [flaky],
    works: 1,
    faults: {
      "POST /batches": [
        {
          when: "before",
          does: "answer",
          status: 400,
          body: '{"msg":"Rejected, Reason: too many sessions are being created!"}',
        },
      ],
    },
  },
  /** Refused, and something is left behind. */
  refused: {
    executions: [{ task: "m.endless", argument: 2, ends: FAILED, failure: /refused/ }],
    works: 0,
    faults: { "POST /batches": [{ when: "before", does: "zombie", status: 400 }] },
  },
  /** The application does not end after its manifest. */
  hung: { executions: [flaky], works: 1, plans: { "m.flaky": [{ runs: "ok", closeMs: 100_000_000 }] } },
} as const satisfies Readonly<Record<string, Scenario>>;

export type ScenarioName = keyof typeof SCENARIOS;
