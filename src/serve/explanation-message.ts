/**
 * Explanations as messages.
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { PartChange } from "../evaluate/explain/code-change.ts";
import type { Explanation } from "../evaluate/explain/explainer.ts";
import type { CallGroup, ExampleCall, Reason } from "../evaluate/explain/reasons.ts";
import {
  type CallGroupSchema,
  Change,
  type ExampleCallSchema,
  type ExplanationSchema,
  type ReasonSchema,
  SparkWork,
} from "../gen/firesteel/v1/explain_pb.ts";
import { failureFromRecord } from "./failure-message.ts";
import { present } from "./paging.ts";

/** An explanation as a message. */
export function explanationMessage(explanation: Explanation): MessageInitShape<typeof ExplanationSchema> {
  const { task, groups, cached, waiting, failure, comparedWith } = explanation;
  return {
    task,
    groups: groups.map(groupMessage),
    cached: cached.map(({ task: name, calls }) => ({ task: name, calls: BigInt(calls) })),
    waiting: waiting.map(({ calls, on, ...rest }) => ({ ...rest, on: [...on], calls: BigInt(calls) })),
    ...present({ failure: failure && failureFromRecord(failure), comparedWith: comparedWith?.id }),
  };
}

const WORK = { new: SparkWork.NEW, done: SparkWork.DONE } as const;

function groupMessage(group: CallGroup): MessageInitShape<typeof CallGroupSchema> {
  const { task, calls, reasons, work, failure, examples } = group;
  return {
    task,
    calls: BigInt(calls),
    reasons: reasons.map(reasonMessage),
    sparkWork: work === null ? SparkWork.UNSPECIFIED : WORK[work],
    examples: examples.map(exampleMessage),
    ...present({ failure: failure && failureFromRecord(failure) }),
  };
}

function reasonMessage(reason: Reason): MessageInitShape<typeof ReasonSchema> {
  switch (reason.kind) {
    case "newTask":
    case "newCall":
    case "notKept":
      return { kind: { case: reason.kind, value: {} } };
    case "newCode":
      return {
        kind: {
          case: "newCode",
          value: { compared: reason.changes !== null, changes: (reason.changes ?? []).map(changeMessage) },
        },
      };
    case "newArguments":
      return { kind: { case: "newArguments", value: { parameters: [...reason.parameters] } } };
    case "invalidResult":
      return { kind: { case: "invalidResult", value: { places: [...reason.places] } } };
    case "notCacheable":
      return { kind: { case: "notCacheable", value: { places: reason.places.map((place) => ({ ...place })) } } };
    case "noCache":
      return { kind: { case: "noCache", value: { option: reason.option } } };
    case "newSurroundings":
      return {
        kind: { case: "newSurroundings", value: { reads: [...reason.reads], context: [...reason.context] } },
      };
    case "notFinished":
      return { kind: { case: "notFinished", value: { state: reason.state } } };
  }
}

const CHANGES = { added: Change.ADDED, removed: Change.REMOVED, changed: Change.CHANGED } as const;

function changeMessage({ change, diff, before, after, ...place }: PartChange) {
  return { ...place, change: CHANGES[change], diff: [...diff], ...present({ before, after }) };
}

function exampleMessage({
  evalHash,
  args,
  arguments: changed,
}: ExampleCall): MessageInitShape<typeof ExampleCallSchema> {
  return {
    evalHash,
    arguments: [...args],
    changes: (changed?.changes ?? []).map(({ path, before, after }) => ({ path, ...present({ before, after }) })),
    moreChanges: changed?.more ?? 0,
  };
}
