/**
 * `firesteel cancel`: stops an execution.
 */

import { ExecutionState } from "../gen/firesteel/v1/execution_pb.ts";
import { ExitCode } from "./exit-code.ts";
import { findExecutionId } from "./find.ts";
import { oneLine, shortId } from "./format.ts";
import { onInterrupt } from "./interrupt.ts";
import { openServerSession } from "./session.ts";
import { executionStateWord } from "./state-word.ts";
import { say } from "./terminal.ts";

/** What the command line says. */
export interface CancelOptions {
  readonly id: string;
  readonly reason: string;
}

/** Cancels an execution and waits for its end. */
export async function cancel({ id: word, reason }: CancelOptions): Promise<ExitCode> {
  await using session = await openServerSession("cancelling");
  const { executions } = session.client;
  const id = await findExecutionId(session.client, word, "it alone is ended by `firesteel submissions cancel`");
  const { execution } = await executions.cancelExecution({ id, reason });
  if (execution!.state !== ExecutionState.RUNNING) {
    say(`execution ${shortId(id)} has ended: ${executionStateWord(execution!.state)}`);
    return ExitCode.ok;
  }
  say(`cancelling execution ${shortId(id)}; its Spark applications are being stopped`);
  const enough = new AbortController();
  using _interrupts = onInterrupt(() => enough.abort());
  try {
    const ended = await executions.waitExecution({ id }, { signal: enough.signal });
    say(`execution ${shortId(id)}: ${executionStateWord(ended.execution!.state)}`);
    const { submissions } = await session.client.submissions.listSubmissions({
      executionId: id,
      live: true,
      pageSize: 1000,
    });
    for (const { id: live, note, cause } of submissions)
      say(`submission ${shortId(live)} is still being stopped: ${oneLine(note || cause)}`);
    return ExitCode.ok;
  } catch (error) {
    if (!enough.signal.aborted) throw error;
    say("it is cancelled also without this command");
    return ExitCode.interrupted;
  }
}
