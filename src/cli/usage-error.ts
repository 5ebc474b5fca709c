/** Thrown for a command line that cannot be read; nothing was tried. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** The commands that were understood, for a pointer to their help. */
  readonly commands: readonly string[];

  constructor(message: string, commands: readonly string[]) {
    super(message);
    this.commands = commands;
  }
}
