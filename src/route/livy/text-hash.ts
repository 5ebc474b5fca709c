/** A short hash of texts that are only compared with what was seen before: two of a billion look the same. */

/** Goes on with one more text (FNV-1a). */
export function textHash(text: string, before: number = 0x811c9dc5): number {
  let hash = before;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  // The end counts too: ["ab", "c"] is not ["a", "bc"].
  return Math.imul(hash ^ 0x110000, 0x01000193);
}
