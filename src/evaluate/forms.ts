/**
 * The rule of evaluation of each form (`define/forms.ts`).
 */

import { randomUUID } from "node:crypto";
import { Form } from "../define/expression.ts";
import { DatasetValue, FileValue } from "../define/external.ts";
import { TaskReference } from "../define/task.ts";
import { Code, FiresteelError } from "../errors.ts";
import { digestOf, digestValue } from "../hash/digest.ts";
import { joinList, listItems, type ProgramNode, type Template } from "../hash/program.ts";
import { decodeValue, encodeValue } from "../hash/value.ts";
import type { Evaluation, Frame } from "./evaluation.ts";
import { FINGERPRINT_TASK, identifiedByRows } from "./fingerprint.ts";
import { datasetValue, type InputOptions } from "./inputs.ts";
import type { Cell, Settled } from "./job.ts";
import type { DatasetRecord, ErrorRecord } from "./ports.ts";

type FormNode = Extract<ProgramNode, { readonly kind: "form" }>;
type Rule = (evaluation: Evaluation, frame: Frame, args: readonly Template[], cell: Cell) => void;

/** Starts the evaluation of a form; the cell gets its result. */
export function reduceForm(evaluation: Evaluation, frame: Frame, node: FormNode, cell: Cell): void {
  RULES[node.form](evaluation, frame, node.args, cell);
}

const RULES: Readonly<Record<Form, Rule>> = {
  [Form.cond]: (evaluation, frame, [condition, then, otherwise], cell) => {
    withValue(evaluation, frame, condition!, cell, (bytes) => {
      const chosen = decodeValue(bytes);
      if (typeof chosen !== "boolean")
        throw new FiresteelError(
          Code.invalidArgument,
          `cond(condition, ...) wants true or false, not ${describe(chosen)}`,
        );
      evaluation.fill(frame, chosen ? then! : otherwise!, (settled) => evaluation.settle(cell, settled));
    });
  },

  [Form.catchError]: (evaluation, frame, [body, only, recover], cell) => {
    const names = decodeValue(only!.bytes) as readonly string[];
    evaluation.fill(frame, body!, (settled) => {
      if (settled.ok || !catches(names, settled.error)) return evaluation.settle(cell, settled);
      evaluation.caught(frame);
      const { code, name, message, path = [] } = settled.error;
      evaluation.join(
        callBack(evaluation, frame, taskName(recover!.bytes, "catchError"), encodeValue({ code, name, message, path })),
        cell,
      );
    });
  },

  [Form.map]: (evaluation, frame, [task, items], cell) => {
    withValue(evaluation, frame, items!, cell, (bytes) => {
      const name = taskName(task!.bytes, "map");
      const list = listItems(bytes);
      if (!list)
        throw new FiresteelError(
          Code.invalidArgument,
          `map(${name}, items) wants a list, not ${describe(decodeValue(bytes))}`,
        );
      collect(
        evaluation,
        list.map((item) => callBack(evaluation, frame, name, item)),
        cell,
      );
    });
  },

  [Form.all]: (evaluation, frame, [value], cell) => {
    evaluation.fill(frame, value!, (settled) => evaluation.settle(cell, settled));
  },

  [Form.seq]: (evaluation, frame, items, cell) => {
    const done: Uint8Array[] = [];
    const next = (): void => {
      const item = items[done.length];
      if (!item) return evaluation.settle(cell, { ok: true, bytes: joinList(done) });
      evaluation.fill(frame, item, (settled) => {
        if (!settled.ok) return evaluation.settle(cell, settled);
        done.push(settled.bytes);
        evaluation.work.push(next);
      });
    };
    next();
  },

  [Form.apply]: (evaluation, frame, [task, ...args], cell) => {
    evaluation.fillAll(
      frame,
      [task!, ...args],
      guarded(evaluation, frame, cell, ([name, ...values]: readonly Uint8Array[]) => {
        evaluation.join(evaluation.call(taskName(name!, "apply"), values, frame.job), cell);
      }),
      (settled) => evaluation.settle(cell, settled),
    );
  },

  [Form.raise]: (evaluation, frame, [message], cell) => {
    withValue(evaluation, frame, message!, cell, (bytes) => {
      const text = decodeValue(bytes);
      throw new FiresteelError(Code.unknown, typeof text === "string" ? text : describe(text), {
        details: { name: "Raised" },
      });
    });
  },

  [Form.file]: (evaluation, frame, [path], cell) => {
    withValue(evaluation, frame, path!, cell, (bytes) => {
      const name = wantText(bytes, "file(path)");
      evaluation.work.async(
        async () => {
          const digest = await evaluation.inputs.fileDigest(name);
          return () => evaluation.settle(cell, { ok: true, bytes: encodeValue(new FileValue(name, digest)) });
        },
        (error) => evaluation.fail(cell, frame, error),
      );
    });
  },

  [Form.dataset]: (evaluation, frame, [location, options], cell) => {
    withValue(evaluation, frame, location!, cell, (bytes) => {
      const place = wantText(bytes, "dataset(location)");
      if (options!.holes.length > 0)
        throw new FiresteelError(Code.invalidArgument, "dataset(location, options): options must be known, not lazy");
      const { fingerprint, ...read } = decodeValue(options!.bytes) as InputOptions & { readonly fingerprint?: string };
      evaluation.work.async(
        async () => {
          const record = await evaluation.inputs.dataset(place, read);
          return () =>
            fingerprint === "rows" ? byRows(evaluation, frame, record, cell) : settleDataset(evaluation, cell, record);
        },
        (error) => evaluation.fail(cell, frame, error),
      );
    });
  },

  [Form.createDataset]: (evaluation, frame, [rows, columns], cell) => {
    withValue(evaluation, frame, rows!, cell, (bytes) => {
      if (columns!.holes.length > 0)
        throw new FiresteelError(Code.invalidArgument, "createDataset(rows, columns): columns must be known, not lazy");
      const types = decodeValue(columns!.bytes) as Readonly<Record<string, string>>;
      evaluation.work.async(
        async () => {
          const record = await literalDataset(evaluation, bytes, types);
          return () => settleDataset(evaluation, cell, record);
        },
        (error) => evaluation.fail(cell, frame, error),
      );
    });
  },
};

