// SPDX-License-Identifier: MIT
// The suite of socket behaviour (test/socket/behaviour.ts) over local sockets, as far as it is
// about streams. What it expects of ports and of resets is left out by name, and has tests of its
// own here: a local stream has neither.

import { describe, expect, it } from "vitest";
import { ipc, type Operation } from "../../src/index.ts";
import { describeWithSockets } from "../native-io/socket-poller.ts";
import { CANCELLATION } from "../socket/behaviour-cancelling.ts";
import { CLOSING, HANDLES, RESETS } from "../socket/behaviour-closing.ts";
import { LINGERING } from "../socket/behaviour-lingering.ts";
import { DEADLINES, RECEIVE, STREAM } from "../socket/behaviour-streams.ts";
import { VIEWS } from "../socket/behaviour-views.ts";
import type { Pair } from "../socket/support/helpers.ts";
import { connected, type Scene, scene } from "./support/scene.ts";

/** What the group about resets says of streams without one. */
const OF_STREAMS: ReadonlySet<string> = new Set([
  "close that times out resets the peer: ETIMEDOUT here, ECONNRESET there",
  "close holds its deadline against a peer that sends for ever",
]);

const SUITE = {
  "send and receive": STREAM,
  "without copies": VIEWS,
  receive: RECEIVE,
  deadlines: DEADLINES,
  cancellation: CANCELLATION,
  "the end of a connection": CLOSING,
  "handles that are gone": HANDLES,
  "deadlines of close": RESETS.filter(({ title }) => OF_STREAMS.has(title)),
  "linger and release": LINGERING,
} as const;

/** They open TCP connections of their own, or ask for what only TCP knows. */
const OF_TCP: ReadonlySet<string> = new Set([
  "0 and the past mean: only if it need not wait",
  "accept: the next one gets the connection",
  "connect: nothing is left",
  "connect: after cancellation it cannot even begin",
  "calls that never wait work in a cancelled coroutine",
  "release outlives the coroutine that opened the connection",
]);

/** A peer that aborts has ended its stream, and nothing else: closing.test.ts. */
const OF_RESETS: ReadonlySet<string> = new Set([
  "linger at its deadline: ETIMEDOUT here, ECONNRESET there",
  "linger with deadline 0 resets unless all is acknowledged",
  "linger that is cancelled: ECANCELED here, ECONNRESET there",
  "linger in a coroutine that is cancelled already: a reset",
  "linger of a connection that the peer has reset: ECONNRESET",
  "abort overtakes linger: EBADF here, ECONNRESET there",
  "release of a connection that the peer has reset leaves nothing",
]);

/** The handles have the same calls. */
function asPair(ends: object): Pair {
  return ends as Pair;
}

const WAYS: Readonly<Record<string, (it: Scene) => () => Operation<Pair>>> = {
  "a path": (it) => {
    let count = 0;
    return function* () {
      return asPair(yield* connected({ ...it, path: `${it.path}-${count++}` }));
    };
  },
  "a pair": () =>
    function* () {
      const [client, server] = yield* ipc.pair();
      return asPair({ client, server });
    },
};

it("what is named here is in the suite", () => {
  const titles = new Set(Object.values(SUITE).flatMap((group) => group.map((each) => each.title)));
  for (const title of [...OF_TCP, ...OF_RESETS, ...OF_STREAMS]) expect(titles).toContain(title);
});

describeWithSockets("the behaviour of streams", () => {
  for (const [name, way] of Object.entries(WAYS)) {
    describe.each(Object.entries(SUITE))(`over ${name}: %s`, (_group, scenarios) => {
      for (const { title, body } of scenarios) {
        if (OF_TCP.has(title) || OF_RESETS.has(title)) continue;
        it(title, () =>
          scene((its) => {
            const { kernel } = its;
            return body({ server: kernel, client: kernel, connected: way(its) });
          }),
        );
      }
    });
  }
});
