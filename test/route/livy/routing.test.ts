/** Where work may go, as a function of the configuration and the question; properties over random clusters, rules and questions. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FiresteelError } from "../../../src/errors.ts";
import { questionOf, settingsUri } from "../../../src/route/livy/clusters/route-question.ts";
import {
  pick,
  type Routable,
  type RouteQuestion,
  type RouteRule,
  Routes,
  type Standing,
} from "../../../src/route/livy/clusters/routing.ts";

const names = ["a", "b", "c", "d"];
const labels = fc.dictionary(fc.constantFrom("zone", "gpu", "a=b"), fc.constantFrom("1", "2", ""), { maxKeys: 2 });
const clusters: fc.Arbitrary<readonly Routable[]> = fc.subarray(names, { minLength: 1 }).chain((some) =>
  fc.tuple(
    ...some.map((name) =>
      fc
        .record({ labels, rows: fc.constantFrom("utc", "berlin"), own: fc.constantFrom("", "day") })
        .map(({ labels, rows, own }) => ({
          name,
          labels,
          rowsOf: ({ isApp = false }) => (isApp ? rows + own : rows),
        })),
    ),
  ),
);
const places = ["hdfs://nn:8020/data/orders", "hdfs://nn:8020/data", "s3://lake/raw/x=1", "file:///srv/data/a"];
const question: fc.Arbitrary<RouteQuestion> = fc.record({
  task: fc.constantFrom("sales.revenue", "sales.eu.clean", "ml.train"),
  tags: fc.subarray(["bulk-data", "heavy", "night"]),
  cluster: fc.option(fc.constantFrom(...names), { nil: undefined, freq: 8 }),
  labels: fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: labels }),
  inputs: fc.subarray(places),
  isApp: fc.boolean(),
});
const rule: fc.Arbitrary<RouteRule> = fc.record(
  {
    tasks: fc.subarray(["sales.*", "*.train", "sales.eu.clean"], { minLength: 1 }),
    tags: fc.subarray(["heavy", "night"], { minLength: 1 }),
    labels: fc.dictionary(fc.constant("zone"), fc.constantFrom("1", "2")),
    inputs: fc.subarray(["hdfs://nn:8020/data", "s3a://lake/raw/**", "file:///**"], { minLength: 1 }),
    to: fc.oneof(
      fc.record({ clusters: fc.subarray(names, { minLength: 1 }) }),
      fc.record({ labels: fc.dictionary(fc.constant("zone"), fc.constantFrom("1", "2")) }),
    ),
  },
  { requiredKeys: ["to"] },
);
/** Those of the rules that can send something somewhere. */
function usableRules(all: readonly Routable[], rules: readonly RouteRule[]): readonly RouteRule[] {
  return rules.filter((one) => {
    try {
      new Routes(all, [one]);
      return true;
    } catch {
      return false;
    }
  });
}

/** What is promised, said plainly. */
function expected(all: readonly Routable[], rules: readonly RouteRule[], asked: RouteQuestion): readonly string[] {
  const hasAll = (has: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>) =>
    Object.keys(wanted).every((key) => has[key] === wanted[key]);
  const glob: Readonly<Record<string, (name: string) => boolean>> = {
    "sales.*": (name) => name.startsWith("sales."),
    "*.train": (name) => name.endsWith(".train"),
    "sales.eu.clean": (name) => name === "sales.eu.clean",
    "hdfs://nn:8020/data": (uri) => uri.startsWith("hdfs://nn:8020/data"),
    "s3a://lake/raw/**": (uri) => uri.startsWith("s3://lake/raw"),
    "file:///**": (uri) => uri.startsWith("file:"),
  };
  const holds = (one: RouteRule) =>
    (one.tasks ?? ["*"]).some((text) => text === "*" || glob[text]!(asked.task)) &&
    (one.tags ?? []).every((tag) => asked.tags.includes(tag)) &&
    hasAll(asked.labels, one.labels ?? {}) &&
    (one.inputs === undefined || asked.inputs.some((uri) => one.inputs!.some((text) => glob[text]!(uri))));
  let fitting: readonly Routable[];
  if (asked.cluster !== undefined) fitting = all.filter(({ name }) => name === asked.cluster);
  else {
    const to = rules.find(holds)?.to;
    if (to === undefined) fitting = all;
    else if ("labels" in to) fitting = all.filter((one) => hasAll(one.labels, to.labels));
    else fitting = to.clusters.map((name) => all.find((one) => one.name === name)!);
    fitting = fitting.filter((one) => hasAll(one.labels, asked.labels));
  }
  return fitting.filter((one) => one.rowsOf(asked) === fitting[0]!.rowsOf(asked)).map(({ name }) => name);
}

