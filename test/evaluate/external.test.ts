/** Files, directories and globs through the whole evaluator: what runs again after which edit of the world, and what bodies read and write. */
import { readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FileServer } from "../route/storage/file-server.ts";
import { Engine } from "./engine.ts";
import { useTemporaryStore } from "./temporary-store.ts";

const opened = useTemporaryStore();

const IMPORT = `
import { catchError, directory, file, glob, localPath, map, outputFile, readBytes, readLines, readStream, readText, task, writeFile, type Directory, type File } from "firesteel";
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
`;
const engine = (text: string) => Engine.start(opened.store, IMPORT + text);

/** Replaces a file's content and puts its old time back. */
async function replaceQuietly(path: string, content: string): Promise<void> {
  const before = await stat(path, { bigint: true });
  await writeFile(path, content);
  // Whole seconds, so that a Date can say them.
  await utimes(path, before.mtime, before.mtime);
}

const READ = `
export const read = task("$.read", async (f: File) => \`\${f.path}: \${await readText(f)}\`);
export const names = task("$.names", async (files: File[]) => files.map((f) => f.path));
export const all = task("$.all", async (d: Directory) => Promise.all(d.files.map(async (f) => \`\${f.path}: \${await readText(f)}\`)));
export const byContent = task("$.byContent", (path: string) => read(file(path)));
export const byStat = task("$.byStat", (path: string) => read(file(path, { by: "stat" })));
export const byEtag = task("$.byEtag", (path: string) => read(file(path, { by: "etag" })));
export const each = task("$.each", (pattern: string) => map(read, glob(pattern)));
export const eachIn = task("$.eachIn", (path: string) => map(read, directory(path).files));
export const list = task("$.list", (pattern: string) => names(glob(pattern, { hidden: true })));
export const whole = task("$.whole", (path: string) => all(directory(path)));
export const wholeByStat = task("$.wholeByStat", (path: string) => all(directory(path, { by: "stat" })));
export const fields = task("$.fields", (path: string) => ({ path: file(path).path, version: file(path).version, first: directory(".").files[0].path }));
`;

