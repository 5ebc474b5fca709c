/** Tells of a failure: its steps as files, and a script that takes them one after the other. */

import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Disagreement, Step } from "./runner.ts";

/** A description for people; also writes the script. */
export async function describeFailure(failure: Disagreement, seed: number, alone: boolean): Promise<string> {
  const { steps } = failure;
  const script = join(await mkdtemp(join(tmpdir(), "firesteel-property-failure-")), "reproduce.ts");
  await writeFile(script, scriptOf(failure, seed));
  return [
    failure.message,
    `seed of the story: ${seed}${alone ? ", shrunk" : "; not shrunk"}`,
    ...steps.map((step, i) => describeStep(step, steps[i - 1], i)),
    `run it again: node ${script}`,
  ].join("\n\n");
}

function describeStep(step: Step, before: Step | undefined, at: number): string {
  const changed = Object.entries({ ...step.files, ...step.data }).filter(
    ([path, text]) => before === undefined || { ...before.files, ...before.data }[path] !== text,
  );
  const gone = Object.keys({ ...before?.files, ...before?.data }).filter(
    (path) => !(path in { ...step.files, ...step.data }),
  );
  return [
    `--- step ${at}: ${step.edit}; ${step.given.map((argument, i) => `${step.task}(${argument}) gives ${step.results[i]}`).join(", ")}${step.killed ? "; killed midway" : ""}${step.race === null ? "" : `; the code before ran meanwhile with ${step.race}`}`,
    ...Object.entries(step.damage).map(([path, text]) => `    ${path} was ${text === null ? "deleted" : "changed"}`),
    `    runs: ${step.calls.map(([call, { least, most }]) => `${call}${least === most ? "" : ` (${least} to ${most} times)`}`).join(", ") || "nothing"}`,
    ...changed.map(([path, text]) => `// ${path}\n${text}`),
    ...gone.map((path) => `// ${path} is gone`),
  ].join("\n");
}

function scriptOf({ message, steps }: Disagreement, seed: number): string {
  return `/** Found by the property test from seed ${seed}. ${message.replaceAll("*/", "* /")} */
import { replay } from ${JSON.stringify(new URL("./replay.ts", import.meta.url).href)};

await replay(${JSON.stringify(steps, null, 2)});
`;
}
