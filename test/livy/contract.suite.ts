/**
 * What a Livy server does, as far as the gateway relies on it: run on the double and on real servers, so that the double cannot drift from the truth.
 *
 * Jobs are scripts with a line for the double (`job.ts`) that real Spark takes for a comment.
 */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { placeOf } from "../../src/route/livy/witness/node-logs.ts";
import { createResourceManager, type ResourceManager } from "../../src/route/livy/witness/resource-manager.ts";
import { ask } from "./ask.ts";
import { PROFILES, type ProfileName } from "./profile.ts";

/** A server of its own for the suite, with no batch in it. */
export interface LivyUnderTest extends AsyncDisposable {
  /** May be another one after a restart. */
  readonly url: string;
  readonly resourceManagerUrl: string;
  /** A folder from which it takes local files; nobody else uses it. */
  readonly folder: string;
  /** Kills it with -9 and starts it again. */
  restart(how: { readonly recovery: boolean }): Promise<void>;
}

interface Shown {
  readonly id: number;
  readonly name: string | null;
  readonly state: string;
  readonly appId: string | null;
  readonly appInfo: Readonly<Record<string, string | null>>;
  readonly log: readonly string[];
}

interface Log {
  readonly from: number;
  readonly total: number;
  readonly log: readonly string[];
}

const SPARK = "from pyspark.sql import SparkSession\nspark = SparkSession.builder.getOrCreate()\n";
const JOBS = {
  "ok.py": `# job: {"runs": "silent", "ms": 100}\n${SPARK}`,
  "throws.py": `# job: {"runs": "throws", "ms": 100}\n${SPARK}raise ValueError("column price is missing")\n`,
  "sleeps.py": `# job: {"runs": "forever"}\nimport time\n${SPARK}time.sleep(600)\n`,
  "restart.py": `# job: {"runs": "silent", "ms": 1500}\nimport time\n${SPARK}time.sleep(15)\n`,
};
const HEADERS = ["stdout: ", "\nstderr: ", "\nYARN Diagnostics: "];
const ENDS = ["success", "dead", "killed"];
const FORM = {
  id: expect.any(Number),
  name: expect.any(String),
  owner: null,
  proxyUser: null,
  state: expect.any(String),
  appId: null,
  log: expect.any(Array),
};

