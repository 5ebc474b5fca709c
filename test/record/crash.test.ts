import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStore, type StoreLocation } from "../../src/record/store.ts";
import { type Backend, embeddedBackend, type PostgresBackend, postgresBackend } from "./backends.ts";
import { digest, sampleCall, sampleExecution, sampleJob, sampleSubmission } from "./samples.ts";

const children = new Set<ChildProcess>();

/** Starts a recording process and resolves when it has acknowledged `count` jobs, having stopped nothing. */
async function startRecording(
  location: StoreLocation,
  count: number,
): Promise<{ child: ChildProcess; acknowledged: string[] }> {
  const child = spawn(
    process.execPath,
    [new URL("recording-process.ts", import.meta.url).pathname, JSON.stringify(location)],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  children.add(child);
  const acknowledged: string[] = [];
  await new Promise<void>((resolve, reject) => {
    child.on("exit", (code, signal) => reject(new Error(`recording process ended: ${code ?? signal}`)));
    createInterface({ input: child.stdout! }).on("line", (line) => {
      if (line !== "open") acknowledged.push(line);
      if (acknowledged.length >= count) resolve();
    });
  });
  return { child, acknowledged };
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
  children.delete(child);
}

describe.each([
  { name: "embedded", start: embeddedBackend as () => Promise<Backend> },
  { name: "postgres", start: postgresBackend as () => Promise<Backend> },
])("kill -9 of a recording process on $name", ({ start }) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await start();
  });
  afterAll(async () => {
    for (const child of children) child.kill("SIGKILL");
    await backend?.stop();
  });

  // Each round makes or recovers a database twice, which takes PGlite seconds on a busy machine.
  it("loses nothing that was acknowledged, leaves no hole, and lets the next process in at once", async () => {
    const location = await backend.fresh();
    for (const count of [1, 2_000]) {
      const { child, acknowledged } = await startRecording(location, count);
      await kill(child);
      const store = await openStore(location);
      try {
        const jobs = (await store.listJobs("crash")).map((job) => job.id);
        const log = await store.readLog("crash");
        expect(jobs.length).toBeGreaterThanOrEqual(acknowledged.length);
        // Written in the order asked for: what is there is a run from the first.
        expect(jobs).toEqual(jobs.map((_, i) => String(i).padStart(8, "0")));
        const calls = await store.findCalls(jobs.map((id) => sampleCall(id).evalHash));
        expect(calls.size).toBe(jobs.length);
        expect(log.at(-1)! >= acknowledged.at(-1)!).toBe(true);
        // The dead process's lease is not waited for: it is known to be gone.
        expect((await store.adoptExecutions()).map((execution) => execution.id)).toEqual(["crashed"]);
        await store.updateExecution("crashed", { state: "running" });
      } finally {
        await store[Symbol.asyncDispose]();
      }
    }
  }, 600_000);
});

describe("folder of an embedded database", () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await embeddedBackend();
  });
  afterAll(async () => {
    for (const child of children) child.kill("SIGKILL");
    await backend?.stop();
  });

  it("is refused to a second process, which is told the first", async () => {
    const location = await backend.fresh();
    if (location.kind !== "embedded") throw new Error("not embedded");
    const { child } = await startRecording(location, 1);
    await expect(openStore(location)).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringMatching(
        new RegExp(`^database ${location.directory} is in use by process ${child.pid} \\(recording-process`),
      ),
    });
    await kill(child);
    const store = await openStore(location);
    await expect(openStore(location)).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining(`process ${process.pid} `),
    });
    await store[Symbol.asyncDispose]();
    await (await openStore(location))[Symbol.asyncDispose]();
  });
});

