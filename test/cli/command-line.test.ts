import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ProjectFolder, projectFolder } from "./project-folder.ts";

let project: ProjectFolder;
beforeAll(async () => {
  project = await projectFolder();
});
afterAll(() => project[Symbol.asyncDispose]());

describe("help", () => {
  test("names every command and the exit codes", async () => {
    const { code, stdout, stderr } = await project.run("--help");
    expect(code).toBe(0);
    expect(stderr).toBe("");
    for (const command of "serve run cancel ls show explain log submissions tasks cluster completion".split(" "))
      expect(stdout).toContain(`firesteel ${command}`);
    expect(stdout).toContain("Exit codes: 0 success");
  });

  test("is shown, on stderr, when nothing is asked for", async () => {
    const { code, stdout, stderr } = await project.run();
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("Commands:");
  });
});

describe("a wrong command line is refused with one line and exit code 2", () => {
  test.for([
    [["rn"], "command is not known, did you mean run?: rn"],
    [["bogus"], "command is not known: bogus"],
    [["run"], "run needs the name of a task"],
    [["show"], "show needs an id"],
    [["explain"], "explain needs the name of a task or an id"],
    [["ls", "--", "foo"], "ls takes no such argument: foo"],
    [["ls", "foo"], "ls takes no such argument: foo"],
    [["ls", "--lmit", "3"], "option is not known, did you mean --limit?: --lmit"],
    [["run", "demo.add", "--unknown-thing=3"], "option is not known: --unknown-thing"],
    [["ls", "--limit", "0"], "--limit must be a whole number from 1 to 1000000: 0"],
    [["ls", "--limit", "3", "--limit", "4"], "--limit is given more than once"],
    [["ls", "--task", "a", "--task", "b"], "--task is given more than once"],
    [["serve", "--grpc-port", "x"], "--grpc-port must be a whole number from 0 to 65535: x"],
    [["cluster"], "cluster needs one of up, down and status"],
    [["cluster", "upp"], "command is not known, did you mean up?: upp"],
  ] as const)("%j", async ([words, message]) => {
    const { code, stdout, stderr } = await project.run(...words);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr.split("\n")[0]).toBe(`error: ${message}`);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test("a state that does not exist names those that do", async () => {
    const { code, stderr } = await project.run("ls", "--state", "done");
    expect(code).toBe(2);
    expect(stderr).toContain('"running", "succeeded", "failed", "cancelled"');
  });
});

test("outside of a project the command says where it looked", async () => {
  await using empty = await projectFolder({ "firesteel.config.ts": "", "flows/demo.ts": "" });
  const { code, stderr } = await empty.run("ls");
  expect(code).toBe(1);
  expect(stderr).toBe(
    `error: no firesteel project here: there is no firesteel.config.ts in this folder or above it: ${empty.root}\n`,
  );
});
