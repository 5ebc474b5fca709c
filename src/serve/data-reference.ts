/**
 * Files, directories and datasets as a caller names them, in messages and in JSON: checked, and made the value that is known or the lazy that is to be looked at.
 */

import { DatasetValue, DirectoryValue, type FileIdentity, FileValue } from "../define/external.ts";
import { directory, file } from "../define/files.ts";
import { dataset } from "../define/forms.ts";
import { Code, FiresteelError } from "../errors.ts";
import { memberStep } from "../hash/cycle.ts";

/** Refuses what a caller gave: what it is part of, where in it, and what is wrong. */
export function refuse(subject: string, path: string, reason: string): never {
  throw new FiresteelError(Code.invalidArgument, `${subject}${path === "" ? "" : ` at ${path}`} ${reason}`, {
    details: { path },
  });
}

/** The path of a member, as errors write it. */
export function memberPath(path: string, key: string): string {
  return path + memberStep(key);
}

const DIGEST = /^[0-9a-f]{64}$/;

const IDENTITIES = ["content", "stat", "etag"] as const;

/** What a caller says of a file; unchecked. */
export interface FilePlace {
  readonly path: string;
  readonly by?: string;
  readonly digest?: string | undefined;
  readonly version?: string | undefined;
}

/** The file of a path: as known by its digest or version, or as a lazy. */
export function fileAt(place: FilePlace, subject: string, path: string): unknown {
  if (place.path === "") refuse(subject, path, "is a file without a path");
  const by = identityOf(place.by, subject, path);
  if (place.digest !== undefined && by !== "content")
    refuse(subject, path, `is a file known by ${by}, which has a version and no digest`);
  const version = place.digest ?? place.version;
  if (version === undefined) return file(place.path, { by });
  return new FileValue(place.path, checkedVersion(version, by, subject, path), by);
}

/** What a caller says of a directory; unchecked. */
export interface DirectoryPlace {
  readonly path: string;
  readonly by?: string;
  readonly hidden?: boolean;
  readonly entries?: readonly { readonly name: string; readonly version: string }[] | undefined;
}

/** The directory of a path: as known by its entries, or as a lazy. */
export function directoryAt(place: DirectoryPlace, subject: string, path: string): unknown {
  if (place.path === "") refuse(subject, path, "is a directory without a path");
  const by = identityOf(place.by, subject, path);
  const { hidden = false } = place;
  if (place.entries === undefined) return directory(place.path, { by, hidden });
  const entries = place.entries
    .map(({ name, version }) => ({ name, version: checkedVersion(version, by, subject, path) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const twice = entries.find(({ name }, i) => name === "" || name === entries[i - 1]?.name);
  if (twice)
    refuse(
      subject,
      path,
      `is a directory with a file that has no name, or is there twice: ${JSON.stringify(twice.name)}`,
    );
  return new DirectoryValue(place.path, entries, by, hidden);
}

function identityOf(by: string | undefined, subject: string, path: string): FileIdentity {
  const known = IDENTITIES.find((identity) => identity === (by || "content"));
  return (
    known ??
    refuse(subject, path, `is known by something unknown (known: ${IDENTITIES.join(", ")}): ${JSON.stringify(by)}`)
  );
}

function checkedVersion(version: string, by: FileIdentity, subject: string, path: string): string {
  if (by === "content" && !DIGEST.test(version))
    refuse(subject, path, `is a file whose digest is not 64 lower-case hex digits: ${JSON.stringify(version)}`);
  return version;
}

/** The dataset of an identity, checked for its form. */
export function knownDataset(identity: string, subject: string, path: string): DatasetValue {
  if (!DIGEST.test(identity))
    refuse(subject, path, `is a dataset whose identity is not 64 lower-case hex digits: ${JSON.stringify(identity)}`);
  return new DatasetValue(identity);
}

const FORMATS = ["parquet", "csv", "json", "orc"] as const;
const FINGERPRINTS = ["checksums", "rows"] as const;

/** What a caller says of a dataset by its location; unchecked. */
export interface DatasetPlace {
  readonly location: string;
  readonly format?: string;
  readonly options: Readonly<Record<string, string>>;
  readonly fingerprint?: string;
}

/** The lazy of a dataset by location, its options checked. */
export function datasetAt(place: DatasetPlace, subject: string, path: string): unknown {
  if (place.location === "") refuse(subject, path, "is a dataset without a location");
  const format = FORMATS.find((known) => known === place.format);
  if (place.format !== undefined && !format)
    refuse(
      subject,
      path,
      `is a dataset of an unknown format (known: ${FORMATS.join(", ")}): ${JSON.stringify(place.format)}`,
    );
  const fingerprint = FINGERPRINTS.find((known) => known === place.fingerprint);
  if (place.fingerprint !== undefined && !fingerprint)
    refuse(
      subject,
      path,
      `is a dataset of an unknown fingerprint (known: ${FINGERPRINTS.join(", ")}): ${JSON.stringify(place.fingerprint)}`,
    );
  const options = Object.keys(place.options).length === 0 ? {} : { options: { ...place.options } };
  return dataset(place.location, {
    ...(format ? { format } : {}),
    ...options,
    ...(fingerprint ? { fingerprint } : {}),
  });
}
