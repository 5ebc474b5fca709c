/** What the command lines of scripts say. */

import { type ParseArgsOptionsConfig, parseArgs } from "node:util";

/** Options of a command line; one that is not known, or lacks its value, ends the process with exit code 2 and the way it is used. */
export function readOptions<const T extends ParseArgsOptionsConfig>(
  usage: string,
  options: T,
  args: readonly string[] = process.argv.slice(2),
) {
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\nusage: ${usage}`);
    process.exit(2);
  }
}
