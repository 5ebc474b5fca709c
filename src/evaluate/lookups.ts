/**
 * Looks calls up in the store: many in one query, and ahead of being asked where the same root was evaluated before.
 *
 * A call whose arguments are the results of another call can only be asked for when that is known, so a chain would cost a round trip for each link. The calls of the last execution of the same root are a
 * good guess at what will be asked: they are read block by block, a little ahead, and dropped when they turn out to be of no use (after an edit most are not).
 */

import type { Digest } from "../hash/digest.ts";
import type { Job } from "./job.ts";
import type { CachedCall, Store } from "./ports.ts";
import type { WorkList } from "./work-list.ts";

/** A query of this many look-ups is sent without waiting for the turn to end. */
const BATCH = 1000;
/** Calls that are read ahead and wait to be asked for; beyond this many no further block is read. */
const AHEAD = 20_000;
/** After this many look-ups of which less than one in {@link USEFUL} was read ahead, no more is. */
const TRIAL = 2000;
const USEFUL = 4;

/** Blocks of calls that will probably be asked for. */
export type PreviousCalls = AsyncIterator<readonly CachedCall[]>;

/** Asks for the first block at once. */
export function beginReading(blocks: AsyncIterable<readonly CachedCall[]>): PreviousCalls {
  const iterator = blocks[Symbol.asyncIterator]();
  let first: ReturnType<PreviousCalls["next"]> | null = iterator.next();
  // Told to whoever takes it.
  first.catch(() => undefined);
  return {
    next: () => {
      const block = first ?? iterator.next();
      first = null;
      return block;
    },
    return: () => iterator.return?.() ?? Promise.resolve({ done: true, value: undefined }),
  };
}

/** Reads no further; nobody waits for the end of a query that may be under way. */
export function stopReading(blocks: PreviousCalls | undefined): void {
  blocks?.return?.().catch(() => undefined);
}

/** Who asks. */
export interface LookupsOwner {
  readonly work: WorkList;
  /** Told the stored call, or that there is none. */
  found(job: Job, call: CachedCall | undefined): void;
  /** The store cannot be read. */
  failed(job: Job, error: unknown): void;
}

/** The look-ups of one execution. */
export class Lookups {
  readonly #store: Store;
  readonly #owner: LookupsOwner;
  #asked: Job[] = [];
  readonly #ahead = new Map<Digest, CachedCall>();
  #blocks: PreviousCalls | undefined;
  /** Jobs that wait for the block that is being read; undefined when none is. */
  #waiting: Job[] | undefined;
  #hits = 0;
  #misses = 0;

  constructor(store: Store, owner: LookupsOwner) {
    this.#store = store;
    this.#owner = owner;
  }

  /** Begins to read ahead what the last execution of the same root asked for. */
  readAhead(blocks: PreviousCalls): void {
    this.#blocks = blocks;
    this.#read();
  }

  /** Asks for a job's call; the answer comes in a later step. */
  ask(job: Job): void {
    const call = this.#ahead.get(job.evalHash);
    if (call) {
      this.#hits++;
      this.#ahead.delete(job.evalHash);
      this.#owner.work.push(() => this.#owner.found(job, call));
      if (this.#ahead.size < AHEAD / 2) this.#read();
    } else if (this.#waiting) this.#waiting.push(job);
    else this.#query(job);
  }

  /** Sends off what was gathered. */
  flush(): void {
    if (this.#asked.length === 0) return;
    const jobs = this.#asked;
    this.#asked = [];
    this.#owner.work.async(
      async () => {
        const calls = await this.#store.findCalls(jobs.map((job) => job.evalHash));
        return () => {
          for (const job of jobs) this.#owner.found(job, calls.get(job.evalHash));
        };
      },
      (error) => {
        for (const job of jobs) this.#owner.failed(job, error);
      },
    );
  }

  /** Forgets everything. */
  clear(): void {
    this.#asked = [];
    this.#waiting = undefined;
    this.#stopReading();
  }

  #query(job: Job): void {
    this.#misses++;
    if (this.#blocks && this.#misses > TRIAL && this.#hits * USEFUL < this.#misses) this.#stopReading();
    if (this.#asked.push(job) >= BATCH) this.flush();
  }

  #read(): void {
    const blocks = this.#blocks;
    if (!blocks || this.#waiting || this.#ahead.size >= AHEAD) return;
    this.#waiting = [];
    this.#owner.work.async(
      async () => {
        const { done, value } = await blocks.next();
        return () => this.#arrived(done ? null : value);
      },
      // Reading ahead only saves time: who waited for it asks as if there were nothing to read, and hears then what is wrong with the store.
      () => this.#arrived(null),
    );
  }

  #arrived(block: readonly CachedCall[] | null): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    if (block && this.#blocks) for (const call of block) this.#ahead.set(call.evalHash, call);
    else this.#blocks = undefined;
    for (const job of waiting) {
      if (this.#ahead.has(job.evalHash)) this.ask(job);
      else this.#query(job);
    }
    if (this.#ahead.size < AHEAD / 2) this.#read();
  }

  #stopReading(): void {
    stopReading(this.#blocks);
    this.#blocks = undefined;
    this.#ahead.clear();
  }
}
