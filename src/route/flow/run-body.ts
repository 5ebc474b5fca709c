/**
 * The body runner: a program that takes one call on its standard input (`encodeCall`), runs it with the code that came along, and writes the answer (`decodeAnswer`) to its standard output. Whatever the
 * body prints goes to standard error. It ends with 0 when it has answered, also for a body that failed.
 */

import { buffer } from "node:stream/consumers";
import { errorRecord } from "../../evaluate/failure.ts";
import { decodeCall, encodeAnswer } from "./body-call.ts";
import type { RunResult } from "./messages.ts";
import { loadRuntime } from "./runtime.ts";

const answer = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr) as typeof process.stdout.write;

const { request, item } = decodeCall(await buffer(process.stdin));
const result: RunResult = await loadRuntime(request)
  .then((runtime) => runtime.run(item))
  .catch((error: unknown) => ({ id: item.id, ok: false, error: errorRecord(error) }));
answer(encodeAnswer(result), () => process.exit(0));
