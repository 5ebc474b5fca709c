/**
 * Reading and writing files in the body of a task.
 *
 * What is read is what the `File` stands for, or the read fails with code `aborted` and the execution looks at its inputs again: content is digested as it passes by, and compared at its end; of a file that is
 * known by size and time, or by ETag, these are compared before and after.
 */

import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { FileValue } from "../define/external.ts";
import { Code, FiresteelError } from "../errors.ts";
import { fileUri, inputChanged, isUri, storageOf, versionOf } from "../evaluate/file-identity.ts";
import type { ReadableStorage } from "../evaluate/ports.ts";
import { digestBytes } from "../hash/digest.ts";
import { collect } from "../route/storage/collect.ts";
import { bodyStorages } from "./body-storages.ts";
import { projectRoot } from "./project-root.ts";

/** How much of a file may be read into memory. */
export interface ReadFileOptions {
  /** Bytes; more are refused with code `resource_exhausted`. @default 1 GiB */
  readonly maxBytes?: number;
}

/** How text is read. */
export interface ReadTextOptions extends ReadFileOptions {
  /** A label of the Encoding Standard: `utf-8`, `windows-1252`, `utf-16le`, ... @default "utf-8" */
  readonly encoding?: string;
}

const MAX_BYTES = 2 ** 30;

type Decoder = InstanceType<typeof TextDecoder>;

/**
 * The content of a file.
 *
 * @throws FiresteelError `aborted` when it is no longer the file that the value stands for; `resource_exhausted` when it is larger than `maxBytes`
 */
export async function readBytes(file: FileValue, { maxBytes = MAX_BYTES }: ReadFileOptions = {}): Promise<Uint8Array> {
  if (file.by !== "content") return collect(file.path, readStream(file), maxBytes);
  const { uri, storage } = placeOf(file);
  const bytes = await there(file, () => storage.read(uri, { maxBytes }));
  if (digestBytes(bytes) !== file.version) throw changed(file);
  return bytes;
}

/**
 * The content of a file as text; a byte order mark is left out.
 *
 * @throws FiresteelError as `readBytes`; `invalid_argument` when the bytes are no text of that encoding
 */
export async function readText(file: FileValue, options: ReadTextOptions = {}): Promise<string> {
  const decoder = decoderOf(options.encoding);
  const bytes = await readBytes(file, options);
  return decoded(file, decoder, () => decoder.decode(bytes));
}

/**
 * The content of a file piece by piece, in memory that does not grow with it. Whether it was the right content all along is known at the end: what the pieces were used for before counts only when the loop ends without an
 * error.
 *
 * @example
 * ```ts
 * for await (const piece of readStream(file)) hash.update(piece);
 * ```
 */
export async function* readStream(file: FileValue): AsyncGenerator<Uint8Array, void, undefined> {
  const { uri, storage } = placeOf(file);
  if (file.by === "content") {
    const hash = createHash("sha256");
    const pieces = storage.stream(uri)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await there(file, () => pieces.next());
        if (next.done) break;
        hash.update(next.value);
        yield next.value;
      }
    } finally {
      await pieces.return?.();
    }
    if (hash.digest("hex") !== file.version) throw changed(file);
    return;
  }
  const found = await storage.stat(uri);
  if (!found || found.folder || versionOf(found, file.by, file.path) !== file.version) throw changed(file);
  yield* storage.stream(uri, { expected: found });
}

/**
 * The lines of a text file, without their ends (`\n` or `\r\n`), in memory that does not grow with the file. An empty file has none; what follows the last line end is a line if there is anything.
 *
 * @example
 * ```ts
 * for await (const line of readLines(file)) if (line.startsWith("ERROR")) errors++;
 * ```
 */
export async function* readLines(
  file: FileValue,
  options: Pick<ReadTextOptions, "encoding"> = {},
): AsyncGenerator<string, void, undefined> {
  const decoder = decoderOf(options.encoding);
  let rest = "";
  for await (const piece of readStream(file)) {
    const text = decoded(file, decoder, () => decoder.decode(piece, { stream: true }));
    const lines = text.split("\n");
    lines[0] = rest + lines[0]!;
    rest = lines.pop()!;
    for (const line of lines) yield line.endsWith("\r") ? line.slice(0, -1) : line;
  }
  rest += decoded(file, decoder, () => decoder.decode());
  if (rest !== "") yield rest;
}

/** What can be written. */
export type FileContent = string | Uint8Array | AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;

