import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { FiresteelError } from "../../../src/errors.ts";
import { createLivyClient, type LivyClient } from "../../../src/route/livy/http/client.ts";
import { hasRun, type LivyStatement } from "../../../src/route/livy/http/session-client.ts";
import { type Served, serveDouble } from "../../livy/serve.ts";

/** The double passes the suite that the real 0.9.0 passes (`test/livy/sessions.suite.ts`); here it is read through the client. */
describe("Livy's sessions through the client", () => {
  let served: Served;
  let client: LivyClient;

  beforeEach(async () => {
    served = await serveDouble();
    client = createLivyClient({ name: "c", url: served.url });
  });
  afterEach(async () => {
    await client[Symbol.asyncDispose]();
    await served[Symbol.asyncDispose]();
  });

  const failure = (promise: Promise<unknown>) =>
    promise.then(
      () => expect.unreachable(),
      (error: unknown) => error as FiresteelError,
    );

  async function idle(name: string): Promise<void> {
    await client.sessions.create({ kind: "pyspark", name, idleTimeout: "600s" });
    while ((await client.sessions.find(name))?.state !== "idle") await sleep(5);
  }

  async function ended(name: string, { id }: LivyStatement): Promise<LivyStatement> {
    for (;;) {
      const statement = await client.sessions.findStatement(name, id);
      if (statement !== null && hasRun(statement)) return statement;
      await sleep(5);
    }
  }

  it("lists all, of which there may be more than fit into an answer", async () => {
    for (let i = 0; i < 101; i++) await client.sessions.create({ kind: "pyspark", name: `s${i}` });
    const names = (await client.sessions.list()).map(({ name }) => name);
    expect([names.length, names[0], names[100]]).toEqual([101, "s0", "s100"]);
  });

  it("runs statements and tells what they gave", async () => {
    await idle("a");
    const posted = await client.sessions.post("a", "print('hi')");
    expect(posted).toMatchObject({ id: 0, code: "print('hi')" });
    expect((await ended("a", posted)).output).toEqual({ status: "ok", text: "hi" });
    const raised = await ended("a", await client.sessions.post("a", "raise ValueError('price')"));
    expect(raised).toMatchObject({ state: "available", output: { status: "error", type: "ValueError" } });
    expect(raised.output).toMatchObject({ traceback: expect.stringContaining("ValueError: price\n") });
    expect((await client.sessions.listStatements("a"))?.map(({ id }) => id)).toEqual([0, 1]);
  });

  it("says null or false of what is not there", async () => {
    await idle("a");
    expect(await client.sessions.find("b")).toBeNull();
    expect(await client.sessions.findStatement("b", 0)).toBeNull();
    expect(await client.sessions.findStatement("a", 7)).toBeNull();
    expect(await client.sessions.listStatements("b")).toBeNull();
    expect(await client.sessions.cancel("b", 0)).toBe(false);
    expect(await client.sessions.delete("b")).toBe(false);
    expect(await client.sessions.delete("a")).toBe(true);
  });

  it("tells a taken name from other refusals", async () => {
    await client.sessions.create({ kind: "pyspark", name: "a" });
    expect(await failure(client.sessions.create({ kind: "pyspark", name: "a" }))).toMatchObject({
      details: { kind: "duplicateName" },
    });
    expect(await failure(client.sessions.post("a", "1"))).toMatchObject({ details: { kind: "server", status: 500 } });
  });

  it("knows a cancelled statement that runs on from one that has run", () => {
    const statement = { id: 0, code: "", output: null, started: 5 };
    expect(hasRun({ ...statement, state: "running" })).toBe(false);
    expect(hasRun({ ...statement, state: "cancelling" })).toBe(false);
    expect(hasRun({ ...statement, state: "cancelled" })).toBe(false);
    expect(hasRun({ ...statement, state: "cancelled", started: 0 })).toBe(true);
    expect(hasRun({ ...statement, state: "cancelled", output: { status: "ok", text: "" } })).toBe(true);
    expect(hasRun({ ...statement, state: "available" })).toBe(true);
  });
});
