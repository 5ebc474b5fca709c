/**
 * The two spellings of a place: a URI, escaped, as Livy and our storages take it, and the text of a Hadoop `Path`, which is never escaped (`new Path("a%20b")` names a file with a `%` in it).
 */

/** The Hadoop spelling of a URI: `file:///my%20data` is `file:///my data`. What cannot be unescaped is returned as it is. */
export function toHadoopPath(uri: string): string {
  if (!uri.includes("%")) return uri;
  try {
    return decodeURIComponent(uri);
  } catch {
    return uri;
  }
}
