/** How one execution sees files, directories and globs, on real folders and with a real store as the stat cache. */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileValue } from "../../src/define/external.ts";
import { FiresteelError } from "../../src/errors.ts";
import { Files } from "../../src/evaluate/files.ts";
import { encodeValue } from "../../src/hash/value.ts";
import { createStorages } from "../../src/route/storage/storages.ts";
import { useTemporaryStore } from "./temporary-store.ts";

const opened = useTemporaryStore();
let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "firesteel files %-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** A fresh look, as a new execution takes it. */
const look = () => new Files({ root, storages: createStorages(), store: opened.store });
const write = async (path: string, content: string) => {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
};
const sha = (content: string) => createHash("sha256").update(content).digest("hex");

const names = fc.constantFrom("a", "b", "ab", "a.x", "b.x", "é", "a b", "%41", ".h", "_u", "[a]");
const paths = fc.array(names, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const contents = fc.constantFrom("", "1", "2", "22");

type Edit =
  | { readonly kind: "write" | "put back"; readonly path: string; readonly content: string }
  | { readonly kind: "delete" | "touch" | "folder"; readonly path: string }
  | { readonly kind: "rename"; readonly path: string; readonly to: string };
const edits: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constantFrom("write" as const, "put back" as const), path: paths, content: contents }),
  fc.record({ kind: fc.constantFrom("delete" as const, "touch" as const, "folder" as const), path: paths }),
  fc.record({ kind: fc.constant("rename" as const), path: paths, to: paths }),
);

/** The files there, by the model; what the file system would refuse is no edit. */
async function apply(model: Map<string, string>, edit: Edit): Promise<void> {
  const at = join(root, edit.path);
  const files = [...model.keys()];
  const clashes = (path: string) => files.some((file) => path.startsWith(`${file}/`) || file.startsWith(`${path}/`));
  switch (edit.kind) {
    case "write":
    case "put back": {
      if (clashes(edit.path)) return;
      const before = edit.kind === "put back" && model.has(edit.path) ? await stat(at) : undefined;
      await rm(at, { recursive: !model.has(edit.path), force: true });
      await write(edit.path, edit.content);
      if (before) await utimes(at, before.atime, before.mtime);
      model.set(edit.path, edit.content);
      return;
    }
    case "delete":
      if (!model.delete(edit.path)) return;
      return rm(at);
    case "touch":
      if (model.has(edit.path)) await utimes(at, new Date(), new Date());
      return;
    case "folder":
      if (!model.has(edit.path) && !clashes(edit.path)) await mkdir(at, { recursive: true });
      return;
    case "rename": {
      const content = model.get(edit.path);
      if (content === undefined || model.has(edit.to) || clashes(edit.to) || edit.to === edit.path) return;
      await rm(join(root, edit.to), { recursive: true, force: true });
      await mkdir(dirname(join(root, edit.to)), { recursive: true });
      await rename(at, join(root, edit.to));
      model.delete(edit.path);
      model.set(edit.to, content);
    }
  }
}

const seen = (path: string, hidden: boolean) => hidden || !path.split("/").some((part) => part.startsWith("."));

/** Clears the folder, so that each run of a property starts from nothing. */
async function clear(): Promise<void> {
  for (const name of await readdir(root)) await rm(join(root, name), { recursive: true });
}