describe("a file", () => {
  it("by content runs its reader again for another content, and for nothing else", async () => {
    await using project = await engine(READ);
    const path = join(project.root, "a.txt");
    await project.write("a.txt", "one");
    await utimes(path, 1_600_000_000, 1_600_000_000);
    expect(await project.run("byContent", "a.txt")).toMatchObject({ value: "a.txt: one", ran: ["byContent", "read"] });
    await utimes(path, 1_700_000_000, 1_700_000_000);
    expect((await project.run("byContent", "a.txt")).ran).toEqual([]);
    await replaceQuietly(path, "two");
    expect(await project.run("byContent", "a.txt")).toMatchObject({ value: "a.txt: two", ran: ["read"] });
    await rm(path);
    expect((await project.run("byContent", "a.txt")).error).toMatchObject({
      code: "not_found",
      message: "file does not exist: a.txt",
    });
    await project.write("a.txt", "two");
    expect(await project.run("byContent", "a.txt")).toMatchObject({ value: "a.txt: two", ran: [] });
  });

  it("by stat runs its reader again for another size or time; a mere touch is one, a quiet edit of the same size is none", async () => {
    await using project = await engine(READ);
    const path = join(project.root, "a.txt");
    await project.write("a.txt", "one");
    await utimes(path, 1_600_000_000, 1_600_000_000);
    expect((await project.run("byStat", "a.txt")).ran).toEqual(["byStat", "read"]);
    expect((await project.run("byStat", "a.txt")).ran).toEqual([]);
    await replaceQuietly(path, "two");
    expect(await project.run("byStat", "a.txt")).toMatchObject({ value: "a.txt: one", ran: [] });
    await utimes(path, 1_700_000_000, 1_700_000_000);
    expect(await project.run("byStat", "a.txt")).toMatchObject({ value: "a.txt: two", ran: ["read"] });
    await replaceQuietly(path, "three");
    expect(await project.run("byStat", "a.txt")).toMatchObject({ value: "a.txt: three", ran: ["read"] });
    expect((await project.run("byEtag", "a.txt")).error).toMatchObject({ code: "failed_precondition" });
  });

  it("over HTTP by content is fetched once, and read again only when the server has another", async () => {
    await using project = await engine(READ);
    await using server = await FileServer.start();
    const url = `${server.url}/a.txt?x=1`;
    const served = "/a.txt?x=1";
    const fetched = () => server.log.splice(0).filter((line) => line.startsWith("GET")).length;
    server.put(served, "one");
    expect(await project.run("byContent", url)).toMatchObject({ value: `${url}: one`, ran: ["byContent", "read"] });
    expect(fetched()).toBe(2); // once for the digest, once by the body
    await opened.store.flushed();
    expect((await project.run("byContent", url)).ran).toEqual([]);
    expect(fetched()).toBe(0);
    // Another validator, the same content: read, but nothing runs.
    server.put(served, "one", { etag: '"another"' });
    expect((await project.run("byContent", url)).ran).toEqual([]);
    expect(fetched()).toBe(1);
    server.put(served, "two");
    expect(await project.run("byContent", url)).toMatchObject({ value: `${url}: two`, ran: ["read"] });
    server.files.delete(served);
    expect((await project.run("byContent", url)).error).toMatchObject({
      code: "not_found",
      message: `file does not exist: ${url}`,
    });
  });

  it("over HTTP by ETag is never read to be known, and says when the server gives no ETag", async () => {
    await using project = await engine(READ);
    await using server = await FileServer.start();
    const url = `${server.url}/a.txt`;
    server.put("/a.txt", "one");
    expect(await project.run("byEtag", url)).toMatchObject({ value: `${url}: one`, ran: ["byEtag", "read"] });
    expect(server.log.splice(0).filter((line) => line.startsWith("GET"))).toHaveLength(1);
    expect((await project.run("byEtag", url)).ran).toEqual([]);
    server.put("/a.txt", "two");
    expect(await project.run("byEtag", url)).toMatchObject({ value: `${url}: two`, ran: ["read"] });
    server.put("/a.txt", "two", { etag: 'W/"weak"' });
    expect((await project.run("byEtag", url)).error).toMatchObject({
      code: "failed_precondition",
      message: `server gives neither a strong ETag nor both Last-Modified and a length; leave out by: "etag", so that the content is read: ${url}`,
    });
  });

  it("over HTTP without any validator is digested each time, and right", async () => {
    await using project = await engine(READ);
    await using server = await FileServer.start();
    server.put("/a", "one", {});
    expect((await project.run("byContent", `${server.url}/a`)).ran).toEqual(["byContent", "read"]);
    expect((await project.run("byContent", `${server.url}/a`)).ran).toEqual([]);
    server.put("/a", "two", {});
    expect((await project.run("byContent", `${server.url}/a`)).ran).toEqual(["read"]);
  });

  it("gives its path and version lazily, and is refused where it is misspelt", async () => {
    await using project = await engine(READ);
    await project.write("a.txt", "");
    expect((await project.run("fields", "a.txt")).value).toEqual({
      path: "a.txt",
      version: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      first: "./a.txt",
    });
    expect((await project.run("byContent", "")).error?.message).toBe("file(path) wants a text that is not empty, not ");
    expect((await project.run("each", "[")).error).toMatchObject({ code: "invalid_argument" });
  });
});

