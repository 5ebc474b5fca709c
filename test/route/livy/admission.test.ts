/** Who may submit when: the queue against a plain model of it, over random limits and events. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  Admission,
  type AdmissionLimits,
  type Asker,
  type Gate,
  type Slot,
} from "../../../src/route/livy/clusters/admission.ts";
import { Breaker, OPENS_AFTER } from "../../../src/route/livy/clusters/breaker.ts";
import { ManualClock } from "../../livy/clock.ts";

class TestClock extends ManualClock {
  override random(): number {
    return 0;
  }

  /** Lets time go on, with all that is due in it. */
  advance(ms: number): void {
    const until = this.now() + ms;
    const done = this.after(ms, () => {});
    while (this.now() < until) this.next();
    done();
  }
}

type Step =
  | { readonly kind: "ask"; readonly asker: Asker }
  /** The nth of those that are admitted. */
  | { readonly kind: "posted" | "end"; readonly nth: number }
  | { readonly kind: "give up"; readonly nth: number }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "gate"; readonly shut: boolean; readonly trial: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("ask" as const),
      asker: fc.record({ user: fc.constantFrom("ann", "bob"), queue: fc.constantFrom("etl", "ml", "default") }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom("posted" as const, "end" as const), nth: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("give up" as const), nth: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(100, 500, 2_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("gate" as const), shut: fc.boolean(), trial: fc.boolean() }) },
);
const each = fc.option(
  fc.oneof(fc.constantFrom(1, 2), fc.constantFrom({ etl: 1, ann: 1 }, { "*": 1, ann: 2, ml: 2 })),
  { nil: undefined },
);
const limits: fc.Arbitrary<AdmissionLimits> = fc.record({
  maxLive: fc.integer({ min: 1, max: 6 }),
  maxPosts: fc.integer({ min: 1, max: 3 }),
  maxPerSecond: fc.constantFrom(undefined, 0.5, 1, 2.5, 4),
  perQueue: each,
  perUser: each,
});

interface Ours {
  readonly id: number;
  readonly asker: Asker;
  readonly at: number;
  readonly slot: Slot;
  posting: boolean;
}

/** All of it in one world: the admission under test, and the model that says who has to be admitted. */
class World {
  readonly clock = new TestClock(1_000);
  readonly admission: Admission;
  readonly live: Ours[] = [];
  readonly waiting: { readonly id: number; readonly asker: Asker; readonly giveUp: () => void; told: string }[] = [];
  readonly begun: number[] = [];
  shut = false;
  trial = false;
  #id = 0;

  constructor(limits: AdmissionLimits) {
    const gate: Gate = {
      obstacle: () => (this.shut ? "shut" : null),
      trial: () => (this.trial ? "trial" : null),
      posting: () => {},
      posted: () => {},
    };
    this.admission = new Admission(this.clock, "c", limits, gate);
  }

  async do(step: Step): Promise<void> {
    switch (step.kind) {
      case "ask":
        this.#ask(step.asker);
        break;
      case "posted":
      case "end": {
        const one = this.live[step.nth];
        if (one === undefined) return;
        one.posting = false;
        if (step.kind === "posted") one.slot.posted(true);
        else {
          this.live.splice(step.nth, 1);
          one.slot[Symbol.dispose]();
        }
        break;
      }
      case "give up":
        this.waiting.splice(step.nth, 1)[0]?.giveUp();
        break;
      case "pass":
        // In small steps, so that who was admitted is known before the next is.
        for (let passed = 0; passed < step.ms; passed += 50) {
          this.clock.advance(50);
          await this.#settle();
        }
        break;
      case "gate":
        [this.shut, this.trial] = [step.shut, step.trial];
        this.admission.pump();
    }
    await this.#settle();
  }

