/**
 * The handlers of `firesteel.v1.TaskService`.
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, FiresteelError } from "../errors.ts";
import type { TaskSchema, TaskService } from "../gen/firesteel/v1/task_pb.ts";
import { jsonObject } from "./failure-message.ts";
import type { Handlers } from "./handlers.ts";
import type { Orchestrator, TaskInfo } from "./orchestrator.ts";
import { required } from "./paging.ts";
import { messageFromValue } from "./value-message.ts";

/** Handlers that show the project's tasks. */
export function taskHandlers(orchestrator: Orchestrator): Handlers<typeof TaskService> {
  return {
    async listTasks(request) {
      const tasks = orchestrator
        .tasks()
        // Nobody starts a function that a form was given; who asks for these names sees them.
        .filter(
          ({ name, arrow }) => name.startsWith(request.prefix) && (!arrow || request.prefix.startsWith("arrow.")),
        );
      return {
        tasks: tasks.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(taskMessage),
        warnings: orchestrator.warnings().map((warning) => ({ ...warning })),
      };
    },

    async getTask(request) {
      const name = required(request.name, "name");
      const task = orchestrator.tasks().find((known) => known.name === name);
      if (!task) throw new FiresteelError(Code.notFound, `task is not known: ${name}`);
      return { task: taskMessage(task) };
    },
  };
}

function taskMessage(task: TaskInfo): MessageInitShape<typeof TaskSchema> {
  const { name, description, module, code } = task;
  return {
    name,
    description,
    module,
    codeDigest: code,
    options: jsonObject(task.options),
    undecided: task.undecided.map((place) => ({ ...place })),
    parameters: task.parameters.map(({ constantDefault, ...parameter }) => ({
      ...parameter,
      ...(constantDefault === undefined ? {} : { constantDefault: messageFromValue(constantDefault) }),
    })),
  };
}
