/** A process that records jobs, log lines and calls in an embedded or shared store, one after another, and prints how many were acknowledged; run by the crash tests. */

import { openStore, type StoreLocation } from "../../src/record/store.ts";
import { sampleCall, sampleExecution, sampleJob } from "./samples.ts";

const location = JSON.parse(process.argv[2] ?? "") as StoreLocation;
const store = await openStore(location);
await store.createExecution(sampleExecution("crashed"));
process.stdout.write("open\n");
for (let i = 0; process.stdin.readable; i++) {
  const number = String(i).padStart(8, "0");
  void store.appendLog("crash", [number]);
  void store.recordCalls([sampleCall(number)]);
  void store.recordJobs([sampleJob(number, { executionId: "crash" })]).then(() => process.stdout.write(`${number}\n`));
  if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  if (i % 500 === 0) await store.flushed();
}
