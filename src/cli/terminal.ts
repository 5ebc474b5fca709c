/**
 * The terminal: stdout carries what was asked for, stderr everything said along the way.
 */

import { type styleText as StyleText, styleText } from "node:util";

type Format = Parameters<typeof StyleText>[0];

/** Colours for stdout; NO_COLOR, FORCE_COLOR and a stdout that is no terminal are honoured. */
export function paint(format: Format, text: string): string {
  return styleText(format, text, { stream: process.stdout });
}

/** Colours for stderr. */
export function paintError(format: Format, text: string): string {
  return styleText(format, text, { stream: process.stderr });
}

/** Columns of stdout's terminal; undefined when it is none. */
export function outputWidth(): number | undefined {
  return process.stdout.isTTY ? process.stdout.columns || 80 : undefined;
}

// User code in threads of this process prints to `process.stdout` too, which a command that hosts it redirects; what the command itself has to say goes past that.
const writeOutput = process.stdout.write.bind(process.stdout);

/** Prints a line (or several) of what was asked for. */
export function print(text: string): void {
  writeOutput(`${text}\n`);
}

/** Prints a line of what is said along the way. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Sends what user code prints to stdout elsewhere for the rest of this process, so that stdout holds the result alone. */
export function redirectOutput(write: (text: string) => void): void {
  process.stdout.write = ((chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
    write(typeof chunk === "string" ? chunk : Buffer.from(chunk).toString());
    const done = rest.find((argument) => typeof argument === "function") as (() => void) | undefined;
    if (done) process.nextTick(done);
    return true;
  }) as typeof process.stdout.write;
}

/** A reader that goes away (`| head`) is no error: the command ends quietly. */
export function endWithReader(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(0);
      throw error;
    });
}

/** Resolves when what was printed is on its way, so that the process may exit. */
export async function outputFlushed(): Promise<void> {
  await Promise.all([
    new Promise<void>((resolve) => writeOutput("", () => resolve())),
    new Promise<void>((resolve) => process.stderr.write("", () => resolve())),
  ]);
}
