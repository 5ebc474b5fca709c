/**
 * Options of tasks: what there is, and what each must be.
 */

import { inspect } from "node:util";
import { Code, FiresteelError } from "../errors.ts";

/**
 * Where the body of a task runs: `inline` (the thread that holds the flow code), `thread` or `process` (a pool of each), or a name under `executors` in firesteel.config.ts. Tasks tagged `bulk-data` run
 * their body in place and the Spark work that it returns on a cluster.
 */
export type ExecutorName = "inline" | "thread" | "process" | (string & {});

/** How a failed body is run again. */
export interface RetryOptions {
  /** How often, at most, after the first run. */
  readonly max: number;
  /** The first pause in ms. Each pause is a random time between half of what is computed and all of it. @default 200 */
  readonly backoffMs?: number;
  /** What each further pause is multiplied by. @default 2 */
  readonly factor?: number;
  /** The longest pause in ms. @default 10000 */
  readonly maxBackoffMs?: number;
  /** Codes (`unavailable`) or names of error classes (`TypeError`) that are worth another run. @default all but `cancelled` */
  readonly only?: readonly string[];
}

/** What a body needs to run, for its executor. On a cluster `memory`, `cores` and `executors` are those of Spark's executors, where the work itself says nothing. */
export interface Resources {
  /** With a unit, as Spark writes it: `512m`, `4g`. */
  readonly memory?: string;
  readonly cores?: number;
  /** Number of Spark executors. */
  readonly executors?: number;
  /** Whatever else an executor knows, for example `gpus`. */
  readonly [name: string]: string | number | undefined;
}

/** Options that may be set for one call (`task.with({ ... })`). None is part of an identity. */
export interface CallOptions {
  /** `bulk-data` sends the Spark work that the body returns to a cluster; other tags are for people and routing. Those of a call come on top of the task's, and `bulk-data` cannot be among them. */
  readonly tags?: readonly string[];
  /** @default "inline" */
  readonly executor?: ExecutorName;
  /** Names of limits (from the configuration) of which one unit each is held while the body runs. */
  readonly limits?: readonly string[];
  /** `store`: results are kept and reused; `execution`: shared within one execution only; `none`: each call runs. @default "store" */
  readonly cache?: "store" | "execution" | "none";
  /** `full`: a result that was found is evaluated again, so the calls below it check themselves; `shallow`: its final value counts as long as the code of the tasks below it is unchanged. @default "full" */
  readonly checkValid?: "full" | "shallow";
  /** How often a failed body is run again, with a backoff of 200 ms that doubles up to 10 s; or all of that in detail. @default 0 */
  readonly retries?: number | RetryOptions;
  /** Time for one run of the body in ms. Without it there is none. */
  readonly timeoutMs?: number;
  /** Ask for a cluster by name. It then goes there whatever rules and labels say. */
  readonly cluster?: string;
  /** Ask for a cluster that has all of these labels: `{ gpu: "a100" }`. */
  readonly labels?: Readonly<Record<string, string>>;
  /** What the body needs, for its executor. */
  readonly resources?: Resources;
}

/** Options of a task as the evaluator knows them. `version`, `reads`, `context` and the name are part of its calls' identities, nothing else. */
export interface TaskOptions extends CallOptions {
  /** Comes in front of the name, with a dot. */
  readonly namespace?: string;
  /** Replaces the code in the task's identity: the task is new when this string changes, and only then. */
  readonly version?: string;
  /**
   * What the body reads by itself, beside its arguments: files and folders (paths from the project's root), and environment variables (`env:NAME`). Their contents count in the identity of each call, like
   * arguments. It also settles what the syntax could not decide about the code (a dynamic `import()`, a captured local): whatever that depends on is in this list.
   */
  readonly reads?: readonly string[];
  /** Names of context values that the body gets; they count as arguments. */
  readonly context?: readonly string[];
  readonly description?: string;
}

interface Rule {
  readonly wanted: string;
  readonly test: (value: unknown) => boolean;
}

