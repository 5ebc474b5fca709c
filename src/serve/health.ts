/**
 * The standard health service, `grpc.health.v1` (https://github.com/grpc/grpc/blob/master/doc/health-checking.md).
 */

import { setTimeout as sleep } from "node:timers/promises";
import { Code, FiresteelError } from "../errors.ts";
import { type Health, HealthCheckResponse_ServingStatus as Status } from "../gen/grpc/health/v1/health_pb.ts";
import type { Handlers } from "./handlers.ts";
import type { Orchestrator } from "./orchestrator.ts";

/**
 * Handlers of the health service. The server as a whole (the empty name) and each service are as healthy as the orchestrator.
 *
 * @param services full names of the services that are served
 * @param intervalMs how often a watched status is looked at
 */
export function healthHandlers(
  orchestrator: Orchestrator,
  services: readonly string[],
  intervalMs = 1000,
): Handlers<typeof Health> {
  const names: ReadonlySet<string> = new Set(["", ...services]);
  const status = async (): Promise<Status> => ((await isReady(orchestrator)) ? Status.SERVING : Status.NOT_SERVING);
  return {
    async check({ service }) {
      if (!names.has(service)) throw new FiresteelError(Code.notFound, `service is not known: ${service}`);
      return { status: await status() };
    },

    async list() {
      const now = await status();
      return { statuses: Object.fromEntries([...names].map((name) => [name, { status: now }])) };
    },

    async *watch({ service }, { signal }) {
      let last: Status | undefined;
      for (;;) {
        const now = names.has(service) ? await status() : Status.SERVICE_UNKNOWN;
        if (now !== last) yield { status: now };
        last = now;
        await sleep(intervalMs, undefined, { signal });
      }
    },
  };
}

async function isReady(orchestrator: Orchestrator): Promise<boolean> {
  try {
    return (await orchestrator.health()).ready;
  } catch {
    // An orchestrator that cannot say how it is, is not ready; `/readyz` shows the reason.
    return false;
  }
}
