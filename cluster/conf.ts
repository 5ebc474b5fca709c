/** Fills in the templates of `cluster/conf`. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Code, FiresteelError } from "../src/errors.ts";
import { templateFolder } from "./folders.ts";

/** Values by placeholder: `RUN` stands for `@RUN@`. */
export type Values = Readonly<Record<string, string | number>>;

const escapeXml = (text: string): string => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

/** Replaces every placeholder; one without a value is an error, since the daemon would take it for a path or a port. */
function fill(file: string, text: string, values: Values): string {
  return text.replace(/@([A-Z_]+)@/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined)
      throw new FiresteelError(Code.internal, `template ${file} has a placeholder without a value: ${whole}`);
    return file.endsWith(".xml") ? escapeXml(String(value)) : String(value);
  });
}

/** Renders the templates of one group into a folder. */
export async function renderTemplates(
  group: "hadoop" | "hdfs" | "spark" | "livy",
  into: string,
  values: Values,
): Promise<void> {
  const from = join(templateFolder(), "conf", group);
  await mkdir(into, { recursive: true });
  for (const file of await readdir(from)) {
    await writeFile(join(into, file), fill(file, await readFile(join(from, file), "utf8"), values));
  }
}

/** Changes `key = value` lines of a rendered file: a value replaces or adds a line, null removes it. */
export async function overrideSettings(file: string, settings: Readonly<Record<string, string | null>>): Promise<void> {
  const lines = (await readFile(file, "utf8")).split("\n");
  const kept = lines.filter((line) => !((line.split("=")[0] ?? "").trim() in settings));
  const added = Object.entries(settings).flatMap(([key, value]) => (value === null ? [] : `${key} = ${value}`));
  await writeFile(file, `${[...kept, ...added].join("\n")}\n`);
}

/** The value for the placeholder of a port: `PORT_NAME_NODE` for `nameNode`. */
export function portValues(ports: Readonly<Record<string, number>>): Values {
  return Object.fromEntries(
    Object.entries(ports).map(([name, port]) => [`PORT_${name.replace(/[A-Z]/g, "_$&").toUpperCase()}`, port]),
  );
}
