/** What is durable in the store in memory, and who may write it: one database, any number of owners with leases. */

import { type Clock, machineClock } from "../../src/clock.ts";
import type {
  BulkResult,
  CallRecord,
  ClusterDrain,
  DatasetRecord,
  Digest,
  ExecutionRecord,
  FileStat,
  JobRecord,
  LogSource,
  ShallowRecord,
  StoreChange,
  SubmissionRecord,
  SubmissionTransition,
} from "../../src/evaluate/ports.ts";

/** States that are final. */
export const ENDS: ReadonlySet<string> = new Set(["succeeded", "failed", "killed", "cancelled"]);

/** Whether a submission lives, or its application may. */
export function isPresent({ state, goneAt }: SubmissionRecord): boolean {
  return !ENDS.has(state) || (goneAt === null && state !== "cancelled");
}

/** A process as the database knows it. */
export interface Owner {
  /** False: its lease was ended, and whatever it writes is refused. */
  alive: boolean;
  /** When it last gave a sign of life. */
  heartbeat: number;
  endedAt: number | null;
  readonly leaseMs: number;
  readonly id: string;
}

/** What a value is kept under. */
interface KeptExecution {
  record: ExecutionRecord;
  owner: Owner;
}

/** What is durable. */
export class MemoryDatabase {
  readonly clock: Clock;
  readonly submissions = new Map<string, SubmissionRecord>();
  /** Those of them that live, or whose application may. */
  readonly present = new Set<string>();
  readonly byName = new Map<string, SubmissionRecord["id"]>();
  /** Ids by piece of work, oldest first. */
  readonly byWork = new Map<string, string[]>();
  /** Who keeps a submission; null for one that waits for its keeper. */
  readonly owners = new Map<string, Owner | null>();
  /** Submissions of which other processes want to hear. */
  readonly followed = new Set<string>();
  readonly transitions: SubmissionTransition[] = [];
  /** Lines of all sources as they came. */
  readonly logs = new Map<string, readonly { readonly source: LogSource; readonly line: string }[]>();
  readonly results = new Map<string, BulkResult>();
  /** Each result that took its place, in order. */
  readonly commits: BulkResult[] = [];
  readonly claims = new Map<string, Owner>();
  readonly keepers = new Map<string, Owner>();
  readonly drains = new Map<string, ClusterDrain>();
  readonly notes = new Map<string, Readonly<Record<string, unknown>>>();
  readonly listeners = new Set<(change: StoreChange) => void>();
  /** Newest first. */
  readonly datasets: DatasetRecord[] = [];
  readonly fileStats = new Map<string, FileStat>();
  readonly executions = new Map<string, KeptExecution>();
  readonly jobs = new Map<string, Map<string, JobRecord>>();
  readonly calls = new Map<Digest, CallRecord>();
  readonly callClaims = new Map<Digest, Owner>();
  readonly shallow = new Map<Digest, ShallowRecord>();
  readonly values = new Map<Digest, Uint8Array>();
  readonly processes = new Set<Owner>();
  #count = 0;

  constructor(clock: Clock = machineClock) {
    this.clock = clock;
  }

  /** A new owner. */
  own(leaseMs: number): Owner {
    const owner: Owner = {
      alive: true,
      heartbeat: this.clock.now(),
      endedAt: null,
      leaseMs,
      id: `owner-${++this.#count}`,
    };
    this.processes.add(owner);
    return owner;
  }

  /** Ends owners that were silent for longer than their lease, except one; returns how many. */
  endExpired(asking: Owner): number {
    const now = this.clock.now();
    const dead = [...this.processes].filter((one) => one !== asking && one.alive && one.heartbeat < now - one.leaseMs);
    for (const one of dead) this.end(one);
    return dead.length;
  }

  /** Ends an owner and drops its claims. */
  end(owner: Owner): void {
    if (!owner.alive) return;
    owner.alive = false;
    owner.endedAt = this.clock.now();
    for (const claims of [this.claims, this.keepers, this.callClaims])
      for (const [key, holder] of claims) if (holder === owner) claims.delete(key);
    this.tell({ kind: "owner", id: owner.id });
  }

  /** Asks for the end of live submissions of cancelled executions that nobody works on; gives their ids. */
  cancelAbandoned(which: (submission: SubmissionRecord) => boolean): readonly string[] {
    const abandoned = this.listPresent().filter(
      (one) =>
        which(one) &&
        !ENDS.has(one.state) &&
        one.cancelRequested === null &&
        this.executions.get(one.executionId)?.record.cancelRequested === true &&
        this.claims.get(one.work)?.alive !== true,
    );
    for (const one of abandoned) this.save({ ...one, cancelRequested: "its execution was cancelled" });
    return abandoned.map(({ id }) => id);
  }

  /** Keeps a submission as it is now. */
  save(submission: SubmissionRecord): void {
    this.submissions.set(submission.id, submission);
    if (isPresent(submission)) this.present.add(submission.id);
    else this.present.delete(submission.id);
  }

  /** Submissions that are present, oldest first. */
  listPresent(): readonly SubmissionRecord[] {
    return [...this.present].map((id) => this.submissions.get(id)!);
  }

  tell(change: StoreChange): void {
    for (const listener of this.listeners) listener(change);
  }
}