  #ask(asker: Asker): void {
    const id = this.#id++;
    const stop = new AbortController();
    const waiter = { id, asker, giveUp: () => stop.abort(new Error("enough")), told: "" };
    this.waiting.push(waiter);
    const note = (reason: string) => {
      waiter.told = reason;
    };
    this.admission.admit(asker, note, stop.signal).then(
      (slot) => {
        this.waiting.splice(this.waiting.indexOf(waiter), 1);
        this.begun.push(this.clock.now());
        this.live.push({ id, asker, at: this.clock.now(), slot, posting: true });
      },
      () => {},
    );
  }

  /** After all that follows, nobody waits who may go, and everybody who waits was told why. */
  async #settle(): Promise<void> {
    for (let i = 0; i < 20; i++) await Promise.resolve();
    const { live, waiting, begun } = this;
    const { maxLive, maxPosts, maxPerSecond, perQueue, perUser } = this.admission.limits;
    const posts = live.filter(({ posting }) => posting).length;
    expect(live.length).toBeLessThanOrEqual(maxLive);
    expect(posts).toBeLessThanOrEqual(maxPosts);
    const most = (each: AdmissionLimits["perUser"], name: string) =>
      typeof each === "number" ? each : (each?.[name] ?? each?.["*"] ?? Number.POSITIVE_INFINITY);
    const full = ({ user, queue }: Asker) =>
      live.filter(({ asker }) => asker.user === user).length >= most(perUser, user) ||
      live.filter(({ asker }) => asker.queue === queue).length >= most(perQueue, queue);
    for (const { asker } of live) {
      expect(live.filter((one) => one.asker.user === asker.user).length).toBeLessThanOrEqual(most(perUser, asker.user));
      expect(live.filter((one) => one.asker.queue === asker.queue).length).toBeLessThanOrEqual(
        most(perQueue, asker.queue),
      );
    }
    let tooFast = false;
    if (maxPerSecond !== undefined) {
      const burst = Math.ceil(maxPerSecond);
      const windowMs = (1_000 * burst) / maxPerSecond;
      for (let i = burst; i < begun.length; i++) expect(begun[i]! - begun[i - burst]!).toBeGreaterThanOrEqual(windowMs);
      const last = begun.at(-burst);
      // The timer fires a moment later.
      tooFast = last !== undefined && this.clock.now() - last <= windowMs + 1;
    }
    const nobody = this.shut || live.length >= maxLive || posts >= maxPosts || (this.trial && posts > 0) || tooFast;
    for (const { asker, told } of waiting) {
      expect(nobody || full(asker)).toBe(true);
      expect(told).not.toBe("");
    }
    expect([this.admission.live, this.admission.waiting]).toEqual([live.length, waiting.length]);
    expect(this.admission.waits.reduce((sum, { count }) => sum + count, 0)).toBe(waiting.length);
  }
}

