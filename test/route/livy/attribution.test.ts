import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { attributed, jobGroupOf, livyNameOf, type Origin } from "../../../src/route/livy/submissions/attribution.ts";

const origin: Origin = {
  task: "sales.revenue",
  executionId: "x1",
  jobId: "x1.7",
  user: "ada@example.org",
  tags: ["bulk-data", "nightly"],
  evalHash: "ab",
};
const conf = (request: ReturnType<typeof attributed>) => request.conf ?? {};

describe("an application tells where it comes from", () => {
  it("in its names, tags, labels and configuration", () => {
    const name = livyNameOf(origin.task, "5f2a", "k1");
    expect(name).toBe("sales.revenue-5f2a-k1");
    const request = attributed({ file: "a.py", conf: { "spark.yarn.tags": "team-a", "spark.x": "1" } }, name, origin);
    expect(request.name).toBe(name);
    expect(conf(request)).toMatchObject({
      "spark.app.name": "sales.revenue x1",
      "spark.firesteel.evalHash": "ab",
      "spark.firesteel.tags": "bulk-data,nightly",
      "spark.kubernetes.driver.label.firesteel-execution": "x1",
      "spark.kubernetes.executor.label.firesteel-user": "ada-example.org",
      "spark.yarn.tags": `${name},team-a,firesteel,execution:x1,user:ada-example.org,task:sales.revenue`,
      "spark.yarn.maxAppAttempts": "1",
      "spark.x": "1",
    });
    expect(jobGroupOf(origin)).toEqual({
      id: "x1",
      description: "firesteel: sales.revenue for ada@example.org, execution x1",
    });
  });

  it("leaves the author's own name and labels", () => {
    const own = { "spark.app.name": "mine", "spark.kubernetes.driver.label.firesteel-user": "u" };
    expect(conf(attributed({ file: "a.py", conf: own }, "n", origin))).toMatchObject(own);
  });

  it("within the limits of YARN and Kubernetes, whatever the names are, and always found by its name", () => {
    const text = fc.oneof(fc.string({ unit: "binary", maxLength: 200 }), fc.string({ maxLength: 20 }));
    fc.assert(
      fc.property(
        text,
        text,
        fc.array(fc.stringMatching(/^[a-z0-9-]{1,20}$/), { maxLength: 12 }),
        (task, user, own) => {
          const name = livyNameOf(task, "0123abcd", "mb2k7x9qa1b2c3d4e5f6");
          const { conf = {} } = attributed({ file: "a.py", conf: { "spark.yarn.tags": own.join(",") } }, name, {
            ...origin,
            task,
            user,
          });
          expect(name).toMatch(/^[a-z0-9._-]*-0123abcd-mb2k7x9qa1b2c3d4e5f6$/);
          const tags = conf["spark.yarn.tags"]?.split(",") ?? [];
          expect(tags).toContain(name);
          expect(new Set(tags).size).toBe(tags.length);
          expect(tags.length).toBeLessThanOrEqual(Math.max(9, new Set(own).size + 1));
          for (const tag of own) expect(tags).toContain(tag);
          for (const tag of tags) expect(tag).toMatch(/^[\x21-\x7e]{1,100}$/);
          for (const [key, value] of Object.entries(conf))
            if (key.startsWith("spark.kubernetes"))
              expect(value).toMatch(/^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/);
        },
      ),
    );
  });
});
