// SPDX-License-Identifier: MIT
// A sample of the sweep of cancel-everywhere.ts over the kernel's sockets on loopback, and lives
// that only the kernel's networks have: connecting by name, to the first of several addresses that
// answers. Nothing may be left, no file descriptor either.

import {
  currentLoop,
  go,
  isNetError,
  now,
  type Operation,
  sleep,
  type TcpConnection,
  tcp,
  withDeadline,
} from "../../src/index.ts";
import { NameLookup } from "../../src/kernel/lookup.ts";
import { BLOCKING_CALLS, type BlockingCall, connecting } from "../socket/cancel-everywhere.ts";
import { pattern, soon, type TwoEnds } from "../socket/support/helpers.ts";
import { describeLife, type KernelEnds, type KernelLife } from "./support/kernel-lives.ts";

/** What fails by its deadline has done its work. */
function* untilDeadline(deadline: number, life: () => Operation<unknown>): Operation<void> {
  try {
    yield* withDeadline(deadline, life);
  } catch (error) {
    if (deadline < 0 || !isNetError(error, "ETIMEDOUT")) throw error;
  }
}

function overKernel({ title, stage }: BlockingCall): KernelLife {
  return {
    title,
    *stage(net, play) {
      const { life, seen } = yield* stage(net);
      yield* play((deadline) => untilDeadline(deadline, life));
      yield* (yield* go(seen)).join(soon());
    },
  };
}

/** Lookups take a while, in which they can be cancelled. */
const LOOKUP_MS = 5;

/** Gives every name these addresses. */
function* named(client: KernelEnds["client"], addresses: readonly string[]): Operation<void> {
  const asked: (() => void)[] = [];
  const found = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  client.lookup = (host) =>
    new NameLookup(host, currentLoop(), (_host, done) => asked.push(() => done(null, found)));
  yield* go(function* () {
    for (;;) {
      yield* sleep(now() + LOOKUP_MS);
      for (const answer of asked.splice(0)) answer();
    }
  });
}

/** Connects by a name that has these addresses. */
function byName(title: string, addresses: readonly string[]): BlockingCall {
  const { stage } = connecting(
    title,
    ({ client }: TwoEnds, port: number): Operation<TcpConnection> =>
      tcp.connect({ host: "some.test", port, context: client }, soon()),
    pattern(100_000),
  );
  return {
    title,
    *stage(net) {
      yield* named(net.client as KernelEnds["client"], addresses);
      return yield* stage(net);
    },
  };
}

for (const call of BLOCKING_CALLS) describeLife(overKernel(call));

describeLife(overKernel(byName("tcp.connect by name", ["127.0.0.1"])));
describeLife(
  overKernel(
    byName("tcp.connect by a name of which the last address answers", [
      "127.0.0.3",
      "::1",
      "127.0.0.4",
      "127.0.0.1",
    ]),
  ),
);
