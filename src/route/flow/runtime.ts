/**
 * The side on which user code runs: loads flow modules and runs bodies. The same in the flow host, in pool threads and in child processes.
 */

import { relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { setBodyStorages } from "../../data/body-storages.ts";
import { setProjectRoot } from "../../data/project-root.ts";
import { readValue, type ValueFolder, valueLost, writeValue } from "../../data/value-folder.ts";
import { schemaVendors } from "../../define/argument-schemas.ts";
import { originalStack } from "../../define/arrow.ts";
import { instanceOf } from "../../define/codec.ts";
import { rememberDataset } from "../../define/external.ts";
import { partialOf } from "../../define/partial.ts";
import { type BodyContext, runInContext } from "../../define/scope.ts";
import { definedTasks, type TaskDefinition, taskByName, taskNameOf } from "../../define/task.ts";
import { Code, FiresteelError } from "../../errors.ts";
import type { TaskInfo } from "../../evaluate/code.ts";
import { errorRecord } from "../../evaluate/failure.ts";
import type { ErrorRecord, Outcome } from "../../evaluate/ports.ts";
import { createCodeIndex, type TaskCode } from "../../hash/code/identify.ts";
import { installLoader, type Loader } from "../../hash/code/loader.ts";
import { decodeValue, type OpenStored } from "../../hash/decode.ts";
import { digestOf, digestValue, valueHash } from "../../hash/digest.ts";
import { encodeResult } from "../../hash/program.ts";
import { codecsIn } from "../../hash/scan.ts";
import { encodeStored } from "../../hash/stored.ts";
import { encodeValue } from "../../hash/value.ts";
import { codeExtension, packageVersion } from "../../package-info.ts";
import { checkKnownArguments, parseArguments, schemaParameters } from "./argument-check.ts";
import { identifyCodecs } from "./codec-code.ts";
import { collectLarge, noteLarge } from "./garbage.ts";
import type { LoadedCode, LoadRequest, PinnedCode, RunItem, RunResult } from "./messages.ts";
import { taskVersions } from "./task-versions.ts";

/** Loaded flow code on this thread. */
export interface Runtime {
  /** What was identified; null for pinned code, which was identified elsewhere. */
  readonly code: LoadedCode | null;
  /** Name and code of each task. */
  readonly codes: PinnedCode["codes"];
  /** Runs one body; never rejects. Its synchronous part has run when this returns. */
  run(item: RunItem): Promise<RunResult>;
  /** What is wrong with arguments by the task's schemas, as far as can be said at once. */
  check(task: string, args: readonly (Uint8Array | null)[]): ErrorRecord | null;
}

/**
 * Loads the flow modules of a project. Once per thread.
 *
 * @throws FiresteelError `invalid_argument` with file, line and column for what does not parse; what a module throws while it loads
 */
export async function loadRuntime(request: LoadRequest): Promise<Runtime> {
  setProjectRoot(request.root);
  setBodyStorages({ root: request.root, storage: request.storage ?? {} });
  const index = request.pinned ? undefined : createCodeIndex(request.index);
  const loader = installLoader({
    firesteel: { url: new URL(`../../index${codeExtension}`, import.meta.url).href, version: packageVersion },
    ...(index ? { index } : {}),
    ...(request.pinned
      ? { snapshot: new Map(request.pinned.sources), arrows: new Map(request.pinned.arrows) }
      : { root: pathToFileURL(`${request.root}/`).href }),
  });
  for (const module of request.modules) {
    try {
      await import(pathToFileURL(module).href);
    } catch (error) {
      if (error instanceof FiresteelError) throw fromRoot(error, request.root);
      throw new FiresteelError(
        Code.invalidArgument,
        `${relative(request.root, module)} cannot be loaded: ${withPlace(error, request.root)}`,
        {
          cause: error,
          details: { name: (error as Error)?.name, stack: (error as Error)?.stack },
        },
      );
    }
  }
  const code = index ? identify(request, loader, index) : null;
  const { codes } = code ? code.pinned : request.pinned!;
  const byName = new Map(codes);
  const { values = null } = request;
  const openStored: OpenStored = (stored) => {
    if (values === null) throw valueLost(stored);
    noteLarge(stored.length);
    return readValue(values, stored);
  };
  const run = async (item: RunItem): Promise<RunResult> => {
    const result = await runItem(item, { codes: byName, values, openStored });
    collectLarge();
    return "written" in result ? resultOf(item, result.written) : result;
  };
  return { code, codes, run, check };
}

/** The error with places as seen from the root. */
function fromRoot(error: FiresteelError, root: string): FiresteelError {
  const message = error.message.replaceAll(`${pathToFileURL(root).href}/`, "").replaceAll(`${root}/`, "");
  if (message === error.message) return error;
  return new FiresteelError(error.code, message, { cause: error, details: error.details });
}

/** What a module threw while it was loaded, and where, if that was in the project's own code. */
function withPlace(error: unknown, root: string): string {
  if (!(error instanceof Error)) return String(error);
  const own = `${pathToFileURL(root).href}/`;
  const frame = error.stack
    ?.split("\n")
    .find((line) => line.startsWith("    at ") && line.includes(own) && !line.includes("/node_modules/"));
  const place = frame?.slice(frame.indexOf(own) + own.length).replace(/\)$/, "");
  return place === undefined ? error.message : `${error.message}, at ${place}`;
}