describe("globs and directories", () => {
  it("run what is new for an added, changed or renamed file, and nothing for a removed or touched one", async () => {
    await using project = await engine(READ);
    const at = (name: string) => join(project.root, name);
    const run = async () => {
      const [each, eachIn, list, whole] = [
        await project.run("each", "in/**"),
        await project.run("eachIn", "in"),
        await project.run("list", "in/**"),
        await project.run("whole", "in"),
      ];
      expect(eachIn.value).toEqual(each.value);
      expect(whole.value).toEqual(each.value);
      return { value: each.value, each: each.ran, list: list.ran, whole: whole.ran, eachIn: eachIn.ran };
    };
    await project.write("in/b.txt", "b");
    await project.write("in/a.txt", "a");
    expect(await run()).toMatchObject({
      value: ["in/a.txt: a", "in/b.txt: b"],
      each: ["each", "read", "read"],
      eachIn: ["eachIn"],
    });
    expect(await run()).toMatchObject({ each: [], list: [], whole: [], eachIn: [] });
    await utimes(at("in/a.txt"), 1, 1);
    expect(await run()).toMatchObject({ each: [], list: [], whole: [] });
    await project.write("in/deep/c.txt", "c");
    expect(await run()).toMatchObject({ each: ["read"], list: ["names"], whole: ["all"] });
    await rename(at("in/b.txt"), at("in/d.txt"));
    expect(await run()).toMatchObject({
      value: ["in/a.txt: a", "in/d.txt: b", "in/deep/c.txt: c"],
      each: ["read"],
      list: ["names"],
      whole: ["all"],
    });
    await replaceQuietly(at("in/a.txt"), "x");
    expect(await run()).toMatchObject({ each: ["read"], list: ["names"], whole: ["all"] });
    await rm(at("in/deep/c.txt"));
    expect(await run()).toMatchObject({
      value: ["in/a.txt: x", "in/d.txt: b"],
      each: [],
      list: ["names"],
      whole: ["all"],
    });
    // Hidden files count only for the list, which asks for them.
    await project.write("in/.h", "");
    expect(await run()).toMatchObject({ each: [], list: ["names"], whole: [] });
    // Back to what was there at first.
    await rm(at("in/.h"));
    await rename(at("in/d.txt"), at("in/b.txt"));
    await replaceQuietly(at("in/a.txt"), "a");
    expect(await run()).toMatchObject({ value: ["in/a.txt: a", "in/b.txt: b"], each: [], list: [], whole: [] });
  });

  it("an empty match is an empty list, an empty folder an empty directory, and a missing one an error", async () => {
    await using project = await engine(READ);
    await project.write("in/.keep", "");
    expect((await project.run("each", "none/*.x")).value).toEqual([]);
    expect((await project.run("whole", "in")).value).toEqual([]);
    expect((await project.run("whole", "none")).error).toMatchObject({
      code: "not_found",
      message: "directory does not exist: none",
    });
  });

  it("a directory by stat is read only by the bodies", async () => {
    await using project = await engine(READ);
    await project.write("in/a", "1");
    expect((await project.run("wholeByStat", "in")).ran).toEqual(["all", "wholeByStat"]);
    expect((await project.run("wholeByStat", "in")).ran).toEqual([]);
    await utimes(join(project.root, "in/a"), 5, 5);
    expect((await project.run("wholeByStat", "in")).ran).toEqual(["all"]);
  });
});

describe("a body", () => {
  it("reads text, bytes, lines and pieces", async () => {
    await using project = await engine(`
export const read = task("$.read", async (f: File) => {
  const lines: string[] = [];
  for await (const line of readLines(f)) lines.push(line);
  let pieces = 0;
  for await (const piece of readStream(f)) pieces += piece.length;
  return { lines, pieces, bytes: (await readBytes(f)).length, text: await readText(f) };
});
export const main = task("$.main", (path: string, by: "content" | "stat") => read(file(path, { by })));
export const latin = task("$.latin", async (f: File) => [await readText(f, { encoding: "windows-1252" }), await readText(f).catch((e) => [e.code, e.message])]);
export const latinMain = task("$.latinMain", () => latin(file("latin")));
export const small = task("$.small", (f: File) => readBytes(f, { maxBytes: 3 }));
export const smallMain = task("$.smallMain", (path: string) => small(file(path)));
export const pathMain = task("$.pathMain", (path: string) => readText(path as never));
`);
    const text = `${"ü".repeat(200_000)}\r\nb\n\n\u2028c\rd`;
    await project.write("a.txt", text);
    for (const by of ["content", "stat"]) {
      const { value } = await project.run("main", "a.txt", by);
      expect(value).toEqual({
        lines: ["ü".repeat(200_000), "b", "", "\u2028c\rd"],
        pieces: Buffer.byteLength(text),
        bytes: Buffer.byteLength(text),
        text,
      });
    }
    await project.write("b.txt", "x\n");
    expect((await project.run("main", "b.txt", "content")).value).toMatchObject({ lines: ["x"] });
    await project.write("b.txt", "");
    expect((await project.run("main", "b.txt", "content")).value).toMatchObject({ lines: [] });
    await writeFile(join(project.root, "latin"), Uint8Array.of(0xfc));
    expect((await project.run("latinMain")).value).toEqual([
      "ü",
      [
        "invalid_argument",
        'file is no text in utf-8; name its encoding ({ encoding: "windows-1252" }), or read its bytes: latin',
      ],
    ]);
    expect((await project.run("smallMain", "a.txt")).error).toMatchObject({ code: "resource_exhausted" });
    expect((await project.run("pathMain", "a.txt")).error?.message).toBe(
      'a body reads a File that it was given as an argument: pass file("...") to the task, not the path a.txt',
    );
  });

  it.each(["content", "stat"])("never reads what is no longer the file that it was given (by %s)", async (by) => {
    await using project = await engine(`
export const read = task("$.read", async (f: File, once: string) => {
  if (!existsSync(once)) { writeFileSync(once, ""); writeFileSync(localPath(f.path), "changed"); }
  appendFileSync(once, (await readText(f)) + " ");
  return readFileSync(once, "utf8");
});
export const main = task("$.main", (by: "content" | "stat") => read(file("a.txt", { by }), localPath("once")));
`);
    await project.write("a.txt", "first");
    // The body that found another content has read nothing of it; the second one was given the new file.
    expect(await project.run("main", by)).toMatchObject({ value: "changed ", error: null });
  });

  it("that is given a directory runs again when a file was added to it meanwhile", async () => {
    await using project = await engine(`
export const count = task("$.count", (d: Directory) => {
  if (!existsSync(localPath("in/b"))) writeFileSync(localPath("in/b"), "");
  return d.entries.length;
});
export const main = task("$.main", () => count(directory("in")));
`);
    await project.write("in/a", "");
    expect(await project.run("main")).toMatchObject({ value: 2, error: null });
    expect((await project.run("main")).ran).toEqual([]);
  });
});