describe("a directory", () => {
  it("is another one exactly when its set of relative paths and contents is", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(edits, { maxLength: 14 }), fc.boolean(), async (steps, hidden) => {
        await clear();
        const model = new Map<string, string>();
        const identities = new Map<string, string>();
        for (const step of steps) {
          await apply(model, step);
          const set = JSON.stringify([...model].filter(([path]) => seen(path, hidden)).sort());
          const value = await look().directory(".", "content", hidden);
          const identity = Buffer.from(encodeValue(value)).toString("hex");
          expect(identities.get(set) ?? identity).toBe(identity);
          identities.set(set, identity);
          expect(value.entries.map(({ name, version }) => [name, version])).toEqual(
            [...model]
              .filter(([path]) => seen(path, hidden))
              .map(([path, content]) => [path, sha(content)])
              .sort(([a], [b]) => (a! < b! ? -1 : 1)),
          );
          expect(await look().findChanged([], [value])).toBeNull();
        }
        expect(new Set(identities.values()).size).toBe(identities.size);
      }),
      { numRuns: 120 },
    );
  });

  it("gives its files by path, in the notation in which it was written", async () => {
    await write("in/a b/%.txt", "1");
    for (const path of ["in", "in/", join(root, "in"), "./in", pathToFileURL(join(root, "in")).href]) {
      const value = await look().directory(path, "content", false);
      expect(value.path).toBe(path.replace(/\/$/, ""));
      const [file] = value.files;
      expect(value.file("a b/%.txt")).toEqual(file);
      expect(value.file("a b")).toBeUndefined();
      expect(await look().findChanged([file!], [])).toBeNull();
      expect(file!.digest).toBe(sha("1"));
    }
    expect((await look().directory(pathToFileURL(join(root, "in")).href, "content", false)).files[0]!.path).toMatch(
      /\/in\/a%20b\/%25\.txt$/,
    );
  });

  it("follows links to files and folders, and leaves out links that lead nowhere, pipes and empty folders", async () => {
    await write("out/x", "1");
    await write("in/y", "2");
    await symlink("../out", join(root, "in/link"));
    await symlink("../out/x", join(root, "in/file"));
    await symlink("nowhere", join(root, "in/broken"));
    await mkdir(join(root, "in/empty"));
    execFileSync("/usr/bin/env", ["mkfifo", join(root, "in/pipe")]);
    const { entries } = await look().directory("in", "content", false);
    expect(entries.map(({ name }) => name)).toEqual(["file", "link/x", "y"]);
    await symlink("..", join(root, "out/up"));
    await expect(look().directory("in", "content", false)).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringMatching(
        /^folder contains itself by a symbolic link: .*\/in\/link\/up\/in\/link$|^folder contains itself by a symbolic link: .*\/up\/in$/,
      ),
    });
  });

  it("refuses a name that is not UTF-8, which no path could say", async () => {
    await mkdir(join(root, "in"));
    await writeFile(Buffer.concat([Buffer.from(join(root, "in/")), Buffer.of(0xff)]), "");
    await expect(look().directory("in", "content", false)).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("not UTF-8"),
    });
  });
});

