/**
 * The question that routing answers, as a URI: how a recorded call names the settings that it was done under.
 */

import type { RouteQuestion } from "./routing.ts";

/** The scheme of such URIs. */
export const SPARK_SETTINGS = "spark-settings:";

/** The same text for the same question. */
export function settingsUri({ task, tags, cluster, labels, inputs, isApp }: RouteQuestion): string {
  const parts = new URLSearchParams({ task });
  if (cluster !== undefined) parts.append("cluster", cluster);
  for (const tag of [...new Set(tags)].sort()) parts.append("tag", tag);
  for (const key of Object.keys(labels).sort()) parts.append("label", `${encodeURIComponent(key)}=${labels[key]}`);
  for (const input of [...new Set(inputs)].sort()) parts.append("input", input);
  if (isApp) parts.append("app", "");
  return `${SPARK_SETTINGS}?${parts}`;
}

/** The question that a URI names; null for what is none. */
export function questionOf(uri: string): RouteQuestion | null {
  if (!uri.startsWith(`${SPARK_SETTINGS}?`)) return null;
  const parts = new URLSearchParams(uri.slice(SPARK_SETTINGS.length + 1));
  const labels = parts.getAll("label").map((text) => {
    const at = text.indexOf("=");
    return [decodeURIComponent(text.slice(0, at)), text.slice(at + 1)] as const;
  });
  return {
    task: parts.get("task") ?? "",
    tags: parts.getAll("tag"),
    cluster: parts.get("cluster") ?? undefined,
    labels: Object.fromEntries(labels),
    inputs: parts.getAll("input"),
    ...(parts.has("app") ? { isApp: true } : {}),
  };
}