function identify(request: LoadRequest, loader: Loader, index: ReturnType<typeof createCodeIndex>): LoadedCode {
  const definitions = [...definedTasks().values()];
  const values = new Map<string, unknown>();
  const oracles = {
    root: pathToFileURL(`${request.root}/`).href,
    taskNameOf: (url: string, localName: string) => taskNameOf(loader.binding(url, localName)?.value),
    constantValue(url: string, localName: string) {
      const found = constantDigest(loader, url, localName);
      if (found) values.set(found.digest, found.value);
      return found?.digest;
    },
  };
  const identified = index.identify({
    ...oracles,
    tasks: definitions.map(({ name, site, args, arrow = false }) => ({
      name,
      ...site,
      schemas: args !== undefined,
      arrow,
    })),
  });
  const codecs = identifyCodecs(index, oracles, request.root);
  const foreign = codecs.filter((codec) => codec.foreign).map(({ name, code }) => [name, code] as const);
  const tasks = definitions
    .map((definition) => describeTask(definition, identified.get(definition.name)!, request.root))
    // Any code may make instances of a class that is none of the project's, and the syntax does not show it.
    .map((task) => (foreign.length === 0 ? task : { ...task, code: digestOf("code and codecs", task.code, foreign) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const codes = tasks.map((task) => [task.name, task.code] as const);
  const warnings = index.findMisuse((url, localName) => lazySource(loader.binding(url, localName)?.value));
  return {
    tasks,
    codecs: codecs.map(({ name, code }) => [name, code] as const),
    warnings: warnings.map(({ file, ...warning }) => ({ ...warning, file: shownFile(file, request.root) })),
    pinned: {
      version:
        codecs.length === 0
          ? digestOf("code", codes)
          : digestOf(
              "code",
              codes,
              codecs.map(({ code }) => code),
            ),
      sources: [...loader.modules.values()].map((module) => [module.url, module.text] as const),
      arrows: [...loader.arrows],
      codes,
    },
    index: index.save(),
    versions: taskVersions({
      tasks,
      identified,
      values,
      known: request.known ?? new Set(),
      show: (url) => shownFile(url, request.root),
    }),
  };
}

/** What a module-level thing is called when its calls are lazy. */
function lazySource(value: unknown): string | undefined {
  const partial = partialOf(value);
  return partial ? `a partial task of ${partial.task}` : taskNameOf(value);
}

/** A module's file from the project's root. */
function shownFile(url: string, root: string): string {
  return url.startsWith("file:") ? relative(root, fileURLToPath(url)) : url;
}

/** The digest of a module constant's value; undefined where it is no value, and then its initialiser's code counts. */
function constantDigest(
  loader: Loader,
  url: string,
  localName: string,
): { readonly digest: string; readonly value: unknown } | undefined {
  const binding = loader.binding(url, localName);
  if (!binding) return undefined;
  try {
    const { value } = binding;
    const bytes = encodeValue(value);
    // The methods of an instance are code that its value does not show.
    return codecsIn(bytes).size > 0 ? undefined : { digest: digestValue(bytes), value };
  } catch (error) {
    if (error instanceof FiresteelError) return undefined;
    throw error;
  }
}

function describeTask(definition: TaskDefinition, code: TaskCode, root: string): TaskInfo {
  const { name, options, site, args, arrow } = definition;
  const pinned = options.version !== undefined;
  // What is read beside the arguments is known by its content then, whatever the syntax says.
  const settled = pinned || options.reads !== undefined;
  return {
    name,
    description: arrow ? `line ${site.line}: ${shortened(code.parts[0]?.text ?? "")}` : (options.description ?? ""),
    module: shownFile(site.url, root),
    line: site.line,
    // The tag of a task is no part of its identity, but its version option is all of it.
    code: digestOf("task", pinned ? ["version", options.version] : ["code", code.digest]),
    options,
    parameters: schemaParameters(
      definition,
      code.params ?? [{ name: "arguments", optional: false, rest: true, hasDefault: false }],
    ),
    ...(args === undefined ? {} : { schemas: schemaVendors(args) }),
    ...(arrow ? { arrow } : {}),
    undecided: settled
      ? []
      : code.undecided.map(({ reason, file, line, column }) => ({ reason, file: shownFile(file, root), line, column })),
  };
}

/** Code as one short line. */
function shortened(code: string): string {
  const line = code.replace(/\s+/g, " ");
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}

function bodyContext(task: string, context: NonNullable<RunItem["context"]>): BodyContext {
  const values = context.map(
    ([key, bytes]) => [key, bytes === null ? undefined : decodeValue(bytes, taskByName, instanceOf)] as const,
  );
  return { task, values: new Map(values) };
}

function check(task: string, args: readonly (Uint8Array | null)[]): ErrorRecord | null {
  const definition = definedTasks().get(task);
  if (!definition) return null;
  try {
    checkKnownArguments(
      definition,
      args.map((bytes) => bytes && { value: decodeValue(bytes, taskByName, instanceOf) }),
    );
    return null;
  } catch (error) {
    return errorRecord(error instanceof FiresteelError ? error : FiresteelError.from(error, Code.unknown));
  }
}

/** A value may have a task as its member `then`: that makes it no promise. */
function isPromise(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== "object" || value === null) return false;
  const { then } = value as { readonly then?: unknown };
  return typeof then === "function" && !("taskName" in then);
}

interface Surroundings {
  /** Name and code of each task. */
  readonly codes: ReadonlyMap<string, string>;
  readonly values: ValueFolder | null;
  readonly openStored: OpenStored;
}

/** A result that waits for the disk, and nothing else of its body: neither arguments nor result are held meanwhile. */
interface Writing {
  readonly written: Promise<Outcome>;
}

async function runItem(item: RunItem, { codes, values, openStored }: Surroundings): Promise<RunResult | Writing> {
  const { id, task } = item;
  try {
    const definition = definedTasks().get(task);
    if (!definition || codes.get(task) !== item.code) {
      throw new FiresteelError(Code.aborted, `this worker holds another version of task ${task}`, {
        details: { wanted: item.code, held: codes.get(task) ?? null },
      });
    }
    for (const dataset of item.datasets) rememberDataset(dataset.identity, dataset);
    const given = item.args.map((bytes) => decodeValue(bytes, taskByName, instanceOf, openStored));
    // Without schemas nothing is awaited: the synchronous part of the body belongs to this turn.
    const args = definition.args === undefined ? given : await parseArguments(definition, given);
    const body = () => definition.body(...(args as never[]));
    const returned = item.context ? runInContext(bodyContext(task, item.context), body) : body();
    const result: unknown = isPromise(returned) ? await returned : returned;
    const encoded = encodeResult(result, `result of ${task}`, values?.fileBytes ?? Number.POSITIVE_INFINITY);
    if (encoded.kind === "pieces") return { written: store(values!, encoded.pieces, encoded.length) };
    const { kind, bytes } = encoded;
    return { id, ok: true, outcome: { kind, bytes, digest: digestValue(bytes) } };
  } catch (error) {
    return failed(item, error);
  }
}

async function resultOf(item: RunItem, outcome: Promise<Outcome>): Promise<RunResult> {
  try {
    return { id: item.id, ok: true, outcome: await outcome };
  } catch (error) {
    return failed(item, error);
  }
}

function failed({ id, task }: RunItem, error: unknown): RunResult {
  const record = errorRecord(error instanceof FiresteelError ? error : FiresteelError.from(error, Code.unknown));
  const shown = definedTasks().get(task)?.arrow && record.stack !== undefined;
  return { id, ok: false, error: shown ? { ...record, stack: originalStack(record.stack) } : record };
}

/** Makes a stored value of a large result. */
function store(values: ValueFolder, pieces: readonly Uint8Array[], length: number): Promise<Outcome> {
  noteLarge(length);
  const hash = valueHash();
  for (const piece of pieces) hash.update(piece);
  const digest = hash.digest("hex");
  const outcome: Outcome = { kind: "value", bytes: encodeStored({ digest, length }), digest };
  return writeValue(values, { digest, length }, pieces).then(() => outcome);
}
