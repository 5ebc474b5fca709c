/**
 * How long the orchestrator waits for what, in one place. Times in ms.
 */

export interface Patience {
  /** Between two questions about one batch outside the tick. */
  readonly askMs: number;
  /** Between two looks for a manifest in local storage; stretched where the look takes long. */
  readonly manifestMs: number;
  /** Looks for manifests in a second, of all submissions together, in local storage; a tenth in any other. */
  readonly manifests: number;
  /** How long a batch may take to show up after a POST without an answer, while Livy answers. */
  readonly postMs: number;
  /** How long a batch may show no sign of a start after a POST that failed. */
  readonly zombieMs: number;
  /** How long a manifest may take to show up after a confirmed end. */
  readonly endMs: number;
  /** How long a batch that Livy forgot, and of which YARN knows no end, is given before a new attempt. */
  readonly lostMs: number;
  /** How long YARN must show no application of a batch that was deleted before its application was known. */
  readonly quietMs: number;
  /** How long an application may take to end after its manifest. */
  readonly lingerMs: number;
  /** How long work that was not posted waits on a cluster that is down or drained before it goes to another, where it may. */
  readonly moveMs: number;
  /** How often a POST that had no effect is repeated. */
  readonly posts: number;
}

/** The times used where nothing else is said. */
export const PATIENCE: Patience = {
  askMs: 500,
  manifestMs: 150,
  manifests: 100,
  postMs: 10_000,
  zombieMs: 5_000,
  endMs: 3_000,
  lostMs: 120_000,
  quietMs: 3_000,
  lingerMs: 60_000,
  moveMs: 30_000,
  posts: 5,
};
