/** Explores many stories, side by side in a few processes; what disagrees is shrunk and told with a file that shows it again. */

import { mkdtempSync } from "node:fs";
import { access, constants } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPostgres } from "../postgres.ts";
import { Lane } from "./lane.ts";
import { describeFailure } from "./report.ts";
import { type Disagreement, type Fate, follow, newTally, type Tally } from "./runner.ts";
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
const TOGETHER = 80;
const KILLS = 3;
const RACES = 3;
/** One project in so many has an embedded store, the others Postgres, which takes less time; one in so many runs bodies in threads and processes. */
const EMBEDDED = 3;
const EXECUTORS = 7;

interface Member {
  readonly seed: number;
  readonly versions: readonly Version[];
}

/** Follows as many stories as the plan says. @throws Error that tells of the first one that disagrees, shrunk */
export async function explore({ seed, programs, lanes, onProgress, shrinkMs = 120_000 }: Plan): Promise<Tally> {
  const tally = newTally();
  await using servers = new AsyncDisposableStack();
  const postgres = once(async () => servers.adopt(await startPostgres(), (server) => server.stop()));
  let databases = 0;
  let next = 0;
  const lane = async () => {
    await using stack = new AsyncDisposableStack();
    const embedded = once(async () => stack.use(new Lane(await temporaryFolder())));
    const shared = once(async () => {
      const url = await (await postgres()).createDatabase(`lane${databases++}`);
      return stack.use(new Lane(await temporaryFolder(), { kind: "postgres", url }));
    });
    while (next < programs) {
      const from = next;
      next = Math.min(programs, next + TOGETHER);
      const members = Array.from({ length: next - from }, (_, i) => member(seed, from + i));
      const fate = fateOf(mix(seed, from, 99), from / TOGETHER);
      const process = await ((from / TOGETHER) % EMBEDDED === 0 ? embedded() : shared());
      const [found] = await follow(
        process,
        members.map(({ versions }) => versions),
        fate,
        tally,
      );
      if (found) {
        next = programs;
        throw await shrunk(found, members[found.story]!, fate, shrinkMs);
      }
      onProgress?.(tally);
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: lanes }, lane));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  return tally;
}

/** Shrinks a story by itself; without kills where it disagrees without. */
async function shrunk(found: Disagreement, { seed, versions }: Member, fate: Fate, timeMs: number): Promise<Error> {
  // A story by itself makes fewer events than many: the kill has to come sooner.
  const sooner = (events: ReadonlyMap<number, number>) =>
    new Map([...events].map(([step, after]) => [step, 1 + (after % 6)]));
  const soon: Fate = { ...fate, kills: sooner(fate.kills), races: sooner(fate.races) };
  const quiet: Fate = { kills: new Map(), races: new Map(), executors: false };
  await using process = new Lane(await temporaryFolder());
  const upToThere = versions.slice(0, found.steps.length);
  const smaller = (chosen: Fate) =>
    shrink(upToThere, (candidates) => follow(process, candidates, chosen, newTally()), timeMs);
  const smallest = timeMs > 0 ? ((await smaller(quiet)) ?? (await smaller(soon))) : null;
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

function fateOf(seed: number, project: number): Fate {
  const [kills, races] = [new Map<number, number>(), new Map<number, number>()];
  for (let i = 0; i < KILLS; i++) {
    const step = (mix(seed, 1) + 4 * i) % (EDITS + 1);
    // The first step has the most to do.
    kills.set(step, 1 + (mix(seed, i, 2) % (step === 0 ? 300 : 60)));
  }
  for (let i = 0; i < RACES; i++) races.set(1 + (mix(seed, i, 3) % EDITS), 1 + (mix(seed, i, 4) % 200));
  return { kills, races, executors: project % EXECUTORS === 2 };
}

/** The same thing for everybody who asks. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
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
