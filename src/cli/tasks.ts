/**
 * `firesteel tasks`: the tasks of the project.
 */

import { inspect } from "node:util";
import { toJson } from "@bufbuild/protobuf";
import { type Parameter, type Task, TaskSchema } from "../gen/firesteel/v1/task_pb.ts";
import { valueFromMessage } from "../serve/value-message.ts";
import { ExitCode } from "./exit-code.ts";
import { plainText } from "./format.ts";
import { openSession } from "./session.ts";
import { formatTable } from "./table.ts";
import { paintError, print, say } from "./terminal.ts";

/** What the command line says. */
export interface TasksOptions {
  readonly prefix: string;
  /** Prints a list of the messages of `ListTasks`. */
  readonly json: boolean;
}

/** Lists the tasks whose names start with a prefix. */
export async function tasks({ prefix, json }: TasksOptions): Promise<ExitCode> {
  await using session = await openSession("tasks");
  const { tasks: rows, warnings } = await session.client.tasks.listTasks({ prefix });
  for (const { message, file, line, column } of warnings)
    say(`${paintError("yellow", "warning")} ${file}:${line}:${column}: ${plainText(message)}`);
  if (json) {
    print(JSON.stringify(rows.map((row) => toJson(TaskSchema, row))));
    return ExitCode.ok;
  }
  if (rows.length === 0) {
    say(prefix === "" ? "the project has no tasks" : `no task has a name that starts with: ${prefix}`);
    return ExitCode.ok;
  }
  print(
    formatTable(
      [
        { title: "TASK", text: formatSignature, shrinks: true },
        { title: "DEFINED IN", text: ({ module }) => module },
        { title: "TAGS", text: (task) => tagsOf(task).join(", ") },
        { title: "DESCRIPTION", text: ({ description }) => description, shrinks: true },
      ],
      rows,
    ),
  );
  return ExitCode.ok;
}

/** A task's name with its parameters: `sales.main(years, limit = 10, ...more)`. */
export function formatSignature({ name, parameters }: Task): string {
  return `${name}(${parameters.map(formatParameter).join(", ")})`;
}

function formatParameter({ name, optional, rest, hasDefault, constantDefault }: Parameter): string {
  if (rest) return `...${name}`;
  if (constantDefault)
    return `${name} = ${inspect(valueFromMessage(constantDefault), { breakLength: Number.POSITIVE_INFINITY })}`;
  return optional || hasDefault ? `${name}?` : name;
}

function tagsOf({ options }: Task): readonly string[] {
  const tags = options?.["tags"];
  return Array.isArray(tags) ? tags.map(String) : [];
}
