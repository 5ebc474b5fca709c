/**
 * The work list of one execution: steps that are done one after the other, never nested, so that neither depth nor width of a graph can overflow the stack.
 *
 * A step settles something or starts something asynchronous that adds steps at its end. The loop gives way to the event loop every {@link SLICE_MS}, so that serving and polling go on beside it.
 */

/** How long the loop runs before others get a turn, in ms. */
const SLICE_MS = 8;
/** Steps that were done are dropped from the front of the list in blocks of this many. */
const COMPACT_AT = 4096;

/** Told by a {@link WorkList}. */
export interface WorkListOwner {
  /** The list is empty, or others get a turn: what was gathered is sent off. The next step waits for the promise, if there is one. */
  pause(): Promise<void> | null;
  /** Nothing is queued and nothing runs. */
  idle(): void;
  /** A step threw, which is a defect: the list stops. */
  broken(error: unknown): void;
}

/** See the head of this file. */
export class WorkList {
  readonly #owner: WorkListOwner;
  #steps: (() => void)[] = [];
  #next = 0;
  #outstanding = 0;
  #scheduled = false;
  #generation = 0;

  constructor(owner: WorkListOwner) {
    this.#owner = owner;
  }

  /** Rises when the list is cleared: whatever was started before belongs to the past. */
  get generation(): number {
    return this.#generation;
  }

  push(step: () => void): void {
    this.#steps.push(step);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#drain);
  }

  /** Starts something asynchronous whose end adds a step; the list is not idle while it runs. */
  async(start: () => Promise<() => void>, failed: (error: unknown) => void): void {
    const ended = this.begin();
    start().then(ended, (error: unknown) => ended(() => failed(error)));
  }

  /** Notes that something runs; the list is not idle until the function that this gives is called, once, with the step that follows. */
  begin(): (step: () => void) => void {
    const generation = this.#generation;
    this.#outstanding++;
    return (step) => {
      if (generation !== this.#generation) return;
      this.#outstanding--;
      this.push(step);
    };
  }

  /** Forgets all steps, and the ends of what runs. */
  clear(): void {
    this.#generation++;
    this.#outstanding = 0;
    this.#steps = [];
    this.#next = 0;
  }

  readonly #drain = (): void => {
    try {
      this.#run();
    } catch (error) {
      this.#scheduled = false;
      this.#owner.broken(error);
    }
  };

  #run(): void {
    const until = performance.now() + SLICE_MS;
    let steps = 0;
    while (this.#next < this.#steps.length) {
      this.#steps[this.#next++]!();
      if (this.#next === COMPACT_AT) {
        this.#steps = this.#steps.slice(COMPACT_AT);
        this.#next = 0;
      }
      if ((++steps & 63) === 0 && performance.now() > until) break;
    }
    const room = this.#owner.pause();
    if (this.#next < this.#steps.length) {
      if (room) void room.then(this.#drain);
      else setImmediate(this.#drain);
      return;
    }
    this.#steps = [];
    this.#next = 0;
    this.#scheduled = false;
    if (this.#outstanding === 0) this.#owner.idle();
  }
}
