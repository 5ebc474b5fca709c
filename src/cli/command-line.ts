/**
 * The command line: commands, their options and help. Each command's module is loaded when it is run, so that `--help` is quick.
 */

import yargs, { type Argv } from "yargs";
import { packageVersion } from "../package-info.ts";
import { count, knownOptions, port, refuseTwice, usageError } from "./command-errors.ts";
import { ExitCode } from "./exit-code.ts";
import { print } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";

const EPILOGUE = `Exit codes: 0 success, 1 failure, 2 wrong command line, 130 cancelled or interrupted.
Without a server of the project, \`run\` starts one for itself and ends it; ls, show, log, submissions and tasks only read what is recorded.`;

/** Runs the command that the words name. */
export async function parseCommandLine(words: readonly string[]): Promise<ExitCode> {
  let code: ExitCode = ExitCode.ok;
  const does = (action: () => Promise<ExitCode>) => async () => {
    code = await action();
  };
  const cli: Argv = yargs([...words])
    .scriptName("firesteel")
    .locale("en")
    .usage(
      "$0 <command>\n\nWrites large-scale data transformations as lazy TypeScript expressions; runs them incrementally, on Spark.",
    )
    .parserConfiguration({
      // What is typed stays what it is: arguments of tasks are read as JSON, not as yargs' idea of a number.
      "parse-numbers": false,
      "parse-positional-numbers": false,
      "dot-notation": false,
      "camel-case-expansion": false,
      "duplicate-arguments-array": true,
      "greedy-arrays": false,
      "populate--": true,
    })
    .option("verbose", { type: "boolean", default: false, describe: "Show stacks and causes of errors", global: true })
    .version(packageVersion)
    .alias("version", "v")
    .alias("help", "h")
    .strict()
    .demandCommand(1, 1, "no command is given", "more than one command is given")
    .epilogue(EPILOGUE)
    .wrap(Math.min(110, process.stdout.columns || 100))
    .exitProcess(false)
    .showHelpOnFail(false)
    .fail((message: string | null, error: Error | undefined) => {
      // yargs' own errors (YError) are about the command line, as its messages are; what else comes is a command's.
      if (error !== undefined && error.name !== "YError") throw error;
      throw usageError(message ?? error?.message ?? "", words, knownOptions(cli));
    })
    .check(refuseTwice, true);

  executionCommands(cli, does);
  inspectionCommands(cli, does);
  clusterCommands(cli, does);
  cli.completion("completion", "Print a script that completes firesteel in bash or zsh");
  if (words.length === 0) {
    cli.showHelp("error");
    return ExitCode.usage;
  }
  // Not left to yargs, which would check the unfinished command line while the server is asked.
  const prefix = taskToComplete(words);
  if (prefix !== undefined) {
    const names = await (await import("./completion.ts")).completeTask(prefix);
    if (names.length > 0) print(names.join("\n"));
    return code;
  }
  await cli.parseAsync();
  return code;
}

type Does = (action: () => Promise<ExitCode>) => () => Promise<void>;

function executionCommands(cli: Argv, does: Does): void {
  cli.command(
    "serve",
    "Serve the project over gRPC and HTTP until Ctrl-C",
    (y) =>
      y
        .option("grpc-port", {
          type: "string",
          coerce: port("grpc-port"),
          describe: "Port of gRPC; 0 takes a free one",
        })
        .option("http-port", {
          type: "string",
          coerce: port("http-port"),
          describe: "Port of HTTP; 0 takes a free one",
        }),
    (argv) => {
      const grpcPort = argv["grpc-port"] as number | undefined;
      const httpPort = argv["http-port"] as number | undefined;
      return does(async () => (await import("./serve.ts")).serve({ ...given({ grpcPort, httpPort }) }))();
    },
  );
  cli.command(
    "run <task> [arguments..]",
    "Run a task and show its result",
    (y) =>
      y
        .positional("task", { type: "string", demandOption: true, describe: "Name of the task" })
        .positional("arguments", {
          type: "string",
          array: true,
          default: [] as string[],
          describe: 'Each one is JSON, else a string; {"$dataset": "data/orders"} and {"$file": "x.csv"} name data',
        })
        .option("args", { type: "string", requiresArg: true, describe: "All arguments as one JSON list" })
        .option("reason", { type: "string", requiresArg: true, default: "", describe: "Why, for the record" })
        .option("json", {
          type: "boolean",
          default: false,
          describe: "Print the result as JSON, and nothing else, on stdout",
        })
        .option("detach", {
          type: "boolean",
          default: false,
          describe: "Print the execution's id and leave it running in the server",
        })
        .option("dry-run", {
          type: "boolean",
          default: false,
          describe: "Run nothing; tell what would run, and why",
        })
        .option("request-id", {
          type: "string",
          requiresArg: true,
          describe: "Makes it idempotent: a second run with the same id joins the first one's execution",
        })
        .example("$0 run sales.main '[2024, 2025]' --reason nightly", "")
        .example("$0 run sales.main '[2024, 2025]' --dry-run", "")
        .example(`$0 run sales.clean '{"$dataset": "data/orders"}' --json > result.json`, "")
        .example("$0 run sales.label -- --draft", "an argument that starts with --"),
    (argv) =>
      does(async () => {
        if (argv["dry-run"] === true) {
          const started = argv.detach ? "--detach" : argv["request-id"] === undefined ? undefined : "--request-id";
          if (started !== undefined)
            throw new UsageError(`--dry-run starts nothing, so ${started} has no meaning; leave one out`, ["run"]);
          return (await import("./explain.ts")).explain({
            what: argv.task,
            words: argumentWords(argv),
            json: argv.json,
            all: false,
            exitCode: false,
            onlyTask: true,
            ...given({ args: argv.args }),
          });
        }
        return (await import("./run.ts")).run({
          task: argv.task,
          words: argumentWords(argv),
          reason: argv.reason,
          json: argv.json,
          detach: argv.detach,
          verbose: argv["verbose"] === true,
          ...given({ args: argv.args, requestId: argv["request-id"] }),
        });
      })(),
  );
  cli.command(
    "cancel <id>",
    "Cancel an execution and stop its Spark applications",
    (y) =>
      y
        .positional("id", { type: "string", demandOption: true, describe: "Id of the execution, or its start" })
        .option("reason", {
          type: "string",
          requiresArg: true,
          default: "firesteel cancel",
          describe: "Why, for the record",
        }),
    (argv) => does(async () => (await import("./cancel.ts")).cancel({ id: argv.id, reason: argv.reason }))(),
  );
}

