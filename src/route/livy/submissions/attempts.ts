/**
 * The attempts at one piece of work: which failures are tried again, and the error that a caller sees in the end.
 */

import { Code, FiresteelError } from "../../../errors.ts";
import type {
  BulkResult,
  DatasetStore,
  Progress,
  Storage,
  SubmissionFailure,
  SubmissionRecord,
  SubmissionStore,
} from "../../../evaluate/ports.ts";
import type { AttemptPlan, Gateway } from "../gateway.ts";
import { modeOn } from "../sessions/mode.ts";
import { Backoff, pause } from "../waiting.ts";
import type { Origin } from "./attribution.ts";
import { isByOperator } from "./cancelling.ts";
import { findValidResult, isValid, type Lookup } from "./commit.ts";
import { patientStorage } from "./patient-storage.ts";
import type { PreparedWork } from "./prepare.ts";
import type { Ended, Followed } from "./submission.ts";

/** Attempts at one piece of work before a failure of the cluster is the caller's. */
const MOST = 3;

export interface AttemptsOptions {
  readonly prepared: Omit<PreparedWork, "files">;
  readonly origin: Origin;
  readonly gateway: Pick<
    Gateway,
    "clock" | "observer" | "warehouse" | "choose" | "shouldLeave" | "findLive" | "follow" | "submit"
  >;
  readonly store: SubmissionStore & DatasetStore;
  readonly storage: Storage;
  readonly tell: Progress;
  /** Submissions whose failures were told to somebody by this process. */
  readonly told: Set<string>;
  /** Told once what the first look for a result came to. */
  readonly onLookup?: ((lookup: Lookup) => void) | undefined;
  /** Its abort cancels the submission; the promise settles when that is certain. */
  readonly signal: AbortSignal;
}

/** The committed result of a piece of work, which is done where there is none that is still valid; of all processes one does it. A warehouse that gives no answer is waited for. */
export async function obtainResult(options: AttemptsOptions): Promise<BulkResult> {
  const { prepared, gateway, store, tell, onLookup, signal } = options;
  const { key } = prepared;
  for (let [first, claimed] = [true, false]; !claimed; first = false) {
    const found = await findValidResult(store, patient(options), key, first ? onLookup : undefined);
    if (found !== null) return found;
    claimed = await store.claimWork(key);
    if (claimed) break;
    tell("waiting: another orchestrator is doing this work");
    await pause(gateway.clock, 1_000, signal);
  }
  try {
    // Between the look and the claim somebody may have finished it.
    const found = await store.findResult(key);
    if (found !== null && (await isValid(patient(options), found))) return found;
    return await runAttempts(options, found?.submissionId ?? null);
  } finally {
    // The answer does not wait for it: the next claim of this process comes after it in any case, and a failed store ends the orchestrator by itself.
    store.releaseWork(key).catch(() => {});
  }
}

/** The storage as it is asked here; made anew, since thousands of attempts live and none of them needs it meanwhile. */
function patient({ gateway, storage, tell, signal }: AttemptsOptions): Storage {
  return patientStorage(storage, gateway.warehouse, { clock: gateway.clock, tell, signal });
}

/**
 * Runs attempts until one is committed or a failure is final. A submission for this work that lives already (another process asked for it and died) is the first attempt; so is one that failed for this very execution when the
 * process that evaluated it was gone: what is wrong with the job, or was stopped on purpose, is not begun again for a crash.
 *
 * @param invalid the submission whose committed result is not valid any more
 */
async function runAttempts(options: AttemptsOptions, invalid: string | null): Promise<BulkResult> {
  const { prepared, gateway, signal, tell } = options;
  const backoff = new Backoff(gateway.clock, 1_000, 30_000);
  /** Clusters that failed at it: others are tried first. */
  const failed = new Set<string>();
  /** Those of them that failed at a statement. */
  const failedSessions = new Set<string>();
  let replaces = invalid;
  for (let tries = 1; ; ) {
    signal.throwIfAborted();
    const before = await options.store.findAttempts(prepared.key);
    const known = gateway.findLive(before) ?? findUntold(options, before);
    // One that lived at the look for a result may have ended with one since.
    if (known === null && before.some(({ id, state }) => state === "succeeded" && id !== replaces)) {
      const found = await options.store.findResult(prepared.key);
      if (found !== null && (await isValid(patient(options), found))) return found;
      replaces = found?.submissionId ?? null;
    }
    const submission = known ?? (await submit(options, before, replaces, failed, failedSessions));
    // Of an asker before us; two applications of one piece of work must not live at once.
    const leaving = submission.cancelled;
    const ended = await follow(submission, options);
    if (ended.state === "succeeded") return ended.result;
    if (ended.state === "cancelled") {
      if (signal.aborted) throw signal.reason;
      // Whoever ends a submission itself means all who wait for it. Any other reason is somebody else's, who left it, or that it has to go elsewhere.
      if (leaving || !isByOperator(ended.cause)) continue;
      throw new FiresteelError(Code.cancelled, `submission ${submission.record.id} was ${ended.cause}`);
    }
    options.told.add(submission.record.id);
    const error = errorOf(submission, ended);
    if (isFinal(ended.failure) || error.details["kind"] === "inputChanged" || tries++ >= MOST) throw error;
    gateway.observer.retried(submission.record);
    // Two applications of one piece of work must not live at once.
    await submission.gone;
    const { cluster, mode } = submission.record;
    // As a batch it may go well there.
    (mode === "statement" ? failedSessions : failed).add(cluster);
    const delayMs = backoff.next();
    tell(
      `waiting: attempt ${submission.record.attempt} failed (${ended.failure.type}: ${ended.failure.message}); trying again`,
    );
    await pause(gateway.clock, delayMs, signal);
  }
}

