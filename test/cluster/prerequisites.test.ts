import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { checkPrerequisites } from "../../cluster/prerequisites.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "firesteel-programs-"));
  vi.stubEnv("PATH", folder);
  vi.stubEnv("JAVA_HOME", "");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

async function program(name: string, says: string): Promise<void> {
  await mkdir(join(folder, name, ".."), { recursive: true });
  await writeFile(join(folder, name), `#!/bin/sh\necho '${says}'\n`);
  await chmod(join(folder, name), 0o755);
}
async function java(home: string, version: string): Promise<void> {
  await program(join(home, "bin", "java"), "unused");
  await writeFile(join(folder, home, "release"), `JAVA_VERSION="${version}"\n`);
}

test("everything that is missing is named at once, one line each, with the version that is needed", async () => {
  await program("python3", "3.9.2 venv");
  await program("mvn", "Apache Maven 3.6.3 (abc)");
  const error = await checkPrerequisites(["python", "maven"]).catch((e: Error) => e);
  expect((error as Error).message.split("\n")).toEqual([
    "the local cluster cannot be set up here:",
    `  Python 3.10 or newer, with venv is needed; found 3.9.2 at ${folder}/python3`,
    `  Maven 3.8 or newer is needed; found 3.6.3 at ${folder}/mvn`,
  ]);
  expect(error).toMatchObject({ code: "failed_precondition" });
});

test.each([
  ["3.9.18 venv", /found 3\.9\.18/],
  ["3.12.1 ", /3\.12\.1 at .* without venv .*apt install python3-venv/],
  ["", /found a broken one/],
])("a Python that says %j is refused with the reason", async (says, message) => {
  await program("python3", says);
  await expect(checkPrerequisites(["python"])).rejects.toThrow(message);
});

test("nothing at all is said to be none", async () => {
  await expect(checkPrerequisites(["python", "maven"])).rejects.toThrow(/Python.*found none\n.*Maven.*found none$/);
});

test.each([
  ["3.8.0", true],
  ["3.9.11", true],
  ["4.0.0-rc-2", true],
  ["3.7.9", false],
  ["2.2.1", false],
])("Maven %s: usable is %s", async (version, usable) => {
  await program("mvn", `Apache Maven ${version} (abc)`);
  const result = checkPrerequisites(["maven"]);
  if (usable) expect((await result).maven).toEqual({ path: join(folder, "mvn"), version });
  else await expect(result).rejects.toThrow(version);
});

test.each([
  ["17.0.15", true],
  ["11.0.2", true],
  ["1.8.0_402", false],
  ["21.0.1", false],
  ["9.0.4", false],
])("Java %s in JAVA_HOME: usable is %s", async (version, usable) => {
  await java("jdk", version);
  vi.stubEnv("JAVA_HOME", join(folder, "jdk"));
  // Where it is not usable, another one that the machine has may be taken instead, or none.
  const path = await checkPrerequisites(["java"]).then(
    (found) => found.java.path,
    (e: Error) => e.message,
  );
  if (usable) expect(path).toBe(join(folder, "jdk"));
  else expect(path).not.toBe(join(folder, "jdk"));
});

test("a Python that PySpark was released for is preferred to a newer one that comes first", async () => {
  await program("python3", "3.13.1 venv");
  await program("python3.11", "3.11.9 venv");
  expect((await checkPrerequisites(["python"])).python).toEqual({
    path: join(folder, "python3.11"),
    version: "3.11.9",
  });
  await rm(join(folder, "python3.11"));
  expect((await checkPrerequisites(["python"])).python.version).toBe("3.13.1");
});
