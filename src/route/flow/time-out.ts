/** Time limits of bodies. */

import { Code, FiresteelError } from "../../errors.ts";

/** Runs something under a signal that also aborts when the time is over; the rejection is then `deadline_exceeded`. */
export async function withTimeout<T>(
  task: string,
  timeoutMs: number | undefined,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const own = new AbortController();
  const forward = () => own.abort(FiresteelError.from(signal.reason, Code.cancelled));
  if (signal.aborted) forward();
  signal.addEventListener("abort", forward, { once: true });
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(
          () => own.abort(new FiresteelError(Code.deadlineExceeded, `task ${task} ran longer than ${timeoutMs} ms`)),
          timeoutMs,
        );
  try {
    own.signal.throwIfAborted();
    return await run(own.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", forward);
  }
}
