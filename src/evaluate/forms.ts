/**
 * The rule of evaluation of each form (`define/forms.ts`).
 */

import { randomUUID } from "node:crypto";
import { Form, type Operator } from "../define/expression.ts";
import type { FilesOptions } from "../define/files.ts";
import type { CaughtError } from "../define/forms.ts";
import { Code, FiresteelError } from "../errors.ts";
import { decodeValue } from "../hash/decode.ts";
import { digestOf, digestValue } from "../hash/digest.ts";
import {
  type EncodedCallee,
  joinList,
  joinPartial,
  joinRecord,
  listItems,
  recordMembers,
  type Template,
} from "../hash/program.ts";
import { encodeValue } from "../hash/value.ts";
import type { Evaluation, Frame } from "./evaluation.ts";
import type { Files } from "./files.ts";
import { FINGERPRINT_TASK, identifiedByRows } from "./fingerprint.ts";
import { datasetValue, type InputOptions } from "./inputs.ts";
import type { Cell, Settled } from "./job.ts";
import { callEach, LIST_RULES } from "./lists.ts";
import { OPERATOR_RULES } from "./operators.ts";
import type { DatasetRecord, ErrorRecord } from "./ports.ts";
import {
  callBack,
  describe,
  type FormNode,
  type Rule,
  settleWith,
  wantCallee,
  wantText,
  withOuter,
  withValue,
} from "./rule.ts";
import { extendContext, frameUnder } from "./scope.ts";

/** Starts the evaluation of a form; the cell gets its result. */
export function reduceForm(evaluation: Evaluation, frame: Frame, node: FormNode, cell: Cell): void {
  RULES[node.form](evaluation, frame, node.args, cell);
}

