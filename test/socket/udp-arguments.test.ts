// SPDX-License-Identifier: MIT
// Wrong arguments of UDP calls: TypeError for a wrong type, EINVAL for a wrong value, both naming
// it; and the ways to write an address.

import { describe, expect, it } from "vitest";
import { isNetError, type Operation, type UdpSocket, udp, withNetwork } from "../../src/index.ts";
import { fails, soon } from "./support/helpers.ts";
import { scene } from "./support/sim.ts";

const BYTES = Uint8Array.of(1);
const TO = { host: "10.0.0.1", port: 53 };

function caught(op: () => unknown): string {
  try {
    op();
  } catch (error) {
    if (isNetError(error)) return `${error.code} ${error.message}`;
    if (error instanceof TypeError) return `TypeError ${error.message}`;
    throw error;
  }
  return "nothing";
}

/** Runs with a socket of the client's. */
async function withSocket(op: (socket: UdpSocket) => Operation<void>): Promise<void> {
  await scene(function* ({ client: context }) {
    yield* op(yield* udp.open({ context }));
  });
}

const OPEN: readonly (readonly [unknown, string])[] = [
  [null, "TypeError udp.open: options must be an object or text"],
  [53, "TypeError udp.open: options must be an object or text"],
  [{ port: "53" }, "TypeError udp.open: port must be a number"],
  [{ prt: 53 }, "EINVAL EINVAL: options.prt is not known; there are context, host, port, remote"],
  [{ port: -1 }, "EINVAL EINVAL: port must be an integer from 0 to 65535"],
  [{ port: 65_536 }, "EINVAL EINVAL: port must be an integer"],
  [{ port: 0.5 }, "EINVAL EINVAL: port must be an integer"],
  [{ host: 7 }, "TypeError udp.open: host must be a string"],
  [{ host: "server" }, "EINVAL EINVAL: host must be an IP address"],
  [{ host: "" }, "EINVAL EINVAL: host"],
  [{ remote: 7 }, "TypeError udp.open: remote must be an object or text"],
  [{ remote: null }, "TypeError udp.open: remote must be an object or text"],
  [{ remote: {} }, "TypeError udp.open: remote.host must be a string"],
  [{ remote: { host: "10.0.0.1" } }, "TypeError udp.open: remote.port must be a number"],
  [{ remote: { host: "10.0.0.1", port: 0 } }, "EINVAL EINVAL: remote.port must be an integer"],
  [{ remote: "0.0.0.0:53" }, "EINVAL EINVAL: remote.host must name a host"],
  [{ remote: "[::]:53" }, "EINVAL EINVAL: remote.host must name a host"],
  [{ remote: "10.0.0.1" }, 'EINVAL EINVAL: remote must be like "host:80"'],
  [{ remote: "no such name:53" }, "EINVAL EINVAL: remote.host must be an IP address"],
  [{ context: {} }, "TypeError udp.open: context must come from"],
  ["10.0.0.1", 'EINVAL EINVAL: address must be like "10.0.0.1:80"'],
  ["server:53", "EINVAL EINVAL: host must be an IP address"],
];

const SEND: readonly (readonly [readonly unknown[], string])[] = [
  [["text", TO], "TypeError udp.send: data must be a Uint8Array"],
  [[[1, 2], TO], "TypeError udp.send: data must be a Uint8Array"],
  [[BYTES, null], "TypeError udp.send: to must be an object or text"],
  [[BYTES, 1_000], "TypeError udp.send: to must be an object or text"],
  [[BYTES, ""], "EINVAL EINVAL: to must be like"],
  [[BYTES, "10.0.0.1"], 'EINVAL EINVAL: to must be like "host:80"'],
  [[BYTES, "10.0.0.1:99999"], "EINVAL EINVAL: to.port must be an integer"],
  [[BYTES, { ...TO, port: 0 }], "EINVAL EINVAL: to.port must be an integer from 1"],
  [[BYTES, { ...TO, host: "0.0.0.0" }], "EINVAL EINVAL: to.host must name a host"],
  [[BYTES, { ...TO, host: "no such name" }], "EINVAL EINVAL: to.host must be an IP address"],
  [[BYTES, { port: 53 }], "TypeError udp.send: to.host must be a string"],
  [[BYTES, TO, "soon"], "TypeError udp.send: deadline must be a number"],
  [[BYTES, TO, Number.NaN], "EINVAL EINVAL: deadline must not be NaN"],
];

