/** Pages of lists. */

/** A page of rows, newest first. */
export interface Page<T> {
  readonly rows: readonly T[];
  /** Pass it back for the next page; null at the end. */
  readonly nextCursor: string | null;
}
export interface PageRequest {
  readonly limit: number;
  readonly cursor?: string;
}
