/**
 * The gateway: all clusters, and the submissions that this process keeps (`submissions/keeping.ts`) or follows (`submissions/followed.ts`).
 *
 * Its rooms: `http/` speaks Livy's REST API; `clusters/` chooses one and admits to it; `submissions/` is the life of a submission from the spec to the
 * commit, with batches as its carrier; `sessions/` carries it as a statement of a warm session; `witness/` asks others when Livy's word is not enough.
 */

import { randomBytes } from "node:crypto";
import type { Clock } from "../../clock.ts";
import { Code, FiresteelError } from "../../errors.ts";
import type {
  ClusterDrain,
  ClusterStore,
  DatasetStore,
  Digest,
  Storage,
  SubmissionMode,
  SubmissionRecord,
  SubmissionStore,
  Surroundings,
} from "../../evaluate/ports.ts";
import { CLUSTER_WORLD, Cluster, type ClusterStatus, type ClusterWorld } from "./clusters/cluster.ts";
import type { ClusterConfig } from "./clusters/cluster-config.ts";
import { Fleet, type FleetConfig } from "./clusters/fleet.ts";
import { type GatewayObserver, NO_OBSERVER } from "./clusters/observer.ts";
import { settingsUri } from "./clusters/route-question.ts";
import { pick, type RouteQuestion, type RouteRule } from "./clusters/routing.ts";
import type { LivyBatchRequest } from "./http/client.ts";
import { PATIENCE, type Patience } from "./patience.ts";
import { SessionPool } from "./sessions/session-pool.ts";
import { createSessionRequests, type SessionsConfig } from "./sessions/session-request.ts";
import { statementCode } from "./sessions/statement-code.ts";
import { finishApp } from "./submissions/app-finish.ts";
import { attributed, jobGroupOf, livyNameOf, type Origin } from "./submissions/attribution.ts";
import { byOperator } from "./submissions/cancelling.ts";
import { FollowedSubmissions, isLeaving } from "./submissions/followed.ts";
import { Keeping } from "./submissions/keeping.ts";
import type { PreparedWork } from "./submissions/prepare.ts";
import { inputChanged, type SparkSpec, specUriOf } from "./submissions/spec.ts";
import type { Staging } from "./submissions/staging.ts";
import type { Followed, Submission } from "./submissions/submission.ts";
import { atMost } from "./waiting.ts";
import { toHadoopPath, toSparkUri } from "./witness/hadoop-path.ts";

/** What is to be submitted: one attempt at a piece of work. */
export interface AttemptPlan extends Origin {
  readonly work: Digest;
  /** 1 for the first attempt at this work. */
  readonly attempt: number;
  readonly cluster: Cluster;
  readonly mode: SubmissionMode;
  /** What a batch is sent, without name and arguments. */
  readonly request: LivyBatchRequest;
  readonly spec: (attempt: string, base: string) => SparkSpec;
}

/** What decides where prepared work may go. */
type RoutedWork = Pick<PreparedWork, "question" | "rows" | "carriage">;

