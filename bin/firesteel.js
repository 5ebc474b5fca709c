#!/usr/bin/env node
// Plain JavaScript without imports of ours: a Node that is too old must still get as far as the message.
import { existsSync, readFileSync } from "node:fs";
import * as nodeModule from "node:module";
import { dirname } from "node:path";

const { engines } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const needed = engines.node.replace(/^\D+/, "").split(".").map(Number);
const has = process.versions.node.split(".").map(Number);
const difference = needed.map((number, i) => has[i] - number).find((each) => each !== 0) || 0;
if (difference < 0) {
  console.error(`firesteel needs Node ${needed.join(".")} or newer; this is Node ${process.versions.node}`);
  process.exit(1);
}

// Node's own listener prints warnings; it stays, without those about Node's experimental features, which tell a user nothing.
const printers = process.listeners("warning");
process.removeAllListeners("warning");
process.on("warning", (warning) => {
  if (warning.name !== "ExperimentalWarning") for (const print of printers) print.call(process, warning);
});

// Code that was compiled once is kept by Node: a third less time to start.
nodeModule.enableCompileCache();
// Our threads and processes keep theirs in the same place: they go by the environment.
const kept = nodeModule.getCompileCacheDir();
if (kept !== undefined) process.env.NODE_COMPILE_CACHE ??= dirname(kept);

const source = new URL("../src/cli/main.ts", import.meta.url);
// The sources are only in the repository; the package has what they compile to.
const entry = existsSync(source) ? source : new URL("../dist/src/cli/main.js", import.meta.url);
const { main } = await import(entry.href);
await main(process.argv.slice(2));
