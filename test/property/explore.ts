/** Explores many stories, side by side in a few processes; what disagrees is shrunk and told with a file that shows it again. */

import { mkdtempSync } from "node:fs";
import { access, constants } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lane } from "./lane.ts";
import { describeFailure } from "./report.ts";
import { Disagreement, follow, type Kills, newTally, type Tally } from "./runner.ts";
import { shrink } from "./shrink.ts";
import { EDITS, firstState, type Story, storyOf } from "./story.ts";

export interface Plan {
  readonly seed: number;
  readonly programs: number;
  /** Processes at once. */
  readonly lanes: number;
  readonly onProgress?: (tally: Tally) => void;
}

/** Programs that share a project, and so the time that loading a version takes; a kill hits them all. */
const TOGETHER = 40;
const KILLS = 2;
/** How long a failure is shrunk. */
const SHRINK_MS = 240_000;

interface Member {
  readonly seed: number;
  readonly story: Story;
}

/** Follows as many stories as the plan says. @throws Error that tells of the first one that disagrees, shrunk */
export async function explore({ seed, programs, lanes, onProgress }: Plan): Promise<Tally> {
  const tally = newTally();
  let next = 0;
  const lane = async () => {
    await using process = new Lane(await temporaryFolder());
    while (next < programs) {
      const from = next;
      next = Math.min(programs, next + TOGETHER);
      const members = Array.from({ length: next - from }, (_, i) => member(seed, from + i));
      const kills = killsOf(mix(seed, from, 99));
      try {
        await follow(
          process,
          members.map(({ story }) => story),
          kills,
          tally,
        );
      } catch (error) {
        next = programs;
        if (!(error instanceof Disagreement)) throw error;
        throw await shrunk(error, members[error.story]!, kills);
      }
      onProgress?.(tally);
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: lanes }, lane));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  return tally;
}

/** Shrinks the story of a seed by itself. */
async function shrunk(found: Disagreement, { seed, story }: Member, kills: Kills): Promise<Error> {
  let smallest: Disagreement | undefined;
  // A story by itself makes fewer events than many: the kill has to come sooner.
  const soon = new Map([...kills].map(([step, after]) => [step, 1 + (after % 6)]));
  await using process = new Lane(await temporaryFolder());
  const fails = async (candidate: Story): Promise<boolean> => {
    try {
      await follow(process, [candidate], soon, newTally());
      return false;
    } catch (error) {
      if (!(error instanceof Disagreement)) throw error;
      smallest = error;
      return true;
    }
  };
  // What happened after the step that showed it is of no interest.
  const start = { ...story, edits: story.edits.slice(0, found.steps.length - 1) };
  await shrink(start, fails, SHRINK_MS);
  return new Error(await describeFailure(smallest ?? found, seed, smallest !== undefined));
}

/** The first story from a place in the plan on that can serve. */
function member(seed: number, at: number): Member {
  for (let attempt = 0; ; attempt++) {
    const own = mix(seed, at, attempt);
    const story = storyOf(own);
    if (firstState("p", story)) return { seed: own, story };
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
