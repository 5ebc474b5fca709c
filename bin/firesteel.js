#!/usr/bin/env node
// Plain JavaScript without static imports: a Node that is too old must still get as far as the message.
const needed = [22, 19];
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < needed[0] || (major === needed[0] && minor < needed[1])) {
  console.error(`firesteel needs Node ${needed.join(".")} or newer; this is Node ${process.versions.node}`);
  process.exit(1);
}

// Node's own listener prints warnings; it stays, without those about Node's experimental features, which tell a user nothing.
const printers = process.listeners("warning");
process.removeAllListeners("warning");
process.on("warning", (warning) => {
  if (warning.name !== "ExperimentalWarning") for (const print of printers) print.call(process, warning);
});

const { existsSync } = await import("node:fs");
const source = new URL("../src/cli/main.ts", import.meta.url);
// The sources are only in the repository; the package has what they compile to.
const entry = existsSync(source) ? source : new URL("../dist/src/cli/main.js", import.meta.url);
const { main } = await import(entry.href);
await main(process.argv.slice(2));
