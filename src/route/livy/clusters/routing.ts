/**
 * Routing: which clusters a piece of bulk work may go to.
 *
 * A *rule* says for which work it is (task, tags, labels asked for, where the inputs lie: all that it names must hold) and where that goes (clusters by name, or by labels). The first rule that holds decides; work that no
 * rule is for may go anywhere. Whatever the rule says, a cluster must have the labels that the task asks for. A task that names its cluster goes there, rules or not.
 *
 * Settings of a cluster that can change rows are part of the work's key. So of the clusters that fit, only those are *candidates* whose settings are like the first one's, in the order of the rule or else of the
 * configuration: neither load nor health decides what the work is. Everything here depends on the configuration and the question alone; which candidate is taken today is decided elsewhere (`gateway.ts`).
 */

import picomatch from "picomatch";
import { Code, FiresteelError } from "../../../errors.ts";

/** A rule: conditions, and where the work goes that fulfils them all. */
export interface RouteRule {
  /** Globs of task names; one of them must match. */
  readonly tasks?: readonly string[];
  /** All of them must be among the call's tags. */
  readonly tags?: readonly string[];
  /** The task asks for all of these. */
  readonly labels?: Readonly<Record<string, string>>;
  /** URIs of folders, or globs of URIs; one of the work's input datasets must lie there. */
  readonly inputs?: readonly string[];
  readonly to: RouteTarget;
}

/** Where a rule sends work: clusters by name, the first of which decides about settings that can change rows, or all that have the labels. */
export type RouteTarget =
  | { readonly clusters: readonly string[] }
  | { readonly labels: Readonly<Record<string, string>> };

/** All about a piece of work that routing goes by. */
export interface RouteQuestion {
  readonly task: string;
  readonly tags: readonly string[];
  /** The cluster that the task asks for by name. */
  readonly cluster?: string | undefined;
  /** The labels that the task asks for. */
  readonly labels: Readonly<Record<string, string>>;
  /** URIs of the folders and files that the work reads. */
  readonly inputs: readonly string[];
  /** The work is an unmodified application, which may go by more of a cluster's settings. */
  readonly isApp?: boolean;
}

/** A cluster as routing sees it. */
export interface Routable {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Its settings that can change rows; the same text for clusters on which the same work is the same. */
  rowsOf(question: Pick<RouteQuestion, "isApp">): string;
}

/** Clusters and rules, ready to answer questions. */
export class Routes<C extends Routable> {
  readonly #clusters: readonly C[];
  readonly #rules: readonly { readonly holds: (question: RouteQuestion) => boolean; readonly to: RouteTarget }[];

  /** @throws FiresteelError `invalid_argument` for a rule that can send nothing anywhere */
  constructor(clusters: readonly C[], rules: readonly RouteRule[]) {
    this.#clusters = clusters;
    this.#rules = rules.map((rule, i) => {
      const problem = problemOf(rule, clusters);
      if (problem !== null) throw new FiresteelError(Code.invalidArgument, `routes.${i}.${problem}`);
      return { holds: conditionOf(rule), to: rule.to };
    });
  }

  /**
   * The clusters that the work may go to, never none; the first is the one whose settings count.
   *
   * @throws FiresteelError `invalid_argument` for a cluster that is not configured, `failed_precondition` when no cluster fits
   */
  candidates(question: RouteQuestion): readonly [C, ...C[]] {
    const [first, ...others] = this.#fitting(question);
    if (first === undefined) throw this.#nothingFits(question);
    return [first, ...others.filter((one) => one.rowsOf(question) === first.rowsOf(question))];
  }

  /** As {@link candidates}, before it is known what the work reads: throws only where no answer could be different. */
  check(question: Omit<RouteQuestion, "inputs">): void {
    if (question.cluster === undefined && this.#clusters.some((cluster) => has(cluster, question.labels))) return;
    this.candidates({ ...question, inputs: [] });
  }

  #fitting({ cluster, ...question }: RouteQuestion): readonly C[] {
    if (cluster !== undefined) return this.#clusters.filter(({ name }) => name === cluster);
    const to = this.#targetOf({ ...question, cluster });
    return this.#aimedAt(to).filter((one) => has(one, question.labels));
  }

  #targetOf(question: RouteQuestion): RouteTarget | undefined {
    return this.#rules.find(({ holds }) => holds(question))?.to;
  }

  #aimedAt(to: RouteTarget | undefined): readonly C[] {
    if (to === undefined) return this.#clusters;
    if ("labels" in to) return this.#clusters.filter((one) => has(one, to.labels));
    return [...new Set(to.clusters)].flatMap((name) => this.#clusters.filter((one) => one.name === name));
  }

  #nothingFits(question: RouteQuestion): FiresteelError {
    const { task, cluster, labels } = question;
    if (this.#clusters.length === 0)
      return new FiresteelError(
        Code.failedPrecondition,
        "no cluster is configured: set `clusters` in firesteel.config.ts",
      );
    if (cluster !== undefined)
      return new FiresteelError(
        Code.invalidArgument,
        `cluster is not known (there are: ${this.#clusters
          .map(({ name }) => name)
          .sort()
          .join(", ")}): ${cluster}`,
      );
    const aimed = this.#aimedAt(this.#targetOf(question));
    const among = aimed.length === this.#clusters.length ? "" : " among those that the rules send it to";
    return new FiresteelError(
      Code.failedPrecondition,
      `no cluster${among} has the labels that task ${task} asks for (there are: ${aimed.map(describe).join("; ")}): ${labelsText(labels)}`,
    );
  }
}

