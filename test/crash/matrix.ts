/** The cells of the crash matrix: how each point is come to, what goes away there, and which of all combinations run in every test run. */

import type { ProfileName } from "../livy/profile.ts";
import type { Cell, Incident, Outage } from "./cell.ts";
import { POINTS, type Point, SIDES } from "./points.ts";
import { SCENARIOS, type Scenario, type ScenarioName } from "./scenario.ts";

/** How a point is come to. */
interface Way {
  readonly scenario: ScenarioName;
  /** Of two orchestrators, the one that comes there: `asker` is where executions were started, `keeper` has the cluster. Null where it takes one that starts while nobody else is there. */
  readonly by: "asker" | "keeper" | null;
  /** A death that has to come first: then it is come to by who takes over. */
  readonly after?: Incident;
}

const asker = (scenario: ScenarioName): Way => ({ scenario, by: "asker" });
const keeper = (scenario: ScenarioName): Way => ({ scenario, by: "keeper" });
const restarted = (point: Point, scenario: ScenarioName = "pipeline"): Way => ({
  scenario,
  by: null,
  after: { point, side: "after" },
});

const WAYS: Readonly<Record<Point, Way>> = {
  "execution created": asker("pipeline"),
  "executions adopted": restarted("running"),
  "execution resumed": restarted("running"),
  "cancellation asked for": asker("cancelled"),
  "execution ended": asker("pipeline"),
  "call claimed": asker("pipeline"),
  "call recorded": asker("pipeline"),
  "call released": asker("pipeline"),
  "shallow result recorded": asker("pipeline"),
  "jobs recorded": asker("pipeline"),
  "work claimed": asker("pipeline"),
  "work released": asker("pipeline"),
  "cluster claimed": { scenario: "pipeline", by: null },
  "cluster told": { scenario: "pipeline", by: null },
  "submissions taken": restarted("running"),
  "specification staged": asker("pipeline"),
  "harness staged": asker("pipeline"),
  planned: asker("pipeline"),
  "planned again": keeper("crowded"),
  "lease confirmed": keeper("pipeline"),
  submitting: keeper("pipeline"),
  starting: keeper("pipeline"),
  running: keeper("pipeline"),
  finishing: keeper("application"),
  "manifest written": keeper("application"),
  lost: keeper("lost"),
  seen: keeper("pipeline"),
  noted: keeper("crowded"),
  "log copied": keeper("pipeline"),
  "manifest read": keeper("pipeline"),
  "dataset recorded": keeper("pipeline"),
  "result committed": keeper("pipeline"),
  succeeded: keeper("pipeline"),
  failed: keeper("flaky"),
  killed: keeper("killed"),
  "cancellation of a submission asked for": asker("cancelled"),
  cancelling: keeper("cancelled"),
  cancelled: keeper("cancelled"),
  withdrawn: restarted("planned"),
  gone: keeper("flaky"),
  "batch posted": keeper("pipeline"),
  "batch deleted": keeper("cancelled"),
  "application killed": keeper("cancelled and forgotten"),
  "session posted": keeper("warm"),
  "statement posted": keeper("warm"),
  "statement cancelled": keeper("warm and cancelled"),
  "session deleted": keeper("warm and cancelled"),
};

/** Points that only exist where other processes follow what one keeps. */
const FOLLOWED: ReadonlySet<Point> = new Set(["noted", "gone", "cancellation of a submission asked for"]);

const PROFILES: readonly ProfileName[] = ["0.9.0", "0.7.1"];

/** Whether a scenario is run with a ResourceManager, where that is free. */
const witnessOf = (scenario: ScenarioName, wanted: boolean): boolean =>
  (SCENARIOS[scenario] as Scenario).witness ?? wanted;

function cell(way: Way, incidents: readonly Incident[], i: number, topology: Cell["topology"]): Cell {
  const { scenario, after } = way;
  return {
    scenario,
    incidents: after === undefined ? incidents : [after, ...incidents],
    topology,
    profile: (SCENARIOS[scenario] as Scenario).sessions === undefined ? PROFILES[i % 2]! : "0.9.0",
    witness: witnessOf(scenario, i % 3 !== 2),
    unseen: i % 2 === 1,
  };
}

/** Every point, the orchestrator killed before it and after it and started again; every second one also while another orchestrator takes over. */
function deaths(): readonly Cell[] {
  return POINTS.flatMap((point, i) => {
    const way = WAYS[point];
    const cells: Cell[] = [];
    // The one that comes to the point again after the first death dies on its other side.
    if (!FOLLOWED.has(point)) {
      const incidents = SIDES.map((side) => ({ point, side }));
      cells.push(cell(way, incidents, i, "alone"));
    }
    if (way.by === null) return cells;
    const sides = FOLLOWED.has(point) ? SIDES : i % 2 === 0 ? [SIDES[(i / 2) % 2]!] : [];
    for (const side of sides) cells.push(cell(way, [{ point, side }], i + 1, way.by));
    return cells;
  });
}

