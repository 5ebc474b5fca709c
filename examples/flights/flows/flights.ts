/** Which routes were late, month by month, and where delays grew day after day. */

import { type Dataset, pyspark, readRows, sql, task } from "firesteel";
import { airportsData, flightsData, regionsData } from "./sources.ts";

const bulk = { tags: ["bulk-data"] };

/** Partitioned by month, so that a task about one month reads that month only. */
export const clean = task("flights.clean", bulk, (flights: Dataset) =>
  sql`
    SELECT date_format(date, 'yyyy-MM') AS month, CAST(date AS DATE) AS day, CAST(delay AS INT) AS delay, origin, destination
    FROM ${flights}
    WHERE delay BETWEEN -120 AND 1440 AND distance > 0 AND origin <> destination
  `.with({ partitionBy: ["month"], executorCores: 2 }),
);

export const withRegions = task(
  "flights.withRegions",
  bulk,
  (airports: Dataset, regions: Dataset) =>
    sql`
    SELECT iata, city, state, region
    FROM ${airports} JOIN ${regions} USING (state)
  `,
);

export const dailyDelay = task(
  "flights.dailyDelay",
  bulk,
  (flights: Dataset) =>
    sql`
    SELECT origin, day, count(*) AS flights, avg(delay) AS delay
    FROM ${flights}
    GROUP BY origin, day
  `,
);

export const countMonths = task(
  "flights.countMonths",
  bulk,
  (flights: Dataset) =>
    sql`
    SELECT month, count(*) AS flights, avg(delay) AS delay
    FROM ${flights}
    GROUP BY month
  `,
);

export const worstRoutes = task(
  "flights.worstRoutes",
  bulk,
  (flights: Dataset, airports: Dataset, month: string, atLeast: number) =>
    sql`
      SELECT origin, destination, city, region, count(*) AS flights, avg(delay) AS delay
      FROM ${flights} JOIN ${airports} ON origin = iata
      WHERE month = ${month}
      GROUP BY origin, destination, city, region
      HAVING count(*) >= ${atLeast}
      ORDER BY delay DESC, origin, destination
      LIMIT 5
    `,
);

/** Chains of days on which an airport's delay grew: each row needs the row before, so it is Python rather than SQL. */
export const risingDelays = task("flights.risingDelays", bulk, (daily: Dataset) =>
  pyspark({ file: "jobs/rising_delays.py", inputs: { daily }, params: { minFlights: 10 } }),
);

interface Month {
  month: string;
  flights: number;
  delay: number;
}

/** The months that the data holds, without those of which it has a few stray flights only. */
export const fullMonths = task("flights.fullMonths", async (counts: Dataset, atLeast: number): Promise<Month[]> => {
  const rows = await readRows<{ month: string; flights: bigint; delay: number }>(counts);
  return rows
    .map(({ month, flights, delay }) => ({ month, flights: Number(flights), delay }))
    .filter(({ flights }) => flights >= atLeast)
    .sort((a, b) => a.month.localeCompare(b.month, "en"));
});

/** One bulk task for each month: how many there are is known only once the months have been counted. */
export const worstByMonth = task("flights.worstByMonth", (flights: Dataset, airports: Dataset, months: Month[]) =>
  months.map(({ month }) => worstRoutes(flights, airports, month, 50)),
);

export const report = task("flights.report", async (months: Month[], worst: Dataset[], rising: Dataset) => {
  const chains = await readRows<{ month: string; origin: string; days: number; first: Date }>(rising);
  chains.sort((a, b) => b.days - a.days || a.first.getTime() - b.first.getTime() || (a.origin < b.origin ? -1 : 1));
  return Promise.all(
    months.map(async ({ month, flights, delay }, i) => {
      const routes = await readRows<{ origin: string; destination: string; region: string; delay: number }>(worst[i]!);
      routes.sort((a, b) => b.delay - a.delay || (a.origin < b.origin ? -1 : 1));
      const [route] = routes;
      const chain = chains.find((row) => row.month === month);
      return {
        month,
        flights,
        meanDelay: oneDecimal(delay),
        worstRoute: route ? `${route.origin}-${route.destination}` : null,
        routeDelay: route ? oneDecimal(route.delay) : null,
        routeRegion: route?.region ?? null,
        longestRise: chain ? `${chain.origin}, ${chain.days} days` : null,
      };
    }),
  );
});

function oneDecimal(value: number): number {
  return Math.round(value * 10) / 10;
}

export const main = task(
  "flights.main",
  { description: "Late routes and growing delays, month by month" },
  (atLeast = 10_000) => {
    const flights = clean(flightsData());
    const airports = withRegions(airportsData(), regionsData());
    const months = fullMonths(countMonths(flights), atLeast);
    return report(months, worstByMonth(flights, airports, months), risingDelays(dailyDelay(flights)));
  },
);
