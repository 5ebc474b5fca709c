import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { projectFolder } from "./project-folder.ts";

interface ServerFile {
  readonly pid: number;
  readonly grpcAddress: string;
}

describe("serve", () => {
  test("serves run, ls, cancel and completion; refuses a second one; stops on SIGTERM and removes its state", async () => {
    await using project = await projectFolder();
    const server = project.start("serve");
    await server.says("ready after");
    const state = JSON.parse(await project.read(".firesteel/server.json")) as ServerFile;
    expect(state.pid).toBe(server.child.pid);

    const second = await project.run("serve");
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`project is served already by process ${state.pid}`);
    expect(second.stderr).toContain(state.grpcAddress);

    expect(await project.run("run", "demo.add", "1", "--json")).toMatchObject({ code: 0, stdout: "11\n" });
    const completed = await project.run("--get-yargs-completions", "firesteel", "run", "demo.s");
    expect(completed).toMatchObject({ code: 0, stdout: "demo.slow\n", stderr: "" });

    const detached = await project.run("run", "demo.slow", "120000", "--detach", "--request-id", "once");
    const id = detached.stdout.trim();
    expect((await project.run("run", "demo.slow", "120000", "--detach", "--request-id", "once")).stdout.trim()).toBe(
      id,
    );
    expect((await project.run("ls", "--state", "running")).stdout).toContain(id);
    const cancelled = await project.run("cancel", id.slice(0, 8));
    expect(cancelled.code).toBe(0);
    expect(cancelled.stderr).toContain(`execution ${id.slice(0, 8)}: cancelled`);

    server.child.kill("SIGTERM");
    const { code, stderr } = await server.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    await expect(project.read(".firesteel/server.json")).rejects.toThrow("ENOENT");
    expect(await project.read(".firesteel/log/firesteel.log")).toContain('"msg":"stopped"');
  });

  test("follows the configuration: clusters change while it serves, are drained and resumed; a wrong file changes nothing", async () => {
    await using project = await projectFolder();
    const before = await project.read("firesteel.config.ts");
    const server = project.start("serve");
    await server.says("ready after");
    const clusters = async () => (await project.run("clusters", "--json")).stdout;
    const far = (limit: number) =>
      `{ name: "far", url: "http://127.0.0.1:9", labels: { zone: "eu" }, maxLive: ${limit} }`;
    const config = (text: string) => project.write("firesteel.config.ts", before.replace(/flows:/, `${text} flows:`));

    await config(`clusters: [${far(3)}],`);
    await server.says("configuration changed: clusters far");
    expect(JSON.parse(await clusters())).toMatchObject([
      { name: "far", labels: { zone: "eu" }, limits: { maxLive: 3 } },
    ]);

    await config(`clusters: [${far(0)}],`);
    await server.says("configuration was not taken over, the one before stays in force");
    expect(JSON.parse(await clusters())).toMatchObject([{ limits: { maxLive: 3 } }]);

    expect((await project.run("clusters", "drain", "far")).code).toBe(2);
    const drained = await project.run("clusters", "drain", "far", "--reason", "new disks");
    expect(drained).toMatchObject({ code: 0, stderr: expect.stringContaining("cluster far takes no new submissions") });
    expect((await project.run("clusters", "drain", "near", "--reason", "x")).stderr).toContain(
      "(there are: far): near",
    );
    expect((await project.run("clusters")).stdout).toMatch(/far\t[a-z]+, drained\t[\s\S]*new disks/);

    await config(`clusters: [${far(5)}], limits: { db: 1 },`);
    await server.says("configuration changed in what counts from the next start on: limits");
    server.child.kill("SIGTERM");
    await server.ended;

    // Drained also after a restart, and when nobody serves.
    expect(JSON.parse(await clusters())).toMatchObject([{ drained: { reason: "new disks" } }]);
    const next = project.start("serve");
    await next.says("ready after");
    expect((await project.run("clusters", "resume", "far")).stderr).toContain("takes submissions again");
    expect(JSON.parse(await clusters())[0].drained).toBeUndefined();
    expect((await project.run("submissions", "cancel", "nothing")).stderr).toContain("nothing");
    next.child.kill("SIGTERM");
    await next.ended;
  });

  test("does not say that it is ready after it was told to stop", async () => {
    await using project = await projectFolder();
    const server = project.start("serve");
    await server.says("this module prints while it loads");
    server.child.kill("SIGTERM");
    const { code, stdout } = await server.ended;
    expect(code).toBe(0);
    expect(stdout).toContain("stopping");
    expect(stdout).not.toContain("ready");
  });

  test("after kill -9 ls reads what is recorded, and the next server goes on with the execution", async () => {
    await using project = await projectFolder();
    const first = project.start("serve");
    await first.says("ready after");
    const id = (await project.run("run", "demo.slow", "1000", "--detach")).stdout.trim();
    first.child.kill("SIGKILL");
    await first.ended;

    const list = await project.run("ls");
    expect(list.stdout.split("\n")[1]!.split("\t").slice(0, 3)).toEqual([id, "demo.slow", "interrupted"]);

    const next = project.start("serve");
    await next.says("resumed 1 execution");
    await next.says("ready after");
    for (let state = ""; state !== "succeeded"; await sleep(200)) {
      state = (await project.run("ls")).stdout.split("\n")[1]!.split("\t")[2]!;
      expect(["running", "succeeded"]).toContain(state);
    }
    next.child.kill("SIGINT");
    expect((await next.ended).code).toBe(0);
  });

  test("results used as if they were there are told with their place: by serve when code is loaded and again when it changed, and by tasks", async () => {
    const flow = (slip: string) =>
      `import { task } from "firesteel";\nexport const one = task("slip.one", () => 1);\nexport const two = task("slip.two", () => ${slip});\n`;
    await using project = await projectFolder({ "flows/slip.ts": flow("(one() ? 1 : 2)") });
    const condition =
      "flows/slip.ts:3:44: the result of slip.one is lazy, so a condition on it always holds; write cond(condition, then, otherwise), or decide in a task that receives it";
    expect((await project.run("tasks", "slip")).stderr).toContain(`warning ${condition}`);
    const server = project.start("serve");
    await server.says(`warning ${condition}`);
    await server.says("ready after");
    await project.write("flows/slip.ts", flow("!one()"));
    const negation =
      "flows/slip.ts:3:44: the result of slip.one is lazy, so ! of it is always false; write not(condition), or decide in a task that receives it";
    await server.says(`warning ${negation}`);
    expect((await project.run("tasks", "slip")).stderr).toBe(`warning ${negation}\n`);
    server.child.kill("SIGTERM");
    await server.ended;
  });

  test("code that does not load is told with its place, also by a run on the version before, and so is its end", async () => {
    const flow = `import { task } from "firesteel";\nexport const one = task("slip.one", () => 1);\n`;
    await using project = await projectFolder({ "flows/slip.ts": flow });
    const server = project.start("serve");
    await server.says("ready after");
    await project.write("flows/slip.ts", `${flow}export const two = task("slip.one", () => 2);\n`);
    const twice = "two tasks have one name: slip.one, at flows/slip.ts:2:20 and at flows/slip.ts:3:20";
    await server.says(`code was not taken over, the version before goes on serving: ${twice}`);
    const { code, stdout, stderr } = await project.run("run", "slip.one");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "1\n" });
    expect(stderr).toContain(`warning code does not load, the version before goes on serving: ${twice}\n`);
    await project.write("flows/slip.ts", `${flow}\nthrow new Error("at load");\n`);
    await server.says("flows/slip.ts cannot be loaded: at load, at flows/slip.ts:4:7");
    await project.write("flows/slip.ts", flow);
    await server.says("code loads again");
    expect((await project.run("run", "slip.one")).stderr).not.toContain("warning");
    server.child.kill("SIGTERM");
    await server.ended;
  });

  test("a port in use is named", async () => {
    await using project = await projectFolder();
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    try {
      const { port } = other.address() as { port: number };
      const { code, stderr } = await project.run("serve", "--grpc-port", String(port));
      expect(code).toBe(1);
      expect(stderr).toContain(`gRPC address is in use`);
      expect(stderr).toContain(`127.0.0.1:${port}`);
    } finally {
      other.close();
    }
  });

  test("a state file of a process that is gone, or of no sense, is not believed", async () => {
    await using project = await projectFolder();
    await project.write(".firesteel/server.json", "{");
    expect(await project.run("ls")).toMatchObject({ code: 0, stderr: "nothing has run yet\n" });
    const state = { pid: process.pid, process: "another start", startedAt: 1, version: "0", command: "serve" };
    await project.write(
      ".firesteel/server.json",
      JSON.stringify({ ...state, grpcAddress: "127.0.0.1:1", httpAddress: "127.0.0.1:2" }),
    );
    expect(await project.run("ls")).toMatchObject({ code: 0, stderr: "nothing has run yet\n" });
  });
});
