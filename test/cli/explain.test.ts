import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ProjectFolder, projectFolder } from "./project-folder.ts";

const FLOW = `import { task } from "firesteel";
console.log("this module prints while it loads");
const RATE = 0.19;
function taxOf(price: number): number {
  return price * RATE;
}
let count = 0;
export const tax = task("shop.tax", (price: number) => taxOf(price));
export const label = task("shop.label", (price: number) => \`\${price} and \${taxOf(price)}\`);
export const sum = task("shop.sum", (values: number[]) => values.reduce((a, b) => a + b, 0));
export const total = task("shop.total", (prices: number[]) => ({ sum: sum(prices.map((p) => tax(p))), first: label(prices[0] ?? 0) }));
export const next = task("shop.next", () => ++count);
`;

let project: ProjectFolder;
beforeAll(async () => {
  project = await projectFolder({ "flows/demo.ts": "", "flows/shop.ts": FLOW });
});
afterAll(() => project[Symbol.asyncDispose]());
const executions = async () => (await project.run("ls")).stdout.trimEnd().split("\n").slice(1);

describe("without a server", () => {
  test("a new task is told, and nothing is run or recorded", async () => {
    const { code, stdout, stderr } = await project.run("run", "--dry-run", "shop.total", "[1,2]");
    expect(code).toBe(0);
    expect(stdout.split("\n").slice(0, 4)).toEqual([
      "1 call would run, 0 are cached",
      "",
      "shop.total: 1 call, no result of the task is recorded yet",
      "  shop.total([ 1, 2 ])",
    ]);
    expect(stderr).toContain("this module prints while it loads");
    expect(await executions()).toEqual([]);
    await expect(project.read(".firesteel/server.json")).rejects.toThrow("ENOENT");
  });

  test("all that is cached is one line; an edit is told once, with its diff and with what waits", async () => {
    await project.run("run", "shop.total", "[1,2]");
    expect(await project.run("explain", "shop.total", "[1,2]", "--exit-code")).toMatchObject({
      code: 0,
      stdout: "nothing would run: 5 calls are cached\n",
    });
    await project.write(
      "flows/shop.ts",
      FLOW.replace("0.19", "0.21").replace("function taxOf", "// Of a price.\nfunction taxOf"),
    );
    const { code, stdout } = await project.run("explain", "shop.total", "[1,2]", "--exit-code");
    expect(code).toBe(1);
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toBe("3 calls would run, 1 is cached, 1 waits for them");
    expect(lines[1]).toMatch(/^compared with execution [0-9a-f]{8}$/);
    expect(lines.slice(2)).toEqual([
      "",
      expect.stringMatching(/^shop\.(tax, shop\.label|label, shop\.tax): 3 calls, new code$/),
      "  changed constant RATE, flows/shop.ts:3",
      "    -RATE = 0.19",
      "    +RATE = 0.21",
      "",
      "wait for these",
      "  shop.sum: 1 call, for shop.tax",
      "",
      "What these call in turn is known when they have run.",
    ]);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  });

  test("--json is the message; --all tells every call and what is cached", async () => {
    const { stdout } = await project.run("explain", "shop.total", "--json", "--args", "[[1,2]]");
    expect(JSON.parse(stdout)).toMatchObject({
      task: "shop.total",
      cached: [{ task: "shop.total", calls: "1" }],
      waiting: [{ task: "shop.sum", calls: "1", on: ["shop.tax"] }],
    });
    const all = await project.run("explain", "shop.total", "[1,2]", "--all");
    for (const line of ["  shop.tax(1)", "  shop.tax(2)", "  shop.label(1)", "are cached", "  shop.total: 1 call"])
      expect(all.stdout.split("\n")).toContain(line);
  });

  test("an argument is told with its path, and an execution that has ended with what it ran for", async () => {
    expect((await project.run("run", "shop.total", "[1,2]")).code).toBe(0);
    const dry = await project.run("run", "--dry-run", "shop.total", "[1,3]");
    expect(dry.stdout).toContain("shop.total: 1 call, new argument prices\n  prices[1]: 2 -> 3\n");
    const [second, first] = await executions();
    const past = await project.run("explain", second!.split("\t")[0]!);
    expect(past).toMatchObject({ code: 0, stderr: expect.any(String) });
    expect(past.stdout).toMatch(/^4 calls ran, 1 was cached\ncompared with execution/);
    expect(past.stdout).toContain("  changed constant RATE, flows/shop.ts:3");
    expect(past.stdout).toMatch(/^shop\.sum: 1 call, new argument values$/m);
    const oldest = await project.run("explain", first!.split("\t")[0]!.slice(0, 8));
    expect(oldest.stdout).toMatch(/^5 calls ran, 0 were cached\n/);
  });

  test("code that cannot be decided is told with its place", async () => {
    const { stdout } = await project.run("run", "--dry-run", "shop.next");
    expect(stdout).toContain("results are not kept: what the code does cannot be decided");
    expect(stdout).toMatch(/^ {2}module state changes after load: count, at flows\/shop\.ts:\d+:\d+$/m);
  });

  test("what is no task and no execution is refused, and so is what contradicts itself", async () => {
    expect((await project.run("explain", "shop.totl", "[1]")).stderr).toContain(
      "error: task is not known: shop.totl; did you mean shop.total?",
    );
    const id = await project.run("explain", "0123456789");
    expect(id.code).toBe(1);
    expect(id.stderr).toContain("no task has this name, and no execution an id that starts with it: 0123456789");
    const both = await project.run("run", "--dry-run", "--detach", "shop.next");
    expect(both.code).toBe(2);
    expect(both.stderr).toContain("error: --dry-run starts nothing, so --detach has no meaning; leave one out");
  });
});

test("with a server the same is told by it, also of code that it has taken over since", async () => {
  await using served = await projectFolder({ "flows/demo.ts": "", "flows/shop.ts": FLOW });
  const server = served.start("serve");
  await server.says("gRPC");
  await served.run("run", "shop.tax", "5");
  await served.write("flows/shop.ts", FLOW.replace("price * RATE", "price * RATE * 2"));
  await server.says("code changed");
  const { stdout } = await served.run("run", "--dry-run", "shop.tax", "5");
  expect(stdout).toContain("  changed function taxOf, flows/shop.ts:4\n");
  expect(stdout).toContain("    +  return price * RATE * 2;\n");
  server.child.kill("SIGTERM");
  await server.ended;
});
