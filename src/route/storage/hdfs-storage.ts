/**
 * Files in HDFS by `hdfs://authority/path`, through WebHDFS.
 *
 * A file is known by its id, which is new whenever another file takes its place, and by its modification time in ms. HDFS has no symbolic links by default, and these are not followed.
 */

import { randomBytes } from "node:crypto";
import { z } from "zod";
import { Code, FiresteelError } from "../../errors.ts";
import { inputChanged, sameFile } from "../../evaluate/file-identity.ts";
import { mapLimited, once } from "../../evaluate/once.ts";
import type { Digest, ListOptions, ReadOptions, Storage, StoredFile } from "../../evaluate/ports.ts";
import { collect } from "./collect.ts";
import { digestStream, pauseBefore } from "./digest-stream.ts";
import { byUri, locationOf, missing, sparkReads, uriBelow } from "./location.ts";
import { WebHdfs, type WebHdfsAccess } from "./webhdfs.ts";
import type { HdfsSubject } from "./webhdfs-errors.ts";

/** Clocks may differ a little. */
const SETTLED_MS = 2000;
/** Folders that are listed at once. */
const FOLDERS_AT_ONCE = 8;

const fileStatus = z.object({
  pathSuffix: z.string(),
  type: z.string(),
  length: z.number(),
  modificationTime: z.number(),
  /** Not all gateways tell it. */
  fileId: z.number().default(0),
});
type FileStatus = z.output<typeof fileStatus>;

const statusAnswer = z.object({ FileStatus: fileStatus });
const listAnswer = z.object({ FileStatuses: z.object({ FileStatus: z.array(fileStatus) }) });
const checksumAnswer = z.object({ FileChecksum: z.object({ algorithm: z.string(), bytes: z.string() }) });

/** What one call is about: the URI's own HDFS, and the place there. */
interface At extends HdfsSubject {
  readonly hdfs: WebHdfs;
}

/**
 * Storage for `hdfs:` URIs; opens no connection yet.
 *
 * @param accessTo how the HDFS of an authority (`host:port`, or the name of a pair) is reached. Asked once for each
 */
export function createHdfsStorage(accessTo: (authority: string) => Promise<WebHdfsAccess>): Storage {
  const known = new Map<string, Promise<WebHdfs>>();

  async function at(uri: string, signal?: AbortSignal): Promise<At> {
    const { authority, path } = locationOf(uri);
    const hdfs = await once(known, authority, async () => new WebHdfs(authority, await accessTo(authority)));
    return { uri, path, signal, hdfs };
  }

  async function stat(uri: string, signal?: AbortSignal): Promise<StoredFile | null> {
    const place = await at(uri, signal);
    const status = await statusOf(place);
    return status && { ...describe(uri, status), ...(status.type === "DIRECTORY" ? { folder: true } : {}) };
  }

  async function list(uri: string, { include = sparkReads, signal }: ListOptions = {}): Promise<readonly StoredFile[]> {
    const root = await at(uri, signal);
    const status = await statusOf(root);
    if (status === null) throw missing(uri);
    if (status.type !== "DIRECTORY") return [describe(uri, status)];
    const files: StoredFile[] = [];
    let folders: readonly string[] = [""];
    while (folders.length > 0) {
      const listings = await mapLimited(folders, FOLDERS_AT_ONCE, async (below) => {
        signal?.throwIfAborted();
        const found = await entriesOf({ ...root, path: join(root.path, below) });
        return found.map((entry) => ({ entry, below: join(below, entry.pathSuffix) }));
      });
      const entries = listings.flat().filter(({ entry, below }) => include(below, entry.type === "DIRECTORY"));
      for (const { entry, below } of entries)
        if (entry.type === "FILE") files.push(describe(uriBelow(uri, below), entry));
      folders = entries.filter(({ entry }) => entry.type === "DIRECTORY").map(({ below }) => below);
    }
    return files.sort(byUri);
  }

  async function* stream(
    uri: string,
    { start = 0, end = Number.POSITIVE_INFINITY, expected, signal }: ReadOptions = {},
  ): AsyncGenerator<Uint8Array> {
    const place = await at(uri, signal);
    const status = async () => {
      const now = await statusOf(place);
      if (expected && (now === null || !sameFile(describe(uri, now), expected)))
        throw inputChanged(`file changed since it was looked at: ${uri}`, uri);
      if (now === null) throw missing(uri);
      if (now.type === "DIRECTORY") throw new FiresteelError(Code.invalidArgument, `cannot read a folder: ${uri}`);
      return now;
    };
    const length = Math.min(end, (await status()).length) - start;
    if (length > 0) {
      const body = await place.hdfs.open(place, start, length);
      let got = 0;
      try {
        for await (const piece of body) {
          got += piece.length;
          yield piece;
        }
      } catch (error) {
        signal?.throwIfAborted();
        throw lost(uri, `the connection broke after ${got} of ${length} bytes`, error);
      } finally {
        body.destroy();
      }
      if (got !== length) throw lost(uri, `there were ${got} bytes instead of ${length}`);
    }
    if (expected) await status();
  }

  /** Written under another name in the same folder, then renamed, which is refused where something is: readers see all of it or nothing. */
  async function putIfAbsent(uri: string, bytes: Uint8Array): Promise<boolean> {
    const place = await at(uri);
    if ((await statusOf(place)) !== null) return false;
    for (let attempt = 1; ; attempt++) {
      // A new name each time: HDFS lets nobody write to a file that an earlier attempt may still have open.
      const folder = place.path.includes("/") ? place.path.slice(0, place.path.lastIndexOf("/")) : "";
      const draft = { ...place, path: join(folder, `.${randomBytes(8).toString("hex")}.tmp`) };
      let isOurs = false;
      try {
        await place.hdfs.create(draft, bytes);
        isOurs = await renamed(draft, place);
        return isOurs;
      } catch (error) {
        if (attempt === place.hdfs.attempts || !isPassing(error)) throw error;
      } finally {
        // What cannot be removed now stays hidden by its name, and the first error is the one to be told.
        if (!isOurs) await place.hdfs.call("DELETE", "DELETE", draft).catch(() => undefined);
      }
      await pauseBefore(attempt, place.hdfs.retryPauseMs);
    }
  }

  async function digest(uri: string, signal?: AbortSignal): Promise<Digest> {
    const { attempts, retryPauseMs: pauseMs } = (await at(uri, signal)).hdfs;
    return digestStream(() => stream(uri, { signal }), { attempts, pauseMs, signal });
  }

  /** Of the blocks' checksums: equal contents in blocks of other sizes have another one. */
  async function checksum({ uri }: StoredFile, signal?: AbortSignal): Promise<string> {
    const place = await at(uri, signal);
    const { algorithm, bytes } = read(checksumAnswer, await place.hdfs.checksum(place), place).FileChecksum;
    return `${algorithm}:${bytes}`;
  }

  async function remove(uri: string): Promise<void> {
    const place = await at(uri);
    await place.hdfs.call("DELETE", "DELETE", place, { recursive: true });
  }

  return {
    list,
    stat,
    stream,
    putIfAbsent,
    digest,
    checksum,
    remove,
    read: (uri, { maxBytes, ...options } = {}) => collect(uri, stream(uri, options), maxBytes),
  };
}