describe("a Postgres that goes away", () => {
  let backend: PostgresBackend;
  const closing: (() => unknown)[] = [];
  beforeAll(async () => {
    backend = await postgresBackend();
  });
  afterAll(async () => {
    for (const close of closing) close();
    await backend?.stop();
  });

  it.each(["fast", "crash"] as const)("and comes back (%s) loses and doubles nothing", async (how) => {
    const location = await backend.fresh();
    const notices: string[] = [];
    const store = await openStore({ ...location, logLines: 100_000, onNotice: (line) => notices.push(line) });
    const total = 12_000;
    const writes: Promise<unknown>[] = [];
    store.createSubmission(sampleSubmission("s"));
    for (let i = 0; i < total; i++) {
      writes.push(
        store.recordJobs([sampleJob(String(i).padStart(8, "0"))]),
        store.appendLog("log", [String(i)]),
        store.recordCalls([sampleCall(`${i}`)]),
      );
      if (i % 1000 === 0) writes.push(store.updateSubmission("s", { state: i % 2000 === 0 ? "starting" : "running" }));
      if (i === total / 3) {
        await writes.at(-6_000);
        await backend.server.halt(how);
        writes.push(store.recordJobs([sampleJob("during")]));
        // The outage lasts until the writer has noticed it.
        await expect.poll(() => notices.length).toBeGreaterThan(0);
        await expect(store.ping()).rejects.toMatchObject({ code: "unavailable" });
        await backend.server.resume();
      }
    }
    await Promise.all(writes);
    await store.flushed();
    expect(await store.listJobs("execution-1")).toHaveLength(total + 1);
    expect(await store.readLog("log")).toEqual(Array.from({ length: total }, (_, i) => String(i)));
    const states = Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? "starting" : "running"));
    expect((await store.listTransitions("s")).map((transition) => transition.to)).toEqual(["planned", ...states]);
    expect(notices).toContainEqual(expect.stringMatching(/database answers again/));
    await store[Symbol.asyncDispose]();
  });

  it("takes a commit whose answer was lost for what it was, and answers as the first time", async () => {
    const { url } = await backend.fresh();
    const { proxy, address, cutAfterCommit } = await startProxy(Number(new URL(url).port));
    closing.push(() => proxy.close());
    const through = url.replace(/:\d+\//, `:${address}/`);
    const other = await openStore({ kind: "postgres", url });
    const store = await openStore({ kind: "postgres", url: through });
    expect(await other.claimCall(digest("theirs"))).toBe(true);
    const cuts = cutAfterCommit();
    const execution = sampleExecution("e", { requestId: "r" });
    const answers = await Promise.all([
      store.createExecution(execution),
      store.appendLog("s", ["one", "two"]),
      store.createSubmission(sampleSubmission("s")),
      store.updateSubmission("s", { state: "submitting" }),
      store.updateSubmission("s", { state: "starting" }),
      store.claimCall(digest("mine")),
      store.claimCall(digest("theirs")),
      store.claimCall(digest("back")),
      store.releaseCall(digest("back")),
      store.commitResult({ work: digest("w"), submissionId: "s", outputs: {} }),
      store.recordJobs([sampleJob("j")]),
    ]);
    expect(cuts()).toBe(1);
    expect([(answers[0] as { created: boolean }).created, answers[5], answers[6], answers[7], answers[9]]).toEqual([
      true,
      true,
      false,
      true,
      true,
    ]);
    expect(await store.readLog("s")).toEqual(["one", "two"]);
    expect((await store.listTransitions("s")).map((transition) => transition.to)).toEqual([
      "planned",
      "submitting",
      "starting",
    ]);
    expect(await other.claimCall(digest("back"))).toBe(true);
    await store[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
  });
});

/** A TCP proxy that, once told, passes one COMMIT on to the server, lets it take effect and ends the connection without the answer. */
async function startProxy(
  port: number,
): Promise<{ proxy: Server; address: number; cutAfterCommit: () => () => number }> {
  let armed = false;
  let cuts = 0;
  const proxy = createServer((client: Socket) => {
    const server = connect(port, "127.0.0.1");
    let dropping = false;
    client.on("data", (chunk) => {
      if (armed && chunk.includes("commit\0")) {
        armed = false;
        dropping = true;
        cuts += 1;
      }
      server.write(chunk);
    });
    // The server's answer to the COMMIT shows that it took place; it goes no further.
    server.on("data", (chunk) => (dropping ? client.destroy() : client.write(chunk)));
    for (const [one, two] of [[client, server] as const, [server, client] as const]) {
      one.on("close", () => two.destroy());
      one.on("error", () => two.destroy());
    }
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    proxy,
    address: address.port,
    cutAfterCommit: () => {
      armed = true;
      return () => cuts;
    },
  };
}
