/** Lanes that cells take turns in. */

import { createLane, type Lane } from "./lane.ts";

export class Lanes implements AsyncDisposable {
  readonly #free: Promise<Lane>[] = [];
  readonly #waiting: ((lane: Promise<Lane>) => void)[] = [];
  #left: number;

  /** @param most how many there are at once; made when they are needed */
  constructor(most: number) {
    this.#left = most;
  }

  /** Runs something in a lane of its own. Where it fails the lane's servers may be in any state: then it is closed, and the next has another. */
  async use<T>(run: (lane: Lane) => Promise<T>): Promise<T> {
    const lane = await this.#take().catch((error: unknown) => {
      this.#give(null);
      throw error;
    });
    try {
      const result = await run(lane);
      this.#give(Promise.resolve(lane));
      return result;
    } catch (error) {
      await lane[Symbol.asyncDispose]();
      this.#give(null);
      throw error;
    }
  }

  #take(): Promise<Lane> {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#left === 0) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#left--;
    return createLane();
  }

  #give(lane: Promise<Lane> | null): void {
    const next = this.#waiting.shift();
    if (next !== undefined) next(lane ?? createLane());
    else if (lane !== null) this.#free.push(lane);
    else this.#left++;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const lane of this.#free.splice(0)) await (await lane)[Symbol.asyncDispose]();
  }
}
