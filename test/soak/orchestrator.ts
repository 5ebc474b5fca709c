/**
 * An orchestrator in the simulated world: the product's own parts, wired as `main.ts` does it, with time, network, store and warehouse injected. Only what serves callers and what loads code is left out.
 */

import { Code, FiresteelError } from "../../src/errors.ts";
import { Bodies } from "../../src/evaluate/bodies.ts";
import { Executions } from "../../src/evaluate/executions.ts";
import type { InputsContext } from "../../src/evaluate/inputs.ts";
import { Limits } from "../../src/evaluate/limits.ts";
import type { Storage, Store, SubmissionRecord, Surroundings } from "../../src/evaluate/ports.ts";
import { Lookout } from "../../src/lookout.ts";
import { observeSubmissions } from "../../src/observe-submissions.ts";
import { patientStore } from "../../src/patient-store.ts";
import type { ClusterConfig } from "../../src/route/livy/clusters/cluster-config.ts";
import { SPARK_SETTINGS } from "../../src/route/livy/clusters/route-question.ts";
import { createGateway, type Gateway } from "../../src/route/livy/gateway.ts";
import type { Endpoint, EndpointOptions } from "../../src/route/livy/http/endpoint.ts";
import { patientStorage } from "../../src/route/livy/submissions/patient-storage.ts";
import { createStaging, type StagedHarness } from "../../src/route/livy/submissions/staging.ts";
import { createSparkExecutor } from "../../src/route/spark-executor.ts";
import { createSparkSettingsStorage } from "../../src/route/spark-settings.ts";
import { wait } from "../livy/clock.ts";
import { MemoryRecordStore } from "../record/memory-record-store.ts";
import type { MemoryDatabase } from "../route/memory-database.ts";
import { soakCode } from "./flow.ts";
import type { Life } from "./life.ts";

export const WAREHOUSE = "hdfs://soak/warehouse";
export const LEASE_MS = 10_000;

export interface OrchestratorParts {
  readonly life: Life;
  readonly database: MemoryDatabase;
  /** How a request gets to the database. */
  readonly reach: (kind: "read" | "write") => Promise<void>;
  readonly storage: Storage;
  readonly connect: (options: EndpointOptions) => Endpoint;
  readonly clusters: readonly ClusterConfig[];
  readonly harness: StagedHarness;
  readonly newId: () => string;
  readonly onError: (error: Error) => void;
}

export class Orchestrator {
  readonly life: Life;
  readonly raw: MemoryRecordStore;
  readonly gateway: Gateway;
  readonly executions: Executions;
  #lookout: Lookout | null = null;
  readonly #stop = new AbortController();
  /** Settles when it has stopped by itself, because its lease was lost. */
  readonly lost: Promise<void>;

  constructor(parts: OrchestratorParts) {
    const { life, storage, harness, newId, onError } = parts;
    const { clock } = life;
    this.life = life;
    this.raw = new MemoryRecordStore(parts.database, { shared: true, leaseMs: LEASE_MS, reach: parts.reach });
    this.raw.keepAlive(clock.after);
    const patient = patientStore(asSeenBy(life, this.raw), (ms) => wait(clock, ms));
    const store: Store = observeSubmissions(
      patient,
      (submission) => this.executions.emit(submission.executionId, { kind: "submission", submission }),
      () => this.executions.watched,
    );
    // Its files are on the disk of the machine, which is no part of the simulation.
    const staging = (write: boolean) => ({
      ...createStaging({ storage, warehouse: WAREHOUSE, root: "/", write }),
      harness: async () => harness,
    });
    this.gateway = createGateway({
      clusters: parts.clusters,
      store,
      storage,
      staging: staging(true),
      warehouse: WAREHOUSE,
      world: { clock, connect: parts.connect, newAttemptId: newId },
      onError,
      onFollowed: (submission) => this.executions.emit(submission.executionId, { kind: "submission", submission }),
    });
    const storages = new Map([
      ["hdfs:", patientStorage(storage, WAREHOUSE, { clock, tell: () => {}, signal: this.#stop.signal })],
      [SPARK_SETTINGS, createSparkSettingsStorage(() => this.gateway)],
    ]);
    const inputs: InputsContext = { root: "/", storages, environment: {}, store };
    const code = soakCode((host) =>
      createSparkExecutor({
        host,
        gateway: this.gateway,
        store,
        storage,
        staging: staging(true),
        planStaging: staging(false),
      }),
    );
    this.executions = new Executions({
      store,
      bodies: new Bodies(store, new Limits({}), inputs, clock),
      inputs,
      literals: `${WAREHOUSE}/rows`,
      code: () => code,
      onError,
      world: { clock, newId },
    });
    this.lost = life.pass(this.raw.lost).then(() => this.stop());
    void this.#begin(store, onError).catch(onError);
  }

  async #begin(store: Store, onError: (error: Error) => void): Promise<void> {
    await this.gateway.tend();
    await this.executions.resume();
    const onLook = async (around: Surroundings) => {
      this.executions.cancelAsked(around.cancelledExecutions);
      await this.gateway.tend(around);
      if (around.executions) await this.executions.resume();
    };
    if (this.#stop.signal.aborted) return;
    this.#lookout = new Lookout({ store, lookMs: LEASE_MS / 5, onLook, onError, clock: this.life.clock });
  }

  /** Stops as on a signal: what runs goes on elsewhere. */
  async stop(): Promise<void> {
    this.#stop.abort(new FiresteelError(Code.aborted, "orchestrator stops"));
    this.executions.close();
    await Promise.all([this.gateway[Symbol.asyncDispose](), this.#lookout?.[Symbol.asyncDispose]()]);
    await this.raw[Symbol.asyncDispose]();
  }
}

/** The store's methods as a process sees them: answers and notices come while it lives. */
function asSeenBy(life: Life, raw: MemoryRecordStore): Store {
  const seen = new Map<string | symbol, unknown>();
  return new Proxy<Store>(raw, {
    get(_, key) {
      const known = seen.get(key);
      if (known !== undefined) return known;
      const value: unknown = Reflect.get(raw, key, raw);
      if (typeof value !== "function") return value;
      const method = value.bind(raw) as (...args: unknown[]) => unknown;
      const made =
        key === "onChange"
          ? (listener: (change: unknown) => void) => {
              const end = raw.onChange((change) => life.run(() => listener(change)));
              life.ends.push(end);
              return end;
            }
          : (...args: unknown[]) => {
              const answer = method(...args);
              if (!(answer instanceof Promise)) return answer;
              const { state } = (key === "updateSubmission" ? args[1] : {}) as Partial<SubmissionRecord>;
              return life.pass(state === "submitting" ? answer.finally(() => life.step("submitting")) : answer);
            };
      seen.set(key, made);
      return made;
    },
  });
}