/** The last attempt, where it failed for good and this execution has not heard of it. */
function findUntold({ origin, gateway, told }: AttemptsOptions, [last]: readonly SubmissionRecord[]): Followed | null {
  if (last?.executionId !== origin.executionId || told.has(last.id)) return null;
  return last.failure === null || !isFinal(last.failure) ? null : gateway.follow(last);
}

async function submit(
  options: AttemptsOptions,
  before: readonly SubmissionRecord[],
  replaces: string | null,
  failed: ReadonlySet<string>,
  failedSessions: ReadonlySet<string>,
): Promise<Followed> {
  const { prepared, origin, gateway } = options;
  // Of a process before us: two applications of one piece of work must not live at once.
  await Promise.all(before.filter(isPresent).map((row) => gateway.follow(row).gone));
  const cluster = gateway.choose(prepared, failed);
  const mode = modeOn(cluster, origin.task, prepared.carriage, failedSessions.has(cluster.name));
  const plan: AttemptPlan = {
    work: prepared.key,
    attempt: Math.max(0, ...before.map(({ attempt }) => attempt)) + 1,
    ...origin,
    cluster,
    mode,
    request: prepared.request(cluster),
    spec: (attempt, base) => prepared.spec(mode, attempt, base, replaces),
  };
  return gateway.submit(plan, patient(options));
}

function isFinal({ class: kind, final = false }: SubmissionFailure): boolean {
  return kind !== "cluster" || final;
}

/** Whether it has ended and its application may not have. */
function isPresent({ endedAt, goneAt, state }: SubmissionRecord): boolean {
  return endedAt !== null && goneAt === null && state !== "cancelled";
}

/** Waits for the end of a submission; ends it, before it was posted, where it has to go elsewhere. */
async function follow(submission: Followed, { prepared, gateway, signal, tell }: AttemptsOptions): Promise<Ended> {
  const timer: { callOff: (() => void) | null } = { callOff: null };
  const consider = () => {
    if (timer.callOff !== null || submission.record.state !== "planned" || submission.cancelled) return;
    const leave = gateway.shouldLeave(prepared, submission.record.cluster);
    if (leave === null) return;
    timer.callOff = gateway.clock.after(leave.afterMs, () => {
      timer.callOff = null;
      const due = gateway.shouldLeave(prepared, submission.record.cluster);
      if (submission.record.state !== "planned" || due === null) return;
      if (!due.now()) return consider();
      submission.cancel(`moved: ${due.why}`);
    });
  };
  const unlisten = submission.listen((line) => {
    tell(line, submission.record.id);
    consider();
  });
  const cancel = () =>
    submission.cancel(signal.reason instanceof Error ? signal.reason.message : "nobody waits for it any more");
  if (signal.aborted) cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    return await submission.ended;
  } finally {
    timer.callOff?.();
    signal.removeEventListener("abort", cancel);
    unlisten();
  }
}

/** The caller's error for a failed submission: what the job or the cluster said, with everything needed to look further. */
export function errorOf(
  submission: Followed,
  { failure, error }: Extract<Ended, { readonly state: "failed" | "killed" }>,
): FiresteelError {
  if (error !== null && error.details["kind"] === "inputChanged") return error;
  const { id, appId, cluster, batchId, session, statementId } = submission.record;
  const details = {
    class: failure.class,
    type: failure.type,
    position: failure.position ?? null,
    traceback: failure.traceback ?? null,
    submissionId: id,
    cluster,
    appId,
    batchId,
    ...(session === null ? {} : { session, statementId }),
    logTail: submission.logTail,
    ...(failure.class === "user" ? { name: failure.type } : {}),
  };
  const position = failure.position ? ` (line ${failure.position.line}, column ${failure.position.column})` : "";
  const cause = error === null ? {} : { cause: error };
  switch (failure.class) {
    case "user":
      return new FiresteelError(
        Code.unknown,
        `${failure.type}: ${failure.message}${hasPosition(failure) ? "" : position}`,
        { details, ...cause },
      );
    case "cluster":
      return new FiresteelError(
        Code.unavailable,
        `cluster ${cluster} could not do the work: ${failure.type}: ${failure.message}`,
        { details, ...cause },
      );
    case "submit":
      return new FiresteelError(
        error?.code ?? Code.invalidArgument,
        `cluster ${cluster} refused the work: ${classOf(failure)}${failure.message}`,
        { details, retryable: false, ...cause },
      );
  }
}

/** The exception's class in front of its message, which alone may be no more than a name. */
function classOf({ type, message }: SubmissionFailure): string {
  const name = /(?:^|\.)(\w+(?:Exception|Error))$/.exec(type)?.[1];
  return name === undefined || message.includes(name) ? "" : `${name}: `;
}

/** Spark's own message may tell the position already. */
function hasPosition({ message, position }: SubmissionFailure): boolean {
  return position != null && message.includes(`line ${position.line}`);
}