describe("a glob", () => {
  const segments = fc.constantFrom(
    "*",
    "**",
    "?",
    "a*",
    "*.x",
    "[ab]",
    "{a,b}",
    "{a,b}.x",
    "a",
    "b",
    ".*",
    "\\[a\\]",
    "é",
    "*b",
  );
  /** Whether a name matches a segment, without a look at the library. */
  function nameMatches(segment: string, name: string, hidden: boolean): boolean {
    if (name.startsWith(".") && !segment.startsWith(".") && !hidden) return false;
    switch (segment) {
      case "*":
        return true;
      case "?":
        return name.length === 1;
      case "a*":
        return name.startsWith("a");
      case "*b":
        return name.endsWith("b");
      case "*.x":
        return name.endsWith(".x");
      case "[ab]":
      case "{a,b}":
        return name === "a" || name === "b";
      case "{a,b}.x":
        return name === "a.x" || name === "b.x";
      case ".*":
        return name.startsWith(".");
      case "\\[a\\]":
        return name === "[a]";
      default:
        return name === segment;
    }
  }
  function matches(pattern: readonly string[], path: readonly string[], hidden: boolean): boolean {
    const [segment, ...rest] = pattern;
    if (segment === undefined) return path.length === 0;
    if (segment !== "**")
      return path.length > 0 && nameMatches(segment, path[0]!, hidden) && matches(rest, path.slice(1), hidden);
    // As the last one it stands for everything below, else for any number of folders.
    if (rest.length === 0) return path.length > 0 && path.every((name) => hidden || !name.startsWith("."));
    return (
      matches(rest, path, hidden) ||
      (path.length > 0 && (hidden || !path[0]!.startsWith(".")) && matches(pattern, path.slice(1), hidden))
    );
  }

  it("finds what an independent matcher finds among all files, sorted by path", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(paths, contents), { maxLength: 14 }),
        fc.array(fc.array(segments, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        async (tree, patterns, hidden) => {
          await clear();
          const model = new Map<string, string>();
          for (const [path, content] of tree) await apply(model, { kind: "write", path, content });
          for (const pattern of patterns) {
            const found = await look().glob(pattern.join("/"), "content", hidden);
            expect([pattern.join("/"), found.map((file) => [file.path, file.digest])]).toEqual([
              pattern.join("/"),
              [...model]
                .filter(([path]) => matches(pattern, path.split("/"), hidden))
                .map(([path, content]) => [path, sha(content)])
                .sort(([a], [b]) => (a! < b! ? -1 : 1)),
            ]);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it("begins where its pattern says", async () => {
    await write("in/a.txt", "1");
    await write("in/b/[c].txt", "2");
    const found = async (pattern: string) => (await look().glob(pattern, "content", false)).map((file) => file.path);
    expect(await found("in/*.txt")).toEqual(["in/a.txt"]);
    expect(await found("./in/*.txt")).toEqual(["in/a.txt"]);
    expect(await found(`${root}/in/**`)).toEqual([`${root}/in/a.txt`, `${root}/in/b/[c].txt`]);
    expect(await found("in/b/../*.txt")).toEqual(["in/b/../a.txt"]);
    expect(await found("in/a.txt")).toEqual(["in/a.txt"]);
    expect(await found("in/b/\\[c\\].txt")).toEqual(["in/b/[c].txt"]);
    expect(await found("in")).toEqual([]);
    expect(await found("in/a.txt/*")).toEqual([]);
    expect(await found("missing/*.txt")).toEqual([]);
    expect(await found("missing.txt")).toEqual([]);
  });

  it("looks only where a match can lie", async () => {
    await write("in/a.txt", "1");
    await write("secret/a.txt", "1");
    await symlink(".", join(root, "secret/loop"));
    // The folder that contains itself is never entered.
    expect(await look().glob("i*/*.txt", "content", false)).toHaveLength(1);
    expect(await look().glob("*", "content", false)).toHaveLength(0);
    await expect(look().glob("*/**", "content", false)).rejects.toMatchObject({ code: "failed_precondition" });
  });
});

describe("one execution", () => {
  it("sees each file once, however it is reached", async () => {
    await write("in/a", "old");
    const files = look();
    const file = await files.file("in/a", "content");
    const weak = await files.file("./in/a", "stat");
    await write("in/a", "newer");
    expect((await files.directory("in", "content", false)).files).toEqual([file]);
    expect(await files.glob("in/*", "content", false)).toEqual([file]);
    expect((await files.directory("in", "stat", false)).entries[0]!.version).toBe(weak.version);
    expect(await look().findChanged([file], [])).toBe("in/a");
    // What a body says of a file that was seen so is nothing new; what it has written is.
    await files.learn([file], []);
    expect(await files.file("in/a", "content")).toEqual(file);
    await files.learn([new FileValue("in/a", sha("newer"))], []);
    expect((await files.file("in/a", "content")).digest).toBe(sha("newer"));
    expect((await files.directory("in", "content", false)).entries[0]!.version).toBe(sha("newer"));
  });

  it("keeps the digest of a settled file only, and asks for many in one query", async () => {
    for (const name of ["a", "b", "c"]) await write(`in/${name}`, name);
    await look().directory("in", "content", false);
    await opened.store.flushed();
    const keys = ["a", "b", "c"].map((name) => join(root, "in", name));
    expect((await opened.store.findFileStats(keys)).size).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 2100));
    await write("in/c", "newer");
    await look().directory("in", "content", false);
    await opened.store.flushed();
    expect([...(await opened.store.findFileStats(keys)).keys()].sort()).toEqual(keys.slice(0, 2));
    let queries = 0;
    const store = {
      ...opened.store,
      findFileStats: (asked: readonly string[]) => {
        queries++;
        return opened.store.findFileStats(asked);
      },
    };
    const digested: string[] = [];
    const storages = new Map(
      [...createStorages()].map(([scheme, storage]) => [
        scheme,
        {
          ...storage,
          digest: (uri: string) => {
            digested.push(uri);
            return storage.digest(uri);
          },
        },
      ]),
    );
    await new Files({ root, storages, store }).directory("in", "content", false);
    expect([queries, digested]).toEqual([1, [pathToFileURL(join(root, "in/c")).href]]);
  });

  it("reads a file again that changes while it is digested, and gives up on one that never rests", async () => {
    await write("a", "old");
    let changes = 1;
    const storages = new Map(
      [...createStorages()].map(([scheme, storage]) => [
        scheme,
        {
          ...storage,
          digest: async (uri: string) => {
            const digest = await storage.digest(uri);
            if (changes-- > 0) await write("a", `new ${changes}`);
            return digest;
          },
        },
      ]),
    );
    const files = () => new Files({ root, storages, store: opened.store });
    expect((await files().file("a", "content")).digest).toBe(sha("new 0"));
    changes = 1000;
    await expect(files().file("a", "content")).rejects.toMatchObject({
      code: "aborted",
      details: { kind: "inputChanged" },
    });
  });
});

describe("what cannot be looked at", () => {
  const cases: readonly (readonly [string, (files: Files) => Promise<unknown>, string, RegExp])[] = [
    ["a missing file", (files) => files.file("no/x", "content"), "not_found", /^file does not exist: no\/x$/],
    ["below a file", (files) => files.file("a/x", "stat"), "not_found", /^file does not exist: a\/x$/],
    ["a folder as a file", (files) => files.file("in", "content"), "invalid_argument", /write directory\("..."\): in$/],
    [
      "a device",
      (files) => files.file("/dev/null", "content"),
      "invalid_argument",
      /device, pipe or socket: file:\/\/\/dev\/null$/,
    ],
    [
      "an ETag of a local file",
      (files) => files.file("a", "etag"),
      "failed_precondition",
      /^local files have no ETag; .*: a$/,
    ],
    [
      "a zero character",
      (files) => files.file("a\0b", "content"),
      "invalid_argument",
      /zero character in it: "a\\u0000b"$/,
    ],
    [
      "another scheme",
      (files) => files.file("ftp://h/x", "content"),
      "invalid_argument",
      /there are: file:, http:, https:, hdfs:, s3:, s3a:\): ftp:\/\/h\/x$/,
    ],
    [
      "no URL",
      (files) => files.file("http://[", "content"),
      "invalid_argument",
      /^not a URL that can be read .*: http:\/\/\[$/,
    ],
    [
      "another host",
      (files) => files.file("file://other/x", "content"),
      "invalid_argument",
      /^not a URL that can be read .*: file:\/\/other\/x$/,
    ],
    [
      "a password",
      (files) => files.file("https://u:secret@h/x", "content"),
      "invalid_argument",
      /^(?!.*secret).*would be stored with every result; leave them out: https:\/\/\.\.\.@h\/x$/,
    ],
    ["a long name", (files) => files.file("x".repeat(300), "content"), "invalid_argument", /ENAMETOOLONG/],
    [
      "a missing directory",
      (files) => files.directory("no/", "content", false),
      "not_found",
      /^directory does not exist: no\/$/,
    ],
    [
      "a file as a directory",
      (files) => files.directory("a", "content", false),
      "invalid_argument",
      /names a file; write file\("..."\): a$/,
    ],
    [
      "a directory at a URL",
      (files) => files.directory("https://h/x", "content", false),
      "invalid_argument",
      /^there are no folders at https URLs; name each file with file\("..."\): https:\/\/h\/x$/,
    ],
    [
      "a glob at a URL",
      (files) => files.glob("https://h/*.csv", "content", false),
      "invalid_argument",
      /^there are no folders at https URLs/,
    ],
    [
      "an open bracket",
      (files) => files.glob("in/[a*", "content", false),
      "invalid_argument",
      /^glob\("..."\) cannot be read: .*: in\/\[a\*$/,
    ],
    [
      "parents behind a wildcard",
      (files) => files.glob("*/../x", "content", false),
      "invalid_argument",
      /only before the first wildcard: \*\/\.\.\/x$/,
    ],
  ];
  it.each(cases)("%s", async (_, asked, code, message) => {
    await write("a", "1");
    await mkdir(join(root, "in"));
    const error = await asked(look()).then(
      () => expect.unreachable(),
      (reason: FiresteelError) => reason,
    );
    expect(error).toBeInstanceOf(FiresteelError);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  it.skipIf(process.getuid?.() === 0)("what may not be read", async () => {
    await write("in/x", "1");
    await chmod(join(root, "in"), 0);
    await expect(look().directory("in", "content", false)).rejects.toMatchObject({ code: "permission_denied" });
    await chmod(join(root, "in"), 0o755);
  });
});
