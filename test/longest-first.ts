/** The order of test files: the longest begin first, so that none of them is what everybody waits for at the end. */

import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take minutes, the longest first; all others follow as Vitest orders them. */
const LONGEST: readonly string[] = [
  "test/property/property.test.ts",
  "test/crash/",
  "test/soak/",
  "test/e2e/",
  "test/cluster/",
  "test/replicas/",
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = LONGEST.findIndex((one) => relative(this.ctx.config.root, moduleId).startsWith(one));
      return at < 0 ? LONGEST.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
