/**
 * What lies below a job: the tasks whose code its value went through, and the codecs of the instances that they were given. A shallow result is valid as long as the code of all of them is unchanged.
 *
 * Every job has one, so they are shared: equal sets are mostly one object, and joining two that were joined before is one look-up. `null` stands for "cannot be reused": below the job an error was
 * caught, or a task runs whose results are not kept.
 */

import type { Digest } from "../hash/digest.ts";
import type { GivenCodecs } from "./call-identity.ts";

/** Before the name of a codec; no task's name has a colon. */
const CODEC = "codec:";

/** A set of tasks and codecs, each with the code that ran. Immutable. */
export class Below {
  /** Task name to the digest of its code; codecs are named `codec:...`. */
  readonly tasks: ReadonlyMap<string, Digest>;
  readonly #joined = new Map<Below, Below>();
  readonly #added = new Map<string, Below>();

  constructor(tasks: ReadonlyMap<string, Digest> = new Map()) {
    this.tasks = tasks;
  }

  /** The set with one more task. */
  with(task: string, code: Digest): Below {
    if (this.tasks.get(task) === code) return this;
    let sum = this.#added.get(task);
    if (sum?.tasks.get(task) !== code) {
      sum = new Below(new Map(this.tasks).set(task, code));
      this.#added.set(task, sum);
    }
    return sum;
  }

  /** The set with more codecs. */
  withCodecs(codecs: GivenCodecs): Below {
    return codecs.reduce<Below>((sum, [name, code]) => sum.with(`${CODEC}${name}`, code ?? ""), this);
  }

  /** Both sets in one. */
  join(other: Below): Below {
    if (other === this || other.tasks.size === 0) return this;
    if (this.tasks.size === 0) return other;
    let sum = this.#joined.get(other);
    if (!sum) {
      sum = this.#contains(other) ? this : new Below(new Map([...this.tasks, ...other.tasks]));
      this.#joined.set(other, sum);
    }
    return sum;
  }

  #contains(other: Below): boolean {
    for (const [task, code] of other.tasks) if (this.tasks.get(task) !== code) return false;
    return true;
  }
}

/** The name of a codec in such a set; null for a task. */
export function codecBelow(name: string): string | null {
  return name.startsWith(CODEC) ? name.slice(CODEC.length) : null;
}
