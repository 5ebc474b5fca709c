/**
 * Scopes: what `withTags`, `withLimits` and `withContext` say about the calls of an expression.
 *
 * Tags and limits concern the calls written in the expression. A context concerns these and, in turn, every call below them; a task's body sees the keys that the task declares, and they count in the
 * identity of its calls.
 */

import { type Digest, digestOf, digestValue } from "../hash/digest.ts";
import type { TaskInfo } from "./code.ts";
import type { Frame } from "./evaluation.ts";

/** A value of the context. */
export interface ContextValue {
  readonly bytes: Uint8Array;
  readonly digest: Digest;
}

/** The values that the calls of an expression can see. */
export interface Context {
  /** Identity of all of it; empty where nothing was set. */
  readonly id: string;
  readonly values: ReadonlyMap<string, ContextValue>;
}

/** The keys that a task declares, sorted, with their values; undefined where nobody set one. */
export type DeclaredContext = readonly (readonly [key: string, value: ContextValue | undefined])[];

/** What applies to the calls of an expression. */
export interface Scope {
  readonly context: Context;
  /** Beside those of the tasks. */
  readonly tags: readonly string[];
  readonly limits: readonly string[];
}

const NO_CONTEXT: Context = { id: "", values: new Map() };
const NONE: readonly string[] = [];
const NOTHING_DECLARED: DeclaredContext = [];

/** The scope of a root expression. */
export const NO_SCOPE: Scope = { context: NO_CONTEXT, tags: NONE, limits: NONE };

/** The scope of the expression that a call's body gave. */
export function scopeBelow(scope: Scope): Scope {
  if (scope.tags.length === 0 && scope.limits.length === 0) return scope;
  return scope.context === NO_CONTEXT ? NO_SCOPE : { ...NO_SCOPE, context: scope.context };
}

/** The frame of the same program in which more applies. Frames of equal scopes are one, so that an expression is evaluated once per scope, however often it is written. */
export function frameUnder(frame: Frame, more: Partial<Scope>): Frame {
  const scope: Scope = {
    context: more.context ?? frame.scope.context,
    tags: union(frame.scope.tags, more.tags),
    limits: union(frame.scope.limits, more.limits),
  };
  frame.others ??= new Map([[scopeKey(frame.scope), frame]]);
  const key = scopeKey(scope);
  let other = frame.others.get(key);
  if (!other) {
    other = { program: frame.program, cells: [], job: frame.job, scope, others: frame.others };
    frame.others.set(key, other);
  }
  return other;
}

/** A context with these values (encoded) in the place of those of the same keys. */
export function extendContext(context: Context, entries: ReadonlyMap<string, Uint8Array>): Context {
  const values = new Map(context.values);
  for (const [key, bytes] of entries) values.set(key, { bytes, digest: digestValue(bytes) });
  if (values.size === 0) return NO_CONTEXT;
  const parts = [...values].map(([key, { digest }]) => [key, digest]);
  return { id: digestOf("context", parts.sort(byKey)), values };
}

/** What the body of a task may see of a context. */
export function declaredContext({ options }: TaskInfo, context: Context): DeclaredContext {
  if (!options.context?.length) return NOTHING_DECLARED;
  return [...new Set(options.context)].sort().map((key) => [key, context.values.get(key)] as const);
}

function union(a: readonly string[], b: readonly string[] | undefined): readonly string[] {
  return b === undefined ? a : [...new Set([...a, ...b])].sort();
}

function scopeKey({ context, tags, limits }: Scope): string {
  return JSON.stringify([context.id, tags, limits]);
}

function byKey(a: readonly string[], b: readonly string[]): number {
  return a[0]! < b[0]! ? -1 : 1;
}
