/** One batch of the double: spark-submit's process, the monitor that asks YARN about it, and what Livy shows of both. */

import type { Clock } from "../../src/clock.ts";
import type { LivyBatchRequest } from "../../src/route/livy/http/client.ts";
import { wait } from "./clock.ts";
import { type JobFiles, type JobPlan, plannedIn, TRACEBACK, toUri, writeAsApp, writeAsHarness } from "./job.ts";
import type { Ledger } from "./ledger.ts";
import type { Profile } from "./profile.ts";
import { letters, type Random } from "./random.ts";
import { type Application, type End, hasEnded, type Yarn } from "./yarn.ts";

/** How long things take, ms. */
export interface Timings {
  /** The part of a POST in which the server forks; POSTs wait for each other. */
  readonly postMs: number;
  /** From the fork to the application. */
  readonly submitMs: number;
  /** Between two looks of Livy at YARN. */
  readonly pollMs: number;
  readonly acceptMs: number;
  readonly killMs: number;
  /** A job that says nothing else. */
  readonly runMs: number;
  /** From the manifest to the end of the application. */
  readonly closeMs: number;
  /** How long Livy looks for an application by its tag. */
  readonly lookupMs: number;
  /** How long an ended batch is remembered. */
  readonly retainMs: number;
}

/** What a batch lives in. */
export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly ledger: Ledger;
  readonly yarn: Yarn;
  readonly files: JobFiles;
  readonly profile: Profile;
  readonly timings: Timings;
  /** Null: jobs run below spark-submit (`local[*]`), and there are no applications. */
  readonly master: "yarn" | "local";
  /** What is not said of the job is left to its file. */
  readonly plan: (request: LivyBatchRequest) => Partial<JobPlan> | null;
}

/** spark-submit. It lives on when Livy is killed. */
export interface Submit {
  readonly lines: string[];
  alive: boolean;
  exit: number;
}

export type Shown = "starting" | "recovering" | "running" | "success" | "dead" | "killed";

export interface Batch {
  readonly id: number;
  readonly name: string | null;
  readonly request: LivyBatchRequest;
  readonly tag: string;
  state: Shown;
  appId: string | null;
  links: { driverLogUrl: string | null; sparkUiUrl: string | null };
  /** Null after a restart; the log is gone then. */
  submit: Submit | null;
  diagnostics: readonly string[];
  /** False: a zombie, which was made and never started. */
  monitored: boolean;
  /** Whether it is in the recovery store. */
  stored: boolean;
  killed: boolean;
  readonly lookupUntil: number;
  endedAt: number | null;
  /** A state that is shown in the place of the true one. */
  lie: string | null;
}

const RING = 200;

/** Whether Livy has stopped looking. */
export function isOver({ state }: Batch): boolean {
  return state === "success" || state === "dead" || state === "killed";
}

/** The log as Livy shows it. */
export function logOf(batch: Batch, master: World["master"]): readonly string[] {
  if (!batch.monitored) return [];
  const lines = (batch.submit?.lines ?? []).slice(-RING);
  return [
    "stdout: ",
    ...lines,
    "\nstderr: ",
    ...(master === "yarn" ? ["\nYARN Diagnostics: ", ...batch.diagnostics] : []),
  ];
}

/** Starts spark-submit, and with it what comes after. */
export function startSubmit(world: World, batch: Batch): void {
  const submit: Submit = { lines: [], alive: true, exit: 0 };
  batch.submit = submit;
  batch.monitored = true;
  if (world.master === "local") batch.state = "running";
  void run(world, batch, submit);
}

async function run(world: World, batch: Batch, submit: Submit): Promise<void> {
  const { clock, timings, yarn } = world;
  const { request } = batch;
  const say = (...lines: string[]) => void submit.lines.push(...lines);
  const exit = (code: number) => {
    submit.alive = false;
    submit.exit = code;
  };
  const asked = world.plan(request);
  let plan: JobPlan;
  await wait(clock, timings.submitMs);
  say(
    "WARN NativeCodeLoader: Unable to load native-hadoop library for your platform... using builtin-java classes where applicable",
  );
  try {
    for (const file of request.files ?? []) {
      await world.files.read(toUri(file));
      say(`INFO Client: Uploading resource ${file}`);
    }
    plan = { runs: "ok", ...(asked?.runs ? null : await plannedIn(world.files, toUri(request.file))), ...asked };
  } catch (error) {
    say(
      `Exception in thread "main" java.io.FileNotFoundException: ${(error as Error).message}`,
      "\tat org.apache.spark.deploy.SparkSubmit.main(SparkSubmit.scala)",
    );
    return exit(1);
  }
  if (!submit.alive) return;
  for (let i = 0; i < (plan.lines ?? 0); i++) say(`INFO Client: line ${i}`);
  if (plan.runs === "refused") {
    say(
      'Exception in thread "main" org.apache.spark.SparkException: Application was refused',
      "INFO ShutdownHookManager: Shutdown hook called",
    );
    return exit(1);
  }
  const { name, queue, conf = {} } = request;
  const began = clock.now();
  if (world.master === "local") {
    const end = await drive(
      world,
      batch,
      plan,
      `local-${began}`,
      () => submit.alive,
      (text) => say(...text.split("\n")),
    );
    if (submit.alive) exit(end.finalStatus === "SUCCEEDED" ? 0 : 1);
    return;
  }
  const tags = [batch.tag, ...(conf["spark.yarn.tags"] ?? "").split(",").filter(Boolean)];
  const application = yarn.submit({
    name: name ?? request.file,
    queue,
    tags,
    drive: (one) => {
      one.starts = plan.starts ?? 1;
      const print = (text: string) => (one.output += `${text}\n`);
      return drive(world, batch, plan, one.id, () => !hasEnded(one), print);
    },
  });
  if (hasEnded(application)) {
    say(
      `Exception in thread "main" org.apache.hadoop.yarn.exceptions.YarnException: Failed to submit ${application.id} to YARN : ${application.diagnostics}`,
    );
    return exit(1);
  }
  say(
    `INFO YarnClientImpl: Submitted application ${application.id}`,
    `INFO Client: Application report for ${application.id} (state: ACCEPTED)`,
    "INFO ShutdownHookManager: Shutdown hook called",
  );
  exit(0);
}