/** Identifies a dataset by its rows, with one Spark job where that was not done before. */
function byRows(evaluation: Evaluation, frame: Frame, record: DatasetRecord, cell: Cell): void {
  evaluation.demand(
    evaluation.call(FINGERPRINT_TASK.name, [encodeValue(datasetValue(record))], frame.job),
    (settled) => {
      if (!settled.ok) return evaluation.settle(cell, settled);
      evaluation.work.async(
        async () => {
          const identified = await evaluation.inputs.record(identifiedByRows(record, settled.bytes));
          return () => settleDataset(evaluation, cell, identified);
        },
        (error) => evaluation.fail(cell, frame, error),
      );
    },
  );
}

function settleDataset(evaluation: Evaluation, cell: Cell, record: DatasetRecord): void {
  evaluation.settle(cell, { ok: true, bytes: encodeValue(datasetValue(record)) });
}

/** A dataset of rows given as values: its identity is the bag of its rows, so it is written once whatever their order. */
async function literalDataset(
  evaluation: Evaluation,
  rows: Uint8Array,
  columns: Readonly<Record<string, string>>,
): Promise<DatasetRecord> {
  const items = listItems(rows);
  if (!items)
    throw new FiresteelError(
      Code.invalidArgument,
      `createDataset(rows, columns) wants a list of objects, not ${describe(decodeValue(rows))}`,
    );
  const identity = digestOf(
    "dataset",
    "literal",
    1,
    Object.entries(columns).map(([name, type]) => [name, type]),
    items.map(digestValue).sort(),
  );
  return evaluation.inputs.written(identity, async () => {
    const { code, inputs, literals } = evaluation.context;
    // A name of its own: what another execution has written and is reading is never replaced.
    const location = `${literals}/${identity}-${randomUUID()}.parquet`;
    const count = await code.writeParquet(rows, columns, location);
    const stored = await inputs.storages.get("file:")?.stat(location);
    if (!stored) throw new FiresteelError(Code.internal, `rows were written but are not there: ${location}`);
    return {
      identity,
      location,
      format: "parquet",
      options: {},
      schema: null,
      partitionBy: [],
      rows: count,
      files: [{ path: "", bytes: stored.bytes, modified: stored.modified, rows: count }],
    };
  });
}

/** A form's call of a task that it was given: like JavaScript's own `map`, it takes a function without parameters too. */
function callBack(evaluation: Evaluation, frame: Frame, name: string, argument: Uint8Array): Cell {
  const takesNone = evaluation.context.code.tasks.get(name)?.parameters.length === 0;
  return evaluation.call(name, takesNone ? [] : [argument], frame.job);
}

/** The list of all results, or the first failure. */
function collect(evaluation: Evaluation, cells: readonly Cell[], cell: Cell): void {
  const values: Uint8Array[] = new Array(cells.length);
  let open = cells.length;
  if (open === 0) return evaluation.settle(cell, { ok: true, bytes: joinList([]) });
  cells.forEach((item, i) => {
    evaluation.demand(item, (settled: Settled) => {
      if (!settled.ok) return evaluation.settle(cell, settled);
      values[i] = settled.bytes;
      if (--open === 0) evaluation.settle(cell, { ok: true, bytes: joinList(values) });
    });
  });
}

/** Evaluates a template and goes on with its value; what `then` throws is the cell's failure. */
function withValue(
  evaluation: Evaluation,
  frame: Frame,
  template: Template,
  cell: Cell,
  then: (bytes: Uint8Array) => void,
): void {
  const go = guarded(evaluation, frame, cell, then);
  evaluation.fill(frame, template, (settled) => (settled.ok ? go(settled.bytes) : evaluation.settle(cell, settled)));
}

function guarded<T>(evaluation: Evaluation, frame: Frame, cell: Cell, then: (value: T) => void): (value: T) => void {
  return (value) => {
    try {
      then(value);
    } catch (error) {
      evaluation.fail(cell, frame, error);
    }
  };
}

function taskName(bytes: Uint8Array, form: string): string {
  const value = decodeValue(bytes);
  if (value instanceof TaskReference) return value.taskName;
  throw new FiresteelError(Code.invalidArgument, `${form}(...) wants a task, not ${describe(value)}`);
}

function wantText(bytes: Uint8Array, form: string): string {
  const value = decodeValue(bytes);
  if (typeof value === "string" && value !== "") return value;
  throw new FiresteelError(Code.invalidArgument, `${form} wants a text that is not empty, not ${describe(value)}`);
}

function catches(names: readonly string[], error: ErrorRecord): boolean {
  return names.length === 0 || names.includes(error.code) || names.includes(error.name);
}

function describe(value: unknown): string {
  if (value instanceof DatasetValue) return "a dataset";
  const text =
    typeof value === "object" && value !== null
      ? JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? `${item}n` : item))
      : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
