/**
 * The `firesteel` command: reads the command line, runs the command, tells what went wrong and ends with the right exit code.
 */

import { FiresteelError } from "../errors.ts";
import { parseCommandLine } from "./command-line.ts";
import { ExitCode } from "./exit-code.ts";
import { endWithReader, outputFlushed, paintError, say } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";

/** Runs a command line (without `node` and the script) and ends the process. */
export async function main(words: readonly string[]): Promise<never> {
  endWithReader();
  const code = await outcome(words);
  await outputFlushed();
  // Not by running out of work: a thread of user code may never end.
  process.exit(code);
}

async function outcome(words: readonly string[]): Promise<ExitCode> {
  try {
    return await parseCommandLine(words);
  } catch (error) {
    if (error instanceof UsageError) {
      say(`${paintError("red", "error:")} ${error.message}`);
      say(`Try: firesteel ${[...error.commands, "--help"].join(" ")}`);
      return ExitCode.usage;
    }
    tell(error, words.includes("--verbose"));
    return ExitCode.failed;
  }
}

/** An expected error is its message; of any other one the place in our code is of use to whoever gets the report. */
function tell(error: unknown, verbose: boolean): void {
  const known = FiresteelError.from(error);
  say(`${paintError("red", "error:")} ${known.message}`);
  if (!verbose) {
    if (!(error instanceof FiresteelError)) say("This is a fault of firesteel; --verbose shows where it happened.");
    return;
  }
  for (let cause: unknown = error; cause !== undefined; cause = cause instanceof Error ? cause.cause : undefined) {
    const stack = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    say(paintError("dim", cause === error ? stack : `caused by: ${stack}`));
  }
}
