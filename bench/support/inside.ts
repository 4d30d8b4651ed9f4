// SPDX-License-Identifier: MIT
// The part of a comparison that runs inside its own network namespace: lays the cable, runs the
// turns, prints what they gave as one line of JSON.
//
//   here                            there
//   lo 127.0.0.1
//   c0 10.77.0.1   ---------------- s0 10.77.0.3      the kernel's sockets
//                                      10.77.0.2      our stack, on af_packet or af_xdp
//   t0 10.77.2.1, a TAP device         10.77.2.2      our stack, on tap
//
// The kernel there does not own 10.77.0.2, and so answers nothing that is sent to it.

import type { Comparison, InsideOptions } from "./comparison.ts";
import { addressThere, cable, enter, makeNamespace, quieten } from "./namespaces.ts";
import { stop, takeTurns } from "./turns.ts";

async function main(): Promise<void> {
  // Whoever started this has gone: so does this, and by their standard inputs all the others.
  process.stdin.on("end", () => process.exit(1)).resume();
  const options = JSON.parse(process.argv[2] ?? "{}") as InsideOptions;
  const file = new URL(`../${options.suite}.js`, import.meta.url);
  const { comparison } = (await import(file.href)) as { comparison: Comparison };
  quieten();
  const there = await makeNamespace();
  try {
    cable(there, 0, "10.77.0.1/24");
    addressThere(there, 0, "10.77.0.3/24");
    const outcome = await takeTurns(comparison, { ...options, there: enter(there) });
    process.stdout.write(`${JSON.stringify(outcome)}\n`);
  } catch (error) {
    process.stderr.write(`${options.suite}: ${(error as Error).message}\n`);
    process.exitCode = 1;
  } finally {
    await stop(there);
    process.stdin.destroy();
  }
}

await main();
