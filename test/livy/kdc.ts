/**
 * A Kerberos of its own on the loopback address, in a folder of its own: MIT's KDC of Debian's packages `krb5-kdc`, `krb5-admin-server` and `krb5-user`.
 */

import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

export const REALM = "FIRESTEEL.TEST";
/** Debian's own, for which `python3-gssapi` is packaged. */
export const PYTHON = "/usr/bin/python3";

/** Why there can be no Kerberos on this machine; null when there can. */
export function kerberosObstacle(): string | null {
  const packages = "apt-get install krb5-kdc krb5-admin-server krb5-user python3-gssapi";
  const missing = ["/usr/sbin/krb5kdc", "/usr/sbin/kadmin.local"].find((path) => !existsSync(path));
  if (missing !== undefined) return `${missing} is not there: ${packages}`;
  if (spawnSync(PYTHON, ["-c", "import gssapi"]).status !== 0) return `${PYTHON} has no gssapi: ${packages}`;
  return null;
}

export interface Kdc extends AsyncDisposable {
  /** `krb5.conf` of whoever wants to talk to it. */
  readonly krb5Conf: string;
  /** Makes a principal and writes its key to a file. */
  addPrincipal(name: string, keytab: string): Promise<void>;
}

/** Starts a KDC whose files are all below `folder`. */
export async function startKdc(folder: string): Promise<Kdc> {
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const krb5Conf = join(folder, "krb5.conf");
  const profile = join(folder, "kdc.conf");
  const log = join(folder, "kdc.log");
  await writeFile(
    krb5Conf,
    `[libdefaults]
  default_realm = ${REALM}
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  udp_preference_limit = 1
  default_ccache_name = FILE:${join(folder, "tickets")}
[realms]
  ${REALM} = {
    kdc = 127.0.0.1:${port}
  }
[domain_realm]
  localhost = ${REALM}
[logging]
  kdc = FILE:${log}
`,
  );
  await writeFile(
    profile,
    `[kdcdefaults]
  kdc_listen = 127.0.0.1:${port}
  kdc_tcp_listen = 127.0.0.1:${port}
[realms]
  ${REALM} = {
    database_name = ${join(folder, "principal")}
    key_stash_file = ${join(folder, "stash")}
    acl_file = ${join(folder, "acl")}
  }
`,
  );
  const env = { ...process.env, KRB5_CONFIG: krb5Conf, KRB5_KDC_PROFILE: profile };
  const tool = (name: string, ...args: string[]) => promisify(execFile)(`/usr/sbin/${name}`, args, { env });
  await tool("kdb5_util", "create", "-s", "-r", REALM, "-P", "master");
  const server: ChildProcess = spawn("/usr/sbin/krb5kdc", ["-n"], { env, stdio: "ignore" });
  const exit = once(server, "exit");
  while (!(await readFile(log, "utf8").catch(() => "")).includes("commencing operation")) {
    if (server.exitCode !== null) throw new Error(`KDC did not start: ${await readFile(log, "utf8").catch(() => "")}`);
    await sleep(50);
  }
  return {
    krb5Conf,
    async addPrincipal(name, keytab) {
      await tool("kadmin.local", "-q", `addprinc -randkey ${name}`);
      await tool("kadmin.local", "-q", `ktadd -k ${keytab} ${name}`);
    },
    async [Symbol.asyncDispose]() {
      server.kill();
      await exit;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
