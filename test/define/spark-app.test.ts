import { describe, expect, it } from "vitest";
import { DatasetValue } from "../../src/define/external.ts";
import { dataset } from "../../src/define/forms.ts";
import { fillPlaces, sparkApp } from "../../src/define/spark-app.ts";

const orders = new DatasetValue("a".repeat(64));
const minimal = { file: "app.py", args: ["${outputs.x}"], outputs: { x: {} } } as const;

describe("sparkApp", () => {
  it("describes an application, and keeps places as texts", () => {
    const work = sparkApp({
      file: "jars/app.jar",
      className: "shop.App",
      args: ({ inputs, outputs }) => ["--in", inputs.orders, `--out=${outputs.daily}`, outputs.bad, 30, ""],
      inputs: { orders },
      outputs: { daily: {}, bad: { format: "csv", schema: "line STRING", options: { header: "true" } } },
      jars: ["lib/util.jar"],
      driverMemory: "1g",
      queue: undefined as never,
    });
    expect(work).toEqual({
      kind: "sparkApp",
      file: "jars/app.jar",
      className: "shop.App",
      args: ["--in", "${inputs.orders}", "--out=${outputs.daily}", "${outputs.bad}", "30", ""],
      inputs: { orders },
      outputs: {
        daily: { format: "parquet", options: {} },
        bad: { format: "csv", schema: "line STRING", options: { header: "true", mode: "FAILFAST" } },
      },
      settings: { jars: ["lib/util.jar"], driverMemory: "1g" },
    });
    const same = sparkApp({ ...minimal, args: ["a${outputs.x}b", "${day} $x ${} ${output}"] });
    expect(same.args).toEqual(["a${outputs.x}b", "${day} $x ${} ${output}"]);
    expect(same).toMatchObject({ className: null, inputs: {} });
    expect(
      sparkApp({ ...minimal, outputs: { x: { format: "json", schema: "a INT", options: { MODE: "PERMISSIVE" } } } })
        .outputs,
    ).toEqual({ x: { format: "json", schema: "a INT", options: { MODE: "PERMISSIVE" } } });
  });

  it("fills places in, and nothing else", () => {
    const at = (kind: string, name: string) => `<${kind} ${name} $& $1>`;
    expect(fillPlaces("--a=${inputs.a}:${outputs.b-2} ${other.c} ${inputs}", at)).toBe(
      "--a=<inputs a $& $1>:<outputs b-2 $& $1> ${other.c} ${inputs}",
    );
  });

  it.each<[string, object, RegExp]>([
    ["no file", { file: "" }, /^sparkApp: `file` must name a Python file or a jar, not ''$/],
    ["a file that is lazy", { file: dataset("x") }, /^sparkApp: `file` is lazy; make it an argument/],
    ["a jar without a class", { file: "a.jar" }, /^sparkApp: a jar needs `className`, the class with `main`: a\.jar$/],
    ["a Python file with a class", { className: "A" }, /^sparkApp: a Python file has no `className`: A$/],
    ["an empty class", { file: "a.jar", className: "" }, /`className` must name a class, not ''$/],
    [
      "no outputs",
      { outputs: {} },
      /^sparkApp: `outputs` must name at least one output, as in \{ daily: \{\} \}, not \{\}$/,
    ],
    ["outputs that are a list", { outputs: ["x"] }, /`outputs` must name at least one output/],
    ["an output's name", { outputs: { "a b": {} } }, /the name of an output must be letters.*: "a b"$/],
    ["an input's name", { inputs: { _a: orders } }, /the name of an input must be letters.*: "_a"$/],
    ["an input that is no dataset", { inputs: { a: "data" } }, /^sparkApp: input a must be a dataset, not 'data'$/],
    ["an input that is lazy", { inputs: { a: dataset("x") } }, /^sparkApp: input a is lazy/],
    [
      "an output that is no object",
      { outputs: { x: "parquet" } },
      /^sparkApp: output x must be an object of options, not 'parquet'$/,
    ],
    [
      "an unknown option of an output",
      { outputs: { x: { partitionBy: [] } } },
      /^sparkApp: output x has an unknown option \(known: format, schema, options\): partitionBy$/,
    ],
    [
      "an unknown format",
      { outputs: { x: { format: "avro" } } },
      /output x has an unknown format \(known: parquet, orc, json, csv\): 'avro'$/,
    ],
    [
      "text files without a schema",
      { outputs: { x: { format: "csv" } } },
      /output x needs a schema, like .*: the files of csv do not tell types$/,
    ],
    [
      "a schema that is none",
      { outputs: { x: { schema: " " } } },
      /output x has a schema that is no text like "id BIGINT, name STRING": ' '$/,
    ],
    [
      "options that are no texts",
      { outputs: { x: { options: { header: true } } } },
      /output x has options that are no object of texts: \{ header: true \}$/,
    ],
    [
      "args that are no list",
      { args: "${outputs.x}" },
      /`args` must be a list, or a function that returns one, not '\$\{outputs\.x\}'$/,
    ],
    [
      "an argument that is no text",
      { args: ["${outputs.x}", true] },
      /^sparkApp: args\[1\] must be a text or a finite number, not true$/,
    ],
    [
      "an argument that is no number",
      { args: ["${outputs.x}", Number.NaN] },
      /args\[1\] must be a text or a finite number, not NaN$/,
    ],
    ["an argument that is lazy", { args: ["${outputs.x}", dataset("x")] }, /^sparkApp: args\[1\] is lazy/],
    ["an argument with a NUL", { args: ["${outputs.x}\0"] }, /args\[0\] holds a NUL character/],
    [
      "a place that is not there",
      { args: ["${outputs.x}", "${outputs.y}"] },
      /args\[1\] names a place that is not among the outputs \(x\): \$\{outputs\.y\}$/,
    ],
    [
      "a place of inputs where there are none",
      { args: ["${outputs.x}", "${inputs.a}"] },
      /args\[1\] names a place that is not among the inputs \(there are none\): \$\{inputs\.a\}$/,
    ],
    [
      "a place that is misspelt in a function",
      { args: ({ outputs }: { outputs: Record<string, string> }) => [outputs["z"]] },
      /`args` asks for a place that is not among the outputs \(x\): z$/,
    ],
    [
      "an output that nobody tells the application",
      { args: [] },
      /no argument tells the application where output x is to be written; put \$\{outputs\.x\} into `args`$/,
    ],
    [
      "an unknown setting",
      { memory: "1g" },
      /^sparkApp: unknown setting \(known: conf, .*, file, className, args, inputs, outputs\): memory$/,
    ],
    ["jars that are no list", { jars: "a.jar" }, /^sparkApp: `jars` must be a list of texts, not 'a\.jar'$/],
    [
      "conf that is no table of texts",
      { conf: { a: 1 } },
      /^sparkApp: `conf` must be an object of texts, not \{ a: 1 \}$/,
    ],
    [
      "cores that are no number",
      { driverCores: "2" },
      /^sparkApp: `driverCores` must be a whole number above 0, not '2'$/,
    ],
  ])("refuses %s", (_, options, message) => {
    expect(() => sparkApp({ ...minimal, ...options } as never)).toThrow(
      expect.objectContaining({ code: "invalid_argument", message: expect.stringMatching(message) }),
    );
  });
});
