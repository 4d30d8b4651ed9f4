// SPDX-License-Identifier: MIT
// What is asked of servers, and what is read off the answers.

import type { Pace } from "./pace.ts";

/** One thing that is asked of every server. */
export interface Load {
  readonly name: string;
  /** As programs/load.c knows it. */
  readonly mode: "echo" | "connect" | "send" | "receive" | "both";
  readonly connections: number;
  /** Connections on which something happens. Default: all. */
  readonly active?: number;
  readonly bytes: number;
}

/**
 * How long a load runs before it is measured, seconds. A connection's whole life takes twice as
 * long to get to full speed as requests do: it runs through more code, less often.
 */
export function warmUpSecondsOf({ mode }: Load, { warmUpSeconds }: Pace): number {
  return mode === "connect" ? 2 * warmUpSeconds : warmUpSeconds;
}

/** What a load generator prints. */
export interface LoadResult {
  readonly perSecond: number;
  readonly bytesPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly requests: number;
  /** The same, and those of the warm-up. */
  readonly total: number;
  readonly failed: number;
  /** How long it took until all connections stood. */
  readonly openSeconds: number;
  /** Processor time of the load generator. */
  readonly loadSeconds: number;
}

/** One load on one server in one turn. */
export interface Sample extends LoadResult {
  readonly turn: number;
  readonly server: string;
  readonly load: string;
  /** Share of both processors that other processes used meanwhile, 0 to 1. */
  readonly others: number;
  /** Processor time of the server per request, microseconds; it does not mind other processes. */
  readonly serverUs: number;
}

/** Something to read off a sample. */
export interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly better: "lower" | "higher";
  readonly of: (sample: Sample) => number;
}

export const RATE: Metric = {
  name: "rate",
  unit: "requests/s",
  better: "higher",
  of: (sample) => sample.perSecond,
};

export const CONNECTIONS: Metric = { ...RATE, unit: "connections/s" };

export const P50: Metric = {
  name: "p50",
  unit: "us",
  better: "lower",
  of: (sample) => sample.p50Us,
};

export const P99: Metric = { ...P50, name: "p99", of: (sample) => sample.p99Us };

export const P999: Metric = { ...P50, name: "p99.9", of: (sample) => sample.p999Us };

export const SERVER_TIME: Metric = {
  name: "server's processor time per request",
  unit: "us",
  better: "lower",
  of: (sample) => sample.serverUs,
};

export const BITS: Metric = {
  name: "bulk",
  unit: "Gbit/s",
  better: "higher",
  of: (sample) => (sample.bytesPerSecond * 8) / 1e9,
};
