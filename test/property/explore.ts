/** Explores many stories, side by side in a few processes; what disagrees is shrunk and told with a file that shows it again. */

import { mkdtempSync } from "node:fs";
import { access, constants } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lane } from "./lane.ts";
import { describeFailure } from "./report.ts";
import { type Disagreement, follow, type Kills, newTally, type Tally } from "./runner.ts";
import { shrink } from "./shrink.ts";
import { EDITS, storyOf, type Version, versionsOf } from "./story.ts";

export interface Plan {
  readonly seed: number;
  readonly programs: number;
  /** Processes at once. */
  readonly lanes: number;
  readonly onProgress?: (tally: Tally) => void;
  /** How long a failure is shrunk. @default 120,000 */
  readonly shrinkMs?: number;
}

/** Programs that share a project, and so the time that loading a version takes; a kill hits them all. */
const TOGETHER = 40;
const KILLS = 2;

interface Member {
  readonly seed: number;
  readonly versions: readonly Version[];
}

/** Follows as many stories as the plan says. @throws Error that tells of the first one that disagrees, shrunk */
export async function explore({ seed, programs, lanes, onProgress, shrinkMs = 120_000 }: Plan): Promise<Tally> {
  const tally = newTally();
  let next = 0;
  const lane = async () => {
    await using process = new Lane(await temporaryFolder());
    while (next < programs) {
      const from = next;
      next = Math.min(programs, next + TOGETHER);
      const members = Array.from({ length: next - from }, (_, i) => member(seed, from + i));
      const kills = killsOf(mix(seed, from, 99));
      const [found] = await follow(
        process,
        members.map(({ versions }) => versions),
        kills,
        tally,
      );
      if (found) {
        next = programs;
        throw await shrunk(found, members[found.story]!, kills, shrinkMs);
      }
      onProgress?.(tally);
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: lanes }, lane));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  return tally;
}

/** Shrinks a story by itself; without kills where it disagrees without. */
async function shrunk(found: Disagreement, { seed, versions }: Member, kills: Kills, timeMs: number): Promise<Error> {
  // A story by itself makes fewer events than many: the kill has to come sooner.
  const soon = new Map([...kills].map(([step, after]) => [step, 1 + (after % 6)]));
  await using process = new Lane(await temporaryFolder());
  const upToThere = versions.slice(0, found.steps.length);
  const smaller = (chosen: Kills) =>
    shrink(upToThere, (candidates) => follow(process, candidates, chosen, newTally()), timeMs);
  const smallest = timeMs > 0 ? ((await smaller(new Map())) ?? (await smaller(soon))) : null;
  return new Error(await describeFailure(smallest ?? found, seed, smallest !== null));
}

/** The first story from a place in the plan on that can serve. */
function member(seed: number, at: number): Member {
  for (let attempt = 0; ; attempt++) {
    const own = mix(seed, at, attempt);
    const versions = versionsOf(storyOf(own));
    if (versions) return { seed: own, versions };
  }
}

function killsOf(seed: number): Kills {
  const kills = new Map<number, number>();
  for (let i = 0; i < KILLS; i++) {
    const step = mix(seed, i, 1) % (EDITS + 1);
    // The first step has the most to do.
    kills.set(step, 1 + (mix(seed, i, 2) % (step === 0 ? 150 : 30)));
  }
  return kills;
}

/** A number from several, by FNV-1a. */
function mix(...numbers: readonly number[]): number {
  let x = 0x811c9dc5;
  for (const number of numbers)
    for (let shift = 0; shift < 32; shift += 8) x = Math.imul(x ^ ((number >>> shift) & 0xff), 0x01000193);
  return (x ^ (x >>> 15)) & 0x7fffffff;
}

/** In memory where there is such a file system: nothing of it has to survive the machine. */
async function temporaryFolder(): Promise<string> {
  const memory = await access("/dev/shm", constants.W_OK).then(
    () => "/dev/shm",
    () => tmpdir(),
  );
  return mkdtempSync(join(memory, "firesteel-property-"));
}
