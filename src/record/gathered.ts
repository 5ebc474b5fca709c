/** Reads of one kind that are asked for while one is under way are one query after it: thousands that ask at once ask a few times. */

interface Query<V> {
  readonly keys: Set<string>;
  readonly answers: Promise<ReadonlyMap<string, V>>;
}

/** Reads by key. */
export class Gathered<V> {
  readonly #query: (keys: readonly string[]) => Promise<ReadonlyMap<string, V>>;
  readonly #most: number;
  #next: Query<V> | null = null;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param query begins after whoever asked has, so it sees what was written before
   * @param most keys of one query
   */
  constructor(query: (keys: readonly string[]) => Promise<ReadonlyMap<string, V>>, most = 10_000) {
    this.#query = query;
    this.#most = most;
  }

  /** What is found under a key; undefined when nothing is. Rejects with all that were asked for in the same query. */
  async read(key: string): Promise<V | undefined> {
    if (this.#next === null || this.#next.keys.size >= this.#most) this.#next = this.#begin();
    const { keys, answers } = this.#next;
    keys.add(key);
    return (await answers).get(key);
  }

  #begin(): Query<V> {
    const keys = new Set<string>();
    const answers = this.#last.then(() => {
      if (this.#next?.keys === keys) this.#next = null;
      return this.#query([...keys]);
    });
    this.#last = answers.catch(() => undefined);
    return { keys, answers };
  }
}
