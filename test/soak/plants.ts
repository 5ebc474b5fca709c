/** Faults to be planted in the code, which the soak has to find: `npm run soak -- plant`. Each is one thing that is promised, taken out; an edit's text is in its file once. */

import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageFolder } from "../../src/package-info.ts";

/** A fault. */
export interface Plant {
  readonly name: string;
  readonly edits: readonly (readonly [file: string, before: string, after: string])[];
}

const SUBMISSIONS = "src/route/livy/submissions";

/** All of them. */
export const PLANTS: readonly Plant[] = [
  {
    name: "recorded results are looked at without patience for a warehouse that is away",
    edits: [
      [
        "test/soak/orchestrator.ts",
        "patientStorage(storage, WAREHOUSE, { clock, tell: () => {}, signal: this.#stop.signal })",
        "storage",
      ],
    ],
  },
  {
    name: "lost replies are not looked after",
    edits: [
      [
        `${SUBMISSIONS}/posting.ts`,
        "return resolvePost(cluster, row, request, wordsOf(error), patience, signal);",
        'return { kind: "again", why: wordsOf(error), counts: true, answered: false };',
      ],
    ],
  },
  {
    name: "no quiet time after a lost reply",
    edits: [[`${SUBMISSIONS}/posting.ts`, "asked - waitingSince > patience.postMs", "asked >= waitingSince"]],
  },
  {
    name: "no quiet time after a stop",
    edits: [[`${SUBMISSIONS}/cancelling.ts`, "asked - quietSince >= quietMs", "quietMs >= 0"]],
  },
  {
    name: "a DELETE is believed",
    edits: [
      [
        `${SUBMISSIONS}/cancelling.ts`,
        "deleted ||= known;",
        'deleted ||= known;\n      if (known) return "Livy deleted it";',
      ],
    ],
  },
  {
    name: "the claim of work is not heeded",
    edits: [
      [
        `${SUBMISSIONS}/attempts.ts`,
        "claimed = await store.claimWork(key);",
        "claimed = (await store.claimWork(key)) || true;",
      ],
    ],
  },
  {
    name: "the claim of a cluster is not heeded",
    edits: [
      [
        `${SUBMISSIONS}/keeping.ts`,
        "const claimed = await this.#options.store.claimCluster(cluster);",
        "const claimed = (await this.#options.store.claimCluster(cluster)) || true;",
      ],
    ],
  },
  {
    name: "the lease is not confirmed before a POST",
    edits: [[`${SUBMISSIONS}/submission.ts`, "await store.confirmLease();\n      const posted", "const posted"]],
  },
  {
    name: "the next attempt does not wait until the application is gone",
    edits: [
      [`${SUBMISSIONS}/attempts.ts`, "await submission.gone;", ""],
      [
        `${SUBMISSIONS}/attempts.ts`,
        "await Promise.all(before.filter(isPresent).map((row) => gateway.follow(row).gone));",
        "void isPresent;",
      ],
    ],
  },
  {
    name: "a batch is looked up by its id",
    edits: [
      [
        `${SUBMISSIONS}/batch-carrier.ts`,
        "batch = await this.#cluster.client.findBatch(livyName, signal);",
        "batch = await this.#cluster.client.findBatch(this.#row.record.batchId ?? livyName, signal);",
      ],
      [`${SUBMISSIONS}/batch-carrier.ts`, "batch === null || batch.name !== livyName", "batch === null"],
    ],
  },
  {
    name: "a batch is deleted by its id",
    edits: [
      [
        `${SUBMISSIONS}/batch-carrier.ts`,
        "client.deleteBatch(livyName, ended)",
        "client.deleteBatch(batchId ?? livyName, ended)",
      ],
    ],
  },
  {
    name: "a batch of another attempt is taken for ours",
    edits: [
      [
        "src/route/livy/http/batch-list.ts",
        "wanted.get(batch.name)",
        "[...wanted.values()].find(({ name }) => name.split('-')[0] === batch.name?.split('-')[0])",
      ],
      [`${SUBMISSIONS}/batch-carrier.ts`, "batch === null || batch.name !== livyName", "batch === null"],
    ],
  },
  {
    name: "dead and forgotten batches are believed at once",
    edits: [
      ["src/route/livy/witness/verdict.ts", "if (!hasEnded(application)) {", "if (waitsFor(claim)) {"],
      ["src/route/livy/witness/verdict.ts", "if (doubtMs < waitMs) {", "if (waitMs < 0) {"],
      [
        "src/route/livy/witness/verdict.ts",
        "/** An application: by its id, else by its tag. */",
        'const waitsFor = (claim: Claim) => claim === "silent" || claim === "success";',
      ],
    ],
  },
  {
    name: "failures of the user are retried",
    edits: [
      [`${SUBMISSIONS}/attempts.ts`, 'return kind !== "cluster" || final;', 'return kind === "submit" || final;'],
    ],
  },
  {
    name: "what was posted for nobody is cancelled in its row only",
    edits: [
      [
        `${SUBMISSIONS}/keeping.ts`,
        'submission.state === "planned" && !asked &&',
        '["planned", "submitting", "starting"].includes(submission.state) && !asked &&',
      ],
    ],
  },
];

/** A copy of the code with a fault in it, until it is disposed of. */
export async function planted({ name, edits }: Plant): Promise<{ readonly root: string } & AsyncDisposable> {
  const root = await mkdtemp(join(tmpdir(), "firesteel-plant-"));
  const dispose = () => rm(root, { recursive: true, force: true });
  try {
    for (const part of ["src", "test/livy", "test/record", "test/route", "test/soak", "jobs", "package.json"])
      await cp(join(packageFolder, part), join(root, part), { recursive: true });
    await symlink(join(packageFolder, "node_modules"), join(root, "node_modules"));
    for (const [file, before, after] of edits) {
      const parts = (await readFile(join(root, file), "utf8")).split(before);
      if (parts.length !== 2)
        throw new Error(`${name}: ${file} has ${parts.length - 1} of what is to be edited: ${before}`);
      await writeFile(join(root, file), parts.join(after));
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  return { root, [Symbol.asyncDispose]: dispose };
}
