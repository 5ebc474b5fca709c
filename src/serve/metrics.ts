/**
 * Metrics in Prometheus' text form: the process, the calls that are served, and whatever the orchestrator adds.
 */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { FiresteelError } from "../errors.ts";
import type { AnyMessageInit, CallContext, ServedService } from "./handlers.ts";

/** Counts calls. */
export interface CallMetrics {
  readonly registry: Registry;
  /** The same service with its calls counted. */
  readonly observe: (served: ServedService) => ServedService;
}

/** Metrics of their own registry, so that two servers in one process do not meet. */
export function createCallMetrics(): CallMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const labelNames = ["service", "method", "code"] as const;
  const calls = new Counter({
    name: "firesteel_calls_total",
    help: "Calls served, by outcome.",
    labelNames,
    registers: [registry],
  });
  const seconds = new Histogram({
    name: "firesteel_call_seconds",
    help: "Time of unary calls.",
    labelNames: ["service", "method"],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers: [registry],
  });
  const streams = new Gauge({
    name: "firesteel_open_streams",
    help: "Streams being served.",
    labelNames: ["service", "method"],
    registers: [registry],
  });

  const observe = (served: ServedService): ServedService => {
    const service = served.service.typeName;
    const count = (method: string, error?: unknown): void =>
      calls.inc({ service, method, code: error === undefined ? "ok" : FiresteelError.from(error).code });
    const unary = [...served.unary].map(([method, handle]) => {
      const observed = async (request: unknown, context: CallContext): Promise<AnyMessageInit> => {
        const stop = seconds.startTimer({ service, method });
        try {
          const response = await handle(request, context);
          count(method);
          return response;
        } catch (error) {
          count(method, error);
          throw error;
        } finally {
          stop();
        }
      };
      return [method, observed] as const;
    });
    const streaming = [...served.streams].map(([method, stream]) => {
      const observed = async function* (request: unknown, context: CallContext): AsyncGenerator<AnyMessageInit> {
        streams.inc({ service, method });
        // A caller that leaves ends the generator without an error.
        let code = "cancelled";
        try {
          yield* stream(request, context);
          code = "ok";
        } catch (error) {
          code = FiresteelError.from(error).code;
          throw error;
        } finally {
          streams.dec({ service, method });
          calls.inc({ service, method, code });
        }
      };
      return [method, observed] as const;
    });
    return { service: served.service, unary: new Map(unary), streams: new Map(streaming) };
  };
  return { registry, observe };
}
