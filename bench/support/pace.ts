// SPDX-License-Identifier: MIT
// How thoroughly a run measures, and whom.

/** One of the three ways to run a suite. */
export interface Pace {
  readonly name: "full" | "quick" | "tiny";
  /** Runs of each figure. Those that are compared take turns. */
  readonly turns: number;
  /** Of each load on each server: an engine optimises code only once it has run for a while. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** What a suite may spend in all on waiting until others leave the processors alone. */
  readonly patienceSeconds: number;
  /** Loads of more connections are cut down to so many. */
  readonly maxConnections: number;
  /** Share of the operations that a suite of small functions does in a full run. */
  readonly share: number;
  /** Names of those to whom a comparison is confined (see only.ts). Default: all. */
  readonly only?: readonly string[];
}

/** What `npm run bench` does, `--quick`, and what the tests run so that no suite rots. */
export const PACES: Readonly<Record<Pace["name"], Pace>> = {
  full: {
    name: "full",
    turns: 5,
    warmUpSeconds: 1,
    seconds: 1.2,
    patienceSeconds: 60,
    maxConnections: 10_000,
    share: 1,
  },
  quick: {
    name: "quick",
    turns: 3,
    warmUpSeconds: 0.4,
    seconds: 0.35,
    patienceSeconds: 10,
    maxConnections: 10_000,
    share: 0.1,
  },
  tiny: {
    name: "tiny",
    turns: 1,
    warmUpSeconds: 0.01,
    seconds: 0.03,
    patienceSeconds: 0,
    maxConnections: 256,
    share: 0.001,
  },
};
