/** Versions of tasks, taken apart: written once each, when their code is loaded first. */

import { sql } from "kysely";
import type { TaskVersion } from "../evaluate/explain/ports.ts";
import type { Digest } from "../evaluate/ports.ts";
import { digestBytes as digestOfText } from "../hash/digest.ts";
import { digestArray, digestBytes, hexOf, storable, textArray } from "./arrays.ts";
import type { Db, StoredPart } from "./database.ts";
import { noAnswers, type WriteKind } from "./write-kind.ts";

/** Records versions that are not there yet, with their texts. */
export const RECORD_TASK_VERSIONS: WriteKind<readonly TaskVersion[], undefined> = {
  name: "version of a task",
  lane: "code",
  repeatable: false,
  prepare: (requests) => {
    const versions = sorted(requests.flat());
    return async (db) => {
      // A server that starts again loads what it has loaded before: nothing of that is sent.
      const known = await knownOf(db, versions);
      const fresh = versions.filter((version) => !known.has(keyOf(version.task, version.code)));
      for (let i = 0; i < fresh.length; i += 500) await insert(db, fresh.slice(i, i + 500));
      return noAnswers(requests);
    };
  },
};

async function knownOf(db: Db, versions: readonly TaskVersion[]): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ task: string; code: string }>`
    select v.task, encode(v.code, 'hex') as code
    from unnest(${textArray(versions.map(({ task }) => task))}::text[], ${digestArray(versions.map(({ code }) => code))}::bytea[]) as k(task, code)
    join task_version v on v.task = k.task and v.code = k.code`.execute(db);
  return new Set(rows.map(({ task, code }) => keyOf(task, code)));
}

async function insert(db: Db, versions: readonly TaskVersion[]): Promise<void> {
  const texts = new Map<Digest, string>();
  const parts = versions.map((version) =>
    version.parts.map((part): StoredPart => {
      if (part.text === null) return { ...part, text: null };
      const digest = digestOfText(part.text);
      texts.set(digest, part.text);
      return { ...part, text: digest };
    }),
  );
  const digests = [...texts.keys()].sort();
  await sql`
    insert into code_text (digest, text)
    select * from unnest(${digestArray(digests)}::bytea[], ${textArray(digests.map((digest) => texts.get(digest)!))}::text[])
    on conflict (digest) do nothing`.execute(db);
  await sql`
    insert into task_version (task, code, parts)
    select task, code, parts::json from unnest(
      ${textArray(versions.map(({ task }) => task))}::text[], ${digestArray(versions.map(({ code }) => code))}::bytea[], ${textArray(parts.map((list) => JSON.stringify(list)))}::text[]
    ) as t(task, code, parts)
    on conflict (task, code) do nothing`.execute(db);
}

/** A version of a task; null when it was never recorded. */
export async function findTaskVersion(db: Db, task: string, code: Digest): Promise<TaskVersion | null> {
  const row = await db
    .selectFrom("task_version")
    .select("parts")
    .where("task", "=", storable(task))
    .where("code", "=", digestBytes(code))
    .executeTakeFirst();
  if (row === undefined) return null;
  const digests = [...new Set(row.parts.flatMap(({ text }) => text ?? []))];
  const { rows } = await sql<{ digest: Uint8Array; text: string }>`
    select t.digest, t.text from unnest(${digestArray(digests)}::bytea[]) as k(digest) join code_text t on t.digest = k.digest`.execute(
    db,
  );
  const texts = new Map(rows.map(({ digest, text }) => [hexOf(digest), text]));
  return {
    task,
    code,
    parts: row.parts.map((part) => ({ ...part, text: part.text === null ? null : (texts.get(part.text) ?? null) })),
  };
}

/** Each version once, in an order that is the same in every process, so that none waits for another in a circle. */
function sorted(versions: readonly TaskVersion[]): readonly TaskVersion[] {
  const byKey = new Map(versions.map((version) => [keyOf(version.task, version.code), version]));
  return [...byKey.keys()].sort().map((key) => byKey.get(key)!);
}

function keyOf(task: string, code: Digest): string {
  return `${storable(task)} ${code}`;
}
