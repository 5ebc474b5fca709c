/** The real stores keep to what a store keeps to. */
import { embeddedBackend, postgresBackend, suiteBackend } from "./backends.ts";
import { storeSuite } from "./store.suite.ts";

storeSuite("embedded", async () => suiteBackend(await embeddedBackend()));
storeSuite("on Postgres", async () => suiteBackend(await postgresBackend()));
