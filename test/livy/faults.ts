/** Faults of requests: scripted for the next ones of a kind, or at random from a seed. */

import type { Answer } from "./exchange.ts";
import type { Random } from "./random.ts";

/** What goes wrong with one request. `before`: it has no effect; `after`: it has; `during`: the answer comes at once (a proxy that waits no longer), and the effect when it comes. */
export type Fault =
  | { readonly when: "before" | "during" | "after"; readonly does: "drop" | "reset" | "hang" }
  | { readonly when: "after"; readonly does: "cut" }
  | { readonly when: "before" | "after"; readonly does: "delay"; readonly ms: number }
  | {
      readonly when: "before" | "during" | "after";
      readonly does: "answer";
      readonly status: number;
      readonly body: string;
      readonly type?: string;
    }
  /** A proxy gives up and answers at once; what it holds gets there so much later. */
  | {
      readonly when: "late";
      readonly does: "answer";
      readonly ms: number;
      readonly status: number;
      readonly body: string;
      readonly type?: string;
    }
  /** A POST is refused and leaves a batch that never starts. */
  | { readonly when: "before"; readonly does: "zombie"; readonly status: number };

const HTML = "<html><head><title>Error</title></head><body><h1>Bad Gateway</h1><hr>nginx</body></html>";

/** Faults at random: `rate` of all requests has one. */
export interface Chaos {
  readonly rate: number;
  /** Longest delay, ms. */
  readonly delayMs: number;
}

/** Decides what goes wrong with which request. */
export class Faults {
  readonly #scripted = new Map<string, (Fault | null)[]>();
  readonly #random: Random;
  chaos: Chaos | null = null;

  constructor(random: Random) {
    this.#random = random;
  }

  /** The next requests of a kind (`GET /batches/x`) have these, in order; null lets one through. */
  script(kind: string, ...faults: readonly (Fault | null)[]): void {
    this.#scripted.set(kind, [...(this.#scripted.get(kind) ?? []), ...faults]);
  }

  next(kind: string): Fault | null {
    const scripted = this.#scripted.get(kind);
    if (scripted !== undefined && scripted.length > 0) return scripted.shift() ?? null;
    return this.chaos === null || this.#random() >= this.chaos.rate ? null : this.#draw(kind, this.chaos);
  }

  #draw(kind: string, { delayMs }: Chaos): Fault {
    const when = this.#random() < 0.5 ? "before" : "after";
    const choice = Math.floor(this.#random() * (kind === "POST /batches" ? 9 : 8));
    switch (choice) {
      case 0:
        return { when, does: "drop" };
      case 1:
        return { when, does: "reset" };
      case 2:
        return { when, does: "delay", ms: Math.ceil(this.#random() * delayMs) };
      case 3:
        return { when: "after", does: "cut" };
      case 4:
        return { when, does: "answer", status: 500, body: '"java.lang.IllegalStateException: boom"' };
      case 5:
        return { when, does: "answer", status: 502, body: HTML, type: "text/html" };
      case 6:
        return { when, does: "answer", status: 503, body: "" };
      case 7:
        return { when, does: "answer", status: 200, body: HTML, type: "text/html" };
      default:
        return { when: "before", does: "zombie", status: 500 };
    }
  }
}

/** The answer that a fault puts in the place of an ordinary one. */
export function spoil(fault: Fault, ordinary: Answer): Answer {
  switch (fault.does) {
    case "drop":
    case "reset":
    case "hang":
      return { kind: fault.does };
    case "cut":
      return ordinary.kind === "answer" ? { ...ordinary, cut: true } : ordinary;
    case "answer":
      return { kind: "answer", status: fault.status, type: fault.type ?? "application/json", body: fault.body };
    case "delay":
    case "zombie":
      return ordinary;
  }
}
