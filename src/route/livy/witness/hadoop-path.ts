/**
 * The spellings of a place: a URI, escaped, as our storages take it; the same for Livy and spark-submit, which know S3 as `s3a:`; and the text of a Hadoop `Path`, which is never escaped (`new Path("a%20b")` names a
 * file with a `%` in it).
 */

/** As Livy and spark-submit take it. */
export function toSparkUri(uri: string): string {
  return uri.replace(/^s3:/i, "s3a:");
}

/** The Hadoop spelling of a URI: `file:///my%20data` is `file:///my data`. What cannot be unescaped is returned as it is. */
export function toHadoopPath(uri: string): string {
  const spark = toSparkUri(uri);
  if (!spark.includes("%")) return spark;
  try {
    return decodeURIComponent(spark);
  } catch {
    return spark;
  }
}

/** The URI of a place in Hadoop's spelling. */
export function fromHadoopPath(path: string): string {
  return path.replace(/^s3a:/i, "s3:").replace(/[%?#\s]/g, (character) => encodeURIComponent(character));
}