function inspectionCommands(cli: Argv, does: Does): void {
  cli.command(
    "ls",
    "List executions, newest first",
    (y) =>
      limited(y)
        .option("state", {
          choices: ["running", "succeeded", "failed", "cancelled"] as const,
          describe: "Only this state",
        })
        .option("task", { type: "string", requiresArg: true, describe: "Only this task" })
        .option("json", { type: "boolean", default: false, describe: "Print them as a JSON list" }),
    (argv) =>
      does(async () =>
        (await import("./ls.ts")).ls({
          limit: argv.limit,
          json: argv.json,
          ...given({ state: argv.state, task: argv.task }),
        }),
      )(),
  );
  cli.command(
    "show <id>",
    "Show an execution with its jobs, a submission, or a task",
    (y) =>
      y
        .positional("id", { type: "string", demandOption: true, describe: "Start of an id, or the name of a task" })
        .option("all", { type: "boolean", default: false, describe: "Show every job, also many alike" }),
    (argv) =>
      does(async () =>
        (await import("./show.ts")).show({ id: argv.id, all: argv.all, verbose: argv["verbose"] === true }),
      )(),
  );
  cli.command(
    "explain <what> [arguments..]",
    "Tell what would run if a task were run now, or why the jobs of an execution ran",
    (y) =>
      y
        .positional("what", {
          type: "string",
          demandOption: true,
          describe: "Name of a task, or the start of an execution's id",
        })
        .positional("arguments", {
          type: "string",
          array: true,
          default: [] as string[],
          describe: "Arguments of the task, as `run` takes them",
        })
        .option("args", { type: "string", requiresArg: true, describe: "All arguments as one JSON list" })
        .option("all", { type: "boolean", default: false, describe: "Every call, not only a few of each reason" })
        .option("json", { type: "boolean", default: false, describe: "Print it as JSON" })
        .option("exit-code", {
          type: "boolean",
          default: false,
          describe: "End with exit code 1 when something would run",
        }),
    (argv) =>
      does(async () =>
        (await import("./explain.ts")).explain({
          what: argv.what,
          words: argumentWords(argv),
          json: argv.json,
          all: argv.all,
          exitCode: argv["exit-code"] === true,
          onlyTask: false,
          ...given({ args: argv.args }),
        }),
      )(),
  );
  cli.command(
    "log <id>",
    "Print what a submission logged (spark-submit, YARN, the driver's stdout and stderr), or all submissions of an execution",
    (y) =>
      y
        .positional("id", { type: "string", demandOption: true, describe: "Start of an id" })
        .option("follow", { alias: "f", type: "boolean", default: false, describe: "Go on until the work has ended" })
        .option("source", {
          choices: ["submit", "yarn", "stdout", "stderr", "statement"],
          describe: "Only what comes from there",
        }),
    (argv) =>
      does(async () =>
        (await import("./log.ts")).log({ id: argv.id, follow: argv.follow, ...given({ source: argv.source }) }),
      )(),
  );
  cli.command(
    "submissions",
    "List what was sent to clusters, newest first",
    (y) =>
      limited(y)
        .option("live", { type: "boolean", default: false, describe: "Only what has not ended" })
        .option("cluster", { type: "string", requiresArg: true, describe: "Only this cluster" })
        .option("json", { type: "boolean", default: false, describe: "Print them as a JSON list" })
        .command(
          "cancel <id>",
          "End a submission; whoever waits for its work is told who did and why",
          (z) =>
            z
              .positional("id", { type: "string", demandOption: true, describe: "Id of the submission, or its start" })
              .option("reason", {
                type: "string",
                requiresArg: true,
                default: "firesteel submissions cancel",
                describe: "Why, for the record",
              }),
          (argv) =>
            does(async () =>
              (await import("./submissions.ts")).cancelSubmission({ id: argv.id, reason: argv.reason }),
            )(),
        ),
    (argv) =>
      does(async () =>
        (await import("./submissions.ts")).submissions({
          live: argv.live,
          limit: argv.limit,
          json: argv.json,
          ...given({ cluster: argv.cluster }),
        }),
      )(),
  );
  cli.command(
    "tasks [prefix]",
    "List the project's tasks",
    (y) =>
      y
        .positional("prefix", { type: "string", default: "", describe: "Only names that start with this" })
        .option("json", { type: "boolean", default: false, describe: "Print them as a JSON list" }),
    (argv) => does(async () => (await import("./tasks.ts")).tasks({ prefix: argv.prefix, json: argv.json }))(),
  );
}