function answer(routes: Routes<Routable>, asked: RouteQuestion): readonly string[] {
  try {
    return routes.candidates(asked).map(({ name }) => name);
  } catch (error) {
    expect(error).toBeInstanceOf(FiresteelError);
    return [];
  }
}

describe("routing", () => {
  it("sends work where the first rule that holds says, among clusters with the labels asked for and the first one's row settings", () => {
    let decided = 0;
    fc.assert(
      fc.property(clusters, fc.array(rule, { maxLength: 4 }), question, (all, some, asked) => {
        const rules = usableRules(all, some);
        const candidates = answer(new Routes(all, rules), asked);
        expect(candidates).toEqual(expected(all, rules, asked));
        if (candidates.length > 1) decided++;
      }),
      { numRuns: 3_000 },
    );
    expect(decided).toBeGreaterThan(50);
  });

  it("answers the question that a recorded call names as it answered then", () => {
    fc.assert(
      fc.property(clusters, fc.array(rule, { maxLength: 3 }), question, (all, some, asked) => {
        const uri = settingsUri(asked);
        // As whoever looks at inputs reads it.
        expect(new URL(uri).href).toBe(uri);
        const routes = new Routes(all, usableRules(all, some));
        expect(answer(routes, questionOf(uri)!)).toEqual(answer(routes, asked));
        const shuffled = { ...asked, tags: asked.tags.toReversed(), inputs: [...asked.inputs, ...asked.inputs] };
        expect(settingsUri(shuffled)).toBe(uri);
      }),
    );
    expect(questionOf("spark-settings:prod")).toBeNull();
  });

  it("takes the least loaded of those that can be used and were not tried, the first of equals", () => {
    const standing: fc.Arbitrary<Standing> = fc.record({
      usable: fc.boolean(),
      avoided: fc.boolean(),
      load: fc.constantFrom(0, 0.5, 1, 2),
    });
    fc.assert(
      fc.property(fc.array(standing, { minLength: 1, maxLength: 5 }), (standings) => {
        const [first, ...others] = standings.map((_, i) => i);
        const chosen = pick([first!, ...others], (i) => standings[i]!);
        const best = [
          standings.filter(({ usable, avoided }) => usable && !avoided),
          standings.filter(({ usable }) => usable),
          standings.filter(({ avoided }) => !avoided),
          standings,
        ].find(({ length }) => length > 0)!;
        const least = Math.min(...best.map(({ load }) => load));
        expect(chosen).toBe(standings.indexOf(best.find(({ load }) => load === least)!));
      }),
    );
  });
});

describe("what cannot go anywhere", () => {
  const all: readonly Routable[] = [
    { name: "prod", labels: { zone: "eu" }, rowsOf: () => "" },
    { name: "local", labels: {}, rowsOf: () => "" },
  ];
  const asked: RouteQuestion = { task: "sales.revenue", tags: [], labels: {}, inputs: [] };

  it.each([
    ["an unknown cluster", all, [], { cluster: "test" }, "cluster is not known (there are: local, prod): test"],
    [
      "labels that no cluster has",
      all,
      [],
      { labels: { gpu: "a100", zone: "eu" } },
      "no cluster has the labels that task sales.revenue asks for (there are: prod (zone=eu); local (no labels)): gpu=a100, zone=eu",
    ],
    [
      "labels that none of a rule's clusters has",
      all,
      [{ to: { clusters: ["local"] } }],
      { labels: { zone: "eu" } },
      "no cluster among those that the rules send it to has the labels that task sales.revenue asks for (there are: local (no labels)): zone=eu",
    ],
    ["no cluster at all", [], [], {}, "no cluster is configured: set `clusters` in firesteel.config.ts"],
  ] as const)("is refused with what there is: %s", (_, some, rules, change, message) => {
    expect(() => new Routes(some, rules).candidates({ ...asked, ...change })).toThrow(message);
  });

  it("is refused before the body runs where no input could change that", () => {
    const { inputs: _, ...before } = asked;
    const routes = new Routes(all, [{ inputs: ["s3://x"], to: { clusters: ["local"] } }]);
    routes.check({ ...before, labels: { zone: "eu" } });
    expect(() => routes.check({ ...before, labels: { gpu: "1" } })).toThrow("gpu=1");
    expect(() => routes.check({ ...before, cluster: "test" })).toThrow("test");
  });

  it.each([
    [{ to: { clusters: ["prod", "test"] } }, "routes.0.to: cluster is not known (there are: local, prod): test"],
    [
      { to: { labels: { zone: "us" } } },
      "routes.0.to: no cluster has these labels (there are: prod (zone=eu); local (no labels)): zone=us",
    ],
    [{ tasks: ["sales.[a"], to: { clusters: ["prod"] } }, "routes.0.tasks: glob cannot be read"],
  ] as const)("a rule that can send nothing anywhere is refused: %j", (one, message) => {
    expect(() => new Routes(all, [one])).toThrow(message);
  });
});
