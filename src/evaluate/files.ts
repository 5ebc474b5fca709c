/**
 * Files, directories and globs as one execution sees them.
 *
 * **Stat cache.** A digest is taken from the store when size, modification time and stamp (inode and change time: that also moves when someone puts an old time back; or an ETag) are what they were when it was
 * computed. It is kept only where the file had come to rest before it was read (`settled`): within one tick of the clock that stamps, a second write would leave the same stamp.
 */

import { fileURLToPath } from "node:url";
import { DirectoryValue, type FileIdentity, FileValue, pathBelow } from "../define/external.ts";
import { Code, FiresteelError } from "../errors.ts";
import { type Digest, digestBytes } from "../hash/digest.ts";
import { fileUri, inputChanged, isUri, type Storages, sameFile, storageOf, versionOf } from "./file-identity.ts";
import { type GlobPattern, parseGlob } from "./glob.ts";
import { mapLimited, once } from "./once.ts";
import type { FileStat, FileStatStore, ListOptions, StoredFile } from "./ports.ts";

/** How often a file that changes while it is read is read again. */
const READ_ATTEMPTS = 3;
/** Files of one directory that are digested at once. */
const DIGESTS_AT_ONCE = 8;
/** Checksums that a storage is asked for at once. */
const CHECKSUMS_AT_ONCE = 32;
/** Files of one list that are looked at at once. */
const LOOKS_AT_ONCE = 32;

/** What {@link Files} needs. */
export interface FilesContext {
  /** The project's root, an absolute path. */
  readonly root: string;
  readonly storages: Storages;
  readonly store: FileStatStore;
}

/** How one execution sees files: each is looked at once. */
export class Files {
  readonly #context: FilesContext;
  readonly #looks = new Map<string, Promise<StoredFile | null>>();
  readonly #digests = new Map<string, Promise<Digest>>();
  readonly #directories = new Map<string, Promise<DirectoryValue>>();
  readonly #globs = new Map<string, Promise<readonly FileValue[]>>();

  constructor(context: FilesContext) {
    this.#context = context;
  }