/** How a candidate stands now. */
export interface Standing {
  /** Takes work now. */
  readonly usable: boolean;
  /** Was tried already. */
  readonly avoided: boolean;
  /** What lives and waits there, for its size. */
  readonly load: number;
}

/** The candidate for the next attempt: of those that can be used one that is not avoided, with the least load; of several the first. */
export function pick<C>(candidates: readonly [C, ...C[]], standingOf: (candidate: C) => Standing): C {
  const standings = candidates.map((one) => ({ one, ...standingOf(one) }));
  const rank = ({ usable, avoided }: Standing) => 2 * Number(!usable) + Number(avoided);
  return standings.reduce((best, next) => {
    const by = rank(next) - rank(best) || next.load - best.load;
    return by < 0 ? next : best;
  }).one;
}

/** Labels for people: `gpu=a100, zone=eu`. */
export function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => (value === "" ? key : `${key}=${value}`))
    .join(", ");
}

/** What is wrong with a rule beside its shape, after the name of the wrong key; null when nothing is. */
export function problemOf(
  { to, tasks, inputs }: RouteRule,
  clusters: readonly Omit<Routable, "rowsOf">[],
): string | null {
  for (const [key, globs] of [["tasks", tasks] as const, ["inputs", inputs] as const])
    for (const glob of globs ?? []) {
      try {
        matcher(glob);
      } catch (error) {
        return `${key}: glob cannot be read (${(error as Error).message}): ${glob}`;
      }
    }
  const names = clusters.map(({ name }) => name).sort();
  if ("labels" in to)
    return clusters.some((one) => has(one, to.labels))
      ? null
      : `to: no cluster has these labels (there are: ${clusters.map(describe).join("; ") || "none"}): ${labelsText(to.labels)}`;
  const unknown = to.clusters.find((name) => !names.includes(name));
  return unknown === undefined
    ? null
    : `to: cluster is not known (there are: ${names.join(", ") || "none"}): ${unknown}`;
}

function describe({ name, labels }: Pick<Routable, "name" | "labels">): string {
  return `${name} (${labelsText(labels) || "no labels"})`;
}

function has({ labels }: Pick<Routable, "labels">, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value);
}

function conditionOf({ tasks, tags, labels, inputs }: RouteRule): (question: RouteQuestion) => boolean {
  const names = tasks?.map(matcher);
  const places = inputs?.map(placeMatcher);
  return (question) =>
    (names === undefined || names.some((matches) => matches(question.task))) &&
    (tags ?? []).every((tag) => question.tags.includes(tag)) &&
    has(question, labels ?? {}) &&
    (places === undefined || question.inputs.some((uri) => places.some((matches) => matches(ownSpelling(uri)))));
}

/** A pattern without wildcards is a folder: it stands for all that lies below. */
function placeMatcher(pattern: string): (uri: string) => boolean {
  const own = ownSpelling(pattern);
  if (picomatch.scan(own, { nonegate: true }).isGlob) return matcher(own);
  const folder = own.replace(/\/+$/, "");
  return (uri) => uri === folder || uri.startsWith(`${folder}/`);
}

function matcher(glob: string): (text: string) => boolean {
  return picomatch(glob, { nonegate: true, dot: true, strictBrackets: true });
}

/** Hadoop's name of the same. */
function ownSpelling(uri: string): string {
  return uri.replace(/^s3[an]:/i, "s3:");
}
