/** Takes the versions of a project one after the other, as the script of a failure asks for. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lane } from "./lane.ts";
import { Project, type Step } from "./runner.ts";

/** Runs each step and prints what came of it beside what should have. Exits with 1 when they differ. */
export async function replay(steps: readonly Step[]): Promise<void> {
  await using lane = new Lane(mkdtempSync(join(tmpdir(), "firesteel-property-")));
  const root = lane.newProject();
  const prefix = steps[0]!.task.split(".")[0]!;
  const project = new Project(root, [prefix]);
  for (const [at, { edit, files, data, task, argument, result, calls, killed }] of steps.entries()) {
    project.replace(prefix, { ...files, ...data });
    const { reply, fresh } = await lane.step({
      root,
      runs: [{ task, args: [argument] }],
      ...(killed ? { killAfter: 1 + at } : {}),
    });
    if (killed && reply) await lane.kill();
    const end = reply?.ends[0]?.result;
    const got = end ? (end.ok ? end.value : `${end.name}: ${end.message}`) : "killed";
    console.log(`step ${at} (${edit}): ${got}, expected ${result}`);
    for (const call of new Set([...fresh.ran, ...calls.map(([call]) => call)])) {
      const times = fresh.ran.filter((other) => other === call).length;
      const { least, most } = calls.find(([other]) => other === call)?.[1] ?? { least: 0, most: 0 };
      const wrong = times > most || (!killed && times < least);
      if (wrong) process.exitCode = 1;
      console.log(`  ${wrong ? "WRONG " : ""}${call}: ran ${times} times, expected ${least} to ${most}`);
    }
  }
}
