/** In what the two versions differ, as far as a client can see. All of it is checked against real servers by the contract suite. */

export interface Profile {
  readonly version: string;
  /** In front of the words of a refused POST. */
  readonly refusal: string;
  /** Keys of `appInfo`. */
  readonly links: readonly string[];
  /** Settings that are refused. */
  readonly forbiddenConf: readonly string[];
  /** Whether `dead` and `killed` batches come back after a restart. */
  readonly recoversDead: boolean;
  /** Whether the driver log's link is always taken back at `success`; else, as at other ends, if YARN has forgotten the container. */
  readonly unlinksSuccess: boolean;
  /** Interactive sessions of Spark 3. */
  readonly sessions: boolean;
  /** Jackson's words for JSON of another kind. */
  readonly notAnObject: (kind: string) => string;
}

const BATCH = "org.apache.livy.server.batch.CreateBatchRequest";

export const PROFILES = {
  "0.7.1": {
    version: "0.7.1-incubating",
    refusal: "",
    links: ["driverLogUrl", "sparkUiUrl"],
    forbiddenConf: [],
    recoversDead: true,
    unlinksSuccess: false,
    sessions: false,
    notAnObject: (kind) => `Cannot deserialize instance of \`${BATCH}\` out of START_${kind} token`,
  },
  "0.9.0": {
    version: "0.9.0-incubating",
    refusal: "Rejected, Reason: ",
    links: ["driverLogUrl", "sparkUiUrl", "executorLogUrls"],
    forbiddenConf: ["spark.submit.deployMode", "spark.submit.proxyUser.allowCustomClasspathInClusterMode"],
    recoversDead: false,
    unlinksSuccess: true,
    sessions: true,
    notAnObject: (kind) =>
      `Cannot deserialize value of type \`${BATCH}\` from ${kind === "ARRAY" ? "Array" : kind} value (token \`JsonToken.START_${kind}\`)`,
  },
} as const satisfies Readonly<Record<string, Profile>>;

export type ProfileName = keyof typeof PROFILES;
