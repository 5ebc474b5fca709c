/** Numbers from a seed, equal on every machine (mulberry32). */

/** Numbers in [0, 1). */
export type Random = () => number;

export function seeded(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Letters and digits in lower case. */
export function letters(random: Random, count: number): string {
  return Array.from({ length: count }, () => Math.floor(random() * 36).toString(36)).join("");
}
