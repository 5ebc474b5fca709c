/** The order of test files: the longest that need no cluster begin first, so that they run beside those that wait for one. */

import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take minutes, the longest first; all others follow as Vitest orders them. */
const LONGEST: readonly string[] = ["test/property/", "test/crash/matrix.test.ts", "test/soak/"];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = LONGEST.findIndex((one) => relative(this.ctx.config.root, moduleId).startsWith(one));
      return at < 0 ? LONGEST.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
