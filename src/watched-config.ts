/**
 * Follows the configuration's file while an orchestrator serves. Clusters and routes are put in force as they change; everything else counts from the next start on, and is told once. A file that is not valid leaves what is
 * in force as it is, and is told once too.
 */

import { once } from "node:events";
import { isDeepStrictEqual } from "node:util";
import { watch } from "chokidar";
import type { Config } from "./config.ts";
import { FiresteelError } from "./errors.ts";

/** A configuration with the files that it was read from. */
export interface WatchedConfig {
  /** As it was read, before options of the command line. */
  readonly config: Config;
  readonly files: readonly string[];
  /** Reads it again. */
  readonly load: () => Promise<{ readonly config: Config; readonly files: readonly string[] }>;
}

export interface WatchConfigOptions extends WatchedConfig {
  /** Puts clusters and routes in force; where it rejects, what was in force stays. */
  readonly onChange: (config: Config) => Promise<void>;
  /** Told of other keys that changed. */
  readonly onRestartNeeded: (keys: readonly string[]) => void;
  readonly onProblem: (error: FiresteelError) => void;
  /** Told when the file is valid again after a problem, and says what is in force. */
  readonly onMended: () => void;
}

/** Edits that come within this time, in ms, are one. */
const SETTLE_MS = 100;
const LIVE: ReadonlySet<string> = new Set(["clusters", "routes"] satisfies (keyof Config)[]);

/** Watches until it is disposed of. */
export async function watchConfig(options: WatchConfigOptions): Promise<AsyncDisposable> {
  const { load, onChange, onRestartNeeded, onProblem, onMended } = options;
  const { clusters, routes } = options.config;
  let inForce: Pick<Config, "clusters" | "routes"> = { clusters, routes };
  let last: Config = options.config;
  let problem: string | null = null;
  let timer: NodeJS.Timeout | undefined;
  let reloading = Promise.resolve();

  const reload = async () => {
    try {
      const { config, files } = await load();
      watcher.add([...files]);
      const others = Object.keys({ ...last, ...config }).filter(
        (key) => !LIVE.has(key) && !isDeepStrictEqual(last[key as keyof Config], config[key as keyof Config]),
      );
      last = config;
      if (others.length > 0) onRestartNeeded(others);
      const next = { clusters: config.clusters, routes: config.routes };
      if (!isDeepStrictEqual(next, inForce)) {
        await onChange(config);
        inForce = next;
      } else if (problem !== null) onMended();
      problem = null;
    } catch (reason) {
      const error = FiresteelError.from(reason);
      // An editor that saves the same mistake again says nothing new.
      if (error.message !== problem) onProblem(error);
      problem = error.message;
    }
  };

  const watcher = watch([...options.files], { ignoreInitial: true });
  await once(watcher, "ready");
  watcher.on("error", (error) => onProblem(FiresteelError.from(error)));
  watcher.on("all", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      reloading = reloading.then(reload);
    }, SETTLE_MS);
  });
  return {
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      await watcher.close();
      await reloading;
    },
  };
}
