/** YARN as the double has it: applications with tags and states, and the part of the ResourceManager's and NodeManager's REST interface that `resource-manager.ts` asks. */

import type { Clock } from "../../src/clock.ts";
import { wait } from "./clock.ts";
import { type Answer, json, type Request } from "./exchange.ts";
import type { Ledger } from "./ledger.ts";

/** How an application ends by itself. */
export interface End {
  readonly state: "FINISHED" | "FAILED";
  readonly finalStatus: "SUCCEEDED" | "FAILED";
  readonly diagnostics: string;
}

/** An application. */
export interface Application {
  readonly id: string;
  readonly container: string;
  readonly name: string;
  readonly queue: string;
  readonly tags: readonly string[];
  readonly startedAt: number;
  state: "ACCEPTED" | "RUNNING" | "FINISHED" | "FAILED" | "KILLED";
  finalStatus: "UNDEFINED" | "SUCCEEDED" | "FAILED" | "KILLED";
  diagnostics: string;
  finishedAt: number;
  /** Whether it ever had a container. */
  placed: boolean;
  killing: boolean;
  /** What the driver printed. */
  output: string;
  /** How often the driver was started. */
  starts: number;
}

/** What a submission to YARN says. */
export interface Submitted {
  readonly name: string;
  readonly queue?: string | undefined;
  /** Kept in lower case. */
  readonly tags: readonly string[];
  /** What the driver does; its result is the end of the application, unless somebody kills it first. */
  readonly drive: (application: Application) => Promise<End>;
}

export interface YarnOptions {
  readonly clock: Clock;
  readonly ledger: Ledger;
  /** Time from ACCEPTED to RUNNING. */
  readonly acceptMs: number;
  /** Time that a kill takes. */
  readonly killMs: number;
}

const USER = "root";
const QUEUES = new Set(["default"]);

export function hasEnded({ state }: Application): boolean {
  return state === "FINISHED" || state === "FAILED" || state === "KILLED";
}

export class Yarn {
  readonly applications = new Map<string, Application>();
  readonly #byTag = new Map<string, Application[]>();
  readonly #byContainer = new Map<string, Application>();
  /** Where this answers, `http://127.0.0.1:18088`; it is in links. */
  origin = "http://yarn.invalid";
  /** Kills are taken and not carried out. */
  refusesKills = false;
  /** Gives no answer to anybody. */
  down = false;
  readonly #options: YarnOptions;
  readonly #started: number;
  #count = 0;

  constructor(options: YarnOptions) {
    this.#options = options;
    this.#started = options.clock.now();
  }