describe("a file that a body makes", () => {
  const MAKE = `
export const make = task("$.make", async (text: string) => ({ out: await writeFile("out/a.txt", text) }));
export const byCommand = task("$.byCommand", async (text: string) => {
  writeFileSync(localPath("b.txt"), text);
  return outputFile("b.txt");
});
export const upper = task("$.upper", async (f: File) => (await readText(f)).toUpperCase());
export const pass = task("$.pass", (f: File) => f);
export const main = task("$.main", (text: string) => upper(pass(make(text).out)));
export const command = task("$.command", (text: string) => upper(byCommand(text)));
export const none = task("$.none", () => outputFile("nothing"));
export const pieces = task("$.pieces", () => writeFile("p", (function* () { yield "a"; yield Uint8Array.of(98); })()));
export const breaks = task("$.breaks", () => writeFile("out/broken", (function* () { yield "a"; throw new RangeError("halfway"); })()));
export const onFolder = task("$.onFolder", () => writeFile("out", "x"));
export const onUrl = task("$.onUrl", () => writeFile("https://h/x", "x"));
`;

  it("is made again when it was deleted or edited, and what depends on it runs only for another content", async () => {
    await using project = await engine(MAKE);
    const path = join(project.root, "out/a.txt");
    expect(await project.run("main", "one")).toMatchObject({ value: "ONE", ran: ["main", "make", "pass", "upper"] });
    expect((await project.run("main", "one")).ran).toEqual([]);
    await rm(path);
    expect(await project.run("main", "one")).toMatchObject({ value: "ONE", ran: ["make"] });
    expect(await readFile(path, "utf8")).toBe("one");
    await replaceQuietly(path, "two");
    expect(await project.run("main", "one")).toMatchObject({ value: "ONE", ran: ["make"] });
    await utimes(path, 1, 1);
    expect((await project.run("main", "one")).ran).toEqual([]);
    // One file for two calls: whoever runs last has it, and the other result is no longer valid.
    expect((await project.run("main", "two")).value).toBe("TWO");
    expect(await project.run("main", "one")).toMatchObject({ value: "ONE", ran: ["make"] });
    expect(await project.run("command", "three")).toMatchObject({ value: "THREE" });
    await rm(join(project.root, "b.txt"));
    expect(await project.run("command", "three")).toMatchObject({ value: "THREE", ran: ["byCommand"] });
  });

  it("is there whole or not at all, and what cannot be made is said", async () => {
    await using project = await engine(MAKE);
    await project.run("make", "old");
    expect((await project.run("none")).error).toMatchObject({
      code: "not_found",
      message: "file does not exist, so the task has not made it: nothing",
    });
    expect((await project.run("pieces")).value).toMatchObject({ path: "p" });
    expect(await readFile(join(project.root, "p"), "utf8")).toBe("ab");
    expect((await project.run("breaks")).error).toMatchObject({ name: "RangeError", message: "halfway" });
    expect((await import("node:fs")).readdirSync(join(project.root, "out"))).toEqual(["a.txt"]);
    expect((await project.run("onFolder")).error).toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(/^cannot write out: /),
    });
    expect((await project.run("onUrl")).error).toMatchObject({
      code: "invalid_argument",
      message: "not a file of this machine: https://h/x",
    });
  });
});

it("a dataset cannot lie at a URL, and the message says what to do instead", async () => {
  await using project = await engine(`
import { dataset } from "firesteel";
export const main = task("$.main", () => [dataset("https://h/x")]);
`);
  expect((await project.run("main")).error).toMatchObject({
    code: "invalid_argument",
    message: expect.stringMatching(/^a dataset cannot lie at https URLs, .*: https:\/\/h\/x$/),
  });
});