  /** The file at a path. @throws FiresteelError `not_found`, `invalid_argument` for a folder */
  async file(path: string, by: FileIdentity): Promise<FileValue> {
    const found = await this.#look(fileUri(path, this.#context.root));
    if (!found) throw new FiresteelError(Code.notFound, `file does not exist: ${path}`);
    if (found.folder)
      throw new FiresteelError(Code.invalidArgument, `file("...") names a folder; write directory("..."): ${path}`);
    return new FileValue(path, (await this.#versions([found], by, () => path))[0]!, by);
  }

  /** The files below a folder. @throws FiresteelError `not_found`, `invalid_argument` for a file */
  directory(path: string, by: FileIdentity, hidden: boolean): Promise<DirectoryValue> {
    return once(this.#directories, JSON.stringify([path, by, hidden]), async () => {
      const uri = withoutSlash(fileUri(path, this.#context.root));
      const shown = withoutSlash(path);
      const found = await this.#list(
        uri,
        `directory does not exist: ${path}`,
        hidden ? () => true : (below) => !/(?:^|\/)\.[^/]*$/.test(below),
      );
      if (found.length === 1 && found[0]!.uri === uri)
        throw new FiresteelError(Code.invalidArgument, `directory("...") names a file; write file("..."): ${path}`);
      const names = found.map((file) => nameBelow(uri, file.uri));
      const versions = await this.#versions(found, by, (i) => pathBelow(shown, names[i]!));
      const entries = names.map((name, i) => ({ name, version: versions[i]! }));
      return new DirectoryValue(
        shown,
        entries.sort((a, b) => (a.name < b.name ? -1 : 1)),
        by,
        hidden,
      );
    });
  }

  /** The files that match a pattern, sorted by path. */
  glob(pattern: string, by: FileIdentity, hidden: boolean): Promise<readonly FileValue[]> {
    return once(this.#globs, JSON.stringify([pattern, by, hidden]), async () => {
      const parsed = parseGlob(pattern, hidden);
      const uri = withoutSlash(fileUri(parsed.base || ".", this.#context.root));
      const found = await this.#matches(uri, parsed);
      const paths = found.map((file) =>
        file.uri === uri
          ? parsed.base
          : parsed.base === ""
            ? nameBelow(uri, file.uri)
            : pathBelow(parsed.base, nameBelow(uri, file.uri)),
      );
      const versions = await this.#versions(found, by, (i) => paths[i]!);
      return paths.map((path, i) => new FileValue(path, versions[i]!, by)).sort((a, b) => (a.path < b.path ? -1 : 1));
    });
  }

  /** Digests of the contents of files that a storage has listed. */
  async digests(files: readonly StoredFile[]): Promise<readonly Digest[]> {
    const unread = files.filter((file) => !this.#digests.has(file.uri)).map((file) => keyOf(file.uri));
    const known = unread.length > 0 ? await this.#context.store.findFileStats(unread) : new Map<string, FileStat>();
    return mapLimited(files, DIGESTS_AT_ONCE, (file) =>
      once(this.#digests, file.uri, () =>
        this.#identify(file, keyOf(file.uri), known.get(keyOf(file.uri)), () =>
          storageOf(this.#context.storages, file.uri).digest(file.uri),
        ),
      ),
    );
  }

  /** What tells the contents of listed files apart, without reading them where their storage keeps such a thing; else their digests. */
  async checksums(files: readonly StoredFile[]): Promise<readonly Digest[]> {
    const storage = files[0] && storageOf(this.#context.storages, files[0].uri);
    if (!storage?.checksum) return this.digests(files);
    const keys = files.map(({ uri }) => `checksum ${keyOf(uri)}`);
    const known = await this.#context.store.findFileStats(keys);
    return mapLimited(files, CHECKSUMS_AT_ONCE, (file, i) =>
      once(this.#digests, keys[i]!, () =>
        this.#identify(file, keys[i]!, known.get(keys[i]!), async () =>
          digestBytes(new TextEncoder().encode(await storage.checksum!(file))),
        ),
      ),
    );
  }

  /** The path of the first of these that is not, or no longer, what its value says; null when all are. */
  async findChanged(files: readonly FileValue[], directories: readonly DirectoryValue[]): Promise<string | null> {
    // All at once: a list from a glob can be long, and its digests are one query.
    await existing(async () => {
      const looks = await mapLimited(files, LOOKS_AT_ONCE, ({ path }) => this.#look(fileUri(path, this.#context.root)));
      const byContent = looks.filter((look, i) => look && !look.folder && files[i]!.by === "content");
      await this.digests(byContent as StoredFile[]);
      return true;
    });
    for (const file of files) if (!(await this.#fileValid(file))) return file.path;
    for (const directory of directories) if (!(await this.#directoryValid(directory))) return directory.path;
    return null;
  }

  /** Takes in what a body says of files in its result: where that is not what was seen before, it has written them, and they are looked at again. */
  async learn(files: readonly FileValue[], directories: readonly DirectoryValue[]): Promise<void> {
    const claimed = [...files, ...directories.flatMap((directory) => directory.files)];
    const known = await Promise.all(claimed.map((file) => this.#isSeen(file)));
    if (known.every(Boolean)) return;
    claimed.forEach(({ path }, i) => {
      if (known[i]) return;
      const uri = fileUri(path, this.#context.root);
      this.#looks.delete(uri);
      this.#digests.delete(uri);
    });
    this.#directories.clear();
    this.#globs.clear();
  }

  async #isSeen({ path, by, version }: FileValue): Promise<boolean> {
    const uri = fileUri(path, this.#context.root);
    return existing(async () => {
      if (by === "content") return (await this.#digests.get(uri)) === version;
      const look = await this.#looks.get(uri);
      return !!look && versionOf(look, by, path) === version;
    });
  }

  #fileValid(file: FileValue): Promise<boolean> {
    return existing(async () => (await this.file(file.path, file.by)).version === file.version);
  }

  #directoryValid({ path, by, hidden, entries }: DirectoryValue): Promise<boolean> {
    return existing(async () => {
      const now = (await this.directory(path, by, hidden)).entries;
      return (
        now.length === entries.length &&
        now.every(({ name, version }, i) => name === entries[i]!.name && version === entries[i]!.version)
      );
    });
  }

  async #look(uri: string): Promise<StoredFile | null> {
    const found = await once(this.#looks, uri, () => storageOf(this.#context.storages, uri).stat(uri));
    // What is missing may be what a body of this execution is about to make.
    if (!found) this.#looks.delete(uri);
    return found;
  }

  /** The files below a folder, each as it was first looked at. */
  async #list(
    uri: string,
    missing: string,
    include: NonNullable<ListOptions["include"]>,
  ): Promise<readonly StoredFile[]> {
    const storage = storageOf(this.#context.storages, uri);
    if (!storage.list)
      throw new FiresteelError(
        Code.invalidArgument,
        `there are no folders at ${uri.slice(0, uri.indexOf(":"))} URLs; name each file with file("..."): ${uri}`,
      );
    try {
      return await Promise.all((await storage.list(uri, { include })).map((file) => this.#first(file)));
    } catch (error) {
      if (!(error instanceof FiresteelError) || error.code !== Code.notFound) throw error;
      throw new FiresteelError(Code.notFound, missing, { cause: error });
    }
  }

  async #first(file: StoredFile): Promise<StoredFile> {
    const before = await this.#looks.get(file.uri);
    if (before) return before;
    this.#looks.set(file.uri, Promise.resolve(file));
    return file;
  }

  async #matches(uri: string, pattern: GlobPattern): Promise<readonly StoredFile[]> {
    if (!pattern.wild) {
      const found = await this.#look(uri);
      return found && !found.folder ? [found] : [];
    }
    try {
      const found = await this.#list(uri, "", pattern.include);
      // The base of a pattern with more behind it is a folder; a file there matches nothing.
      return found.filter((file) => file.uri !== uri);
    } catch (error) {
      if (error instanceof FiresteelError && error.code === Code.notFound) return [];
      throw error;
    }
  }

  async #versions(
    files: readonly StoredFile[],
    by: FileIdentity,
    pathOf: (index: number) => string,
  ): Promise<readonly string[]> {
    if (by === "content") return this.digests(files);
    return files.map((file, i) => versionOf(file, by, pathOf(i)));
  }

  /** What `identify` says of a file that is the same before and after; by the cache, under a key, without asking it. */
  async #identify(
    first: StoredFile,
    key: string,
    known: FileStat | undefined,
    identify: () => Promise<Digest>,
  ): Promise<Digest> {
    const { uri } = first;
    const storage = storageOf(this.#context.storages, uri);
    let before: StoredFile | null = first;
    for (let attempt = 1; ; attempt++) {
      if (known && isKnown(known, before)) return known.digest;
      const digest = await identify();
      const after = await storage.stat(uri);
      if (after && sameFile(before, after)) {
        const { bytes, modified, stamp, settled } = before;
        if (settled && stamp !== undefined) {
          // A cache: without the entry the file is read again.
          const stat = { path: key, bytes, modifiedNs: modified, inode: stamp, digest };
          this.#context.store.recordFileStat(stat).catch(() => undefined);
        }
        return digest;
      }
      if (!after) throw new FiresteelError(Code.notFound, `file does not exist any more: ${uri}`);
      if (attempt === READ_ATTEMPTS) throw inputChanged(`file changed while it was read: ${uri}`, uri);
      this.#looks.set(uri, Promise.resolve(after));
      before = after;
    }
  }
}

function isKnown(known: FileStat, file: StoredFile): boolean {
  return (
    file.stamp !== undefined &&
    known.inode === file.stamp &&
    known.bytes === file.bytes &&
    known.modifiedNs === file.modified
  );
}

/** The stat cache's name of a file. */
function keyOf(uri: string): string {
  if (uri.startsWith("file:")) return fileURLToPath(uri);
  // Storages with folders leave `=` as it is in what they list, paths of values have it escaped.
  return /^https?:/.test(uri) ? uri : uri.replaceAll("%3D", "=");
}

/** Path of a file below a folder, unescaped. */
function nameBelow(folder: string, uri: string): string {
  return uri
    .slice(folder.endsWith("/") ? folder.length : folder.length + 1)
    .split("/")
    .map(decodeURIComponent)
    .join("/");
}

function withoutSlash(place: string): string {
  const bare = place.replace(/\/+$/, "");
  // The root of a file system is nothing but a slash.
  return bare === "" || (isUri(place) && /^[a-z0-9+.-]+:$/i.test(bare)) ? `${bare}${bare === "" ? "/" : "///"}` : bare;
}

/** Codes that say: whatever is there, it is not what was there. A file where a folder was, a server that gives no ETag any more: `file(...)` itself then says what is wrong. */
const OTHERWISE: ReadonlySet<Code> = new Set<Code>([Code.notFound, Code.invalidArgument, Code.failedPrecondition]);

async function existing(look: () => Promise<boolean>): Promise<boolean> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof FiresteelError && OTHERWISE.has(error.code)) return false;
    throw error;
  }
}
