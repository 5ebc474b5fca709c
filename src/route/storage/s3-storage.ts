/**
 * Objects in S3, or in a server that speaks its protocol, by `s3://bucket/key`.
 *
 * What lies below `key/` counts as the folder `key`. Writing once needs conditional writes (`If-None-Match: *`): a server that does not know them overwrites.
 */

import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { Code, FiresteelError } from "../../errors.ts";
import { inputChanged } from "../../evaluate/file-identity.ts";
import type { Digest, ListOptions, ReadOptions, Storage, StoredFile } from "../../evaluate/ports.ts";
import { collect } from "./collect.ts";
import { digestStream, pauseBefore } from "./digest-stream.ts";
import { byUri, locationOf, missing, sparkReads, uriBelow } from "./location.ts";
import { attemptsOf, s3Error, statusOf } from "./s3-errors.ts";

/** How S3 is reached. Credentials come from where the SDK looks by default: environment, profile, web identity, container, instance. */
export interface S3Access {
  /** Of a server that is not Amazon's. */
  readonly endpoint?: string;
  /** By default what the environment or the profile says. */
  readonly region?: string;
  /** `endpoint/bucket/key` rather than `bucket.endpoint/key`. @default whether there is an `endpoint` */
  readonly pathStyle?: boolean;
  /** Of the SDK's configuration files. */
  readonly profile?: string;
  /** How often a request is sent at most, default 4. */
  readonly attempts?: number;
}

/** Deletes of one request. */
const DELETES = 1000;
const PAUSE_MS = 200;

/** What is asked of one object. */
interface At {
  readonly uri: string;
  readonly Bucket: string;
  readonly Key: string;
  readonly options: { readonly abortSignal?: AbortSignal };
}

