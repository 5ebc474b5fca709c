/** What the main thread and the database's thread say to each other. */

/** How the thread is started. */
export interface WorkerStart {
  /** The folder of the data files; made and filled when missing. */
  readonly dataDirectory: string;
}

export type Request =
  | { readonly kind: "query"; readonly id: number; readonly sql: string; readonly parameters: readonly unknown[] }
  /** Closes the database cleanly; the thread ends after the reply. */
  | { readonly kind: "close"; readonly id: number };

export type Reply =
  | { readonly kind: "opened" }
  | {
      readonly kind: "rows";
      readonly id: number;
      readonly rows: readonly unknown[];
      readonly affected: number | undefined;
    }
  | { readonly kind: "closed"; readonly id: number }
  /** `id` is null when opening failed. */
  | { readonly kind: "error"; readonly id: number | null; readonly error: WireError };

/** An error without its class, which does not survive the crossing. */
export interface WireError {
  readonly message: string;
  /** SQLSTATE, where the database raised it. */
  readonly code?: string;
  readonly detail?: string;
}
