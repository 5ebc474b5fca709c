/** What looking at many batches costs in requests, and whom it wakes. */

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Cluster } from "../../../src/route/livy/clusters/cluster.ts";
import type { Watch } from "../../../src/route/livy/clusters/watches.ts";
import { type Served, serveDouble } from "../../livy/serve.ts";

let served: Served;
let cluster: Cluster;
const never = new AbortController().signal;

beforeEach(async () => {
  served = await serveDouble();
  cluster = new Cluster({ name: "local", url: served.url, tickMs: 50 });
});
afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
  await served[Symbol.asyncDispose]();
});

/** Batches of ours behind those of strangers, all watched. */
function watchMany(count: number, strangers = 0): Watch[] {
  for (let i = 0; i < strangers; i++) served.double.add(null, "success");
  for (let i = 0; i < count; i++) served.double.add(`ours-${i}`, "running");
  return Array.from({ length: count }, (_, i) => cluster.watch(`ours-${i}`));
}

/** Waits for ticks; gives the list requests that they cost. */
async function requestsOf(ticks: number): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  let left = ticks + 1;
  let before = 0;
  cluster.onTick(() => {
    if (left === ticks + 1) before = served.double.count("GET /batches");
    if (--left === 0) resolve(served.double.count("GET /batches") - before);
  });
  return promise;
}

const looks = (watches: readonly Watch[]) => Promise.all(watches.map((watch) => watch.next(60_000, never)));

describe("a tick", () => {
  it.each([
    [1, 0],
    [100, 0],
    [100, 3_000],
    [1_000, 0],
    [1_000, 3_000],
  ])("costs one list request with %i live behind %i of others, and no other", async (count, strangers) => {
    const watches = watchMany(count, strangers);
    expect((await looks(watches)).every((look) => look?.kind === "seen")).toBe(true);
    expect(await requestsOf(3)).toBe(3);
    expect(served.double.requests.every((kind) => kind === "GET /batches" || kind === "GET /version")).toBe(true);
  });

  it("finds batches that are in another order after a restart", async () => {
    const watches = watchMany(150, 300);
    await looks(watches);
    await served.start({ recovery: true });
    expect((await looks(watches)).every((look) => look?.kind === "seen" && look.batch.state === "recovering")).toBe(
      true,
    );
  });

  it("wakes only whoever watches a batch that changed, and whoever wants every look", async () => {
    const watches = watchMany(50);
    await looks(watches);
    const [first, second, ...others] = watches;
    const woken: string[] = [];
    for (const other of others) void other.next(60_000, never).then(() => woken.push("other"));
    served.double.lie("ours-0", "dead");
    const [changed, wanted] = await Promise.all([first!.next(60_000, never), second!.next(60_000, never, true)]);
    expect(changed).toMatchObject({ kind: "seen", batch: { state: "dead" } });
    expect(wanted).toMatchObject({ kind: "seen", batch: { state: "running" } });
    const before = others[0]?.seenAt ?? 0;
    await requestsOf(2);
    expect(woken).toEqual([]);
    expect(others[0]?.seenAt).toBeGreaterThan(before);
  });

  it("tells of a batch that is not there any more at every look", async () => {
    const [watch] = watchMany(1);
    await watch!.next(60_000, never);
    served.double.forget("ours-0");
    for (let i = 0; i < 3; i++) expect(await watch!.next(60_000, never)).toEqual({ kind: "absent" });
  });
});
