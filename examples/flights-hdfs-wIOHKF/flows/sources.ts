/** What the pipeline reads: two files of the npm package vega-datasets, and a few rows of our own. */

import { createDataset, dataset } from "firesteel";

// The package exports its index only; the data lies beside it, wherever npm has put the package.
const folder = new URL("../data/", import.meta.resolve("vega-datasets"));
const flightsFile = new URL("flights-3m.parquet", folder).href;
const airportsFile = new URL("airports.csv", folder).href;

/** Three million flights within the United States in 2001: date, delay (minutes), distance (miles), origin, destination. */
export const flightsData = () => dataset(flightsFile);

/** Airports: iata, name, city, state, country, latitude, longitude. */
export const airportsData = () => dataset(airportsFile, { format: "csv", options: { header: "true" } });

const STATES = {
  Northeast: "CT MA ME NH NJ NY PA RI VT",
  Midwest: "IA IL IN KS MI MN MO ND NE OH SD WI",
  South: "AL AR DC DE FL GA KY LA MD MS NC OK SC TN TX VA WV",
  West: "AK AZ CA CO HI ID MT NM NV OR UT WA WY",
};

/** The Census Bureau's region of each state. */
export const regionsData = () =>
  createDataset(
    Object.entries(STATES).flatMap(([region, states]) => states.split(" ").map((state) => ({ state, region }))),
    { state: "string", region: "string" },
  );
