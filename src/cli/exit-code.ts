/** Exit codes of the command; its help tells them. */
export const ExitCode = {
  ok: 0,
  /** What was asked for failed. */
  failed: 1,
  /** The command line is wrong; nothing was tried. */
  usage: 2,
  /** Cancelled or interrupted: 128 + SIGINT. */
  interrupted: 130,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
