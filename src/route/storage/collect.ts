import { Code, FiresteelError } from "../../errors.ts";

/** All pieces as one. @throws FiresteelError `resource_exhausted` as soon as there are more than `maxBytes` */
export async function collect(
  uri: string,
  pieces: AsyncIterable<Uint8Array>,
  maxBytes: number = Number.POSITIVE_INFINITY,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    if (bytes > maxBytes)
      throw new FiresteelError(
        Code.resourceExhausted,
        `file has more than the ${maxBytes} bytes that may be read into memory; read it piece by piece (readStream, readLines), or allow more (maxBytes): ${uri}`,
        { retryable: false, details: { uri, maxBytes } },
      );
    parts.push(piece);
  }
  // Not a view of Node's pool: a body's values are its own.
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