  /** Takes an application, or refuses it (an unknown queue), which leaves one that FAILED. */
  submit({ name, queue = "default", tags, drive }: Submitted): Application {
    const number = String(++this.#count).padStart(4, "0");
    const known = QUEUES.has(queue);
    const application: Application = {
      id: `application_${this.#started}_${number}`,
      container: `container_${this.#started}_${number}_01_000001`,
      name,
      queue,
      tags: tags.map((tag) => tag.toLowerCase()),
      startedAt: this.#options.clock.now(),
      state: "ACCEPTED",
      finalStatus: "UNDEFINED",
      diagnostics: "",
      finishedAt: 0,
      placed: known,
      killing: false,
      output: "",
      starts: 0,
    };
    this.applications.set(application.id, application);
    this.#byContainer.set(application.container, application);
    for (const tag of new Set(application.tags)) this.#byTag.set(tag, [...(this.#byTag.get(tag) ?? []), application]);
    this.#options.ledger.note("accepted", name, { appId: application.id });
    if (known) void this.#live(application, drive);
    else {
      const diagnostics = `Application ${application.id} submitted by user ${USER} to unknown queue: ${queue}`;
      this.#end(application, { state: "FAILED", finalStatus: "FAILED", diagnostics });
    }
    return application;
  }

  findByTag(tag: string): readonly Application[] {
    // A test may take one out: YARN has forgotten it.
    return (this.#byTag.get(tag.toLowerCase()) ?? []).filter(({ id }) => this.applications.has(id));
  }

  /** Settles when the application has ended, or the kill was not carried out. */
  async kill(application: Application): Promise<void> {
    if (hasEnded(application) || this.refusesKills) return;
    application.killing = true;
    await wait(this.#options.clock, this.#options.killMs);
    if (hasEnded(application)) return;
    Object.assign(application, { state: "KILLED", finalStatus: "KILLED", finishedAt: this.#options.clock.now() });
    application.diagnostics = `Application ${application.id} was killed by user ${USER} at 127.0.0.1`;
    this.#options.ledger.note("killed", application.name, { appId: application.id });
  }

  handle({ method, target, body }: Request): Answer {
    const url = new URL(target, "http://x");
    const [, , version, root, ...rest] = url.pathname.split("/");
    if (version !== "v1") return notFound("no such page");
    if (root === "node") return this.#log(rest, url.searchParams);
    const [kind, id, part] = rest.map(decodeURIComponent);
    if (root !== "cluster" || kind !== "apps") return notFound("no such page");
    if (id === undefined) {
      const found = this.findByTag(url.searchParams.get("applicationTags") ?? "");
      return json(200, { apps: found.length === 0 ? {} : { app: found.map((one) => this.#show(one)) } });
    }
    if (!id.startsWith("application_"))
      return exception(
        400,
        "BadRequestException",
        `java.lang.IllegalArgumentException: Invalid ApplicationId prefix: ${id}. The valid ApplicationId should start with prefix application`,
      );
    const application = this.applications.get(id);
    if (application === undefined) return notFound(`app with id: ${id} not found`);
    if (part === undefined) return json(200, { app: this.#show(application) });
    if (part === "appattempts") return json(200, { appAttempts: { appAttempt: attemptsOf(application) } });
    if (method === "PUT" && (JSON.parse(body) as { state?: unknown }).state === "KILLED") {
      if (hasEnded(application)) return json(200, { state: application.state });
      void this.kill(application);
      return json(202, { state: "KILLING" });
    }
    return json(200, { state: application.state });
  }

  async #live(application: Application, drive: Submitted["drive"]): Promise<void> {
    await wait(this.#options.clock, this.#options.acceptMs);
    if (hasEnded(application)) return;
    application.state = "RUNNING";
    this.#options.ledger.note("running", application.name, { appId: application.id });
    const end = await drive(application);
    if (!hasEnded(application)) this.#end(application, end);
  }

  #end(application: Application, end: End): void {
    Object.assign(application, end, { finishedAt: this.#options.clock.now() });
    this.#options.ledger.note("ended", application.name, { appId: application.id, detail: end.finalStatus });
  }

  #show(application: Application): unknown {
    const { id, name, queue, state, finalStatus, diagnostics, tags, placed, startedAt, finishedAt } = application;
    const page = state === "KILLED" ? `cluster/app/${id}` : `proxy/${id}/`;
    return {
      id,
      user: USER,
      name,
      queue,
      state,
      finalStatus,
      progress: state === "RUNNING" ? 10 : placed && hasEnded(application) ? 100 : 0,
      trackingUI: placed ? (hasEnded(application) ? "History" : "ApplicationMaster") : "UNASSIGNED",
      ...(placed ? { trackingUrl: `${this.origin}/${page}`, amContainerLogs: this.logUrl(application) } : {}),
      diagnostics,
      applicationType: "SPARK",
      applicationTags: tags.join(","),
      startedTime: startedAt,
      finishedTime: finishedAt,
    };
  }

  logUrl({ container }: Application): string {
    return `${this.origin}/node/containerlogs/${container}/${USER}`;
  }

  trackingUrl({ id }: Application): string {
    return `${this.origin}/proxy/${id}/`;
  }

  /** `/ws/v1/node/containers/<container>/logs` and `.../logs/stdout?size=-900` */
  #log([, container = "", , file]: readonly string[], query: URLSearchParams): Answer {
    const application = this.#byContainer.get(container);
    const known = application?.placed && application.state !== "ACCEPTED" ? application : undefined;
    if (file === undefined) return known === undefined ? unknownContainer() : json(200, logsOf(known));
    const text = known && (file === "stdout" ? known.output : file === "stderr" ? stderrOf(known) : undefined);
    if (text === undefined) return notFound("Cannot find this log on the local disk.");
    const bytes = Buffer.from(text);
    const size = Number(query.get("size") ?? bytes.length);
    const shown = (size < 0 ? bytes.subarray(size) : bytes.subarray(0, size)).toString();
    const head = `Container: ${container} on 127.0.0.1\nLogAggregationType: LOCAL\n${"=".repeat(68)}\nLogType:${file}\nLogLength:${bytes.length}\n`;
    const body = `${head}LogContents:\n${shown}End of LogType:${file}.\n${"*".repeat(71)}\n\n`;
    return { kind: "answer", status: 200, type: "text/plain", body };
  }
}

/** What Spark logs of itself. */
function stderrOf({ id }: Application): string {
  return `INFO ApplicationMaster: ${id} starts\nINFO SparkContext: Running Spark version 3.5.6\n`;
}

function logsOf(application: Application): unknown {
  const lengths = { stderr: stderrOf(application), stdout: application.output };
  const containerLogInfo = Object.entries(lengths).map(([fileName, text]) => ({
    fileName,
    fileSize: String(Buffer.byteLength(text)),
  }));
  return { containerLogsInfo: { containerLogInfo, logAggregationType: "LOCAL", containerId: application.container } };
}

/** As 3.3.4 has it: meant as a 404. */
function unknownContainer(): Answer {
  return exception(
    500,
    "WebApplicationException",
    "org.apache.hadoop.yarn.webapp.NotFoundException: java.lang.Exception: Unknown container. Container either has not started or has already completed or doesn't belong to this node at all.",
  );
}

/** The driver's starts: as many as there were, and one while it waits for a container. */
function attemptsOf({ id, starts, container, startedAt, finishedAt }: Application): readonly unknown[] {
  return Array.from({ length: Math.max(1, starts) }, (_, i) => ({
    id: i + 1,
    startTime: startedAt,
    finishedTime: finishedAt,
    containerId: container,
    appAttemptId: `${id.replace("application", "appattempt")}_${String(i + 1).padStart(6, "0")}`,
  }));
}

function exception(status: number, kind: string, message: string): Answer {
  return json(status, {
    RemoteException: { exception: kind, message, javaClassName: `org.apache.hadoop.yarn.webapp.${kind}` },
  });
}

function notFound(message: string): Answer {
  return exception(404, "NotFoundException", `java.lang.Exception: ${message}`);
}
