/**
 * HTTP between the processes and the doubles without sockets, in simulated time: latency, connections that are refused, break or never answer, time-outs, a bounded number of connections. Rejects as undici does.
 */

import { FiresteelError } from "../../src/errors.ts";
import type { Answer, Endpoint, EndpointOptions } from "../../src/route/livy/http/endpoint.ts";
import { type ManualClock, wait } from "../livy/clock.ts";
import type { Double } from "../livy/double.ts";
import { type Answer as Given, type Request, requestKind } from "../livy/exchange.ts";
import type { Fault } from "../livy/faults.ts";
import type { Random } from "../livy/random.ts";
import type { Life } from "./life.ts";

/** How bad the network and the servers are now. */
export interface Weather {
  /** Of all requests this part has a fault. */
  rate: number;
  /** Hosts that cannot be reached: refused at once, or no answer to the attempt to connect. */
  readonly cut: Map<string, "refused" | "silent">;
}

const HTML = "<html><head><title>Error</title></head><body><h1>Bad Gateway</h1><hr>nginx</body></html>";
const LATENCY_MS = 8;
/** Within the time that is waited for such. */
const LATE_MS = 7_000;

export class Network {
  readonly #clock: ManualClock;
  readonly #random: Random;
  readonly #hosts = new Map<string, (request: Request) => Promise<Given>>();
  readonly #doubles = new Map<string, Double>();
  readonly weather: Weather = { rate: 0, cut: new Map() };
  /** Told of every request and what came of it. */
  onExchange: (line: () => string) => void = () => {};

