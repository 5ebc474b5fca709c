/** A double in a process of its own: `fork("process.ts", [JSON of options])`. Its orders come over IPC (`remote.ts`); it ends with its parent. */

import type { JobPlan } from "./job.ts";
import type { Control, Order, ProcessOptions } from "./remote.ts";
import { serveDouble } from "./serve.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as ProcessOptions;
const served = await serveDouble(options);
const { double } = served;
const plans: JobPlan[] = [];
let usual: JobPlan | null = null;
const named = new Map<string, JobPlan[]>();
/** What holds each job that was held, by name. */
const held = new Map<string, PromiseWithResolvers<void>>();
let holding = false;
double.plan = ({ name }) => {
  const plan = plans.shift() ?? planNamed(name ?? "") ?? usual;
  return holding ? { ...plan, held: holdOf(name ?? "").promise } : plan;
};

/** The last of a name's plans goes on. */
function planNamed(name: string): JobPlan | undefined {
  const own = [...named].find(([start]) => name.startsWith(start))?.[1];
  return own !== undefined && own.length > 1 ? own.shift() : own?.[0];
}

function holdOf(name: string): PromiseWithResolvers<void> {
  const hold = held.get(name) ?? Promise.withResolvers<void>();
  held.set(name, hold);
  return hold;
}

/** What `remote.ts` sends here; an answer goes back for each. */
const control: { readonly [K in keyof Control]: (...args: Parameters<Control[K]>) => unknown } = {
  fault: (...scripted) => double.faults.script(...scripted),
  chaos: (chaos) => {
    double.faults.chaos = chaos;
  },
  plan: (...next: readonly JobPlan[]) => void plans.push(...next),
  planAll: (plan) => {
    usual = plan;
  },
  planFor: (start, ...next) => void named.set(start, [...next]),
  hold: () => {
    holding = true;
  },
  release: (name) => {
    if (name !== undefined) return holdOf(name).resolve();
    holding = false;
    for (const { resolve } of held.values()) resolve();
    held.clear();
  },
  crash: (how) => served.crash(how),
  start: (how) => served.start(how),
  forget: (which) => double.forget(which),
  stranger: (name, state) => double.add(name, state).id,
  lie: (which, state) => double.lie(which, state),
  yarn: (how) => void Object.assign(double.yarn, how),
  forgetApplication: (appId) => double.yarn.applications.delete(appId),
  ledger: () => double.ledger.entries,
  requests: () => double.requests,
  count: (kind) => double.count(kind),
};

process.on("message", async ({ id, method, args }: Order) => {
  try {
    const act = control[method] as (...args: readonly unknown[]) => unknown;
    process.send?.({ id, value: (await act(...args)) ?? null });
  } catch (error) {
    process.send?.({ id, error: String(error) });
  }
});
process.once("disconnect", () => process.exit());
process.send?.({ id: 0, value: { url: served.url, resourceManagerUrl: served.resourceManagerUrl } });
