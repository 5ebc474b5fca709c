/**
 * An attempt carried by a Livy batch: an application of its own.
 *
 * Every answer is about our batch only if it carries our name, which is unique; ids start at 0 again when Livy does, and are never trusted.
 */

import { Code, FiresteelError } from "../../../errors.ts";
import type { SubmissionRecord } from "../../../evaluate/ports.ts";
import { type Asker, askerOf, type Slot } from "../clusters/admission.ts";
import type { Cluster } from "../clusters/cluster.ts";
import type { Look } from "../clusters/watches.ts";
import type { LivyBatchRequest } from "../http/client.ts";
import { linger } from "../linger.ts";
import type { Patience } from "../patience.ts";
import { type DriverLogCopy, NO_OUTPUT } from "../witness/driver-logs.ts";
import { type Claim, judge, type Verdict } from "../witness/verdict.ts";
import { stopForCertain } from "./cancelling.ts";
import type { Admitted, Carrier, Posted, Sight } from "./carrier.ts";
import { post, resolvePost } from "./posting.ts";
import { endOf, type SubmissionRow } from "./submission-row.ts";

export class BatchCarrier implements Carrier {
  readonly endsEarly: boolean;
  readonly #cluster: Cluster;
  readonly #row: SubmissionRow;
  readonly #patience: Patience;
  readonly #asker: Asker;
  /** Null from when Livy has it. */
  #request: LivyBatchRequest | null;
  #slot: Slot | null = null;
  #logs: DriverLogCopy | null = null;

  /** @param isApp it is an unmodified application: there is no manifest, and its end alone proves anything */
  constructor(
    cluster: Cluster,
    row: SubmissionRow,
    record: Pick<SubmissionRecord, "user" | "state" | "request">,
    patience: Patience,
    isApp: boolean,
  ) {
    this.endsEarly = !isApp;
    this.#asker = askerOf(record);
    const isPosted = record.state !== "planned" && record.state !== "submitting";
    this.#request = isPosted ? null : (record.request as unknown as LivyBatchRequest);
    this.#cluster = cluster;
    this.#row = row;
    this.#patience = patience;
  }

  async admit(signal: AbortSignal): Promise<Admitted> {
    this.#slot = await this.#cluster.admission.admit(
      this.#asker,
      (reason) => this.#row.tell(`waiting: ${reason}`),
      signal,
    );
    return { kind: "admitted", cause: `POST to ${this.#cluster.name}`, change: {} };
  }

  occupy(): void {
    this.#slot = this.#cluster.admission.occupy(this.#asker);
  }

  release(): void {
    this.#slot?.[Symbol.dispose]();
    this.#slot = null;
  }

  async post(signal: AbortSignal): Promise<Posted> {
    const posted = await post(this.#cluster, this.#row, this.#body, this.#patience, signal);
    this.#slot?.posted(posted.kind !== "again" || posted.answered);
    return this.#posted(posted);
  }

  async resolve(why: string, signal: AbortSignal): Promise<Posted> {
    return this.#posted(await resolvePost(this.#cluster, this.#row, this.#body, why, this.#patience, signal));
  }

  get #body(): LivyBatchRequest {
    if (this.#request === null)
      throw new FiresteelError(Code.internal, `submission was posted before: ${this.#row.record.id}`);
    return this.#request;
  }

  #posted(posted: Awaited<ReturnType<typeof post>>): Posted {
    const { name } = this.#cluster;
    if (posted.kind === "made" || posted.kind === "onYarn") this.#request = null;
    switch (posted.kind) {
      case "made": {
        const { id } = posted.batch;
        const told = `submitted as batch ${id} on ${name}`;
        return { kind: "made", cause: "Livy has the batch", change: { batchId: id }, told };
      }
      case "onYarn": {
        const { appId } = posted;
        const told = `submitted as ${appId} on ${name}`;
        return { kind: "made", cause: "YARN has the application, Livy not the batch", change: { appId }, told };
      }
      case "again":
        return posted;
      case "refused": {
        const { error } = posted;
        const { words } = error.details;
        const message = typeof words === "string" ? words : error.message;
        return { kind: "refused", failure: { class: "submit", type: error.code, message }, error };
      }
    }
  }

  sight(): Sight {
    const watch = this.#cluster.watch(this.#row.record.livyName);
    this.#logs ??= this.#cluster.driverLogs?.follow(this.#row) ?? null;
    return {
      get seenAt() {
        return watch.seenAt;
      },
      // Chained and not awaited: thousands wait here.
      next: (withinMs, every, signal) =>
        watch.next(withinMs, signal, every).then((look) => (look === null ? null : this.#claimOf(look, signal))),
      [Symbol.dispose]: () => watch[Symbol.dispose](),
    };
  }

  /** What a look says about the end. */
  async #claimOf(look: Look, signal: AbortSignal): Promise<Claim | "lives"> {
    if (look.kind === "down") {
      this.#row.tell(`waiting: ${look.reason}`);
      return "silent";
    }
    const { appId, livyName } = this.#row.record;
    let batch = look.kind === "seen" ? look.batch : null;
    if (batch === null) {
      try {
        batch = await this.#cluster.client.findBatch(livyName, signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#cluster.failed(error);
        return "silent";
      }
    }
    if (batch === null || batch.name !== livyName) return "gone";
    // The same name with another application is not the batch that we followed.
    if (appId !== null && batch.appId !== null && batch.appId !== appId) return "gone";
    const [end, seen] = [endOf(batch), this.#row.see(batch)];
    // Of an end the manifest is looked for meanwhile; what Livy showed of it becomes durable before what follows from that.
    if (end === null) await seen;
    return end ?? "lives";
  }

  judge(claim: Claim, doubtMs: number, signal: AbortSignal): Promise<Verdict> {
    const output = async () => (await this.#logs?.finish(signal)) ?? NO_OUTPUT;
    return judge(this.#cluster, this.#row, !this.endsEarly, claim, doubtMs, this.#patience, output, signal);
  }

  stop(succeeded: () => Promise<boolean>, signal: AbortSignal): Promise<string | null> {
    const [row, { client }] = [this.#row, this.#cluster];
    const { batchId, livyName } = row.record;
    const doomed = {
      tag: livyName,
      get appId() {
        return row.record.appId;
      },
      unanswered: batchId === null,
      remove: (ended: AbortSignal) => client.deleteBatch(livyName, ended),
      found: (appId: string) => row.change({ appId }),
      tell: (line: string) => row.tell(line),
      failed: async (cause: string) => {
        if (row.record.cause !== cause) await row.change({ cause });
      },
    };
    return stopForCertain(this.#cluster, doomed, this.#patience, succeeded, signal).finally(() => this.#finish(signal));
  }

  async copyLog(signal: AbortSignal): Promise<void> {
    if (this.#row.record.batchId !== null) await this.#row.copyWholeLog(signal);
  }

  async linger(signal: AbortSignal): Promise<void> {
    await linger(this.#cluster, this.#row, this.#patience, signal);
    await this.#finish(signal);
  }

  /** The application is over: the rest of what its driver printed, and where its history is. */
  async #finish(signal: AbortSignal): Promise<void> {
    await this.#logs?.finish(signal);
    const { appId, historyUrl } = this.#row.record;
    const page = appId === null ? null : (this.#cluster.historyServer?.pageOf(appId) ?? null);
    if (page !== null && historyUrl === null) await this.#row.change({ historyUrl: page });
  }
}
