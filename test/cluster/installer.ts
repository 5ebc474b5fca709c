/** Started as a process by install.test.ts: installs the parts named in its arguments into a cache. */
import { ensureInstalled, type PartName } from "../../cluster/install.ts";

const [, , cache = "", ...parts] = process.argv;
const onProgress = (line: string): void => void process.stdout.write(`${line}\n`);
await ensureInstalled({ cache, parts: parts as PartName[], onProgress });