/** The driver. What it writes after `lives` is false is not written: it was killed. */
async function drive(
  { clock, timings, random, ledger, files }: World,
  { name, request }: Batch,
  plan: JobPlan,
  appId: string,
  lives: () => boolean,
  print: (text: string) => void,
): Promise<End> {
  const began = clock.now();
  const failed: End = {
    state: "FINISHED",
    finalStatus: "FAILED",
    diagnostics: "User application exited with status 1",
  };
  const done: End = { state: "FINISHED", finalStatus: "SUCCEEDED", diagnostics: "" };
  if (plan.runs === "forever") return new Promise(() => {});
  await wait(clock, plan.ms ?? timings.runMs);
  await plan.held;
  if (!lives()) return failed;
  switch (plan.runs) {
    case "ok":
    case "fails": {
      const succeeded = plan.runs === "ok";
      const run = { appId, succeeded, began, ended: clock.now() };
      try {
        const note = () => ledger.note("outputs", name, { appId });
        const uri = await writeAsHarness(files, request, letters(random, 16), run, note);
        ledger.note("manifest", name, { appId, detail: uri });
      } catch (error) {
        print(`Traceback (most recent call last):\nOSError: ${(error as Error).message}`);
        return failed;
      }
      if (!succeeded) print(`firesteel: failed in body\n${TRACEBACK}`);
      await wait(clock, plan.closeMs ?? timings.closeMs);
      print("firesteel: closed");
      return succeeded ? done : failed;
    }
    case "app":
      await writeAsApp(files, request, plan.parts);
      ledger.note("outputs", name, { appId });
      return done;
    case "throws":
      if (plan.diagnostics === undefined) print(TRACEBACK);
      return { ...failed, ...(plan.diagnostics === undefined ? {} : { diagnostics: plan.diagnostics }) };
    case "dies":
      return {
        state: "FAILED",
        finalStatus: "FAILED",
        diagnostics: "Application failed 1 times due to AM Container exited with exitCode: -100",
      };
    default:
      return done;
  }
}

/** One look of Livy's monitor at a batch; the state it comes to. */
export function poll(world: World, batch: Batch): void {
  const { submit } = batch;
  const exited = submit !== null && !submit.alive;
  if (world.master === "local") {
    if (exited) end(world, batch, submit.exit === 0 ? "success" : batch.killed ? "killed" : "dead");
    return;
  }
  const { yarn, clock, profile } = world;
  if (yarn.down) return;
  if (batch.appId === null) {
    if (exited && submit.exit !== 0) return end(world, batch, "dead", "spark-submit start failed");
    const [found] = yarn.findByTag(batch.tag);
    if (found !== undefined) batch.appId = found.id;
    else if (clock.now() >= batch.lookupUntil)
      end(
        world,
        batch,
        "dead",
        `No YARN application is found with tag ${batch.tag} in ${world.timings.lookupMs / 1_000} seconds.`,
      );
    return;
  }
  const application = yarn.applications.get(batch.appId);
  if (application === undefined)
    return end(world, batch, "dead", `Application with id '${batch.appId}' doesn't exist in RM.`);
  if (submit?.alive) return;
  batch.diagnostics = application.diagnostics === "" ? [] : application.diagnostics.split("\n");
  if (exited && submit.exit !== 0) end(world, batch, batch.killed ? "killed" : "dead");
  else if (application.state === "RUNNING") batch.state = "running";
  else if (hasEnded(application)) end(world, batch, endOf(application));
  if (!application.placed) return;
  // YARN forgets containers when it likes.
  const unlinked = isOver(batch) && ((batch.state === "success" && profile.unlinksSuccess) || world.random() < 0.5);
  batch.links = {
    driverLogUrl: unlinked ? null : yarn.logUrl(application),
    sparkUiUrl: yarn.trackingUrl(application),
  };
}

function endOf({ state, finalStatus }: Application): Shown {
  return state === "FINISHED" && finalStatus === "SUCCEEDED" ? "success" : state === "KILLED" ? "killed" : "dead";
}

function end({ clock, profile, ledger }: World, batch: Batch, state: Shown, diagnostics?: string): void {
  batch.state = state;
  ledger.note("shown", batch.name, { id: batch.id, appId: batch.appId, detail: state });
  batch.endedAt = clock.now();
  if (diagnostics !== undefined) batch.diagnostics = [diagnostics];
  if (state !== "success" && !profile.recoversDead) batch.stored = false;
}
