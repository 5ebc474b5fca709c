import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ProjectFolder, projectFolder } from "./project-folder.ts";

let project: ProjectFolder;
beforeAll(async () => {
  project = await projectFolder();
});
afterAll(() => project[Symbol.asyncDispose]());

describe("run without a server", () => {
  test("prints the result on stdout and a summary on stderr, and leaves no server behind", async () => {
    const { code, stdout, stderr } = await project.run("run", "demo.add", "1");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "11\n" });
    expect(stderr).toMatch(/succeeded in .*1 job: 1 ran, 0 cached/);
    await expect(project.read(".firesteel/server.json")).rejects.toThrow("ENOENT");
    expect((await project.run("run", "demo.add", "1")).stderr).toMatch(/1 job: 0 ran, 1 cached/);
  });

  test("what is recorded is listed as JSON", { timeout: 120_000 }, async () => {
    await project.run("run", "demo.add", "2");
    const list = async (...words: string[]) => JSON.parse((await project.run(...words, "--json")).stdout) as object[];
    expect((await list("ls", "--limit", "1"))[0]).toMatchObject({
      task: "demo.add",
      state: "EXECUTION_STATE_SUCCEEDED",
    });
    expect(await list("submissions")).toEqual([]);
    expect(await list("tasks", "demo.a")).toMatchObject([{ name: "demo.add", description: "Adds." }]);
  });

  test("warns of the code once, until that changes", { timeout: 120_000 }, async () => {
    const flow = (name: string) =>
      `import { task } from "firesteel";\nlet ${name} = 0;\nexport const next = task("state.next", () => ++${name});\n`;
    await using state = await projectFolder({ "flows/state.ts": flow("seen") });
    const warned = async () => (await state.run("run", "state.next")).stderr;
    expect(await warned()).toContain("module state changes after load: seen");
    const again = await warned();
    expect(again).not.toContain("module state changes after load");
    expect(again).toContain("1 warning about the code as before");
    await state.write("flows/state.ts", flow("other"));
    const edited = await warned();
    expect(edited).toContain("module state changes after load: other");
    expect(edited).not.toContain("as before");
  });

  test("with --json stdout is the result alone, whatever user code prints", async () => {
    const args = [1, "x", null, { a: [true] }, "007 "];
    const { code, stdout, stderr } = await project.run("run", "demo.echo", "--json", "--args", JSON.stringify(args));
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(args);
    expect(stderr).toContain("this body prints");
    expect(stderr).toContain("this module prints while it loads");
  });

  test("words that are no JSON are strings, and negative numbers are no options", async () => {
    const { stdout } = await project.run("run", "demo.echo", "--json", "text", "-5", '{"a":1}', "0x10");
    expect(JSON.parse(stdout)).toEqual(["text", -5, { a: 1 }, "0x10"]);
  });

  test("after -- every word is an argument", async () => {
    const { stdout } = await project.run("run", "demo.echo", "--json", "1", "--", "--json", "-x");
    expect(JSON.parse(stdout)).toEqual([1, "--json", "-x"]);
  });

  test("an error in a callback after the end of its body is told", async () => {
    await using later = await projectFolder({
      "flows/later.ts": `import { task } from "firesteel";
export const early = task("later.early", () => { setTimeout(() => { throw new TypeError("too late"); }, 20); return 1; });
export const main = task("later.main", async (n: number) => { await new Promise((resolve) => setTimeout(resolve, 500)); return n; });
export const both = task("later.both", () => main(early()));
`,
    });
    const { code, stdout, stderr } = await later.run("run", "later.both");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "1\n" });
    expect(stderr).toContain("error that nobody caught, in code of a task: TypeError: too late");
  });

  test("a failure is told once", async () => {
    const { stderr } = await project.run("run", "demo.fails", "3");
    expect(stderr.match(/no such year: 3/g)).toHaveLength(1);
  });

  test("a failure shows the message and the user's own frames", async () => {
    const { code, stdout, stderr } = await project.run("run", "demo.main", "3");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("error: demo.fails failed: RangeError: no such year: 3");
    const frames = stderr.split("\n").filter((line) => /^\s+at /.test(line));
    expect(frames[0]).toMatch(/^ {2}at check \(flows\/demo\.ts:13:\d+\)$/);
    for (const frame of frames) expect(frame).toContain("flows/demo.ts");
  });

  test("an unknown task gets a suggestion, a wrong argument its place", async () => {
    const unknown = await project.run("run", "demo.ad", "1");
    expect(unknown).toMatchObject({ code: 1, stdout: "" });
    expect(unknown.stderr).toContain("error: task is not known: demo.ad; did you mean demo.add?\n");
    const wrong = await project.run("run", "demo.add", "x");
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain("argument 1 (a) of demo.add must be number");
  });

  test("--detach says that it needs a server", async () => {
    const { code, stderr } = await project.run("run", "demo.add", "1", "--detach");
    expect(code).toBe(1);
    expect(stderr).toContain("--detach needs a server, and none is up for this project");
  });

  test("Ctrl-C cancels the execution and waits for its end", async () => {
    const run = project.start("run", "demo.slow", "120000");
    await run.says("execution ");
    run.child.kill("SIGINT");
    const { code, stdout, stderr } = await run.ended;
    expect({ code, stdout }).toEqual({ code: 130, stdout: "" });
    expect(stderr).toContain("cancelling execution");
    expect(stderr).toMatch(/cancelled in /);
    const list = await project.run("ls", "--limit", "1");
    expect(list.stdout.split("\n")[1]!.split("\t")[2]).toBe("cancelled");
  });
});