  constructor(clock: ManualClock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Puts a double's Livy and YARN at two addresses. */
  add(name: string, double: Double): { readonly livy: string; readonly yarn: string } {
    const [livy, yarn] = [`http://livy-${name}`, `http://yarn-${name}`];
    this.#hosts.set(livy, (request) => double.handle(request));
    this.#hosts.set(yarn, (request) => double.handleYarn(request));
    for (const url of [livy, yarn]) this.#doubles.set(url, double);
    double.yarn.origin = yarn;
    return { livy, yarn };
  }

  /** What a process connects with. */
  connect(life: Life): (options: EndpointOptions) => Endpoint {
    return (options) => {
      const { connections = 8, timeOuts: { connectMs = 5_000, headersMs = 60_000 } = {} } = options;
      const url = new URL(options.url).origin;
      const leaving = new Set<() => void>();
      let destroyed = false;
      const queue: (() => void)[] = [];
      let open = 0;
      const place = async () => {
        if (open >= connections) await new Promise<void>((resolve) => queue.push(resolve));
        else open++;
      };
      const leave = () => {
        const next = queue.shift();
        if (next === undefined) open--;
        else next();
      };
      return {
        url,
        request: (method, path, { signal, body } = {}) => {
          // Cheaper than a signal made of two.
          const gone = { now: destroyed || signal?.aborted === true, later: Promise.withResolvers<"late">() };
          const step = method === "POST" ? "POST" : "request";
          const travel = async () => {
            await place();
            try {
              if (gone.now) return undefined as never;
              if (!life.step(`${step} before`)) return await new Promise<never>(() => {});
              const request = { method, target: path, body: body === undefined ? "" : JSON.stringify(body) };
              const timeOutMs = method === "DELETE" ? 2 * headersMs : headersMs;
              const answer = await this.#exchange(url, request, { connectMs, headersMs: timeOutMs }, gone);
              life.step(`${step} after`);
              return answer;
            } finally {
              leave();
            }
          };
          return new Promise<Answer>((resolve, reject) => {
            const abort = () => {
              gone.now = true;
              gone.later.resolve("late");
              reject(destroyed ? failure("UND_ERR_DESTROYED", "The client is destroyed") : signal?.reason);
            };
            if (gone.now) return abort();
            leaving.add(abort);
            signal?.addEventListener("abort", abort, { once: true });
            const settled = () => {
              leaving.delete(abort);
              signal?.removeEventListener("abort", abort);
            };
            life.pass(travel()).finally(settled).then(resolve, reject);
          });
        },
        [Symbol.asyncDispose]: async () => {
          destroyed = true;
          for (const leave of leaving) leave();
        },
      };
    };
  }

  async #exchange(
    url: string,
    request: Request,
    { connectMs, headersMs }: { readonly connectMs: number; readonly headersMs: number },
    gone: { readonly later: { readonly promise: Promise<"late"> } },
  ): Promise<Answer> {
    const handle = this.#hosts.get(url);
    const double = this.#doubles.get(url);
    const tell = (what: string) => this.onExchange(() => `${url} ${request.method} ${request.target}: ${what}`);
    await travel(this.#clock, this.#random, LATENCY_MS);
    const cut = this.weather.cut.get(url);
    if (cut === "silent") {
      await wait(this.#clock, connectMs);
      tell("no connection");
      throw failure("UND_ERR_CONNECT_TIMEOUT", "Connect Timeout Error");
    }
    const refuses = url.startsWith("http://livy") ? double?.up === false : false;
    if (cut === "refused" || refuses || handle === undefined || double === undefined) {
      tell("refused");
      throw failure("ECONNREFUSED", `connect ECONNREFUSED ${url}`);
    }
    let fault: Fault | null = null;
    // What becomes of a POST matters most.
    if (this.#random() < this.weather.rate * (request.method === "POST" ? 3 : 1)) {
      const kind = requestKind(request);
      fault = this.#draw(kind);
      double.faults.script(kind, fault);
    }
    const late = Promise.withResolvers<"late">();
    const callOff = this.#clock.after(headersMs, () => late.resolve("late"));
    const given = await Promise.race([handle(request), late.promise, gone.later.promise]);
    callOff();
    const words = fault === null ? "" : ` (${fault.when}: ${fault.does})`;
    if (given === "late" || given.kind === "hang") {
      if (given !== "late") await Promise.race([wait(this.#clock, headersMs), gone.later.promise]);
      tell(`no answer${words}`);
      throw failure("UND_ERR_HEADERS_TIMEOUT", "Headers Timeout Error");
    }
    await travel(this.#clock, this.#random, LATENCY_MS);
    if (given.kind === "answer" && given.cut !== true) {
      tell(`${given.status}${words}`);
      return {
        status: given.status,
        contentType: given.type,
        text: given.body,
        location: given.headers?.["location"] ?? "",
      };
    }
    tell(`broken${words}`);
    throw given.kind === "reset"
      ? failure("ECONNRESET", "read ECONNRESET")
      : failure("UND_ERR_SOCKET", "other side closed");
  }

  /** Every kind of fault at every moment. */
  #draw(kind: string): Fault {
    const random = this.#random;
    const pick = <T>(...of: readonly T[]): T => of[Math.floor(random() * of.length)]!;
    const when = pick("before", "during", "after");
    if (kind === "POST /batches" && random() < 0.4)
      return {
        when: "late",
        ms: Math.ceil(random() * LATE_MS),
        does: "answer",
        status: 504,
        body: HTML,
        type: "text/html",
      };
    switch (pick("drop", "reset", "hang", "cut", "delay", "500", "502", "503", "nonsense", "zombie")) {
      case "drop":
        return { when, does: "drop" };
      case "reset":
        return { when, does: "reset" };
      case "hang":
        return { when, does: "hang" };
      case "cut":
        return { when: "after", does: "cut" };
      case "500":
        return { when, does: "answer", status: 500, body: '"java.lang.IllegalStateException: boom"' };
      case "502":
        return { when, does: "answer", status: 502, body: HTML, type: "text/html" };
      case "503":
        return { when, does: "answer", status: 503, body: "" };
      case "nonsense":
        return { when, does: "answer", status: 200, body: HTML, type: "text/html" };
      case "zombie":
        if (kind === "POST /batches") return { when: "before", does: "zombie", status: 500 };
        break;
      default:
    }
    const [at, chance] = [pick<"before" | "after">("before", "after"), random()];
    // A POST gets there within the time that is waited for it, also when its sender has died; else mostly sooner than anybody's patience ends, sometimes later.
    const isPost = kind === "POST /batches" && at === "before";
    const ms = isPost ? chance * LATE_MS : random() < 0.8 ? chance * 5_000 : chance * 120_000;
    return { when: at, does: "delay", ms: Math.ceil(ms) };
  }
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** The way there or back: most take no time that could be seen, some up to so many ms. */
export async function travel(clock: ManualClock, random: Random, mostMs: number): Promise<void> {
  const chance = random();
  if (chance < 0.25) await wait(clock, Math.ceil(4 * chance * mostMs));
}

/** What the storage says while it is away. */
export function away(what: string): FiresteelError {
  return new FiresteelError("unavailable", `${what} is away`);
}