const FORM_RULES: Readonly<Record<Exclude<Form, Operator | keyof typeof LIST_RULES>, Rule>> = {
  [Form.cond]: (evaluation, frame, branches, cell) => {
    const tryFrom = (i: number): void => {
      withValue(evaluation, frame, branches[i]!, cell, (bytes) => {
        const chosen = decodeValue(bytes);
        if (typeof chosen !== "boolean")
          throw new FiresteelError(
            Code.invalidArgument,
            `cond(condition, ...) wants true or false, not ${describe(chosen)}${i === 0 ? "" : ` (condition ${i / 2 + 1})`}; make it one with eq, ne, lt, gt, ...`,
          );
        if (chosen || i + 3 === branches.length)
          evaluation.fill(frame, branches[chosen ? i + 1 : i + 2]!, (settled) => evaluation.settle(cell, settled));
        else evaluation.work.push(() => tryFrom(i + 2));
      });
    };
    tryFrom(0);
  },

  [Form.catchError]: (evaluation, frame, [body, only, recover], cell) => {
    const names = decodeValue(only!.bytes) as readonly string[];
    evaluation.fill(frame, body!, (settled) => {
      if (settled.ok || !catches(names, settled.error)) return evaluation.settle(cell, settled);
      evaluation.caught(frame);
      withValue(evaluation, frame, recover!, cell, (bytes) => {
        const callee = wantCallee(bytes, "catchError");
        evaluation.join(
          callBack(evaluation, frame, callee, [encodeValue(caughtError(settled.error))], cell.fresh),
          cell,
        );
      });
    });
  },

  [Form.catchAll]: (evaluation, frame, [names, recover, ...members], cell) => {
    const shape = decodeValue(names!.bytes) as true | null | readonly string[];
    const join = (values: readonly Uint8Array[]) =>
      Array.isArray(shape) ? joinRecord(new Map(shape.map((name, i) => [name, values[i]!]))) : joinList(values);
    const ended = (results: readonly Settled[]) => {
      const wrapped = join(results.map(resultOf));
      const values = results.flatMap((result) => (result.ok ? [result.bytes] : []));
      if (values.length < results.length) evaluation.caught(frame);
      withValue(evaluation, frame, recover!, cell, (bytes) => {
        if (decodeValue(bytes) === null) return settleWith(evaluation, cell, wrapped);
        if (values.length === results.length) return settleWith(evaluation, cell, join(values));
        evaluation.join(callBack(evaluation, frame, wantCallee(bytes, "catchAll"), [wrapped], cell.fresh), cell);
      });
    };
    if (shape !== true)
      return allSettled(
        members.map((member) => (then) => evaluation.fill(frame, member, then)),
        ended,
      );
    withOuter(evaluation, frame, members, 2, cell, ([task, items]) => {
      const { items: list, begin } = callEach(evaluation, frame, Form.map, task!, items!, cell);
      allSettled(
        Array.from({ length: list.length }, (_, i) => (then) => evaluation.demand(begin(i), then)),
        ended,
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
        if (settled.fresh) cell.fresh = true;
        evaluation.work.push(next);
      });
    };
    next();
  },

  [Form.apply]: (evaluation, frame, [task, ...args], cell) => {
    withOuter(evaluation, frame, [task!, ...args], 1, cell, ([given, ...values]) => {
      const { task: name, bound } = wantCallee(given!, "apply");
      evaluation.join(evaluation.call(name, [...bound, ...values], frame, cell.fresh), cell);
    });
  },

  [Form.partial]: (evaluation, frame, [task, ...args], cell) => {
    withOuter(evaluation, frame, [task!, ...args], 1, cell, ([given, ...values]) => {
      const { task: name, bound }: EncodedCallee = wantCallee(given!, "partial");
      settleWith(evaluation, cell, joinPartial({ task: name, bound: [...bound, ...values] }));
    });
  },

  [Form.withTags]: (evaluation, frame, [tags, body], cell) => {
    const under = frameUnder(frame, { tags: decodeValue(tags!.bytes) as readonly string[] });
    evaluation.fill(under, body!, (settled) => evaluation.settle(cell, settled));
  },

  [Form.withLimits]: (evaluation, frame, [limits, body], cell) => {
    const under = frameUnder(frame, { limits: decodeValue(limits!.bytes) as readonly string[] });
    evaluation.fill(under, body!, (settled) => evaluation.settle(cell, settled));
  },

  [Form.withContext]: (evaluation, frame, [values, body], cell) => {
    withValue(evaluation, frame, values!, cell, (bytes) => {
      const context = extendContext(frame.scope.context, recordMembers(bytes)!);
      const under = frameUnder(frame, { context });
      evaluation.fill(under, body!, (settled) => evaluation.settle(cell, settled));
    });
  },

  [Form.raise]: (evaluation, frame, [message, name], cell) => {
    withValue(evaluation, frame, message!, cell, (bytes) => {
      const text = decodeValue(bytes);
      throw new FiresteelError(Code.unknown, typeof text === "string" ? text : describe(text), {
        details: { name: name ? decodeValue(name.bytes) : "Raised" },
      });
    });
  },

  [Form.file]: (evaluation, frame, [path, options], cell) =>
    withFiles(evaluation, frame, "file(path)", path!, options, cell, (files, place, { by }) => files.file(place, by)),

  [Form.directory]: (evaluation, frame, [path, options], cell) =>
    withFiles(evaluation, frame, "directory(path)", path!, options, cell, (files, place, { by, hidden }) =>
      files.directory(place, by, hidden),
    ),

  [Form.glob]: (evaluation, frame, [pattern, options], cell) =>
    withFiles(evaluation, frame, "glob(pattern)", pattern!, options, cell, (files, place, { by, hidden }) =>
      files.glob(place, by, hidden),
    ),

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

const RULES: Readonly<Record<Form, Rule>> = { ...FORM_RULES, ...LIST_RULES, ...OPERATOR_RULES };

/** Identifies a dataset by its rows, with one Spark job where that was not done before. */
function byRows(evaluation: Evaluation, frame: Frame, record: DatasetRecord, cell: Cell): void {
  evaluation.demand(
    evaluation.call(FINGERPRINT_TASK.name, [encodeValue(datasetValue(record))], frame, cell.fresh),
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

/** Looks at files; the cell gets the value of what was found. */
function withFiles(
  evaluation: Evaluation,
  frame: Frame,
  form: string,
  place: Template,
  options: Template | undefined,
  cell: Cell,
  look: (files: Files, place: string, options: Required<FilesOptions>) => Promise<unknown>,
): void {
  withValue(evaluation, frame, place, cell, (bytes) => {
    const path = wantText(bytes, form);
    const given = options ? (decodeValue(options.bytes) as FilesOptions) : {};
    evaluation.work.async(
      async () => {
        const found = await look(evaluation.inputs.files, path, { by: "content", hidden: false, ...given });
        return () => evaluation.settle(cell, { ok: true, bytes: encodeValue(found) });
      },
      (error) => evaluation.fail(cell, frame, error),
    );
  });
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
    const stored = await inputs.storages.get(location.slice(0, location.indexOf(":") + 1))?.stat(location);
    if (!stored) throw new FiresteelError(Code.internal, `rows were written but are not there: ${location}`);
    return {
      identity,
      location,
      format: "parquet",
      options: {},
      schema: null,
      partitionBy: [],
      rows: count,
      files: [
        {
          path: "",
          bytes: stored.bytes,
          modified: stored.modified,
          ...(stored.etag === undefined ? {} : { etag: stored.etag }),
          rows: count,
        },
      ],
    };
  });
}

/** Calls back when each of these has ended. */
function allSettled(
  starts: readonly ((then: (settled: Settled) => void) => void)[],
  then: (results: readonly Settled[]) => void,
): void {
  const results: Settled[] = new Array(starts.length);
  let open = starts.length;
  if (open === 0) return then(results);
  starts.forEach((start, i) => {
    start((settled) => {
      results[i] = settled;
      if (--open === 0) then(results);
    });
  });
}

const OK = encodeValue(true);
const NOT_OK = encodeValue(false);

/** The encoding of `{ ok: true, value }` or `{ ok: false, error }`. */
function resultOf(settled: Settled): Uint8Array {
  return settled.ok
    ? joinRecord(
        new Map([
          ["ok", OK],
          ["value", settled.bytes],
        ]),
      )
    : joinRecord(
        new Map([
          ["ok", NOT_OK],
          ["error", encodeValue(caughtError(settled.error))],
        ]),
      );
}

/** Without the path: it tells who asked first, so a recovery that saw it could give another result from one run to the next. */
function caughtError({ code, name, message }: ErrorRecord): CaughtError {
  return { code, name, message };
}

function catches(names: readonly string[], error: ErrorRecord): boolean {
  return names.length === 0 || names.includes(error.code) || names.includes(error.name);
}
