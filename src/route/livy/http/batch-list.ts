/**
 * Livy's list of batches, read so that one page mostly holds all of ours.
 *
 * Livy lists in the order of creation and keeps ended batches for a while, so a list starts shortly before the first of those that are looked for. A batch that is not in the list is not thereby gone: whoever misses it
 * asks for it by name.
 */

import { textHash } from "../text-hash.ts";
import type { LivyBatch, LivyClient } from "./client.ts";

/** A batch that is looked for. */
export interface Wanted {
  readonly name: string;
  /** Place in the list when last seen; null: never seen. */
  position: number | null;
}

const PAGE = 100;
/** A server answers for so many at once; more are asked for in pieces. */
const LARGEST_PAGE = 2_000;
/** Earlier batches may be removed between two lists, which moves ours to the front. */
const SLACK = 20;

/** All batches that are looked for and that Livy lists, by name. */
export async function readBatchList(
  client: LivyClient,
  wanted: ReadonlyMap<string, Wanted>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, LivyBatch>> {
  const found = new Map<string, LivyBatch>();
  const isComplete = () => wanted.size <= found.size;
  async function page(from: number, size: number): Promise<number> {
    const { total, batches } = await client.listBatches(from, size, signal);
    for (const [i, batch] of batches.entries()) {
      const one = batch.name === null ? undefined : wanted.get(batch.name);
      if (one === undefined) continue;
      one.position = from + i;
      found.set(one.name, batch);
    }
    return total;
  }
  const from = startOf(wanted);
  const size = wanted.size === 0 ? 1 : Math.min(LARGEST_PAGE, Math.max(PAGE, 2 * wanted.size));
  let end = Number.POSITIVE_INFINITY;
  for (let at = from; at < end && (at === from || !isComplete()); at += size) end = await page(at, size);
  for (let at = 0; at < from && !isComplete(); at += size) await page(at, Math.min(size, from - at));
  return found;
}

/** New ones are at the list's end, but anywhere after a restart: what is missed is then looked for in the rest. */
function startOf(wanted: ReadonlyMap<string, Wanted>): number {
  let first = Number.POSITIVE_INFINITY;
  for (const { position } of wanted.values()) if (position !== null && position < first) first = position;
  return first === Number.POSITIVE_INFINITY ? 0 : Math.max(0, first - SLACK);
}

/** What Livy shows of a batch beside its state, in short. Of the log, whose last lines a list has, the first of these and how long all are: a new line moves the others. */
export function shownOf({ id, appId, sparkUiUrl, driverLogUrl, log }: LivyBatch): number {
  const lengths = log.map(({ length }) => length);
  return textHash(`${id} ${appId} ${sparkUiUrl} ${driverLogUrl} ${lengths} ${log[0]} ${log.at(-1)}`);
}
