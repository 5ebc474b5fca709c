import { type Dataset, dataset, readRows, sparkApp, task } from "firesteel";

const bulk = { tags: ["bulk-data"] };

/** A Python program with flags of its own: firesteel tells it where to read and where to write. */
export const clean = task("shop.clean", bulk, (orders: Dataset) =>
  sparkApp({
    file: "apps/clean.py",
    args: ({ inputs, outputs }) => ["--orders", inputs.orders, `--good=${outputs.good}`, `--bad=${outputs.bad}`],
    inputs: { orders },
    outputs: { good: {}, bad: { format: "csv", schema: "line STRING" } },
  }),
);

/** A Java program in a jar. Places may be written as texts too. */
export const totals = task("shop.totals", bulk, (orders: Dataset, least: number) =>
  sparkApp({
    file: "build/totals.jar",
    className: "shop.Totals",
    args: ["${inputs.orders}", "${outputs.totals}", least],
    inputs: { orders },
    outputs: { totals: {} },
  }),
);

export const table = task("shop.table", async (of: Dataset) => {
  const rows = await readRows<{ country: string; price: bigint }>(of);
  return rows
    .map(({ country, price }) => ({ country, price: Number(price) }))
    .sort((a, b) => (a.country < b.country ? -1 : 1));
});

export const main = task("shop.main", (least: number = 0) => {
  const orders = dataset("data/orders", { format: "csv", options: { header: "true" } });
  return table(totals(clean(orders).outputs.good, least).outputs.totals);
});