/** Storage for `s3:` URIs; opens no connection yet. */
export function createS3Storage({ endpoint, region, pathStyle, profile, attempts = 4 }: S3Access): Storage {
  const client = new S3Client({
    maxAttempts: attempts,
    forcePathStyle: pathStyle ?? endpoint !== undefined,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(profile === undefined ? {} : { profile }),
  });

  async function head(place: At): Promise<StoredFile | null> {
    const { uri, Bucket, Key, options } = place;
    try {
      const { ContentLength, LastModified, ETag } = await client.send(new HeadObjectCommand({ Bucket, Key }), options);
      return describe(uri, ContentLength, LastModified, ETag);
    } catch (error) {
      options.abortSignal?.throwIfAborted();
      if (statusOf(error) === 404) return null;
      throw s3Error(uri, error);
    }
  }

  /** Pages of what lies below a folder; nothing where there is no bucket. */
  async function* below({ uri, Bucket, Key, options }: At, most = DELETES): AsyncGenerator<ListObjectsV2CommandOutput> {
    for (let token: string | undefined; ; ) {
      const command = new ListObjectsV2Command({
        Bucket,
        Prefix: prefixOf(Key),
        MaxKeys: most,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      });
      let page: ListObjectsV2CommandOutput;
      try {
        page = await client.send(command, options);
      } catch (error) {
        options.abortSignal?.throwIfAborted();
        if (statusOf(error) === 404) return;
        throw s3Error(uri, error);
      }
      yield page;
      token = page.NextContinuationToken;
      if (!page.IsTruncated || token === undefined) return;
    }
  }

  async function isFolder(place: At): Promise<boolean> {
    for await (const { KeyCount = 0 } of below(place, 1)) return KeyCount > 0 || place.Key === "";
    return false;
  }

  async function stat(uri: string, signal?: AbortSignal): Promise<StoredFile | null> {
    const place = at(uri, signal);
    const found = place.Key === "" ? null : await head(place);
    if (found) return found;
    return (await isFolder(place)) ? { uri, bytes: 0, modified: "", settled: false, folder: true } : null;
  }

  async function list(uri: string, { include = sparkReads, signal }: ListOptions = {}): Promise<readonly StoredFile[]> {
    const place = at(uri, signal);
    const prefix = prefixOf(place.Key);
    const files: StoredFile[] = [];
    let isThere = false;
    for await (const { Contents = [] } of below(place)) {
      isThere ||= Contents.length > 0 || place.Key === "";
      for (const { Key = "", Size, LastModified, ETag } of Contents) {
        const path = Key.slice(prefix.length);
        if (isIncluded(path, include)) files.push(describe(uriBelow(uri, path), Size, LastModified, ETag));
      }
    }
    if (isThere) return files.sort(byUri);
    const file = place.Key === "" ? null : await head(place);
    if (file === null) throw missing(uri);
    return [file];
  }

  async function* stream(
    uri: string,
    { start = 0, end = Number.POSITIVE_INFINITY, expected, signal }: ReadOptions = {},
  ): AsyncGenerator<Uint8Array> {
    if (end <= start) return;
    const { Bucket, Key, options } = at(uri, signal);
    const isPart = start > 0 || end !== Number.POSITIVE_INFINITY;
    const command = new GetObjectCommand({
      Bucket,
      Key,
      ...(isPart ? { Range: `bytes=${start}-${end === Number.POSITIVE_INFINITY ? "" : end - 1}` } : {}),
      ...(expected?.etag === undefined ? {} : { IfMatch: expected.etag }),
    });
    const changed = () => inputChanged(`file changed since it was looked at: ${uri}`, uri);
    let body: Readable;
    try {
      body = (await client.send(command, options)).Body as Readable;
    } catch (error) {
      signal?.throwIfAborted();
      const status = statusOf(error);
      if (status === 412 || (status === 404 && expected)) throw changed();
      // Nothing is left behind the start.
      if (status === 416 && isPart) return;
      throw s3Error(uri, error);
    }
    try {
      yield* body as AsyncIterable<Uint8Array>;
    } catch (error) {
      signal?.throwIfAborted();
      throw s3Error(uri, error, true);
    } finally {
      body.destroy();
    }
  }

  async function putIfAbsent(uri: string, bytes: Uint8Array): Promise<boolean> {
    const { Bucket, Key } = at(uri);
    // Tells our own object from another's where the answer to the attempt that made it was lost.
    const put = randomUUID();
    const command = { Bucket, Key, Body: bytes, IfNoneMatch: "*", Metadata: { "firesteel-put": put } };
    for (let attempt = 1; ; attempt++) {
      try {
        await client.send(new PutObjectCommand(command));
        return true;
      } catch (error) {
        if (statusOf(error) === 412) return (attempt > 1 || attemptsOf(error) > 1) && (await madeBy(uri, put));
        // Another write of the same object is under way.
        if (statusOf(error) !== 409 || attempt === attempts) throw s3Error(uri, error);
      }
      await pauseBefore(attempt, PAUSE_MS);
    }
  }

  async function madeBy(uri: string, put: string): Promise<boolean> {
    const { Bucket, Key } = at(uri);
    try {
      return (await client.send(new HeadObjectCommand({ Bucket, Key }))).Metadata?.["firesteel-put"] === put;
    } catch (error) {
      throw s3Error(uri, error);
    }
  }

  async function remove(uri: string): Promise<void> {
    const place = at(uri);
    const removeAll = async (keys: readonly string[]) => {
      if (keys.length === 0) return;
      const Delete = { Quiet: true, Objects: keys.map((Key) => ({ Key })) };
      const { Errors = [] } = await client
        .send(new DeleteObjectsCommand({ Bucket: place.Bucket, Delete }))
        .catch((error: unknown) => {
          throw s3Error(uri, error);
        });
      if (Errors[0]) throw s3Error(uri, { name: Errors[0].Code, message: Errors[0].Message });
    };
    for await (const { Contents = [] } of below(place)) await removeAll(Contents.map(({ Key = "" }) => Key));
    if (place.Key !== "" && (await head(place)) !== null) await removeAll([place.Key]);
  }

  return {
    list,
    stat,
    stream,
    putIfAbsent,
    remove,
    read: (uri, { maxBytes, ...options } = {}) => collect(uri, stream(uri, options), maxBytes),
    digest: (uri, signal): Promise<Digest> =>
      digestStream(() => stream(uri, { signal }), { attempts, pauseMs: PAUSE_MS, signal }),
    // Of an object that was uploaded in parts it depends on where they ended.
    checksum: async ({ uri, etag, bytes }) => {
      if (etag !== undefined) return `${etag} ${bytes}`;
      throw new FiresteelError(Code.failedPrecondition, `server gives no ETag: ${uri}`, { details: { uri } });
    },
  };
}

function at(uri: string, signal?: AbortSignal): At {
  const { authority: Bucket, path: Key } = locationOf(uri);
  return { uri, Bucket, Key, options: signal === undefined ? {} : { abortSignal: signal } };
}

function prefixOf(key: string): string {
  return key === "" ? "" : `${key}/`;
}

/** Whether an object is listed: it and each folder on the way to it. One whose name ends in a slash stands for a folder. */
function isIncluded(path: string, include: NonNullable<ListOptions["include"]>): boolean {
  if (path === "" || path.endsWith("/")) return false;
  for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1))
    if (!include(path.slice(0, slash), true)) return false;
  return include(path, false);
}

function describe(uri: string, bytes = 0, modified: Date | undefined, etag: string | undefined): StoredFile {
  // Some servers give a listing more digits than a look at the object.
  const seconds = modified === undefined ? null : Math.floor(modified.getTime() / 1000);
  return {
    uri,
    bytes,
    modified: seconds === null ? "" : `${BigInt(seconds) * 1_000_000_000n}`,
    ...(etag === undefined ? {} : { etag, stamp: etag }),
    // An ETag is made of the content.
    settled: etag !== undefined,
  };
}
