/**
 * The settings of clusters that can change rows (`rowConf`, or `appConf` for unmodified applications, and Spark's major version), as an input of bulk calls: a recorded call names them, so another setting makes its task describe the work again, and the work's key
 * tells whether anything is to be done.
 *
 * They travel as a file with an ETag whose place is the question that routing answered (`spark-settings:?task=...`): whether a result is valid, dry runs and explanations then treat them as they treat every input, and a
 * rule or label that moves the work to a cluster with other settings counts like another setting of the same cluster.
 */

import { FileValue } from "../define/external.ts";
import { Code, FiresteelError } from "../errors.ts";
import type { ReadableStorage } from "../evaluate/ports.ts";
import { type Digest, digestOf } from "../hash/digest.ts";
import { questionOf, settingsUri } from "./livy/clusters/route-question.ts";
import type { RouteQuestion } from "./livy/clusters/routing.ts";
import type { Gateway } from "./livy/gateway.ts";
import { appConf, rowConf } from "./livy/submissions/work-key.ts";

/** The settings that work is done under now. */
export function sparkSettings(gateway: Gateway, question: RouteQuestion): FileValue {
  return new FileValue(settingsUri(question), digestOfSettings(gateway, question), "etag");
}

/** Where they are looked at. */
export function createSparkSettingsStorage(gateway: () => Gateway): ReadableStorage {
  const refuse = (uri: string): never => {
    throw new FiresteelError(Code.unimplemented, `settings of a cluster have no content to be read: ${uri}`);
  };
  return {
    stat: async (uri) => {
      const question = questionOf(uri);
      if (question === null) return null;
      try {
        return { uri, bytes: 0, modified: "", etag: digestOfSettings(gateway(), question), settled: true };
      } catch (error) {
        // It could go nowhere: whoever asks for the work hears of it.
        if (error instanceof FiresteelError) return null;
        throw error;
      }
    },
    read: async (uri) => refuse(uri),
    stream: (uri) => refuse(uri),
    digest: async (uri) => refuse(uri),
  };
}

function digestOfSettings(gateway: Gateway, question: RouteQuestion): Digest {
  const [{ config, sparkMajor }] = gateway.candidates(question);
  const conf = (question.isApp ? appConf : rowConf)(config.conf ?? {}, sparkMajor);
  return digestOf("spark settings", 1, sparkMajor, conf);
}
