/** Statements of ours on the double: what the harness does in a session (`jobs/firesteel_statement.py`), played as the batches' jobs are. */

import { specIn, WARM_CODE } from "../../src/route/livy/sessions/statement-code.ts";
import type { World } from "./batch.ts";
import { wait } from "./clock.ts";
import type { Output } from "./interpreter.ts";
import { type JobPlan, plannedIn, TRACEBACK, toUri, writeAsHarness } from "./job.ts";
import { letters } from "./random.ts";
import type { Application } from "./yarn.ts";

/** What a statement runs in. */
export interface StatementPlace {
  readonly session: string | null;
  readonly application: Application;
  readonly count: number;
  /** False when the driver is gone: nothing more is written then. */
  lives(): boolean;
}

/** Whether a code is one of ours. */
export function isOurs(code: string): boolean {
  return code === WARM_CODE || specIn(code) !== null;
}

/** Runs one; tells whether its driver died of it or was gone before. */
export async function runOurs(world: World, code: string, place: StatementPlace): Promise<Output | "died" | "gone"> {
  const { clock, timings, files, ledger, random } = world;
  const { session, application, count, lives } = place;
  const printed = (...lines: readonly string[]): Output => ({
    status: "ok",
    execution_count: count,
    data: { "text/plain": lines.join("\n") },
  });
  const spec = specIn(code);
  if (spec === null) return printed("firesteel: session is ready");
  const { base, attempt, file, group } = JSON.parse(new TextDecoder().decode(await files.read(toUri(spec)))) as {
    readonly base: string;
    readonly attempt: string;
    readonly file?: string;
    readonly group?: { readonly description: string };
  };
  const mark = new TextEncoder().encode(JSON.stringify({ driver: letters(random, 16) }));
  if (!(await files.putIfAbsent(toUri(`${base}/started.json`), mark)))
    return printed(`firesteel: attempt ${attempt} was begun before and is not run again`);
  ledger.note("began", session, { id: count, detail: attempt });
  // As batches' names are: its task comes first.
  const [, task = "statement"] = /^firesteel: (\S+) /.exec(group?.description ?? "") ?? [];
  const request = { file: file ?? "", args: [spec], name: `${task}-${attempt}`.toLowerCase() };
  const asked = file === undefined ? null : await plannedIn(files, toUri(file));
  const plan: JobPlan = { runs: "ok", ...asked, ...world.plan(request) };
  const began = clock.now();
  if (plan.runs === "forever") return new Promise(() => {});
  await wait(clock, plan.ms ?? timings.runMs);
  await plan.held;
  if (!lives()) return "gone";
  switch (plan.runs) {
    case "ok":
    case "fails": {
      const succeeded = plan.runs === "ok";
      const run = { appId: application.id, succeeded, began, ended: clock.now() };
      const note = () => ledger.note("outputs", session, { appId: application.id });
      const detail = await writeAsHarness(files, request, letters(random, 16), run, note);
      ledger.note("manifest", session, { appId: application.id, detail });
      return printed(
        `firesteel: ${succeeded ? "succeeded" : "failed in body"}`,
        ...(plan.ends ? [`firesteel: this session must end: ${plan.ends}`] : []),
      );
    }
    case "throws":
    case "refused":
      return {
        status: "error",
        execution_count: count,
        ename: "OSError",
        evalue: plan.says ?? "disk is full",
        traceback: TRACEBACK.split("\n").map((line) => `${line}\n`),
      };
    case "dies":
      return "died";
    default:
      return printed("");
  }
}
