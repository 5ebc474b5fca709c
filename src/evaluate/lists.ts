/**
 * The rules of the forms over lists (`define/lists.ts`).
 */

import { Form } from "../define/expression.ts";
import { Code, FiresteelError } from "../errors.ts";
import { decodeValue } from "../hash/decode.ts";
import { type EncodedCallee, joinList, type ListView, listItems, viewList } from "../hash/program.ts";
import type { Evaluation, Frame } from "./evaluation.ts";
import { Cell, type Settled } from "./job.ts";
import { callBack, collect, describe, guarded, outline, type Rule, settleWith, wantCallee, withOuter } from "./rule.ts";

type ListForm = typeof Form.map | typeof Form.flatMap | typeof Form.filter | typeof Form.reduce;

export const LIST_RULES: Readonly<Record<ListForm, Rule>> = {
  [Form.map]: (evaluation, frame, [task, items], cell) => {
    withOuter(evaluation, frame, [task!, items!], 2, cell, ([given, list]) => {
      const { items, begin } = callEach(evaluation, frame, Form.map, given!, list!, cell);
      collect(evaluation, items.length, begin, (settled) => evaluation.settle(cell, settled));
    });
  },

  [Form.flatMap]: (evaluation, frame, [task, items], cell) => {
    withOuter(evaluation, frame, [task!, items!], 2, cell, ([given, list]) => {
      const { callee, items, begin } = callEach(evaluation, frame, Form.flatMap, given!, list!, cell);
      const join = guarded(evaluation, frame, cell, (bytes: Uint8Array) => {
        const lists = listItems(bytes)!.map((item, i) => {
          const inner = listItems(item);
          if (inner) return inner;
          throw new FiresteelError(
            Code.invalidArgument,
            `flatMap(${callee.task}, items): the task gave no list for item ${i} but ${describe(outline(item))}; for one value an item write map`,
          );
        });
        settleWith(evaluation, cell, joinList(lists.flat()));
      });
      const failed = (error: unknown) => evaluation.fail(cell, frame, error);
      collect(evaluation, items.length, begin, (settled) =>
        settled.ok
          ? evaluation.read(evaluation.stored.outerItems(settled.bytes), join, failed)
          : evaluation.settle(cell, settled),
      );
    });
  },

  [Form.filter]: (evaluation, frame, [task, items], cell) => {
    withOuter(evaluation, frame, [task!, items!], 2, cell, ([given, list]) => {
      const { callee, items, begin } = callEach(evaluation, frame, Form.filter, given!, list!, cell);
      const choose = guarded(evaluation, frame, cell, (bytes: Uint8Array) => {
        const verdicts = decodeValue(bytes) as readonly unknown[];
        const wrong = verdicts.findIndex((verdict) => typeof verdict !== "boolean");
        if (wrong >= 0)
          throw new FiresteelError(
            Code.invalidArgument,
            `filter(${callee.task}, items): the task gave neither true nor false for item ${wrong} but ${describe(verdicts[wrong])}`,
          );
        const chosen = verdicts.flatMap((verdict, i) => (verdict === true ? [items.at(i)] : []));
        settleWith(evaluation, cell, joinList(chosen));
      });
      const failed = (error: unknown) => evaluation.fail(cell, frame, error);
      collect(evaluation, items.length, begin, (settled) =>
        settled.ok
          ? evaluation.read(evaluation.stored.whole(settled.bytes), choose, failed)
          : evaluation.settle(cell, settled),
      );
    });
  },

  [Form.reduce]: (evaluation, frame, [task, items, ...initial], cell) => {
    withOuter(evaluation, frame, [task!, items!, ...initial], 2, cell, ([given, list, ...first]) => {
      const callee = wantCallee(given!, Form.reduce);
      const items = wantItems(list!, Form.reduce, callee);
      const values = [...first, ...Array.from({ length: items.length }, (_, i) => items.at(i))];
      if (values.length === 0)
        throw new FiresteelError(
          Code.invalidArgument,
          `reduce(${callee.task}, items): the list is empty, so there is no result; give an initial value as the third argument`,
        );
      let level = values.map((bytes) => known(bytes, cell.fresh));
      while (level.length > 1) {
        const next: Cell[] = [];
        for (let i = 0; i < level.length; i += 2) {
          const [left, right] = [level[i]!, level[i + 1]];
          next.push(right ? combine(evaluation, frame, callee, left, right) : left);
        }
        level = next;
      }
      evaluation.join(level[0]!, cell);
    });
  },
};

/** A task to be called with each item of an encoded list. */
export interface EachCall {
  readonly callee: EncodedCallee;
  readonly items: ListView;
  /** Calls it with the item at a place. */
  readonly begin: (place: number) => Cell;
}

export function callEach(
  evaluation: Evaluation,
  frame: Frame,
  form: string,
  given: Uint8Array,
  list: Uint8Array,
  cell: Cell,
): EachCall {
  const callee = wantCallee(given, form);
  const items = wantItems(list, form, callee);
  return { callee, items, begin: (place) => callBack(evaluation, frame, callee, [items.at(place)], cell.fresh) };
}

function wantItems(bytes: Uint8Array, form: string, { task }: EncodedCallee): ListView {
  const items = viewList(bytes);
  if (items) return items;
  throw new FiresteelError(
    Code.invalidArgument,
    `${form}(${task}, items) wants a list, not ${describe(outline(bytes))}`,
  );
}

function known(bytes: Uint8Array, fresh: boolean): Cell {
  const cell = new Cell();
  cell.settle({ ok: true, bytes, fresh });
  return cell;
}

/** The call with the results of two cells, as soon as both are there. */
function combine(evaluation: Evaluation, frame: Frame, callee: EncodedCallee, left: Cell, right: Cell): Cell {
  const cell = new Cell();
  let open = 2;
  const arrived = (settled: Settled) => {
    if (!settled.ok) return evaluation.settle(cell, settled);
    if (settled.fresh) cell.fresh = true;
    if (--open > 0) return;
    const values = [left, right].map(({ settled: side }) => (side as Settled & { readonly ok: true }).bytes);
    evaluation.join(callBack(evaluation, frame, callee, values, cell.fresh), cell);
  };
  evaluation.demand(left, arrived);
  evaluation.demand(right, arrived);
  return cell;
}
