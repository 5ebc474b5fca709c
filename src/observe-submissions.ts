/** Tells about submissions as they change, after each change is durable. */

import type { Store, SubmissionRecord } from "./evaluate/ports.ts";

/** The store, with `onChange` told the whole record after every write of a submission. While nobody watches no record is read for that. */
export function observeSubmissions(
  store: Store,
  onChange: (submission: SubmissionRecord) => void,
  isWatched: () => boolean,
): Store {
  const tell = async (id: string) => {
    const submission = await store.findSubmission(id);
    if (submission) onChange(submission);
  };
  const methods = new Map<string | symbol, unknown>();
  return new Proxy(store, {
    get(target, key) {
      const known = methods.get(key);
      if (known !== undefined) return known;
      if (key === "createSubmission") {
        return async (...args: Parameters<Store["createSubmission"]>) => {
          await target.createSubmission(...args);
          onChange(args[0]);
        };
      }
      if (key === "updateSubmission") {
        return async (...args: Parameters<Store["updateSubmission"]>) => {
          await target.updateSubmission(...args);
          if (isWatched()) await tell(args[0]);
        };
      }
      if (key === "confirmSubmissions") {
        return async (...args: Parameters<Store["confirmSubmissions"]>) => {
          await target.confirmSubmissions(...args);
          if (isWatched()) for (const submission of await store.findSubmissions(args[0])) onChange(submission);
        };
      }
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      const method: unknown = value.bind(target);
      methods.set(key, method);
      return method;
    },
  });
}
