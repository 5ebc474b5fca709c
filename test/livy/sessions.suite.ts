/** Interactive sessions and statements as Livy 0.9.0 has them: run on the double and on a real server. */

import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, type Place } from "./ask.ts";

/** A server without sessions. */
export interface SessionsUnderTest extends AsyncDisposable {
  readonly place: Place;
  /** Base URL of its YARN. */
  readonly resourceManager: Place;
}

interface Statement {
  readonly id: number;
  readonly state: string;
  readonly output: Readonly<Record<string, unknown>> | null;
  readonly started: number;
}

const NAME = "contract-session";
const LINE = expect.any(String);

export function sessionContract(title: string, open: () => Promise<SessionsUnderTest>): void {
  describe(`Livy's sessions: ${title}`, { timeout: 300_000 }, () => {
    let livy: SessionsUnderTest;

    beforeAll(async () => {
      livy = await open();
    });
    afterAll(() => livy?.[Symbol.asyncDispose]());

    const call = (method: string, path: string, body?: unknown) => ask(livy.place, method, path, body);
    const get = async <T>(path: string) => (await call("GET", path)).body as T;
    const post = (code: string, kind?: string) =>
      call("POST", `/sessions/${NAME}/statements`, { code, ...(kind === undefined ? {} : { kind }) });

    /** Posts a statement and waits for its end. */
    async function run(code: string, kind?: string): Promise<Statement> {
      const { status, body } = await post(code, kind);
      expect(status).toBe(201);
      return ended((body as Statement).id);
    }

    async function ended(id: number): Promise<Statement> {
      for (;;) {
        const statement = await get<Statement>(`/sessions/${NAME}/statements/${id}`);
        if (statement.state === "available" || statement.state === "cancelled") return statement;
        await sleep(20);
      }
    }

    it("does not know what is not there", async () => {
      expect((await call("GET", "/sessions")).body).toEqual({ from: 0, total: 0, sessions: [] });
      for (const [method, path] of [
        ["GET", ""],
        ["DELETE", ""],
        ["GET", "/state"],
        ["GET", "/statements"],
        ["GET", "/statements/0"],
        ["POST", "/statements/0/cancel"],
      ] as const)
        expect(await call(method, `/sessions/77${path}`)).toMatchObject({
          status: 404,
          body: { msg: "Session '77' not found." },
        });
    });

    it("refuses other kinds and unknown fields as a bare JSON string", async () => {
      const kind = await call("POST", "/sessions", { kind: "no-such" });
      expect(kind).toMatchObject({ status: 400, body: expect.stringContaining("Invalid kind: no-such") });
      const field = await call("POST", "/sessions", { kind: "pyspark", fil: 1 });
      expect(field).toMatchObject({ status: 400, body: expect.stringContaining('Unrecognized field "fil"') });
      expect((await call("GET", "/sessions")).body).toMatchObject({ total: 0 });
    });

    it("starts one, which takes statements as soon as it is idle and not before", async () => {
      const conf = { "spark.yarn.tags": "contract" };
      const made = await call("POST", "/sessions", { kind: "pyspark", name: NAME, ttl: "1h", conf });
      expect(made).toMatchObject({
        status: 201,
        location: "/sessions/0",
        body: {
          id: 0,
          name: NAME,
          appId: null,
          owner: null,
          proxyUser: null,
          state: "starting",
          kind: "pyspark",
          ttl: "1h",
          idleTimeout: null,
          conf,
        },
      });
      expect(await call("POST", "/sessions", { kind: "pyspark", name: NAME })).toMatchObject({
        status: 400,
        body: { msg: `Rejected, Reason: Duplicate session name: Some(${NAME}) for session 1` },
      });
      expect(await post("1+1")).toMatchObject({
        status: 500,
        body: "java.lang.IllegalStateException: Session is in state starting",
      });
      // This waits until the driver answers.
      expect(await get(`/sessions/${NAME}/statements`)).toEqual({ total_statements: 0, statements: [] });
      const seen = new Set<string>();
      while (!seen.has("idle")) {
        seen.add((await get<{ state: string }>(`/sessions/${NAME}/state`)).state);
        expect(["starting", "idle"]).toEqual(expect.arrayContaining([...seen]));
        await sleep(20);
      }
      expect(await get(`/sessions/0`)).toMatchObject({
        state: "idle",
        appId: expect.stringMatching(/^application_/),
        appInfo: { driverLogUrl: LINE, sparkUiUrl: LINE, executorLogUrls: null },
      });
    });

    it.each([
      ["1+1", "2"],
      ["x = 5", ""],
      ["x", "5"],
      ["print('hi')", "hi"],
      ["", ""],
      ["spark.range(10).count()", "10"],
    ])("runs %j", async (code, text) => {
      const { id, ...statement } = await run(code);
      expect(statement).toEqual({
        code,
        state: "available",
        output: { status: "ok", execution_count: id, data: { "text/plain": text } },
        progress: 1,
        started: expect.any(Number),
        completed: expect.any(Number),
      });
    });

    it("runs SQL in a session of Python", async () => {
      const { output } = await run("select 1 as a", "sql");
      const fields = [{ name: "a", type: "integer", nullable: false, metadata: {} }];
      expect(output).toMatchObject({
        status: "ok",
        data: { "application/json": { schema: { type: "struct", fields }, data: [[1]] } },
      });
    });

    it("gives an exception as the output of a statement that is available", async () => {
      expect(await run("raise ValueError('price')")).toMatchObject({
        state: "available",
        output: {
          status: "error",
          ename: "ValueError",
          evalue: "price",
          traceback: ["Traceback (most recent call last):\n", "ValueError: price\n"],
        },
      });
    });

    it("refuses statements with 400 or 500, and goes on", async () => {
      expect(await post("1", "no-such")).toMatchObject({
        status: 500,
        body: expect.stringContaining("Invalid kind: no-such"),
      });
      expect(await call("POST", `/sessions/${NAME}/statements`, {})).toMatchObject({ status: 500 });
      expect(await call("POST", `/sessions/${NAME}/statements`, { code: "1", fil: 1 })).toMatchObject({
        status: 400,
        body: expect.stringContaining('Unrecognized field "fil" (class org.apache.livy.ExecuteRequest)'),
      });
      const paths = `/sessions/${NAME}/statements`;
      expect(await call("GET", `${paths}/999`)).toMatchObject({ status: 404, body: "Statement not found" });
      expect(await call("GET", `${paths}/x`)).toMatchObject({ status: 400, body: { msg: 'For input string: "x"' } });
      expect((await run("x")).output).toMatchObject({ data: { "text/plain": "5" } });
    });

    it("cancels one that waits at once, one that runs when its own code ends, and says yes to any other", async () => {
      const running = (await post("import time\ntime.sleep(3)")).body as Statement;
      const waiting = (await post("x = 6")).body as Statement;
      expect([running.state, waiting.state]).toEqual([expect.stringMatching(/waiting|running/), "waiting"]);
      const paths = `/sessions/${NAME}/statements`;
      while ((await get<Statement>(`${paths}/${running.id}`)).state === "waiting") await sleep(10);
      expect(await get(`/sessions/${NAME}/state`)).toEqual({ id: 0, state: "busy" });
      const yes = { status: 200, body: { msg: "canceled" } };
      expect(await call("POST", `${paths}/${waiting.id}/cancel`)).toMatchObject(yes);
      expect(await get(`${paths}/${waiting.id}`)).toMatchObject({ state: "cancelled", output: null, started: 0 });
      expect(await call("POST", `${paths}/${running.id}/cancel`)).toMatchObject(yes);
      expect(await get(`${paths}/${running.id}`)).toMatchObject({ state: "cancelling" });
      expect(await ended(running.id)).toMatchObject({ state: "cancelled", output: { status: "ok" } });
      expect(await call("POST", `${paths}/${running.id}/cancel`)).toMatchObject(yes);
      expect(await call("POST", `${paths}/999/cancel`)).toMatchObject(yes);
      expect((await run("x")).output).toMatchObject({ data: { "text/plain": "5" } });
    });

    it("calls one cancelled after 30 s whose code runs on; it has its output when that ends", async () => {
      const paths = `/sessions/${NAME}/statements`;
      const { id } = (await post("import time\ntime.sleep(34)")).body as Statement;
      while ((await get<Statement>(`${paths}/${id}`)).state === "waiting") await sleep(10);
      await call("POST", `${paths}/${id}/cancel`);
      let early: Statement;
      do {
        await sleep(100);
        early = await get<Statement>(`${paths}/${id}`);
      } while (early.state === "cancelling");
      expect(early).toMatchObject({ state: "cancelled", output: null, started: expect.any(Number) });
      expect(early.started).toBeGreaterThan(0);
      expect(await get(`/sessions/${NAME}/state`)).toMatchObject({ state: "busy" });
      let late: Statement;
      do {
        await sleep(100);
        late = await get<Statement>(`${paths}/${id}`);
      } while (late.output === null);
      expect(late).toMatchObject({ state: "cancelled", output: { status: "ok" } });
      expect((await run("x")).output).toMatchObject({ data: { "text/plain": "5" } });
    });

    it("is in use when somebody connects, and shows itself", async () => {
      const connected = await call("POST", `/sessions/${NAME}/connect`);
      expect(connected).toMatchObject({ status: 200, body: { id: 0, name: NAME, state: "idle" } });
      expect((await call("POST", "/sessions/77/connect")).status).toBe(404);
    });

    it("remembers 100 statements", async () => {
      let last = -1;
      for (let i = 0; i < 101; i++) last = ((await post("1")).body as Statement).id;
      await ended(last);
      const { total_statements, statements } = await get<{ total_statements: number; statements: Statement[] }>(
        `/sessions/${NAME}/statements`,
      );
      expect([total_statements, statements[0]?.id, statements.at(-1)?.id]).toEqual([100, last - 99, last]);
      expect(await call("GET", `/sessions/${NAME}/statements/0`)).toMatchObject({ status: 404 });
      const page = await get<{ statements: Statement[] }>(`/sessions/${NAME}/statements?from=1&size=2`);
      expect(page.statements.map(({ id }) => id)).toEqual([last - 98, last - 97]);
    });

    it("is killed with its application, and answers for no statement any more", async () => {
      const { appId } = await get<{ appId: string }>(`/sessions/${NAME}`);
      const path = `/ws/v1/cluster/apps/${appId}/state`;
      expect(await ask(livy.resourceManager, "PUT", path, { state: "KILLED" })).toMatchObject({ status: 202 });
      while ((await get<{ state: string }>(`/sessions/${NAME}`)).state !== "killed") await sleep(20);
      const gone = { status: 400, body: { msg: "requirement failed: Session isn't active." } };
      expect(await call("GET", `/sessions/${NAME}/statements`)).toMatchObject(gone);
      expect(await call("GET", `/sessions/${NAME}/statements/0`)).toMatchObject(gone);
      expect(await post("1")).toMatchObject({
        status: 500,
        body: "java.lang.IllegalStateException: Session is in state killed",
      });
    });

    it("is gone after a DELETE", async () => {
      expect(await call("DELETE", `/sessions/${NAME}`)).toMatchObject({ status: 200, body: { msg: "deleted" } });
      expect((await call("GET", `/sessions/${NAME}`)).status).toBe(404);
      expect((await call("GET", "/sessions")).body).toMatchObject({ total: 0 });
    });
  });
}