type Moment = readonly [point: Point, side: Incident["side"]];

/** Moments at which servers go away in every test run: around the POST, while it runs, at the commit, at the end. */
const MOMENTS: Readonly<Record<Outage, readonly Moment[]>> = {
  postgres: [
    ["planned", "after"],
    ["submitting", "after"],
    ["starting", "before"],
    ["result committed", "before"],
    ["execution ended", "before"],
    ["cancelling", "before"],
  ],
  "livy, recovers": [
    ["lease confirmed", "after"],
    ["starting", "before"],
    ["running", "after"],
    ["cancelling", "after"],
  ],
  "livy and its spark-submit, recovers": [["starting", "before"]],
  "livy, forgets": [
    ["starting", "before"],
    ["running", "after"],
    ["cancelling", "after"],
  ],
  "resource manager": [
    ["running", "after"],
    ["failed", "before"],
    ["cancelling", "after"],
  ],
};

/** The same together with the orchestrator. */
const TOGETHER: Readonly<Record<Outage, readonly Moment[]>> = {
  postgres: [["result committed", "after"]],
  "livy, recovers": [
    ["batch posted", "after"],
    ["running", "after"],
  ],
  "livy and its spark-submit, recovers": [],
  "livy, forgets": [
    ["starting", "before"],
    ["manifest read", "after"],
  ],
  "resource manager": [["running", "after"]],
};

function outages(): readonly Cell[] {
  const cellsOf = (moments: Readonly<Record<Outage, readonly Moment[]>>, dies: boolean) =>
    (Object.keys(moments) as Outage[]).flatMap((outage) =>
      moments[outage].map(([point, side], i) => {
        const made = cell(WAYS[point], [{ point, side, dies, outage }], i, "alone");
        // What a ResourceManager does not tell cannot be missed.
        return outage === "resource manager" ? { ...made, witness: true } : { ...made, unseen: false };
      }),
    );
  return [...cellsOf(MOMENTS, false), ...cellsOf(TOGETHER, true)];
}

/** What is neither of these: no death at all, an application that hangs, a write whose fate is open, two orchestrators that both ask and keep. */
function others(): readonly Cell[] {
  const usual = { profile: "0.9.0", witness: true, unseen: false } as const;
  const alone = (scenario: ScenarioName, ...incidents: readonly Incident[]): Cell => ({
    ...usual,
    scenario,
    topology: "alone",
    incidents,
  });
  return [
    ...Object.keys(SCENARIOS).map((name) => {
      const scenario = name as ScenarioName;
      return { ...alone(scenario), witness: witnessOf(scenario, true) };
    }),
    alone("hung", { point: "succeeded", side: "after" }),
    { ...alone("hung", { point: "succeeded", side: "after" }), topology: "keeper", profile: "0.7.1", witness: false },
    alone("hung", { point: "result committed", side: "after", outage: "livy, forgets" }),
    alone("refused", { point: "failed", side: "after" }),
    alone("pipeline", { point: "planned", side: "during" }, { point: "result committed", side: "during" }),
    alone("pipeline", { point: "batch posted", side: "during" }),
    { ...alone("pipeline", { point: "running", side: "after" }), topology: "joint" },
    { ...alone("cancelled", { point: "execution ended", side: "before" }), topology: "joint" },
  ];
}

/** The cells of every test run. */
export function usualCells(): readonly Cell[] {
  return [...deaths(), ...outages(), ...others()];
}

/** The whole product: every point and side in every topology, with and without an outage, a ResourceManager and an unseen end, on both versions. */
export function* allCells(): Generator<Cell> {
  const kinds: readonly (Outage | undefined)[] = [undefined, ...(Object.keys(MOMENTS) as Outage[])];
  for (const point of POINTS)
    for (const topology of topologiesOf(point))
      for (const side of [...SIDES, "during"] as const)
        for (const outage of kinds)
          for (const dies of outage === undefined ? [true] : [true, false])
            for (const profile of PROFILES)
              for (const witness of [true, false])
                for (const unseen of dies ? [false, true] : [false]) {
                  const way = WAYS[point];
                  if (witnessOf(way.scenario, witness) !== witness || (outage === "resource manager" && !witness))
                    continue;
                  if (side === "during" && !dies) continue;
                  if (profile !== "0.9.0" && (SCENARIOS[way.scenario] as Scenario).sessions !== undefined) continue;
                  const incident: Incident = { point, side, dies, ...(outage === undefined ? {} : { outage }) };
                  yield { ...cell(way, [incident], 0, topology), profile, witness, unseen };
                }
}

function topologiesOf(point: Point): readonly Cell["topology"][] {
  const { by } = WAYS[point];
  if (by === null) return ["alone"];
  return FOLLOWED.has(point) ? [by] : ["alone", "joint", by];
}