/** Null when there is nothing. */
async function statusOf(place: At): Promise<FileStatus | null> {
  try {
    return read(statusAnswer, await place.hdfs.call("GET", "GETFILESTATUS", place), place).FileStatus;
  } catch (error) {
    if (error instanceof FiresteelError && error.code === Code.notFound) return null;
    throw error;
  }
}

/** What lies directly in a folder; nothing when it vanished. The server pages by itself. */
async function entriesOf(folder: At): Promise<readonly FileStatus[]> {
  try {
    return read(listAnswer, await folder.hdfs.call("GET", "LISTSTATUS", folder), folder).FileStatuses.FileStatus;
  } catch (error) {
    if (error instanceof FiresteelError && error.code === Code.notFound) return [];
    throw error;
  }
}

/** Gives a draft its name; false when another file has it. Nobody else knows the draft, so once it is gone without our having heard so, we have renamed it. */
async function renamed(draft: At, target: At): Promise<boolean> {
  const { hdfs } = target;
  for (let attempt = 1; ; attempt++) {
    try {
      // With options a rename never moves into a folder that has the name; gateways that do not know them answer with a boolean.
      const parameters = { destination: `/${target.path}`, renameoptions: "NONE" };
      const answer = (await hdfs.callOnce("PUT", "RENAME", draft, parameters)) as { boolean?: boolean } | undefined;
      if (answer?.boolean !== false) return true;
      return attempt > 1 && (await statusOf(draft)) === null;
    } catch (error) {
      const code = error instanceof FiresteelError ? error.code : undefined;
      if (code === Code.alreadyExists || (code === Code.notFound && attempt > 1))
        return attempt > 1 && (await statusOf(draft)) === null;
      if (attempt === hdfs.attempts || !isPassing(error)) throw error;
    }
    await pauseBefore(attempt, hdfs.retryPauseMs);
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof FiresteelError && error.code === Code.unavailable;
}

function describe(uri: string, { length, modificationTime, fileId }: FileStatus): StoredFile {
  return {
    uri,
    bytes: length,
    modified: `${BigInt(modificationTime) * 1_000_000n}`,
    stamp: `${fileId}:${modificationTime}`,
    settled: Date.now() - modificationTime > SETTLED_MS,
  };
}

function join(folder: string, name: string): string {
  return folder === "" ? name : name === "" ? folder : `${folder}/${name}`;
}

function read<T>(form: z.ZodType<T>, answer: unknown, { uri }: At): T {
  const found = form.safeParse(answer);
  if (found.success) return found.data;
  throw new FiresteelError(Code.unavailable, `server answered with something that is not WebHDFS: ${uri}`, {
    cause: found.error,
    details: { uri },
  });
}

function lost(uri: string, what: string, cause?: unknown): FiresteelError {
  return new FiresteelError(Code.unavailable, `cannot read ${uri}: ${what}`, { cause, details: { uri, lost: true } });
}
