/**
 * A Livy server in this process, for the faults that a real one does not produce on demand. It answers as 0.9.0 does (forms of errors, names, list order, log headers) and its "jobs" write a manifest.
 */

import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LivyBatchRequest } from "../../src/route/livy/client.ts";
import type { SparkSpec } from "../../src/route/livy/spec.ts";

export interface FakeBatch {
  id: number;
  name: string | null;
  state: string;
  appId: string | null;
  log: string[];
  request: LivyBatchRequest;
}

/** What happens to one request instead of, or after, its ordinary handling. */
export type Fault =
  | { readonly kind: "loseReply" }
  | { readonly kind: "loseRequest" }
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly body: string;
      readonly type?: string;
      readonly handled?: boolean;
    }
  /** The request is refused and leaves a batch that never starts. */
  | { readonly kind: "zombie"; readonly status: number };

/** What a job does: how long until it runs, until it writes its manifest, until Livy shows its end. */
export interface FakeJob {
  readonly runs: "ok" | "fails" | "forever" | "dies" | "noManifest";
  readonly afterMs?: number;
}

export class FakeLivy implements AsyncDisposable {
  readonly batches: FakeBatch[] = [];
  /** Every request, `GET /batches`, ids and queries left out. */
  readonly requests: string[] = [];
  /** Applied to the next requests of a kind, in order. */
  readonly faults = new Map<string, Fault[]>();
  /** All batches that were ever started, also those forgotten since. */
  readonly started: FakeBatch[] = [];
  /** Batches whose application was stopped. */
  readonly killed = new Set<FakeBatch>();
  job: (request: LivyBatchRequest) => FakeJob = () => ({ runs: "ok" });
  #server: Server;
  #next = 0;
  #port = 0;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor() {
    this.#server = this.#create();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async up(): Promise<this> {
    this.#server = this.#create();
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  async down(): Promise<void> {
    this.#server.closeAllConnections();
    if (this.#server.listening) await new Promise((done) => this.#server.close(done));
  }

  /** A restart without recovery: everything forgotten, ids start at 0 again; applications live on. */
  forgetAll(): void {
    this.batches.length = 0;
    this.#next = 0;
  }

  fault(request: string, ...faults: Fault[]): void {
    this.faults.set(request, [...(this.faults.get(request) ?? []), ...faults]);
  }

  /** A batch of somebody else. */
  add(name: string | null, state: string): FakeBatch {
    const batch: FakeBatch = {
      id: this.#next++,
      name,
      state,
      appId: null,
      log: ["stdout: ", "a line", "\nstderr: ", "\nYARN Diagnostics: "],
      request: { file: "x" },
    };
    this.batches.push(batch);
    return batch;
  }

  /** Lets every job end that would run for ever. */
  finishAll(): void {
    for (const batch of this.started)
      if (batch.state === "starting" || batch.state === "running") void this.#end(batch, "ok");
  }

  count(request: string): number {
    return this.requests.filter((one) => one === request).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await this.down();
  }

  #create(): Server {
    return createServer((request, response) => {
      void this.#handle(request, response).catch((error: unknown) =>
        this.#answer(response, 500, JSON.stringify({ msg: String(error) })),
      );
    });
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.url);
    const [, root, which, part] = url.pathname.split("/");
    const kind = `${request.method} /${root}${which === undefined ? "" : "/x"}${part === undefined ? "" : `/${part}`}`;
    this.requests.push(kind);
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const fault = this.faults.get(kind)?.shift();
    if (fault?.kind === "loseRequest") return void request.socket.destroy();
    if (fault?.kind === "answer" && !fault.handled) return this.#answer(response, fault.status, fault.body, fault.type);
    if (fault?.kind === "zombie") {
      const zombie = this.add((JSON.parse(text) as LivyBatchRequest).name ?? null, "starting");
      zombie.log = [];
      return this.#answer(response, fault.status, JSON.stringify({ msg: "Rejected, Reason: no" }));
    }
    const [status, body] = this.#serve(request.method ?? "", root ?? "", which, part, url.searchParams, text);
    if (fault?.kind === "loseReply") return void request.socket.destroy();
    if (fault?.kind === "answer") return this.#answer(response, fault.status, fault.body, fault.type);
    this.#answer(response, status, JSON.stringify(body));
  }

  #answer(response: ServerResponse, status: number, body: string, type = "application/json;charset=utf-8"): void {
    response.writeHead(status, { "content-type": type }).end(body);
  }

  #serve(
    method: string,
    root: string,
    which: string | undefined,
    part: string | undefined,
    query: URLSearchParams,
    text: string,
  ): readonly [number, unknown] {
    if (root === "version") return [200, { version: "0.9.0-fake" }];
    if (which === undefined) {
      if (method === "POST") return this.#make(JSON.parse(text) as LivyBatchRequest);
      const from = Number(query.get("from") ?? 0);
      const shown = this.batches.slice(from, from + Number(query.get("size") ?? 100));
      return [200, { from, total: this.batches.length, sessions: shown.map((one) => this.#show(one)) }];
    }
    const key = decodeURIComponent(which);
    const batch = this.batches.find((one) => (/^\d+$/.test(key) ? one.id === Number(key) : one.name === key));
    if (batch === undefined) return [404, { msg: `Session '${key}' not found.` }];
    if (method === "DELETE") {
      this.batches.splice(this.batches.indexOf(batch), 1);
      this.killed.add(batch);
      return [200, { msg: "deleted" }];
    }
    if (part === "state") return [200, { id: batch.id, state: batch.state }];
    if (part === "log") {
      const size = Number(query.get("size") ?? 100);
      const ring = batch.log.slice(-200);
      return [200, { id: batch.id, from: 0, total: ring.length, log: ring.slice(-size) }];
    }
    return [200, this.#show(batch)];
  }

  #show({ request: _, log, ...batch }: FakeBatch): unknown {
    return {
      ...batch,
      owner: null,
      proxyUser: null,
      appInfo: { driverLogUrl: null, sparkUiUrl: null, executorLogUrls: null },
      log: log.slice(-10),
    };
  }

  #make(request: LivyBatchRequest): readonly [number, unknown] {
    if (request.name !== undefined && this.batches.some(({ name }) => name === request.name)) {
      return [
        400,
        { msg: `Rejected, Reason: Duplicate session name: Some(${request.name}) for session ${this.#next++}` },
      ];
    }
    const batch = this.add(request.name ?? null, "starting");
    batch.request = request;
    this.started.push(batch);
    const job = this.job(request);
    const step = job.afterMs ?? 20;
    this.#after(step, () => {
      if (batch.state === "starting") batch.state = "running";
    });
    if (job.runs !== "forever") this.#after(2 * step, () => void this.#end(batch, job.runs));
    return [201, this.#show(batch)];
  }

  async #end(batch: FakeBatch, runs: FakeJob["runs"]): Promise<void> {
    if (this.killed.has(batch)) return;
    if (runs === "ok" || runs === "fails") await writeManifest(batch.request, runs === "ok");
    batch.state = runs === "ok" || runs === "noManifest" ? "success" : "dead";
  }

  #after(ms: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, ms);
    this.#timers.add(timer);
  }
}

