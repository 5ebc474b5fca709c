/** The code identities of registered codecs. */

import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { registeredCodecs } from "../../define/codec.ts";
import { Code, FiresteelError } from "../../errors.ts";
import type { CodeIndex, IdentifyRequest } from "../../hash/code/identify.ts";
import { type Digest, digestOf } from "../../hash/digest.ts";

/** A codec as identities know it. */
export interface CodecCode {
  readonly name: string;
  /** Its class, `encode` and `decode`, and whatever they reach. */
  readonly code: Digest;
  /** Its class is none of the project's own. */
  readonly foreign: boolean;
}

/**
 * Identifies the codecs that were registered on this thread.
 *
 * @throws FiresteelError `invalid_argument` with the place for one whose code cannot be decided and that has no `version`
 */
export function identifyCodecs(
  index: CodeIndex,
  oracles: Omit<IdentifyRequest, "tasks">,
  root: string,
): readonly CodecCode[] {
  const codecs = [...registeredCodecs().values()];
  if (codecs.length === 0) return [];
  const identified = index.identify({
    ...oracles,
    tasks: codecs.map(({ name, site }) => ({ name, ...site, codec: true })),
  });
  return codecs
    .map(({ name, version }) => {
      const { digest, undecided, foreign = true } = identified.get(name)!;
      const [first] = undecided;
      if (first && version === undefined) {
        const file = first.file.startsWith("file:") ? relative(root, fileURLToPath(first.file)) : first.file;
        throw new FiresteelError(
          Code.invalidArgument,
          `code of codec ${name} cannot be decided: ${first.reason}, at ${file}:${first.line}:${first.column}; set \`version\` in registerCodec({ ... }) to decide it yourself`,
          { details: { codec: name } },
        );
      }
      return { name, foreign, code: digestOf("codec", name, version === undefined ? digest : ["version", version]) };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
