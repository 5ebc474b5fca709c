/**
 * The settings of clusters that can change rows (`rowConf`, Spark's major version), as an input of bulk calls: a recorded call names them, so another setting makes its task describe the work again, and the work's key
 * tells whether anything is to be done.
 *
 * They travel as a file with an ETag, `spark-settings:CLUSTER` (no name where the task asks for no cluster): whether a result is valid, dry runs and explanations then treat them as they treat every input.
 */

import { FileValue } from "../define/external.ts";
import { Code, FiresteelError } from "../errors.ts";
import type { ReadableStorage } from "../evaluate/ports.ts";
import { type Digest, digestOf } from "../hash/digest.ts";
import type { Gateway } from "./livy/gateway.ts";
import { rowConf } from "./livy/work-key.ts";

/** The scheme of their places. */
export const SPARK_SETTINGS = "spark-settings:";

/** The settings that work of a task is done under now. */
export function sparkSettings(gateway: Gateway, cluster: string | undefined): FileValue {
  return new FileValue(SPARK_SETTINGS + (cluster ?? ""), digestOfSettings(gateway, cluster), "etag");
}

/** Where they are looked at. */
export function createSparkSettingsStorage(gateway: () => Gateway): ReadableStorage {
  const refuse = (uri: string): never => {
    throw new FiresteelError(Code.unimplemented, `settings of a cluster have no content to be read: ${uri}`);
  };
  return {
    stat: async (uri) => {
      try {
        const etag = digestOfSettings(gateway(), uri.slice(SPARK_SETTINGS.length) || undefined);
        return { uri, bytes: 0, modified: "", etag, settled: true };
      } catch (error) {
        // A cluster that is not configured any more: whoever asks for the work hears of it.
        if (error instanceof FiresteelError) return null;
        throw error;
      }
    },
    read: async (uri) => refuse(uri),
    stream: (uri) => refuse(uri),
    digest: async (uri) => refuse(uri),
  };
}

function digestOfSettings(gateway: Gateway, name: string | undefined): Digest {
  const { config, sparkMajor } = gateway.choose(name);
  return digestOf("spark settings", 1, sparkMajor, rowConf(config.conf ?? {}, sparkMajor));
}