/**
 * Writes a file, and gives the `File` to be returned. Who reads at that place sees the old content or all of the new, never a part; folders on the way are made. Text is written as UTF-8.
 *
 * A result that holds the file is used again while it is there unchanged; else the body runs again.
 *
 * @example
 * ```ts
 * export const report = task("report", async (rows: Row[]) => writeFile("out/report.csv", rows.map(toCsv).join("\n")));
 * ```
 *
 * @param path from the project's root, or a `file:` URI
 * @throws FiresteelError `invalid_argument` for a place that cannot be written, `permission_denied`, `resource_exhausted` when the disk is full
 */
export async function writeFile(path: string, content: FileContent): Promise<FileValue> {
  const target = localPath(path);
  const draft = join(dirname(target), `.${basename(target).slice(0, 100)}.${randomBytes(8).toString("hex")}.tmp`);
  const hash = createHash("sha256");
  try {
    await mkdir(dirname(target), { recursive: true });
    const file = await open(draft, "wx");
    try {
      const pieces = typeof content === "string" || content instanceof Uint8Array ? [content] : content;
      for await (const piece of pieces) {
        const bytes = typeof piece === "string" ? Buffer.from(piece) : piece;
        hash.update(bytes);
        await file.writeFile(bytes);
      }
    } finally {
      await file.close();
    }
    await rename(draft, target);
  } catch (reason) {
    await rm(draft, { force: true });
    throw notWritten(path, reason);
  }
  return new FileValue(path, hash.digest("hex"));
}

/**
 * The `File` of a file that the body made by other means (a command, a library), as it is now.
 *
 * @example
 * ```ts
 * await promisify(execFile)("pandoc", [localPath(source.path), "-o", localPath("out/book.html")]);
 * return outputFile("out/book.html");
 * ```
 *
 * @throws FiresteelError `not_found` when there is none
 */
export async function outputFile(path: string): Promise<FileValue> {
  const target = localPath(path);
  const uri = fileUri(target, target);
  const storage = storageOf(bodyStorages(), uri);
  const found = await storage.stat(uri);
  if (!found) throw new FiresteelError(Code.notFound, `file does not exist, so the task has not made it: ${path}`);
  if (found.folder) throw new FiresteelError(Code.invalidArgument, `outputFile("...") names a folder: ${path}`);
  return new FileValue(path, await storage.digest(uri));
}

/** The absolute path of a local file, for commands and libraries. What they read there is compared with what was identified after the body only. @throws FiresteelError `invalid_argument` for a URL */
export function localPath(path: string): string {
  if (path === "") throw new FiresteelError(Code.invalidArgument, "path of a file is empty");
  if (isUri(path) && !path.startsWith("file:"))
    throw new FiresteelError(Code.invalidArgument, `not a file of this machine: ${path}`);
  return fileURLToPath(fileUri(path, projectRoot()));
}

function placeOf(file: FileValue): { readonly uri: string; readonly storage: ReadableStorage } {
  if (!(file instanceof FileValue))
    throw new FiresteelError(
      Code.invalidArgument,
      `a body reads a File that it was given as an argument: pass file("...") to the task, not ${typeof file === "string" ? `the path ${file}` : `a ${typeof file}`}`,
    );
  const uri = fileUri(file.path, projectRoot());
  return { uri, storage: storageOf(bodyStorages(), uri) };
}

/** A file that was there when it was identified. */
async function there<T>(file: FileValue, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof FiresteelError && error.code === Code.notFound) throw changed(file);
    throw error;
  }
}

function changed(file: FileValue): FiresteelError {
  return inputChanged(`file is not, or no longer, the one that was identified: ${file.path}`, file.path);
}

function decoderOf(encoding = "utf-8"): Decoder {
  try {
    return new TextDecoder(encoding, { fatal: true });
  } catch (cause) {
    throw new FiresteelError(Code.invalidArgument, `encoding is not known: ${encoding}`, { cause });
  }
}

function decoded(file: FileValue, decoder: Decoder, decode: () => string): string {
  try {
    return decode();
  } catch (cause) {
    throw new FiresteelError(
      Code.invalidArgument,
      `file is no text in ${decoder.encoding}; name its encoding ({ encoding: "windows-1252" }), or read its bytes: ${file.path}`,
      { cause },
    );
  }
}

function notWritten(path: string, reason: unknown): unknown {
  const { code, message } = reason as { readonly code?: unknown; readonly message: string };
  const kind =
    code === "ENOSPC" || code === "EDQUOT"
      ? Code.resourceExhausted
      : code === "EACCES" || code === "EPERM" || code === "EROFS"
        ? Code.permissionDenied
        : code === "EISDIR" || code === "ENOTDIR" || code === "EEXIST" || code === "ENAMETOOLONG"
          ? Code.invalidArgument
          : undefined;
  // What the content's own iterator throws is the body's.
  return kind === undefined ? reason : new FiresteelError(kind, `cannot write ${path}: ${message}`, { cause: reason });
}
