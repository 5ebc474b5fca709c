/** States in colour, the same in every table. */

import { paint } from "./terminal.ts";

/** A state's word in its colour: green for a success, red for a failure, yellow for what was stopped, cyan for what goes on. */
export function paintState(text: string, state: string): string {
  switch (state) {
    case "succeeded":
      return paint("green", text);
    case "failed":
    case "killed":
    case "lost":
      return paint("red", text);
    case "cancelled":
    case "cancelling":
      return paint("yellow", text);
    case "cached":
      return paint("dim", text);
    default:
      return paint("cyan", text);
  }
}