describe("reading without a server", () => {
  test("ls lists executions in columns that tools can read; show and log take the start of an id", async () => {
    const { code, stdout } = await project.run("ls", "--task", "demo.main");
    expect(code).toBe(0);
    const [head, row, ...rest] = stdout.trimEnd().split("\n");
    expect(head!.split("\t")).toEqual(["ID", "TASK", "STATE", "STARTED", "TOOK", "USER", "REASON"]);
    expect(rest).toEqual([]);
    const [id, task, state] = row!.split("\t");
    expect([task, state]).toEqual(["demo.main", "failed"]);
    const shown = await project.run("show", id!.slice(0, 8));
    expect(shown.stdout).toContain(id);
    expect(shown.stdout).toMatch(/^[├└] demo\.fails {2}failed .*no such year: 3$/m);
    const log = await project.run("log", id!.slice(0, 8));
    expect(log).toMatchObject({ code: 0, stdout: "" });
    expect(log.stderr).toContain("has sent nothing to a cluster yet");
  });

  test("tasks lists tasks, show describes one, an unknown word is an error", async () => {
    const { stdout } = await project.run("tasks", "demo.a");
    expect(stdout.trimEnd().split("\n")[1]!.split("\t")).toEqual(["demo.add(a, b = 10)", "flows/demo.ts", "", "Adds."]);
    expect((await project.run("show", "demo.add")).stdout).toContain("demo.add(a, b = 10)");
    const nothing = await project.run("show", "demo.nothing");
    expect(nothing).toMatchObject({ code: 1, stdout: "" });
    expect(nothing.stderr).toContain("no execution, submission or task has this id or name: demo.nothing");
  });

  test("cancel says that it needs a server", async () => {
    const { code, stderr } = await project.run("cancel", "abc");
    expect(code).toBe(1);
    expect(stderr).toContain("cancelling needs a server");
  });
});

describe("a project that has not run", () => {
  test("ls and submissions say so and make no database", async () => {
    await using fresh = await projectFolder();
    expect(await fresh.run("ls")).toMatchObject({ code: 0, stdout: "", stderr: "nothing has run yet\n" });
    expect((await fresh.run("submissions")).stderr).toBe("nothing was sent to a cluster yet\n");
    await expect(fresh.read(".firesteel/db/lock")).rejects.toThrow("ENOENT");
  });

  test("a flow module that does not parse is named with line and column", async () => {
    await using broken = await projectFolder({ "flows/broken.ts": "export const a = ;\n" });
    const { code, stderr } = await broken.run("run", "demo.add", "1");
    expect(code).toBe(1);
    expect(stderr).toContain("flows/broken.ts:1:18");
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});