function clusterCommands(cli: Argv, does: Does): void {
  const named = <T>(y: Argv<T>) =>
    y.positional("name", {
      type: "string",
      demandOption: true,
      describe: "Name of the cluster in firesteel.config.ts",
    });
  cli.command(
    "clusters",
    "List the project's clusters; drain one, or resume it",
    (y) =>
      y
        .option("json", { type: "boolean", default: false, describe: "Print them as a JSON list" })
        .command(
          "drain <name>",
          "Send nothing new to a cluster, from any orchestrator, until it is resumed",
          (z) =>
            named(z).option("reason", {
              type: "string",
              requiresArg: true,
              demandOption: true,
              describe: "Why, for all who wait",
            }),
          (argv) => does(async () => (await import("./clusters.ts")).drainCluster(argv.name, argv.reason))(),
        )
        .command("resume <name>", "Send submissions to a drained cluster again", named, (argv) =>
          does(async () => (await import("./clusters.ts")).resumeCluster(argv.name))(),
        ),
    (argv) => does(async () => (await import("./clusters.ts")).clusters({ json: argv.json }))(),
  );
  const placed = <T>(y: Argv<T>) =>
    y.option("directory", {
      type: "string",
      requiresArg: true,
      describe: "Run folder, when it is not the default cluster",
    });
  cli.command("cluster", "Start, stop or look at a local YARN, Spark and Livy", (cluster) =>
    cluster
      .command(
        "up",
        "Install what is missing, start the cluster and leave it running",
        (y) =>
          placed(y)
            .option("livy-home", { type: "string", requiresArg: true, describe: "A Livy distribution to use instead" })
            .option("allow", {
              type: "string",
              array: true,
              requiresArg: true,
              default: [] as string[],
              describe: "A folder from which Livy takes job files, beside the project's; can be repeated",
            })
            .option("hdfs", { type: "boolean", default: false, describe: "Also start an HDFS" }),
        (argv) =>
          does(async () =>
            (await import("./cluster.ts")).clusterUp({
              allow: argv.allow,
              hdfs: argv.hdfs,
              ...given({ directory: argv.directory, livyHome: argv["livy-home"] }),
            }),
          )(),
      )
      .command(
        "down",
        "Stop the cluster and everything that runs on it",
        (y) => placed(y).option("wipe", { type: "boolean", default: false, describe: "Also remove its logs and data" }),
        (argv) =>
          does(async () =>
            (await import("./cluster.ts")).clusterDown({ wipe: argv.wipe, ...given({ directory: argv.directory }) }),
          )(),
      )
      .command("status", "Say how the cluster is; exit code 1 when it takes no work", placed, (argv) =>
        does(async () => (await import("./cluster.ts")).clusterState({ ...given({ directory: argv.directory }) }))(),
      )
      .demandCommand(1, 1, "cluster needs one of up, down and status", "cluster takes one of up, down and status"),
  );
}

function limited<T>(y: Argv<T>): Argv<T & { limit: number }> {
  return y.option("limit", {
    alias: "n",
    type: "string",
    requiresArg: true,
    default: "20",
    coerce: count("limit"),
    describe: "How many at most",
  }) as unknown as Argv<T & { limit: number }>;
}

/** The members that were given; an option that is not there is no member. */
function given<T extends Readonly<Record<string, unknown>>>(options: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

/** The words that are arguments of a task: after `--` also those that look like options. */
function argumentWords(argv: { readonly arguments: readonly string[]; readonly "--"?: unknown }): readonly string[] {
  return [...argv.arguments, ...((argv["--"] as readonly string[] | undefined) ?? [])];
}

/** The option with which the script of `firesteel completion` asks; the words typed so far follow it, from `firesteel` on. */
const COMPLETE = "--get-yargs-completions";

/** The start of the task's name that is to be completed; undefined where something else is. */
function taskToComplete([option, , command = "", current, ...more]: readonly string[]): string | undefined {
  const named = option === COMPLETE && ["run", "show", "explain", "tasks"].includes(command) && more.length === 0;
  return named && current !== undefined && !current.startsWith("-") ? current : undefined;
}
