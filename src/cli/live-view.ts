/**
 * Where progress is shown: a view that redraws itself on a terminal, plain lines elsewhere. Both on stderr.
 */

import type { Progress, ProgressLine } from "./progress.ts";
import { paintError, say } from "./terminal.ts";

/** How often the view is drawn, in ms. */
const FRAME_MS = 120;

/** Shows the progress of an execution until it is disposed of. */
export interface View extends Disposable {
  /** Shows lines that a message was worth. */
  tell(lines: readonly ProgressLine[]): void;
  /** Shows a line that stays. */
  say(text: string): void;
}

/** The view that fits stderr. `title` names the execution. */
export async function openView(progress: Progress, title: string, startedAt: number): Promise<View> {
  // Some terminals without a window (of containers, of build servers) say that they have no columns: nothing can be drawn there.
  return process.stderr.isTTY && process.stderr.columns > 0 ? openLiveView(progress, title, startedAt) : plainView();
}

function plainView(): View {
  return {
    tell(lines) {
      for (const { text } of lines) say(text);
    },
    say,
    [Symbol.dispose]: () => undefined,
  };
}

async function openLiveView(progress: Progress, title: string, startedAt: number): Promise<View> {
  const { createLogUpdate } = await import("log-update");
  const draw = createLogUpdate(process.stderr);
  const render = () => {
    const { columns = 80, rows = 24 } = process.stderr;
    const most = Math.max(2, Math.min(16, rows - 3));
    const [head = "", ...lines] = progress.frame(title, startedAt, Date.now(), columns - 1, most);
    draw([paintError("bold", head), ...lines].join("\n"));
  };
  const keep = (text: string) => draw.persist(text);
  const timer = setInterval(render, FRAME_MS);
  render();
  return {
    tell(lines) {
      for (const { kind, text } of lines) {
        if (kind === "failed") keep(paintError("red", text));
        if (kind === "done") keep(paintError("dim", text));
      }
    },
    say: keep,
    [Symbol.dispose]() {
      clearInterval(timer);
      draw.clear();
      draw.done();
    },
  };
}
