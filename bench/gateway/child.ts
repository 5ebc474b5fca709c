/** Processes of a benchmark that do what they are told over IPC: each has a few methods, called from the process that started it. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** The methods of a process as they look from outside. */
export type Remote<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never;
};

/** A process; disposing of it ends it. */
export interface Child<T> extends AsyncDisposable {
  readonly call: Remote<T>;
  readonly pid: number;
}

interface Order {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** Starts a module of this folder, which calls {@link serve}. */
export function startChild<T>(module: string, options: unknown, flags: readonly string[] = []): Child<T> {
  const path = fileURLToPath(new URL(module, import.meta.url));
  const child = fork(path, [JSON.stringify(options)], { execArgv: [...flags] });
  const waiting = new Map<number, (reply: Reply) => void>();
  let last = 0;
  let over: string | null = null;
  child.on("message", (reply: Reply) => {
    waiting.get(reply.id)?.(reply);
    waiting.delete(reply.id);
  });
  child.once("exit", (code, signal) => {
    over = `${module} ended: ${signal ?? code}`;
    for (const [id, done] of waiting) done({ id, error: over });
  });
  const ask = (method: string, args: readonly unknown[]) =>
    new Promise((resolve, reject) => {
      const id = ++last;
      if (over !== null) return reject(new Error(over));
      waiting.set(id, ({ value, error }) => (error === undefined ? resolve(value) : reject(new Error(error))));
      child.send({ id, method, args } satisfies Order);
    });
  const call = new Proxy({} as Remote<T>, {
    get:
      (_, method) =>
      (...args: unknown[]) =>
        ask(String(method), args),
  });
  return { call, pid: child.pid ?? 0, [Symbol.asyncDispose]: () => end(child) };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.disconnect();
  await exit;
}

/** What a child was started with. */
export function optionsOfChild<O>(): O {
  return JSON.parse(process.argv[2] ?? "null") as O;
}

/** Lets the other process call methods. When it leaves, `close` runs and this process ends. */
export function serve(methods: object, close: () => Promise<void> = async () => {}): void {
  process.on("message", ({ id, method, args }: Order) => {
    const act = async () => (Reflect.get(methods, method) as (...args: readonly unknown[]) => unknown)(...args);
    act().then(
      (value) => process.send?.({ id, value }),
      (error: unknown) =>
        process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
  process.once("disconnect", () => void close().finally(() => process.exit()));
}
