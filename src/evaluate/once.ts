/** The entry of a key, computed once; a failure is not kept. */
export function once<K, V>(map: Map<K, Promise<V>>, key: K, compute: () => Promise<V>): Promise<V> {
  let found = map.get(key);
  if (!found) {
    found = compute();
    map.set(key, found);
    found.catch(() => map.delete(key));
  }
  return found;
}

/** The results for all items in order, `limit` of them computed at once. */
export async function mapLimited<T, R>(
  items: readonly T[],
  limit: number,
  apply: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  const lane = async () => {
    while (next < items.length) {
      const i = next++;
      results[i] = await apply(items[i]!, i);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
  return results;
}