/** Clusters and submissions. */
export interface Gateway extends AsyncDisposable {
  /** The time that it lives by. */
  readonly clock: Clock;
  /** Told what happens. */
  readonly observer: GatewayObserver;
  /** URI of the warehouse, no trailing slash. */
  readonly warehouse: string;
  /** All clusters as they are now. */
  clusters(): readonly ClusterStatus[];
  /** Refuses a task whose work could go nowhere, whatever it reads; see `routing.ts`. */
  check(question: Omit<RouteQuestion, "inputs">): void;
  /** The clusters that work may go to; the first is the one whose settings count. Throws where there is none. */
  candidates(question: RouteQuestion): readonly [Cluster, ...Cluster[]];
  /**
   * The cluster for the next attempt at a piece of work: of the candidates that can be used now and are not to be avoided the one with the least load for its size, the first of several. What cannot be used is taken only where
   * nothing else is left: the work waits there. Work that asks to be a statement goes where sessions are kept.
   *
   * @throws FiresteelError `aborted`, as for an input that changed, when the candidates' settings that can change rows are not those that the work was prepared for
   */
  choose(work: RoutedWork, avoid?: ReadonlySet<string>): Cluster;
  /** Whether work that waits on a cluster, not posted yet, should go elsewhere because the cluster takes nothing now; null where it should stay. */
  shouldLeave(work: RoutedWork, cluster: string): Leave | null;
  /** Puts other clusters and rules in force; throws `invalid_argument` and changes nothing when they cannot be. */
  configure(config: FleetConfig): void;
  /**
   * Takes a cluster out of use, durably and for all processes of the store: what is there goes on, nothing new is sent. Gives what is in force, which is somebody else's where it was drained before.
   *
   * @throws FiresteelError `invalid_argument` for a cluster that is not configured
   */
  drain(cluster: string, by: string, reason: string): Promise<ClusterDrain>;
  /** Gives it back; tells what was in force. */
  resume(cluster: string, by: string): Promise<ClusterDrain | null>;
  /** Ends a submission, whoever keeps it, for somebody who does not wait for it; gives it as it is then or some seconds later: `cancelling` while its end is not confirmed. One that has ended is left as it is. Rejects with `not_found`. */
  cancel(submission: string, by: string, reason: string): Promise<SubmissionRecord>;
  /** Puts the spec into a storage, makes the durable row, and starts the submission's life or leaves it to the keeper of the cluster. */
  submit(plan: AttemptPlan, storage: Storage): Promise<Followed>;
  /** Becomes the keeper of clusters that have none, and takes up the live submissions there; returns how many. Called before work is asked for, and whenever there was a look around. */
  tend(around?: Surroundings): Promise<number>;
  /** The live one of the submissions for a piece of work, whoever keeps it; one whose end was asked for only when there is no other. */
  findLive(attempts: readonly SubmissionRecord[]): Followed | null;
  /** A submission of which the store told, whoever keeps it; also one that has ended. */
  follow(record: SubmissionRecord): Followed;
  /** All live submissions that are kept here. */
  live(): readonly Submission[];
  /** Names of the clusters that are kept here. */
  kept(): ReadonlySet<string>;
  /** Asks every cluster once whether it is there. */
  probe(): Promise<void>;
}

export interface GatewayOptions {
  readonly clusters: readonly ClusterConfig[];
  readonly routes?: readonly RouteRule[];
  readonly store: SubmissionStore & DatasetStore & ClusterStore;
  readonly storage: Storage;
  readonly staging: Staging;
  /** URI of the warehouse, no trailing slash. */
  readonly warehouse: string;
  readonly patience?: Partial<Patience>;
  /** Time, connections and names from elsewhere, for tests. */
  readonly world?: ClusterWorld & { readonly newAttemptId: () => string };
  /** Told about a submission that went on without anybody waiting for it and could not be finished. */
  readonly onError?: (error: FiresteelError) => void;
  /** Counts what happens. */
  readonly observer?: GatewayObserver;
  /** Told when a submission changed that another process keeps and somebody here waits for. */
  readonly onFollowed?: (submission: SubmissionRecord) => void;
}

/** What there is to do about work that waits where nothing is taken now. */
export interface Leave {
  readonly why: string;
  /** How long it may stay. */
  readonly afterMs: number;
  /** Whether there is another place for it now. */
  readonly now: () => boolean;
}

/** How long a caller who cancels waits for the end to be confirmed. */
const CANCEL_WAIT_MS = 5_000;

/** Whether a cluster is sent work now, as far as its state and people's wishes go. */
function takesWork({ state, drained, isConfigured }: ClusterStatus): boolean {
  return state !== "down" && drained === null && isConfigured;
}

/** Between two looks whether a cluster that was taken out of the configuration is still needed. */
const SWEEP_MS = 5_000;

/** How long closing waits for what is being written. */
const CLOSE_MS = 5_000;

