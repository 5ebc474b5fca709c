/** The suite of sessions on the double, and on a real Livy 0.9 inside a network namespace. */

import { describe, it } from "vitest";
import { spawnDouble } from "./remote.ts";
import { obstacle, openSessionCluster } from "./session-cluster.ts";
import { sessionContract } from "./sessions.suite.ts";

sessionContract("the double", async () => {
  const double = await spawnDouble({ timings: { submitMs: 60, acceptMs: 60 } });
  return {
    place: double.url,
    resourceManager: double.resourceManagerUrl,
    [Symbol.asyncDispose]: () => double[Symbol.asyncDispose](),
  };
});

if (obstacle !== null)
  describe("Livy's sessions: real 0.9", () => {
    it.skip(obstacle ?? "", () => {});
  });
else
  sessionContract("real 0.9", async () => {
    const cluster = await openSessionCluster();
    return {
      place: cluster.livyUrl,
      resourceManager: cluster.resourceManagerUrl,
      [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
    };
  });
