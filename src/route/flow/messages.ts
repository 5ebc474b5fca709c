/**
 * What the serving thread and the threads and processes that run flow code say to each other. Plain data that structured clone carries.
 */

import type { StorageConfig } from "../../config.ts";
import type { ValueFolder } from "../../data/value-folder.ts";
import type { ModuleArrows } from "../../define/arrow.ts";
import type { CodeWarning, TaskInfo } from "../../evaluate/code.ts";
import type { TaskVersion } from "../../evaluate/explain/ports.ts";
import type { DatasetRecord, ErrorRecord, Invocation, Outcome } from "../../evaluate/ports.ts";
import type { SavedCodeIndex } from "../../hash/code/identify.ts";
import type { PackedItems, PackedResults } from "./packing.ts";

/** How flow code is loaded. */
export interface LoadRequest {
  /** The project's root, an absolute path. */
  readonly root: string;
  /** How bodies reach HDFS and S3. */
  readonly storage?: StorageConfig;
  /** Flow modules, absolute paths. */
  readonly modules: readonly string[];
  /** Parsed modules of an earlier version, to parse only what changed. */
  readonly index?: SavedCodeIndex;
  /** Versions of tasks (`versionKey`) that were taken apart before, so that only new ones are. */
  readonly known?: ReadonlySet<string>;
  /** Where large results are put; without one they are given whole. */
  readonly values?: ValueFolder;
  /** Set for workers that must run exactly what was identified elsewhere. */
  readonly pinned?: PinnedCode;
}

/** Code as it was identified: the texts that are served instead of what is on disk by now. */
export interface PinnedCode {
  readonly version: string;
  /** Module URL and text. */
  readonly sources: readonly (readonly [string, string])[];
  /** By module URL, the functions that forms are given there. */
  readonly arrows: readonly (readonly [string, ModuleArrows])[];
  /** Task name and code digest. */
  readonly codes: readonly (readonly [string, string])[];
}

/** Flow code that was loaded and identified. */
export interface LoadedCode {
  readonly tasks: readonly TaskInfo[];
  /** Name and code digest of each codec. */
  readonly codecs: readonly (readonly [string, string])[];
  readonly warnings: readonly CodeWarning[];
  readonly pinned: PinnedCode;
  readonly index: SavedCodeIndex;
  /** What the code of each task is made of that is not among the known ones. */
  readonly versions: readonly TaskVersion[];
}

/** One body to be run. */
export interface RunItem {
  /** Rises from item to item. */
  readonly id: number;
  readonly task: string;
  readonly code: string;
  readonly args: readonly Uint8Array[];
  readonly context: Invocation["context"];
  readonly datasets: readonly DatasetRecord[];
}

/** What came of it. */
export type RunResult =
  | { readonly id: number; readonly ok: true; readonly outcome: Outcome }
  | { readonly id: number; readonly ok: false; readonly error: ErrorRecord };

export type ToWorker =
  | { readonly kind: "run"; readonly items: PackedItems }
  | {
      readonly kind: "parquet";
      readonly id: number;
      readonly rows: Uint8Array;
      readonly columns: Readonly<Record<string, string>>;
      readonly uri: string;
    }
  | {
      readonly kind: "check";
      readonly id: number;
      readonly task: string;
      readonly args: readonly (Uint8Array | null)[];
    }
  | { readonly kind: "ping"; readonly id: number };

export type FromWorker =
  | { readonly kind: "loaded"; readonly code: LoadedCode | null }
  | { readonly kind: "failed"; readonly error: ErrorRecord }
  | { readonly kind: "results"; readonly results: PackedResults }
  | { readonly kind: "parquet"; readonly id: number; readonly count: number | null; readonly error: ErrorRecord | null }
  | { readonly kind: "checked"; readonly id: number; readonly error: ErrorRecord | null }
  | { readonly kind: "pong"; readonly id: number };
