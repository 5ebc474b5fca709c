/** Digesting what a storage streams. */

import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { FiresteelError } from "../../errors.ts";
import type { Digest } from "../../evaluate/ports.ts";

/** How often a file is read, and the pause before the second time; each later one is twice as long. */
export interface ReadAgain {
  readonly attempts: number;
  readonly pauseMs: number;
  readonly signal?: AbortSignal | undefined;
}

const MAX_PAUSE_MS = 10_000;

/** SHA-256 of a stream. It is opened again after an error with detail `lost`: a connection that broke on the way. */
export async function digestStream(
  open: () => AsyncIterable<Uint8Array>,
  { attempts, pauseMs, signal }: ReadAgain,
): Promise<Digest> {
  for (let attempt = 1; ; attempt++) {
    try {
      const hash = createHash("sha256");
      for await (const chunk of open()) hash.update(chunk);
      return hash.digest("hex");
    } catch (error) {
      const lost = error instanceof FiresteelError && error.details["lost"] === true;
      if (!lost || attempt === attempts) throw error;
      await pauseBefore(attempt, pauseMs, signal);
    }
  }
}

/** The pause after a failed attempt, counted from 1. */
export async function pauseBefore(attempt: number, pauseMs: number, signal?: AbortSignal): Promise<void> {
  await sleep(Math.min(pauseMs * 2 ** (attempt - 1), MAX_PAUSE_MS), undefined, signal ? { signal } : {});
}
