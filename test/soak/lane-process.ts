/** Soaks in a process of their own: `fork("lane-process.ts")`; each seed that comes over IPC is answered by what came of it. Ends with its parent. */

import { draw } from "./scenario.ts";
import { soak } from "./soak.ts";

// Thousands of expected errors: their stacks cost more than all the rest.
Error.stackTraceLimit = 0;
process.on("message", async (seed: number) => void process.send?.(await soak(draw(seed))));
process.once("disconnect", () => process.exit());