/** Makes the gateway; nothing is asked of a cluster before there is work. */
export function createGateway(options: GatewayOptions): Gateway {
  const { store, storage, staging, warehouse, world = { ...CLUSTER_WORLD, newAttemptId } } = options;
  const { clock } = world;
  const { observer = NO_OBSERVER } = options;
  const fleet = new Fleet(options, (config) => new Cluster(config, world, observer));
  const stop = new AbortController();
  const patience: Patience = { ...PATIENCE, ...options.patience };
  const pools = new Map<string, SessionPool>();
  addPools();
  const told = new Set<string>();
  const keeping = new Keeping({
    clock,
    clusters: fleet.all,
    pools,
    store,
    storage,
    patience,
    stop: stop.signal,
    onIdle: sweep,
    finish: async (app) => {
      // Of two submissions that were taken up together either may be there first.
      await keeping.taken();
      const candidates: Gateway["candidates"] = (question) => fleet.routes.candidates(question);
      const own = { clock, observer, warehouse, candidates, choose, shouldLeave, findLive, follow, submit };
      return finishApp({ gateway: own, store, storage, staging, told }, app);
    },
    onError: (error) => options.onError?.(FiresteelError.from(error)),
  });
  let callOffSweep: (() => void) | null = null;
  let closing: Promise<void> | null = null;
  const followed = new FollowedSubmissions(clock, store, stop.signal, (record) => options.onFollowed?.(record));

  function choose({ question, rows, carriage }: RoutedWork, avoid?: ReadonlySet<string>): Cluster {
    const [first, ...others] = fleet.routes.candidates(question);
    if (first.rowsOf(question) !== rows)
      throw inputChanged(
        settingsUri(question),
        `settings of the cluster can change rows and are others than those that the work was prepared for: ${first.name}`,
      );
    const keepsSessions = [first, ...others].filter(({ config }) => config.sessions !== undefined);
    const [best = first, ...rest] = carriage.asked === "statement" ? keepsSessions : [first, ...others];
    return pick([best, ...rest], (one) => {
      const status = keeping.statusOf(one);
      const { name, live, waiting } = status;
      return {
        usable: takesWork(status),
        avoided: avoid?.has(name) === true,
        // What was just asked for may not be in what the keeper told last.
        load: Math.max(live + waiting, followed.count(name)) / one.maxLive,
      };
    });
  }

  /** A pool for each cluster that keeps sessions, with the settings of now. */
  function addPools(): void {
    for (const cluster of fleet.all.values()) {
      const { name, config } = cluster;
      const { sessions } = config;
      const pool = pools.get(name);
      if (pool !== undefined) pool.configure(sessions ?? null);
      else if (sessions !== undefined) pools.set(name, poolOf(cluster, sessions));
    }
  }

  function poolOf(cluster: Cluster, config: SessionsConfig): SessionPool {
    return new SessionPool({
      cluster,
      config,
      patience,
      requests: async (config) => {
        const harness = await staging.harness();
        return createSessionRequests({
          store: store.storeId,
          cluster: cluster.name,
          config,
          conf: cluster.config.conf ?? {},
          pyFiles: [harness.file, ...harness.pyFiles].map(toSparkUri),
          idleTimeout: !/^0\.[0-8](\.|$)/.test(cluster.status.version ?? ""),
        });
      },
      confirm: () => store.confirmLease(),
      newNumber: world.newAttemptId,
      stop: stop.signal,
    });
  }

  /** Why what was not posted there should go elsewhere; null where it should stay. */
  function shouldLeave(work: RoutedWork, name: string): Leave | null {
    const cluster = fleet.all.get(name);
    const status = cluster === undefined ? null : keeping.statusOf(cluster);
    if (status !== null && takesWork(status)) return null;
    const why = status?.isConfigured !== true ? "not configured any more" : status.drained ? "drained" : "down";
    const afterMs = status?.isConfigured === true ? patience.moveMs : 0;
    return {
      afterMs,
      why: `cluster ${name} is ${why}`,
      // Where nothing fits any more, whoever asked has to hear of it.
      now: () => {
        try {
          return choose(work).name !== name;
        } catch {
          return true;
        }
      },
    };
  }

  async function setDrain<T>(name: string, write: () => Promise<T>): Promise<T> {
    if (!fleet.all.has(name)) throw fleet.unknown(name);
    const answer = await write();
    fleet.drain(await store.listDrains());
    return answer;
  }

  async function cancel(id: string, by: string, reason: string): Promise<SubmissionRecord> {
    const record = await store.findSubmission(id);
    if (record === null) throw new FiresteelError(Code.notFound, `submission is not known: ${id}`);
    if (record.endedAt !== null) return record;
    const cancelRequested = byOperator(by, reason);
    // Durable first: also if this process dies now, whoever keeps it then knows.
    await store.updateSubmission(id, { cancelRequested });
    const kept = keeping.live.find((one) => one.record.id === id);
    kept?.cancel(cancelRequested);
    const ended = (kept ?? followed.follow(record)).ended.then(
      () => {},
      () => {},
    );
    await atMost(clock, CANCEL_WAIT_MS, ended);
    return (await store.findSubmission(id)) ?? record;
  }

  /** Lets go of clusters that were taken out of the configuration, as soon as nothing of them is needed. */
  function sweep(): void {
    void fleet.sweep((name) => keeping.needs(name) || pools.get(name)?.isEmpty === false);
    for (const name of pools.keys()) if (!fleet.all.has(name)) pools.delete(name);
    callOffSweep?.();
    const leaving = [...fleet.all.values()].some(({ isConfigured }) => !isConfigured);
    callOffSweep = leaving && !stop.signal.aborted ? clock.after(SWEEP_MS, sweep) : null;
  }

  async function submit(plan: AttemptPlan, to: Storage): Promise<Followed> {
    const { cluster, spec: specOf, request, tags, evalHash, ...about } = plan;
    const origin: Origin = { ...about, tags, evalHash };
    const id = world.newAttemptId();
    const location = `${warehouse}/attempts/${id}`;
    const livyName = livyNameOf(plan.task, store.storeId, id);
    const described = specOf(id, location);
    const spec: SparkSpec = {
      ...described,
      ...(described.kind === "sparkApp" ? { check: { ...described.check, request } } : {}),
      group: jobGroupOf(origin),
    };
    const uri = specUriOf(location);
    await to.putIfAbsent(uri, new TextEncoder().encode(JSON.stringify(spec)));
    const place = toHadoopPath(uri);
    const body =
      plan.mode === "statement"
        ? { code: statementCode(place) }
        : attributed({ ...request, args: spec.args ?? [place] }, livyName, origin);
    const record: SubmissionRecord = {
      ...about,
      id,
      cluster: cluster.config.name,
      livyName,
      state: "planned",
      cause: "created",
      batchId: null,
      session: null,
      statementId: null,
      appId: null,
      location,
      request: body as unknown as Readonly<Record<string, unknown>>,
      sparkUiUrl: null,
      driverLogUrl: null,
      historyUrl: null,
      failure: null,
      createdAt: clock.now(),
      submittedAt: null,
      startedAt: null,
      endedAt: null,
      confirmedAt: null,
      note: "",
      cancelRequested: null,
      goneAt: null,
    };
    const kept = await keeping.keeps(cluster.config.name);
    await store.createSubmission(record, kept);
    return kept ? keeping.start(cluster, record, spec) : followed.follow(record);
  }

  function findLive(attempts: readonly SubmissionRecord[]): Followed | null {
    const live = attempts.filter(({ id, endedAt }) => endedAt === null && (store.shared || keeping.find(id) !== null));
    const isLeft = (record: SubmissionRecord) => keeping.find(record.id)?.cancelled ?? isLeaving(record);
    const record = live.find((one) => !isLeft(one)) ?? live[0];
    return record === undefined ? null : follow(record);
  }

  function follow(record: SubmissionRecord): Followed {
    return keeping.find(record.id) ?? followed.follow(record);
  }

  return {
    clock,
    warehouse,
    observer,
    clusters: () => [...fleet.all.values()].map((cluster) => keeping.statusOf(cluster)),
    configure: (config) => {
      fleet.configure(config);
      addPools();
      for (const name of keeping.kept) pools.get(name)?.keep();
      sweep();
    },
    check: (question) => fleet.routes.check(question),
    candidates: (question) => fleet.routes.candidates(question),
    choose,
    shouldLeave,
    submit,
    tend: async (around) => {
      fleet.drain(around?.drains ?? (await store.listDrains()));
      return keeping.tend(around);
    },
    drain: (name, by, reason) => setDrain(name, () => store.drainCluster(name, by, reason)),
    resume: (name, by) => setDrain(name, () => store.resumeCluster(name, by)),
    cancel,
    findLive,
    follow,
    live: () => keeping.live,
    kept: () => keeping.kept,
    probe: async () => {
      fleet.drain(await store.listDrains());
      await Promise.all([...fleet.all.values()].map((cluster) => cluster.probe()));
    },
    [Symbol.asyncDispose]: () => {
      closing ??= close();
      return closing;
    },
  };

  async function close(): Promise<void> {
    stop.abort();
    callOffSweep?.();
    await fleet[Symbol.asyncDispose]();
    await followed[Symbol.asyncDispose]();
    // Who waits for a database that is away is left: the store's closing ends that.
    await atMost(clock, CLOSE_MS, keeping.ended());
  }
}

/** Sortable by time and unique; lower case letters and digits, so that it is safe in paths, tags and names. */
function newAttemptId(): string {
  return Date.now().toString(36) + randomBytes(6).toString("hex");
}