export function livyContract(title: string, profileName: ProfileName, open: () => Promise<LivyUnderTest>): void {
  describe(`Livy: ${title}`, { timeout: 300_000 }, () => {
    const profile = PROFILES[profileName];
    const noLinks = Object.fromEntries(profile.links.map((key) => [key, null]));
    let livy: LivyUnderTest;
    let yarn: ResourceManager;
    let last = 0;

    beforeAll(async () => {
      livy = await open();
      yarn = createResourceManager({ cluster: "contract", url: livy.resourceManagerUrl });
      for (const [name, text] of Object.entries(JOBS)) await writeFile(join(livy.folder, name), text);
    });
    afterAll(async () => {
      await yarn?.[Symbol.asyncDispose]();
      await livy?.[Symbol.asyncDispose]();
    });

    const call = (method: string, path: string, body?: unknown) => ask(livy.url, method, path, body);
    const get = async <T>(path: string) => (await call("GET", path)).body as T;
    const status = async (path: string) => (await call("GET", path)).status;
    const job = (file: keyof typeof JOBS | string) => join(livy.folder, file);
    const newName = () => `contract-${process.pid}-${Date.now().toString(36)}-${++last}`;
    const list = () => get<{ from: number; total: number; sessions: readonly Shown[] }>("/batches?size=1000");
    const tagOf = (name: string) => `Tag-${name}`;
    const refused = (words: string) => ({
      status: 400,
      body: { msg: expect.stringContaining(profile.refusal + words) },
    });

    /** Posts a job with a tag of its own. */
    async function submit(file: string, more: object = {}): Promise<Shown> {
      const name = newName();
      const conf = { "spark.yarn.tags": tagOf(name), "spark.executor.instances": "1" };
      const { status, body } = await call("POST", "/batches", { file: job(file), name, conf, ...more });
      expect(status).toBe(201);
      return body as Shown;
    }

    /** All that a batch shows until a state, each once. */
    async function follow(name: string | null, states: readonly string[]): Promise<readonly Shown[]> {
      const seen: Shown[] = [];
      for (;;) {
        const now = await get<Shown>(`/batches/${name}`);
        const before = seen.at(-1);
        if (JSON.stringify({ ...now, log: [] }) !== JSON.stringify(before && { ...before, log: [] })) seen.push(now);
        if (states.includes(now.state)) return seen;
        await sleep(15);
      }
    }

    it("tells its version", async () => {
      expect(await call("GET", "/version")).toMatchObject({ status: 200, body: { version: profile.version } });
    });

    it("lists nothing when there is nothing, wherever one looks", async () => {
      for (const [query, from] of [
        ["", 0],
        ["?from=5&size=2", 5],
        ["?from=-3&size=2", -3],
      ] as const)
        expect(await call("GET", `/batches${query}`)).toMatchObject({
          status: 200,
          type: "application/json;charset=utf-8",
          body: { from, total: 0, sessions: [] },
        });
      expect(await call("GET", "/batches?size=x")).toMatchObject({
        status: 400,
        body: { msg: 'For input string: "x"' },
      });
    });

    it.each(["99", "no-such"])("does not know batch %s", async (which) => {
      for (const path of ["", "/state", "/log"])
        expect(await call("GET", `/batches/${which}${path}`)).toMatchObject({
          status: 404,
          body: { msg: `Session '${which}' not found.` },
        });
      expect(await call("DELETE", `/batches/${which}`)).toMatchObject({ status: 404 });
      expect(await call("GET", "/no-such-page")).toMatchObject({
        status: 404,
        type: "text/html;charset=utf-8",
        body: "",
      });
    });

    it("refuses a body that is no request of a batch, as a bare JSON string, and leaves nothing behind", async () => {
      const { total } = await list();
      for (const [body, words] of [
        ["", "No content to map due to end-of-input\n at [Source: "],
        ["{", "Unexpected end-of-input: expected close marker for Object"],
        ["[]", profile.notAnObject("ARRAY")],
        [
          '{"file": "x.py", "fil": 1}',
          'Unrecognized field "fil" (class org.apache.livy.server.batch.CreateBatchRequest), not marked as ignorable (16 known properties: ',
        ],
        ['{"file": "x.py", "ttl": "1h"}', 'Unrecognized field "ttl"'],
      ] as const)
        expect(await call("POST", "/batches", body)).toMatchObject({
          status: 400,
          body: expect.stringContaining(words),
        });
      expect((await list()).total).toBe(total);
    });

    it("refuses a name of digits, and null for settings, and leaves nothing behind but the next id", async () => {
      const { total } = await list();
      expect(await call("POST", "/batches", { file: job("ok.py"), name: "12" })).toMatchObject(
        refused("Invalid session name: 12"),
      );
      expect(await call("POST", "/batches", { file: job("ok.py"), conf: null })).toMatchObject({
        status: 500,
        body: expect.stringContaining("java.lang.NullPointerException"),
      });
      expect((await list()).total).toBe(total);
    });

    it.each([
      ["no file", {}, "requirement failed: File is required."],
      ["null for a file", { file: null }, "requirement failed: File is required."],
      ["a relative path", { file: "x.py" }, "requirement failed: Path 'x.py' is not absolute."],
      [
        "a local file outside",
        { file: "/etc/passwd" },
        "requirement failed: Local path /etc/passwd cannot be added to user sessions.",
      ],
      [
        "a local URI outside",
        { file: "file:///etc/passwd" },
        "requirement failed: Local path /etc/passwd cannot be added to user sessions.",
      ],
      [
        "a local jar outside",
        { file: "hdfs://x/x.py", jars: ["/etc/passwd"] },
        "requirement failed: Local path /etc/passwd cannot be added to user sessions.",
      ],
    ])("refuses %s and leaves a batch that never starts, until it is deleted", async (_, body, words) => {
      const name = newName();
      expect(await call("POST", "/batches", { ...body, name })).toMatchObject(refused(words));
      expect(await get(`/batches/${name}`)).toEqual({ ...FORM, name, state: "starting", appInfo: noLinks, log: [] });
      expect(await get(`/batches/${name}/log`)).toMatchObject({ from: 0, total: 0, log: [] });
      expect(await call("POST", "/batches", { ...body, name })).toMatchObject(
        refused(`Duplicate session name: Some(${name}) for session `),
      );
      expect(await call("DELETE", `/batches/${name}`)).toMatchObject({ status: 200, body: { msg: "deleted" } });
      expect(await status(`/batches/${name}`)).toBe(404);
    });

    it("answers a number of another type with 500, and leaves a batch that never starts", async () => {
      const name = newName();
      expect(await call("POST", "/batches", { file: job("ok.py"), name, numExecutors: "x" })).toMatchObject({
        status: 500,
        body: expect.stringContaining("java.lang.ClassCastException"),
      });
      expect(await get(`/batches/${name}`)).toMatchObject({ state: "starting", log: [] });
      expect((await call("DELETE", `/batches/${name}`)).status).toBe(200);
    });

    it("runs a job: states, application, links, log; by name and by id; the name is its own until it is deleted", async () => {
      const before = await list();
      const made = await submit("ok.py");
      const { id, name } = made;
      expect(made).toEqual({ ...FORM, id, name, state: "starting", appInfo: noLinks, log: HEADERS });
      expect((await list()).sessions.at(-1)).toMatchObject({ id, name });
      expect((await list()).total).toBe(before.total + 1);
      const duplicate = await call("POST", "/batches", { file: job("ok.py"), name });
      // The id in it is the rejected one's, which nobody has ever had.
      expect(duplicate).toMatchObject(refused(`Duplicate session name: Some(${name}) for session ${id + 1}`));
      expect(await status(`/batches/${id + 1}`)).toBe(404);
      const seen = await follow(name, ENDS);
      expect(["starting", "running", "success"]).toEqual(expect.arrayContaining(seen.map(({ state }) => state)));
      const order = ({ state, appId }: Shown) =>
        ["starting", "running", "success"].indexOf(state) + (appId === null ? 0 : 1);
      expect(seen.map(order)).toEqual(seen.map(order).sort((a, b) => a - b));
      const [end] = seen.slice(-1);
      expect(end).toMatchObject({ id, name, state: "success", appId: expect.stringMatching(/^application_\d+_\d+$/) });
      const running = seen.find(({ state }) => state === "running");
      expect(running?.appInfo).toMatchObject({
        driverLogUrl: expect.stringMatching(/^http:.*\/node\/containerlogs\/container_[^/]+\/\w+$/),
        sparkUiUrl: expect.stringContaining(`/proxy/${end?.appId}/`),
      });
      // At the end the driver log's link is taken back if YARN has forgotten the container already; 0.9.0 takes it back at any success.
      const { driverLogUrl, ...links } = end?.appInfo ?? {};
      expect({ ...links, driverLogUrl: running?.appInfo["driverLogUrl"] }).toEqual(running?.appInfo);
      if (profile.unlinksSuccess) expect((await get<Shown>(`/batches/${id}`)).appInfo["driverLogUrl"]).toBeNull();
      else expect([null, running?.appInfo["driverLogUrl"]]).toContain(driverLogUrl);
      expect(await get(`/batches/${name}/state`)).toEqual({ id, state: "success" });
      const whole = await get<Log>(`/batches/${id}/log?size=-1`);
      expect(whole).toMatchObject({ from: 0, total: whole.log.length });
      expect(whole.log[0]).toBe("stdout: ");
      expect(whole.log.slice(-2)).toEqual(HEADERS.slice(-2));
      expect((await get<Log>(`/batches/${id}/log?size=3`)).log).toEqual(whole.log.slice(-3));
      expect(await get(`/batches/${id}/log?from=1&size=2`)).toEqual({
        id,
        from: 1,
        total: whole.total,
        log: whole.log.slice(1, 3),
      });
      expect(await get(`/batches/${id}/log?from=${whole.total}`)).toMatchObject({ log: [] });
      expect((await get<Shown>(`/batches/${name}`)).log).toEqual(whole.log.slice(-10));
      expect(await yarn.findByTag(tagOf(name ?? ""))).toMatchObject([
        { id: end?.appId, state: "FINISHED", finalStatus: "SUCCEEDED", diagnostics: "" },
      ]);
      expect(await call("POST", "/batches", { file: job("ok.py"), name })).toMatchObject(
        refused("Duplicate session name: "),
      );
      expect(await call("DELETE", `/batches/${name}`)).toMatchObject({ status: 200, body: { msg: "deleted" } });
      expect((await call("DELETE", `/batches/${name}`)).status).toBe(404);
      expect((await yarn.find(end?.appId ?? ""))?.finalStatus).toBe("SUCCEEDED");
      expect(await yarn.countStarts(end?.appId ?? "")).toBe(1);
    });

    it("shows a job that throws as dead; its words are in the container's stdout only", async () => {
      const { name } = await submit("throws.py");
      const [end] = (await follow(name, ENDS)).slice(-1);
      expect(end).toMatchObject({
        state: "dead",
        log: expect.arrayContaining(["User application exited with status 1"]),
      });
      const [application] = await yarn.findByTag(tagOf(name ?? ""));
      expect(application).toMatchObject({
        state: "FINISHED",
        finalStatus: "FAILED",
        diagnostics: "User application exited with status 1",
      });
      const place = placeOf(application?.logsUrl ?? null);
      if (place === null) return expect.unreachable();
      const lengths = await yarn.logs.lengths(place);
      const whole = await yarn.logs.end(place, "stdout", 1_000_000);
      expect(whole?.length).toBe(whole?.bytes.length);
      expect(lengths?.get("stdout")).toBe(whole?.length);
      expect(lengths?.get("stderr")).toBeGreaterThan(0);
      const text = new TextDecoder().decode(whole?.bytes);
      expect(text).toContain("Traceback (most recent call last):");
      expect(text).toMatch(/ValueError: column price is missing\n$/);
      const tail = await yarn.logs.end(place, "stdout", 8);
      expect(tail).toEqual({ length: whole?.length, bytes: Buffer.from("missing\n") });
      expect(await yarn.logs.end(place, "no-such-log", 8)).toBeNull();
      const nobody = { ...place, container: place.container.replace(/_\d+_(\d+_\d+)$/, "_9999_$1") };
      expect(await yarn.logs.lengths(nobody)).toBeNull();
      expect((await get<Log>(`/batches/${name}/log?size=-1`)).log.join("\n")).not.toContain("ValueError");
    });

    it("shows a job whose file is missing as dead, without an application", async () => {
      const { name } = await submit("not-there.py");
      const [end] = (await follow(name, ENDS)).slice(-1);
      expect(end).toMatchObject({ state: "dead", appId: null, appInfo: noLinks });
      const { log } = await get<Log>(`/batches/${name}/log?size=-1`);
      expect(log.at(-1)).toBe("spark-submit start failed");
      expect(log.some((line) => line.startsWith('Exception in thread "main" java.io.FileNotFoundException: '))).toBe(
        true,
      );
      expect(await yarn.findByTag(tagOf(name ?? ""))).toEqual([]);
    });

    it("shows a job for an unknown queue as dead; YARN has the application, Livy may not know it", async () => {
      const { name } = await submit("ok.py", { queue: "no-such-queue" });
      const [end] = (await follow(name, ENDS)).slice(-1);
      expect(end).toMatchObject({ state: "dead", appInfo: noLinks });
      const [application] = await yarn.findByTag(tagOf(name ?? ""));
      expect([null, application?.id]).toContain(end?.appId);
      expect(application).toMatchObject({
        state: "FAILED",
        finalStatus: "FAILED",
        diagnostics: expect.stringContaining("unknown queue: no-such-queue"),
        logsUrl: null,
      });
    });

    it("keeps 200 lines of spark-submit's output: then the total sticks and the first ones go", async () => {
      const files = Array.from({ length: 260 }, (_, i) => job(`file-${i}.txt`));
      await Promise.all(files.map((file) => writeFile(file, "x")));
      const { name } = await submit("not-there.py", { files });
      await follow(name, ENDS);
      const { total, from, log } = await get<Log>(`/batches/${name}/log?size=-1`);
      expect({ total, from, length: log.length }).toEqual({ total: 204, from: 0, length: 204 });
      expect(log.some((line) => line.includes("file-259.txt"))).toBe(true);
      expect(log.some((line) => line.includes("file-0.txt"))).toBe(false);
    });

    it("answers a DELETE before the application is known when that has come and is killed", async () => {
      const { name } = await submit("sleeps.py");
      expect(await call("DELETE", `/batches/${name}`)).toMatchObject({ status: 200, body: { msg: "deleted" } });
      expect(await status(`/batches/${name}`)).toBe(404);
      expect(await yarn.findByTag(tagOf(name ?? ""))).toMatchObject([
        { state: "KILLED", finalStatus: "KILLED", diagnostics: expect.stringContaining("was killed by user") },
      ]);
    });

    it("kills a running application before it answers a DELETE", async () => {
      const { name } = await submit("sleeps.py");
      await follow(name, ["running"]);
      expect((await call("DELETE", `/batches/${name}`)).status).toBe(200);
      expect(await yarn.findByTag(tagOf(name ?? ""))).toMatchObject([{ state: "KILLED" }]);
    });

    it("shows an application that YARN killed as killed", async () => {
      const { name } = await submit("sleeps.py");
      const [running] = (await follow(name, ["running"])).slice(-1);
      await yarn.kill(running?.appId ?? "");
      expect((await follow(name, ENDS)).at(-1)).toMatchObject({ state: "killed", appId: running?.appId });
      expect(await yarn.find(running?.appId ?? "")).toMatchObject({ state: "KILLED" });
      await yarn.kill(running?.appId ?? "");
    });

    it.runIf(!profile.sessions)("has no sessions of Spark 3", async () => {
      expect(await call("POST", "/sessions", { kind: "pyspark" })).toMatchObject({
        status: 400,
        body: { msg: "requirement failed: Cannot find Livy REPL jars." },
      });
      expect((await call("GET", "/sessions")).body).toEqual({ from: 0, total: 0, sessions: [] });
    });

    it("YARN knows no application of another tag, and says so in three ways", async () => {
      expect((await ask(livy.resourceManagerUrl, "GET", "/ws/v1/cluster/apps?applicationTags=no-such")).body).toEqual({
        apps: {},
      });
      expect(await ask(livy.resourceManagerUrl, "GET", "/ws/v1/cluster/apps/application_1_0001")).toMatchObject({
        status: 404,
        body: { RemoteException: { exception: "NotFoundException" } },
      });
      expect((await ask(livy.resourceManagerUrl, "GET", "/ws/v1/cluster/apps/xx")).status).toBe(400);
    });

    describe("after kill -9 and a start", () => {
      it("with recovery: what ran runs on, ends are found again, logs are gone, ids go on", async () => {
        const ok = await submit("ok.py");
        await follow(ok.name, ENDS);
        const dead = await submit("not-there.py");
        await follow(dead.name, ENDS);
        const place = newName();
        expect((await call("POST", "/batches", { file: "/etc/passwd", name: place })).status).toBe(400);
        const number = newName();
        expect((await call("POST", "/batches", { file: job("ok.py"), name: number, numExecutors: "x" })).status).toBe(
          500,
        );
        const runs = await submit("restart.py");
        const { appId } = (await follow(runs.name, ["running"])).at(-1) ?? {};
        await livy.restart({ recovery: true });
        const first = await get<Shown>(`/batches/${runs.name}`);
        expect(["recovering", "running"]).toContain(first.state);
        expect(first).toMatchObject({ id: runs.id, appId, log: HEADERS });
        expect(await get<Log>(`/batches/${runs.name}/log`)).toMatchObject({ total: 3, log: HEADERS });
        expect(await status(`/batches/${number}`)).toBe(404);
        expect(await get(`/batches/${place}`)).toMatchObject({ state: "recovering", appId: null, log: HEADERS });
        if (profile.recoversDead)
          expect(await get(`/batches/${dead.name}`)).toMatchObject({ state: "recovering", appId: null });
        else expect(await status(`/batches/${dead.name}`)).toBe(404);
        expect(await call("POST", "/batches", { file: job("ok.py"), name: runs.name })).toMatchObject(
          refused("Duplicate session name: "),
        );
        expect((await follow(ok.name, ENDS)).at(-1)).toMatchObject({ state: "success", id: ok.id });
        expect((await follow(runs.name, ENDS)).at(-1)).toMatchObject({ state: "success", id: runs.id, appId });
        expect(await yarn.findByTag(tagOf(runs.name ?? ""))).toHaveLength(1);
        const next = await submit("not-there.py");
        expect(next.id).toBeGreaterThan(runs.id);
      });

      it("without recovery: it knows nothing, ids begin with 0 again, applications live on", async () => {
        const runs = await submit("sleeps.py");
        const { appId } = (await follow(runs.name, ["running"])).at(-1) ?? {};
        await livy.restart({ recovery: false });
        expect((await list()).total).toBe(0);
        expect(await status(`/batches/${runs.name}`)).toBe(404);
        expect(await yarn.find(appId ?? "")).toMatchObject({ state: "RUNNING" });
        const made = await call("POST", "/batches", { file: job("not-there.py"), name: runs.name });
        expect(made).toMatchObject({ status: 201, location: "/batches/0", body: { id: 0, name: runs.name } });
        await yarn.kill(appId ?? "");
      });
    });
  });
}