const isText = (value: unknown): boolean => typeof value === "string" && value !== "";
const areTexts = (value: unknown): boolean => Array.isArray(value) && value.every((item) => typeof item === "string");
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isMs = (value: unknown): boolean => typeof value === "number" && value > 0 && value < 2 ** 31;
const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const NAMES = /^[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*$/;
/** Words joined by dots. */
export const isName = (value: unknown): boolean => typeof value === "string" && NAMES.test(value);

const RETRY_RULES: Readonly<Record<keyof RetryOptions, (value: unknown) => boolean>> = {
  max: isCount,
  backoffMs: (value) => value === 0 || isMs(value),
  factor: (value) => typeof value === "number" && value >= 1 && value <= 1000,
  maxBackoffMs: (value) => value === 0 || isMs(value),
  only: areTexts,
};

function isRetries(value: unknown): boolean {
  if (!isObject(value)) return isCount(value);
  return (
    "max" in value &&
    Object.entries(value).every(
      ([key, item]) =>
        Object.hasOwn(RETRY_RULES, key) &&
        ((item === undefined && key !== "max") || RETRY_RULES[key as keyof RetryOptions](item)),
    )
  );
}

function isResources(value: unknown): boolean {
  if (!isObject(value)) return false;
  return Object.entries(value).every(([key, item]) => {
    if (item === undefined) return true;
    if (key === "memory") return typeof item === "string" && /^[1-9]\d*[kmgt]b?$/i.test(item);
    if (key === "cores" || key === "executors") return isCount(item) && item !== 0;
    return typeof item === "string" || (typeof item === "number" && Number.isFinite(item));
  });
}

const CALL_RULES: Readonly<Record<keyof CallOptions, Rule>> = {
  tags: { wanted: "a list of texts", test: areTexts },
  executor: {
    wanted:
      'the name of an executor ("inline", "thread", "process" or one of firesteel.config.ts); Spark work is tagged "bulk-data"',
    test: (value) => isText(value) && value !== "spark",
  },
  limits: { wanted: "a list of texts", test: areTexts },
  cache: {
    wanted: '"store", "execution" or "none"',
    test: (value) => value === "store" || value === "execution" || value === "none",
  },
  checkValid: { wanted: '"full" or "shallow"', test: (value) => value === "full" || value === "shallow" },
  retries: {
    wanted: "a whole number from 0, or { max, backoffMs, factor, maxBackoffMs, only: [codes or class names] }",
    test: isRetries,
  },
  // Node's timers count no further; a longer one would fire at once.
  timeoutMs: { wanted: "a number of ms above 0 and below 2^31", test: isMs },
  cluster: { wanted: "a text that is not empty", test: isText },
  labels: {
    wanted: 'an object of texts such as { gpu: "a100" }',
    test: (value) => isObject(value) && Object.values(value).every((item) => typeof item === "string"),
  },
  resources: {
    wanted: 'an object of texts and numbers such as { memory: "4g", cores: 2 }',
    test: isResources,
  },
};

const TASK_RULES: Readonly<Record<keyof TaskOptions, Rule>> = {
  ...CALL_RULES,
  namespace: { wanted: "words joined by dots", test: isName },
  version: { wanted: "a text that is not empty", test: isText },
  reads: {
    wanted: 'a list of paths and "env:NAME"s',
    test: (value) =>
      Array.isArray(value) &&
      value.every((item) => typeof item === "string" && item !== "" && (!item.startsWith("env:") || item.length > 4)),
  },
  context: { wanted: "a list of names", test: (value) => Array.isArray(value) && value.every(isText) },
  description: { wanted: "a text", test: (value) => typeof value === "string" },
};

/**
 * Checks the options of a task; `further` are names of options that somebody else checks.
 *
 * @throws FiresteelError `invalid_argument` that names task, place and option
 */
export function checkTaskOptions(name: string, options: object, where: string, further: readonly string[]): void {
  check(`task ${name}`, options, `at ${where}`, TASK_RULES, further);
}

/**
 * Checks the options of one call.
 *
 * @throws FiresteelError `invalid_argument`
 */
export function checkCallOptions(name: string, options: object): void {
  const subject = `${name}.with(...)`;
  if (isObject(options)) {
    for (const key of Object.keys(options))
      if (Object.hasOwn(TASK_RULES, key) && !Object.hasOwn(CALL_RULES, key))
        throw refused(
          name,
          `${subject} cannot set ${key}, which belongs to the task itself; set it where the task is defined`,
        );
  }
  check(subject, options, "", CALL_RULES, []);
  if ((options as CallOptions).tags?.includes("bulk-data"))
    throw refused(
      name,
      `${subject} cannot add the tag bulk-data, which changes what the task gives; set it where the task is defined`,
    );
}

function refused(task: string, message: string): FiresteelError {
  return new FiresteelError(Code.invalidArgument, message, { details: { task } });
}

function check(
  subject: string,
  options: unknown,
  where: string,
  rules: Readonly<Record<string, Rule>>,
  further: readonly string[],
): void {
  const place = where === "" ? "" : ` ${where}`;
  const wrong = (what: string) => refused(subject.replace(/^task |\.with\(\.\.\.\)$/g, ""), `${subject} has ${what}`);
  if (!isObject(options)) throw wrong(`options that are no object${place}`);
  for (const [key, value] of Object.entries(options)) {
    if (further.includes(key)) continue;
    if (!Object.hasOwn(rules, key))
      throw wrong(`an unknown option${place}: ${key} (known: ${[...Object.keys(rules), ...further].join(", ")})`);
    const { wanted, test } = rules[key]!;
    if (value !== undefined && !test(value))
      throw wrong(`a wrong option${place}: ${key} must be ${wanted}, not ${inspect(value)}`);
  }
}

/** The options without those that are undefined, as a frozen copy. */
export function definedOptions<T extends object>(options: T): T {
  return Object.freeze(Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))) as T;
}
