// SPDX-License-Identifier: MIT
// Options and ioctlsocket. Part of the suite in behaviour.ts.

import { expect } from "vitest";
import { withNetwork } from "../../src/index.ts";
import * as winsock from "../../src/winsock/index.ts";
import { bad, connected, good, type Scenario, scenario, stream } from "./support/helpers.ts";

const { IPPROTO_TCP, SOL_SOCKET, TCP_NODELAY, getsockopt, setsockopt } = winsock;

/** @returns the value of an option that has one */
function optionOf(s: number, level: number, optname: number): number {
  const optval = { value: -1 };
  good(getsockopt(s, level, optname, optval));
  return optval.value;
}

/** Options. */
export const OPTIONS: readonly Scenario[] = [
  scenario("SO_LINGER and SO_DONTLINGER are two sides of one thing", function* () {
    const s = stream();
    const seen = { onOff: -1, linger: -1 };
    good(getsockopt(s, SOL_SOCKET, winsock.SO_LINGER, seen));
    expect(seen).toEqual({ onOff: 0, linger: 0 });
    expect(optionOf(s, SOL_SOCKET, winsock.SO_DONTLINGER)).toBe(1);
    good(setsockopt(s, SOL_SOCKET, winsock.SO_LINGER, { onOff: 1, linger: 65_535 }));
    expect(optionOf(s, SOL_SOCKET, winsock.SO_DONTLINGER)).toBe(0);
    good(setsockopt(s, SOL_SOCKET, winsock.SO_DONTLINGER, true));
    good(getsockopt(s, SOL_SOCKET, winsock.SO_LINGER, seen));
    expect(seen).toEqual({ onOff: 0, linger: 65_535 });
    for (const linger of [65_536, -1, 0.5]) {
      bad(winsock.WSAEINVAL, setsockopt(s, SOL_SOCKET, winsock.SO_LINGER, { onOff: 1, linger }));
    }
    bad(winsock.WSAEFAULT, getsockopt(s, SOL_SOCKET, winsock.SO_LINGER, { value: 0 }));
    bad(winsock.WSAEFAULT, getsockopt(s, SOL_SOCKET, winsock.SO_TYPE, seen));
  }),

  scenario("SO_TYPE, SO_ACCEPTCONN, SO_ERROR can be asked for and not set", function* (net) {
    const { client, listener, server } = yield* connected(net);
    for (const s of [client, listener, server]) {
      expect(optionOf(s, SOL_SOCKET, winsock.SO_TYPE)).toBe(winsock.SOCK_STREAM);
      expect(optionOf(s, SOL_SOCKET, winsock.SO_ERROR)).toBe(0);
      expect(optionOf(s, SOL_SOCKET, winsock.SO_ACCEPTCONN)).toBe(s === listener ? 1 : 0);
      for (const optname of [winsock.SO_TYPE, winsock.SO_ERROR, winsock.SO_ACCEPTCONN]) {
        bad(winsock.WSAENOPROTOOPT, setsockopt(s, SOL_SOCKET, optname, 1));
      }
    }
  }),

  scenario("timeouts in ms, 0 for ever", function* () {
    const s = stream();
    for (const optname of [winsock.SO_RCVTIMEO, winsock.SO_SNDTIMEO]) {
      expect(optionOf(s, SOL_SOCKET, optname)).toBe(0);
      good(setsockopt(s, SOL_SOCKET, optname, 1_500));
      expect(optionOf(s, SOL_SOCKET, optname)).toBe(1_500);
      bad(winsock.WSAEINVAL, setsockopt(s, SOL_SOCKET, optname, -1));
      bad(winsock.WSAEINVAL, setsockopt(s, SOL_SOCKET, optname, 0.5));
      bad(winsock.WSAEINVAL, setsockopt(s, SOL_SOCKET, optname, 2 ** 32));
    }
  }),

  scenario("TCP_NODELAY before connecting; afterwards it cannot change", function* (net) {
    const { client, listener, server } = yield* connected(net);
    expect(optionOf(client, IPPROTO_TCP, TCP_NODELAY)).toBe(0);
    good(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, false));
    bad(winsock.WSAENOPROTOOPT, setsockopt(client, IPPROTO_TCP, TCP_NODELAY, true));
    // How the network has made it, nothing here can tell.
    bad(winsock.WSAENOPROTOOPT, getsockopt(server, IPPROTO_TCP, TCP_NODELAY, { value: 0 }));
    const s = stream();
    good(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, true));
    const name = { family: 0, port: 0, address: "" };
    good(winsock.getsockname(listener, name));
    good(yield* withNetwork(net.client, () => winsock.connect(s, name)));
    expect(optionOf(s, IPPROTO_TCP, TCP_NODELAY)).toBe(1);
  }),

  scenario("everything else is WSAENOPROTOOPT, and commands are WSAEINVAL", function* () {
    const s = stream();
    const [SO_REUSEADDR, SO_KEEPALIVE, SO_RCVBUF] = [4, 8, 0x1002];
    for (const optname of [SO_REUSEADDR, SO_KEEPALIVE, SO_RCVBUF]) {
      bad(winsock.WSAENOPROTOOPT, setsockopt(s, SOL_SOCKET, optname, 1));
      bad(winsock.WSAENOPROTOOPT, getsockopt(s, SOL_SOCKET, optname, { value: 0 }));
    }
    bad(winsock.WSAENOPROTOOPT, setsockopt(s, IPPROTO_TCP, 2, 1));
    bad(winsock.WSAENOPROTOOPT, setsockopt(s, 41, 1, 1));
    bad(winsock.WSAENOPROTOOPT, getsockopt(s, 41, 1, { value: 0 }));
    bad(winsock.WSAEINVAL, winsock.ioctlsocket(s, 1, { value: 0 }));
  }),
];