describe("names over our stack", () => {
  it("are EINVAL, for it has no name service", () =>
    scene(function* ({ client: context }) {
      const socket = yield* udp.open({ context });
      const to = { host: "server", port: 53 };
      const calls: Record<string, () => Operation<unknown>> = {
        "to.host": () => socket.send(BYTES, to),
        "remote.host": () => udp.open({ remote: "server:53", context }),
      };
      for (const [argument, call] of Object.entries(calls)) {
        const error = yield* fails("EINVAL", call);
        expect(error.message).toContain(`${argument} must be an IP address`);
        expect(error.message).toContain('got "server"');
        expect(error.message).toContain("has no name service");
        expect(error).toMatchObject({ address: "server", port: 53 });
      }
      yield* socket.send(BYTES, TO, soon());
      socket.close();
      yield* fails("EBADF", () => socket.send(BYTES, to));
      expect(context.leftovers().sockets).toBe(0);
    }));
});

describe("udp.open", () => {
  it("refuses what is no deadline", () => {
    expect(caught(() => udp.open({}, "soon" as never))).toContain("deadline must be a number");
    expect(caught(() => udp.open({}, Number.NaN))).toContain("deadline must not be NaN");
  });

  it.each(OPEN)("refuses %j", (options, expected) => {
    expect(caught(() => udp.open(options as never))).toContain(expected);
  });

  it("takes an address and a port as text, and no argument at all", () =>
    scene(function* ({ server }) {
      const { address } = server;
      yield* withNetwork(server, function* () {
        const places: [string, string][] = [];
        for (const text of [":53", "*:54", `${address}:55`, "0.0.0.0:56"]) {
          const { local } = yield* udp.open(text);
          places.push([text, `${local.host}:${local.port}`]);
        }
        expect(places.map(([, at]) => at)).toEqual([53, 54, 55, 56].map((p) => `${address}:${p}`));
        expect((yield* udp.open()).local.port).toBeGreaterThan(1_023);
      });
    }));

  it("over our stack an IPv6 address is EAFNOSUPPORT", () =>
    scene(function* ({ client: context }) {
      const codes: string[] = [];
      for (const options of [{ host: "::1" }, { remote: "[::1]:53" }, {}]) {
        try {
          const socket = yield* udp.open({ ...options, context });
          yield* socket.send(BYTES, "[::1]:53", soon());
        } catch (error) {
          codes.push((error as { code: string }).code);
        }
      }
      expect(codes).toEqual(["EAFNOSUPPORT", "EAFNOSUPPORT", "EAFNOSUPPORT"]);
    }));
});

describe("socket.send and socket.recv", () => {
  it.each(SEND)("send refuses %j", (args, expected) =>
    withSocket(function* (socket) {
      const send = socket.send.bind(socket) as (...args: readonly unknown[]) => unknown;
      expect(caught(() => send(...args))).toContain(expected);
      // Whom the last one went to does not stand in for what is wrong.
      yield* socket.send(BYTES, TO, soon());
      expect(caught(() => send(...args))).toContain(expected);
    }),
  );

  it("recv refuses what is no buffer, and what is no deadline", () =>
    withSocket(function* (socket) {
      for (const buf of [
        null,
        undefined,
        100,
        [],
        new ArrayBuffer(8),
        new DataView(new ArrayBuffer(8)),
      ]) {
        expect(caught(() => socket.recv(buf as never))).toContain("buf must be a Uint8Array");
      }
      expect(caught(() => socket.recv(BYTES, Number.NaN))).toContain("EINVAL");
      expect(caught(() => socket.moveTo({} as never))).toContain("TypeError");
    }));
});
