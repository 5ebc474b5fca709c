/** The time that something lives by: the machine's, or in a test one that moves by itself, so that a run replays exactly. */

/** A source of time, of timers and of chance. */
export interface Clock {
  /** ms since the epoch: for what is told and stored. It may be set forward or back at any moment. */
  now(): number;
  /** ms since some moment: for what is measured and waited for. It only ever goes on. */
  elapsed(): number;
  /** Does something later, or never when the time is infinite; returns what calls it off. */
  after(ms: number, action: () => void): () => void;
  /** A number in [0, 1). */
  random(): number;
}

/** Some 24 days. */
const LONGEST_MS = 2 ** 31 - 1;

/** The machine's time. What lies beyond the longest timer never comes. */
export const machineClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  after: (ms, action) => {
    // Node takes what does not fit into 31 bits for 1 ms.
    if (ms > LONGEST_MS) return () => {};
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};

/** Resolves after a time, or rejects with the signal's reason when that comes first. */
export async function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const callOff = clock.after(ms, () => {
      signal?.removeEventListener("abort", stop);
      resolve();
    });
    const stop = () => {
      callOff();
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", stop, { once: true });
  });
}
