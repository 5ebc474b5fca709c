/**
 * What has to be closed again, last opened first. Stands in for `AsyncDisposableStack`, which Node has from version 24 only.
 */

/** A pile of things to be disposed of; disposing of it disposes of them in reverse order. */
export class Cleanup implements AsyncDisposable {
  #steps: (() => void | PromiseLike<void>)[] = [];

  /** Adds something and returns it. */
  use<T extends AsyncDisposable>(resource: T): T {
    this.defer(() => resource[Symbol.asyncDispose]());
    return resource;
  }

  /** Adds a step. */
  defer(step: () => void | PromiseLike<void>): void {
    this.#steps.push(step);
  }

  /** Hands everything over to a new pile; this one is empty then. */
  move(): Cleanup {
    const moved = new Cleanup();
    moved.#steps = this.#steps;
    this.#steps = [];
    return moved;
  }

  /** Every step runs, whatever the others do; the first failure is thrown after the last step. */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
