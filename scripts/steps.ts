/** Running the project's tools one after the other, with a line for each. */

import { spawn } from "node:child_process";

/** How a tool ended, and what it printed. */
export interface ToolEnd {
  readonly code: number;
  readonly output: string;
}

/** Runs a command; its output goes to the terminal as it comes where `show` is set, and is returned either way. */
export function runTool(
  command: string,
  args: readonly string[],
  options: { readonly show?: boolean; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<ToolEnd> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...options.env } });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        if (options.show) process.stdout.write(text);
      });
    }
    // Ctrl-C reaches the whole foreground group; this process stays to see how the tool ends.
    const forward = () => child.kill("SIGTERM");
    process.once("SIGTERM", forward);
    const ignore = () => undefined;
    process.on("SIGINT", ignore);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      process.off("SIGTERM", forward);
      process.off("SIGINT", ignore);
      resolve({ code: code ?? (signal ? 1 : 0), output });
    });
  });
}
