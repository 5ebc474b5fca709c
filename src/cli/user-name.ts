import { userInfo } from "node:os";

/** Who runs this command, for the record. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user id without a name, as in some containers.
    return "unknown";
  }
}
