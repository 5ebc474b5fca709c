/**
 * A real Livy behind its own SPNEGO filter (`livy.server.auth.type = kerberos`) beside that of a cluster of tests, with Spark in one process.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { launchLivy } from "../../cluster/livy.ts";
import { choosePorts } from "../../cluster/ports.ts";
import { isAlive, signalAll, waitForEnd } from "../../cluster/processes.ts";
import { type ProcessRecord, readState } from "../../cluster/state.ts";
import { logTail } from "../../cluster/tool.ts";
import { type Kdc, REALM } from "./kdc.ts";

export interface KerberizedLivy extends AsyncDisposable {
  /** With the host name that its principal has. */
  readonly url: string;
  /** Kills it and starts it again at the same port. */
  restart(): Promise<void>;
}

/** Starts one; `keytab` holds the key of `HTTP/localhost`. */
export async function startKerberizedLivy(directory: string, kdc: Kdc, keytab: string): Promise<KerberizedLivy> {
  const state = await readState(directory);
  const home = state?.livys[0]?.home;
  if (state === undefined || home === undefined) throw new Error(`no cluster is up in ${directory}`);
  const { livy: port } = await choosePorts(["livy"], {}, {});
  const url = `http://localhost:${port}`;
  const name = "kerberized";
  const conf = {
    "livy.server.auth.type": "kerberos",
    "livy.server.auth.kerberos.principal": `HTTP/localhost@${REALM}`,
    "livy.server.auth.kerberos.keytab": keytab,
    "livy.server.csrf-protection.enabled": "true",
    "livy.spark.master": "local[2]",
    "livy.spark.deploy-mode": null,
    "livy.server.recovery.mode": "off",
  };
  let server: ProcessRecord;
  const start = async () => {
    // 0.7.1 brings Hadoop 2.7, which looks into both of these by reflection. The default realm is needed to make short names of principals.
    const flags = [
      `-Djava.security.krb5.conf=${kdc.krb5Conf}`,
      "--add-exports=java.security.jgss/sun.security.jgss=ALL-UNNAMED",
      "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    ];
    const before = process.env["JAVA_TOOL_OPTIONS"];
    process.env["JAVA_TOOL_OPTIONS"] = flags.join(" ");
    try {
      server = (await launchLivy(state, home, port, { name, conf })).process!;
    } finally {
      if (before === undefined) delete process.env["JAVA_TOOL_OPTIONS"];
      else process.env["JAVA_TOOL_OPTIONS"] = before;
    }
    // Nobody is let in without a ticket: that it says so is all that a stranger can see.
    while ((await statusOf(url)) !== 401) {
      if (!isAlive(server)) throw new Error(`Livy ended while it started: ${await logTail(server.log)}`);
      await sleep(100);
    }
  };
  const kill = async () => {
    signalAll([server], "SIGKILL");
    await waitForEnd([server], 10_000);
  };
  await start();
  return {
    url,
    restart: async () => {
      await kill();
      await start();
    },
    [Symbol.asyncDispose]: kill,
  };
}

async function statusOf(url: string): Promise<number | null> {
  return fetch(`${url}/version`, { signal: AbortSignal.timeout(5_000) }).then(
    (answer) => answer.status,
    () => null,
  );
}