describe("admission", () => {
  it("lets nobody wait who may go, nobody go who may not, and tells why", async () => {
    let waited = 0;
    await fc.assert(
      fc.asyncProperty(limits, fc.array(step, { maxLength: 40 }), async (some, steps) => {
        const world = new World(some);
        for (const one of steps) {
          await world.do(one);
          waited += world.waiting.length;
        }
        world.admission.close();
      }),
      { numRuns: 300 },
    );
    expect(waited).toBeGreaterThan(300);
  });

  it("goes by who came first among those who may go", async () => {
    await fc.assert(
      fc.asyncProperty(limits, fc.boolean(), fc.array(step, { maxLength: 40 }), async (some, alike, steps) => {
        const own = alike ? { perQueue: undefined, perUser: undefined } : {};
        const world = new World({ ...some, maxPerSecond: undefined, ...own });
        for (const one of steps) {
          const [waiting, live] = [[...world.waiting], new Set(world.live.map(({ id }) => id))];
          await world.do(one);
          if (one.kind === "ask") continue;
          // Of one user and queue nobody is overtaken.
          for (const { id, asker } of world.live.filter((ours) => !live.has(ours.id)))
            for (const other of waiting)
              if (other.asker.user === asker.user && other.asker.queue === asker.queue && other.id < id)
                expect(world.waiting.every((still) => still.id !== other.id)).toBe(true);
        }
        // Between users and queues without limits of their own neither.
        if (!alike) return;
        const ids = world.live.map(({ id }) => id);
        expect(ids).toEqual([...ids].sort((a, b) => a - b));
        for (const { id } of world.waiting) expect(ids.every((before) => before < id)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it("is not held up by who is at a limit of their own", async () => {
    const world = new World({ maxLive: 4, maxPosts: 4, perUser: { ann: 1 }, perQueue: { etl: 1 } });
    const ask = (user: string, queue: string) => world.do({ kind: "ask", asker: { user, queue } });
    await ask("ann", "etl");
    await ask("ann", "ml");
    await ask("bob", "etl");
    await ask("bob", "ml");
    expect(world.live.map(({ asker }) => `${asker.user} ${asker.queue}`)).toEqual(["ann etl", "bob ml"]);
    expect(world.waiting.map(({ told }) => told)).toEqual([
      "user ann has 1 of 1 submissions live on cluster c",
      "queue etl on cluster c has 1 of 1 submissions live",
    ]);
    expect(world.admission.waits).toHaveLength(2);
    // Limits that are raised let go who waited.
    world.admission.limits = { maxLive: 4, maxPosts: 4 };
    await world.do({ kind: "pass", ms: 50 });
    expect(world.live).toHaveLength(4);
  });
});

describe("the circuit breaker", () => {
  const make = () => {
    const clock = new TestClock(1_000);
    return { clock, breaker: new Breaker(clock) };
  };

  it("does not open at failures of one moment, and does when they last", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 10, 100, 400, 900), { minLength: 1, maxLength: 8 }), (gaps) => {
        const { clock, breaker } = make();
        breaker.failed();
        expect([breaker.state, breaker.passes]).toEqual(["closed", "none"]);
        let [lastsMs, failures] = [0, 1];
        for (const gap of gaps) {
          clock.advance(gap);
          breaker.failed();
          [lastsMs, failures] = [lastsMs + gap, failures + 1];
          const open = lastsMs >= OPENS_AFTER.ms && failures >= OPENS_AFTER.failures;
          expect(breaker.state).toBe(open ? "open" : "closed");
          expect(breaker.passes).toBe("none");
          if (open) return;
        }
        breaker.answered();
        expect([breaker.state, breaker.passes]).toEqual(["closed", "all"]);
      }),
    );
  });

  const opened = () => {
    const made = make();
    for (let i = 0; i < 3; i++) {
      made.breaker.failed();
      made.clock.advance(600);
    }
    expect(made.breaker.state).toBe("open");
    made.breaker.answered();
    expect([made.breaker.state, made.breaker.passes]).toEqual(["half-open", "one"]);
    return made.breaker;
  };

  it("lets one submission through when there are answers again, and all when that was answered", () => {
    const breaker = opened();
    breaker.posting();
    // Lists alone prove nothing now.
    for (let i = 0; i < 5; i++) breaker.answered();
    expect(breaker.passes).toBe("one");
    breaker.posted(true);
    expect([breaker.state, breaker.passes]).toEqual(["closed", "all"]);
  });

  it("opens again when that one, or anything else, is not answered", () => {
    const post = opened();
    post.posting();
    post.posted(false);
    expect(post.state).toBe("open");
    const list = opened();
    list.failed();
    expect(list.state).toBe("open");
  });

  it("closes after several answers where there is nothing to submit, also when the one was given up", () => {
    const idle = opened();
    idle.answered();
    expect(idle.state).toBe("half-open");
    idle.answered();
    expect(idle.state).toBe("closed");
    const given = opened();
    given.posting();
    given.posted(null);
    for (let i = 0; i < 3; i++) given.answered();
    expect(given.state).toBe("closed");
  });
});
