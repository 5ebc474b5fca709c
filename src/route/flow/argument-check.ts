/**
 * Arguments against their schemas, on the side where user code runs: what a body gets is what its schemas made of what was given.
 */

import type { StandardSchemaV1 } from "@standard-schema/spec";
import { isListSchema } from "../../define/argument-schemas.ts";
import type { TaskDefinition } from "../../define/task.ts";
import { Code, FiresteelError } from "../../errors.ts";
import type { ParameterInfo } from "../../evaluate/code.ts";

type Result = StandardSchemaV1.Result<unknown>;
type Path = NonNullable<StandardSchemaV1.Issue["path"]>;

/** Something wrong with the arguments. */
interface Problem {
  /** Counts from 0; -1 when it is none of the arguments alone. */
  readonly argument: number;
  readonly path: string;
  readonly message: string;
}

/** Problems that a message lists. */
const SHOWN = 5;

/**
 * The arguments that a body gets.
 *
 * @throws FiresteelError `invalid_argument` with the places in the arguments, when a schema refuses them
 */
export async function parseArguments(
  definition: TaskDefinition,
  args: readonly unknown[],
): Promise<readonly unknown[]> {
  const { args: schemas } = definition;
  if (schemas === undefined) return args;
  if (isListSchema(schemas)) {
    const result: Result = await schemas["~standard"].validate(args);
    if (result.issues) throw refusal(definition.name, result.issues.map(inList));
    if (!Array.isArray(result.value))
      throw new FiresteelError(Code.invalidArgument, `schema of the arguments of ${definition.name} gave no list`);
    return result.value;
  }
  const problems: Problem[] = [];
  const parsed: unknown[] = [];
  for (const [i, schema] of schemas.entries()) {
    const result: Result = await schema["~standard"].validate(args[i]);
    if (result.issues) problems.push(...result.issues.map((issue) => ofArgument(i, issue)));
    else parsed.push(result.value);
  }
  if (problems.length > 0) throw refusal(definition.name, problems);
  return parsed;
}

/**
 * Checks arguments before anything runs, as far as that can be known at once: those that are null here have no value yet, and schemas that want to wait for something are left to {@link parseArguments}.
 *
 * @throws FiresteelError `invalid_argument` as there
 */
export function checkKnownArguments(
  definition: TaskDefinition,
  args: readonly ({ readonly value: unknown } | null)[],
): void {
  const { args: schemas } = definition;
  if (schemas === undefined) return;
  if (isListSchema(schemas)) {
    if (args.includes(null)) return;
    const issues = issuesNow(
      schemas,
      args.map((arg) => arg?.value),
    );
    if (issues) throw refusal(definition.name, issues.map(inList));
    return;
  }
  const problems = schemas.flatMap((schema, i) => {
    const arg = i < args.length ? args[i] : { value: undefined };
    return arg ? (issuesNow(schema, arg.value) ?? []).map((issue) => ofArgument(i, issue)) : [];
  });
  if (problems.length > 0) throw refusal(definition.name, problems);
}

/** The parameters of a task with schemas: these decide the types, and what may be left out. */
export function schemaParameters(
  { args: schemas }: TaskDefinition,
  written: readonly ParameterInfo[],
): readonly ParameterInfo[] {
  if (schemas === undefined) return written;
  const plain = { optional: true, rest: false, hasDefault: false };
  const nameOf = (i: number) => (written[i]?.rest === false ? written[i].name : "") || `argument${i + 1}`;
  if (isListSchema(schemas)) {
    const named = written.filter((parameter) => !parameter.rest);
    const rest = written.find((parameter) => parameter.rest)?.name ?? "more";
    return [...named.map((_, i) => ({ ...plain, name: nameOf(i) })), { ...plain, name: rest, rest: true }];
  }
  return schemas.map((schema, i) => ({ ...plain, name: nameOf(i), optional: takesUndefined(schema) }));
}

function takesUndefined(schema: StandardSchemaV1): boolean {
  try {
    return issuesNow(schema, undefined) === undefined;
  } catch {
    // It throws for what it does not know: then it has to be given something.
    return false;
  }
}

/** The issues of a value; none when the schema cannot say at once. */
function issuesNow(schema: StandardSchemaV1, value: unknown): readonly StandardSchemaV1.Issue[] | undefined {
  const result = schema["~standard"].validate(value);
  if (!(result instanceof Promise)) return result.issues;
  // Nobody waits for it; the body's own check hears of its failure.
  result.catch(() => undefined);
  return undefined;
}

const keyOf = (part: Path[number]): PropertyKey => (typeof part === "object" ? part.key : part);

function ofArgument(argument: number, { message, path = [] }: StandardSchemaV1.Issue): Problem {
  // A path may be of an Array class of its own, whose `map` makes another one (arktype's).
  return { argument, path: Array.from(path, (part) => step(keyOf(part))).join(""), message };
}

function inList(issue: StandardSchemaV1.Issue): Problem {
  const [first, ...path] = Array.from(issue.path ?? []);
  const argument = first === undefined ? Number.NaN : Number(String(keyOf(first)));
  return Number.isInteger(argument) ? ofArgument(argument, { ...issue, path }) : ofArgument(-1, issue);
}

function step(key: PropertyKey): string {
  if (typeof key === "number" || /^(?:0|[1-9]\d*)$/.test(String(key))) return `[${String(key)}]`;
  return /^[A-Za-z_$][\w$]*$/.test(String(key)) ? `.${String(key)}` : `[${JSON.stringify(String(key))}]`;
}

function refusal(task: string, problems: readonly Problem[]): FiresteelError {
  const words = problems.slice(0, SHOWN).map(({ argument, path, message }) => {
    const subject = argument < 0 ? "arguments" : `argument ${argument + 1}`;
    return `${subject} of ${task}${path === "" ? "" : ` at ${path}`}: ${message}`;
  });
  const more = problems.length - words.length;
  return new FiresteelError(Code.invalidArgument, `${words.join("; ")}${more > 0 ? `; and ${more} more` : ""}`, {
    details: { kind: "schema", name: "SchemaError", task, issues: problems },
  });
}
