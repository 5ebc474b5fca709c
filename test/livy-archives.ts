/** Where an archive of a newer Livy may lie (`apache-livy-*-bin.zip`); without one its tests are skipped. */

import { fileURLToPath } from "node:url";

export const LIVY_ARCHIVES: readonly string[] = [
  process.env["FIRESTEEL_LIVY_ARCHIVES"] ?? fileURLToPath(new URL("../../shared/livy", import.meta.url)),
];
