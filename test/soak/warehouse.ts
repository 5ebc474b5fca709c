/** The warehouse as a process reaches it: slow at times, away at times, and now and then a request fails before or after its effect. */

import type { Storage } from "../../src/evaluate/ports.ts";
import { type ManualClock, wait } from "../livy/clock.ts";
import type { Random } from "../livy/random.ts";
import type { Life } from "./life.ts";
import { away, travel } from "./network.ts";

export interface WarehouseWeather {
  /** Of all requests this part fails. */
  rate: number;
  down: boolean;
}

export function reachedFrom(
  life: Life,
  files: Storage,
  clock: ManualClock,
  random: Random,
  weather: WarehouseWeather,
): Storage {
  async function ask<T>(what: string, action: () => Promise<T>): Promise<T> {
    await life.able();
    if (random() < weather.rate) await wait(clock, Math.ceil(random() * 20_000));
    await travel(clock, random, 10);
    if (weather.down) throw away(`warehouse (${what})`);
    const fault = random() < weather.rate ? random() : null;
    if (fault !== null && fault < 0.5) throw away(`warehouse before ${what}`);
    const result = await action();
    if (fault !== null) throw away(`warehouse after ${what}`);
    return result;
  }
  const reach = <T>(what: string, action: () => Promise<T>) => life.pass(ask(what, action));
  return {
    list: (uri, options) => reach(`list ${uri}`, () => files.list(uri, options)),
    stat: (uri, signal) => reach(`stat ${uri}`, () => files.stat(uri, signal)),
    read: (uri, options) => reach(`read ${uri}`, () => files.read(uri, options)),
    digest: (uri, signal) => reach(`digest ${uri}`, () => files.digest(uri, signal)),
    putIfAbsent: (uri, bytes) => reach(`put ${uri}`, () => files.putIfAbsent(uri, bytes)),
    remove: (uri) => reach(`remove ${uri}`, () => files.remove(uri)),
    async *stream(uri, options) {
      yield await reach(`stream ${uri}`, () => files.read(uri, options));
    },
  };
}
