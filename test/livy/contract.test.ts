/** The contract suite on the double, in a process of its own, in both profiles; and on real Livy 0.7.1 and, where its archive is there, 0.9.0. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "vitest";
import { killLivy, type LivyOptions, startLivy, stopLivy } from "../../cluster/livy.ts";
import { testCluster } from "../cluster.ts";
import { livyContract } from "./contract.suite.ts";
import { PROFILES, type ProfileName } from "./profile.ts";
import { spawnDouble } from "./remote.ts";

/** Slow enough for a test that looks every 15 ms to see each state. */
const TIMINGS = { submitMs: 80, pollMs: 40, acceptMs: 80 };

for (const profile of Object.keys(PROFILES) as ProfileName[])
  livyContract(`the double as ${profile}`, profile, async () => {
    const folder = await mkdtemp(join(tmpdir(), "firesteel-contract-"));
    const double = await spawnDouble({ profile, timings: TIMINGS, whitelist: [`${folder}/`] });
    return {
      url: double.url,
      resourceManagerUrl: double.resourceManagerUrl,
      folder,
      restart: async (how) => {
        await double.control.crash();
        await double.control.start(how);
      },
      [Symbol.asyncDispose]: async () => {
        await double[Symbol.asyncDispose]();
        await rm(folder, { recursive: true, force: true });
      },
    };
  });

const cluster = await testCluster();
const NO_RECOVERY = {
  "livy.server.recovery.mode": "off",
  "livy.server.recovery.state-store": null,
  "livy.server.recovery.state-store.url": null,
};

function realContract(profile: ProfileName, livyHome: string | undefined): void {
  livyContract(`real ${profile}`, profile, async () => {
    const folder = await mkdtemp(join(cluster.warehouse, "contract-"));
    const name = `contract-${profile.replaceAll(".", "-")}`;
    const options: LivyOptions = { name, ...(livyHome === undefined ? {} : { livyHome }) };
    let { url } = await startLivy(cluster, options);
    return {
      get url() {
        return url;
      },
      resourceManagerUrl: cluster.resourceManagerUrl,
      folder,
      restart: async ({ recovery }) => {
        await killLivy(cluster, name);
        ({ url } = await startLivy(cluster, recovery ? options : { ...options, conf: NO_RECOVERY }));
      },
      [Symbol.asyncDispose]: async () => {
        await stopLivy(cluster, name);
        await rm(folder, { recursive: true, force: true });
      },
    };
  });
}

realContract("0.7.1", undefined);
if (cluster.livy09Home !== undefined) realContract("0.9.0", cluster.livy09Home);
else
  describe("Livy: real 0.9.0", () => {
    it.skip("its archive (apache-livy-*-bin.zip) is not there: shared/livy beside the repository", () => {});
  });
