/** Takes the versions of a project one after the other, as the script of a failure asks for. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lane } from "./lane.ts";
import { Project } from "./project.ts";
import type { Step } from "./runner.ts";

/** Runs each step and prints what came of it beside what should have. Exits with 1 when they differ. */
export async function replay(steps: readonly Step[]): Promise<void> {
  await using lane = new Lane(mkdtempSync(join(tmpdir(), "firesteel-property-")));
  const root = lane.newProject();
  const prefix = steps[0]!.task.split(".")[0]!;
  const project = new Project(root, true);
  for (const [at, step] of steps.entries()) {
    const { edit, files, data, task, given, results, calls, killed, damage, race } = step;
    project.apply(damage);
    const change = project.files(prefix, { ...files, ...data });
    if (race === null) project.apply(change);
    const before = steps[at - 1]?.task ?? task;
    const { reply, fresh } = await lane.step({
      root,
      runs: given.map((argument) => ({ task, args: [argument] })),
      ...(killed ? { killAfter: 1 + at } : {}),
      ...(race === null ? {} : { race: { runs: [{ task: before, args: [race] }], after: 1 + at, change } }),
    });
    if (killed && reply) await lane.kill();
    for (const [i, expected] of results.entries()) {
      const end = reply?.ends[i]?.result;
      const got = end ? (end.ok ? end.value : `${end.name}: ${end.message}`) : "killed";
      console.log(`step ${at} (${edit}): ${got}, expected ${expected}`);
    }
    for (const call of new Set([...fresh.ran, ...calls.map(([call]) => call)])) {
      const times = fresh.ran.filter((other) => other === call).length;
      const { least, most } = calls.find(([other]) => other === call)?.[1] ?? { least: 0, most: 0 };
      const wrong = times > most || (!killed && times < least);
      if (wrong) process.exitCode = 1;
      console.log(`  ${wrong ? "WRONG " : ""}${call}: ran ${times} times, expected ${least} to ${most}`);
    }
  }
}
