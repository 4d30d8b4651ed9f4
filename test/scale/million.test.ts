// SPDX-License-Identifier: MIT
// The program that goes up to a million connections, with two thousand.
//
// R1: it takes the time that it takes; none is asserted.

import { expect, it } from "vitest";
import { runScale } from "./million.ts";

it("opens, uses, keeps and closes many connections, and leaves nothing behind", async () => {
  const { phases, socketsLeft } = await runScale({ connections: 2_000 });
  expect(phases.map(({ name, count }) => [name, count])).toEqual([
    ["connect", 2_000],
    ["echo on each", 2_000],
    // The first of each client's eight.
    ["echo on 1 %", 256 * 20],
    ["close", 2_000],
  ]);
  expect(socketsLeft).toBe(0);
}, 60_000);
