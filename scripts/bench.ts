/** `npm run bench -- NAME`: runs `bench/NAME.ts`, which prints a table and, as its last line, one JSON object. */

import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../bench/", import.meta.url));
const names = (await readdir(folder))
  .filter((name) => name.endsWith(".bench.ts"))
  .map((name) => basename(name, ".bench.ts"));
const [name] = process.argv.slice(2);
if (name === undefined || !names.includes(name)) {
  console.error(`usage: npm run bench -- NAME, where NAME is one of: ${names.sort().join(", ")}`);
  process.exitCode = 2;
} else await import(join(folder, `${name}.bench.ts`));