/** Does what the harness does, with no rows. */
async function writeManifest({ args }: LivyBatchRequest, succeeded: boolean): Promise<void> {
  const spec = JSON.parse(await readFile(fileURLToPath(args?.[0] ?? ""), "utf8")) as SparkSpec;
  const driver = "0123456789abcdef";
  const base = join(fileURLToPath(spec.base), driver);
  await mkdir(base, { recursive: true });
  const outputs = spec.outputs.map(({ name, partitionBy }) => ({
    name,
    location: `${spec.base}/${driver}/${name}`,
    format: "parquet",
    partitionBy,
    schema: { type: "struct", fields: [{ name: "id", type: "long", nullable: false, metadata: {} }] },
    rows: 0,
    fingerprint: {
      mode: "rows",
      version: 1,
      xor: ["0000000000000000", "0000000000000000"],
      sums: ["0", "0", "0", "0"],
    },
    files: [],
  }));
  const manifest = {
    version: 1,
    attempt: spec.attempt,
    driver,
    appId: "local-1",
    spark: "3.5.6",
    status: succeeded ? "succeeded" : "failed",
    startedAt: new Date().toISOString(),
    endedAt: new Date().toISOString(),
    outputs: succeeded ? outputs : [],
    ...(succeeded
      ? {}
      : {
          error: {
            class: "user",
            type: "ValueError",
            message: "column price is missing",
            position: { line: 3, column: 7 },
            traceback: "Traceback ...",
          },
        }),
  };
  await writeFile(join(base, "manifest.json"), JSON.stringify(manifest));
}
