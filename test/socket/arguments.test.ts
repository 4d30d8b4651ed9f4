// SPDX-License-Identifier: MIT
// Every public call of the sockets with each argument wrong: TypeError for a wrong type, EINVAL
// for a wrong value, and the message names the argument.

import { describe, expect, it } from "vitest";
import {
  createContext,
  isNetError,
  type Operation,
  openDriver,
  tcp,
  useNetwork,
  withNetwork,
} from "../../src/index.ts";
import { SimDriver } from "../../src/testing.ts";
import { connected } from "./support/helpers.ts";
import { connectedScene, type Handles, type Scene } from "./support/sim.ts";

type Call = (it: Scene & Handles) => unknown;
/** What must be in the message, what it must be, and the call. */
type Row = readonly [argument: string, kind: "EINVAL" | "TypeError", call: Call];

const wrong = (value: unknown): never => value as never;
const at = { host: "10.0.0.1", port: 1 };
const options = (more: object): never =>
  wrong({ driver: new SimDriver(), address: "10.0.0.1/24", ...more });

/** How the peer of a call may be written, and how the place where it listens. */
const PEERS = '"host:80", "10.0.0.1:80" or "[::1]:80"';
const PLACES = '"10.0.0.1:80", "[::1]:80" or ":80"';

const CALLS: Record<string, readonly Row[]> = {
  "tcp.connect": [
    ["options", "TypeError", () => tcp.connect(wrong(undefined))],
    ["options", "TypeError", () => tcp.connect(wrong(null))],
    ["options", "TypeError", () => tcp.connect(wrong(80))],
    [`address must be like ${PEERS}, got "host"`, "EINVAL", () => tcp.connect("host")],
    [`address must be like ${PEERS}, got "::1:80"`, "EINVAL", () => tcp.connect("::1:80")],
    ["address", "EINVAL", () => tcp.connect("10.0.0.1:http")],
    ["port", "EINVAL", () => tcp.connect("10.0.0.1:65536")],
    [
      "options.localhost is not known; there are context, host, localHost, localPort, noDelay, port",
      "EINVAL",
      () => tcp.connect(wrong({ ...at, localhost: "10.0.0.2" })),
    ],
    ["host", "EINVAL", () => tcp.connect(":80")],
    ["host", "TypeError", () => tcp.connect(wrong({ port: 1 }))],
    ["host", "TypeError", () => tcp.connect(wrong({ ...at, host: 7 }))],
    ["host", "EINVAL", () => tcp.connect({ ...at, host: "" })],
    ["host", "EINVAL", (it) => tcp.connect({ ...at, host: "localhost", context: it.client })],
    ["host", "EINVAL", () => tcp.connect({ ...at, host: "no such host" })],
    ["host", "EINVAL", () => tcp.connect({ ...at, host: `${"a".repeat(64)}.org` })],
    ["localHost", "EINVAL", () => tcp.connect({ ...at, localHost: "here" })],
    ["host", "EINVAL", () => tcp.connect({ ...at, host: "10.0.0.256" })],
    ["host", "EINVAL", () => tcp.connect({ ...at, host: ":::1" })],
    ["port", "TypeError", () => tcp.connect(wrong({ host: at.host }))],
    ["port", "TypeError", () => tcp.connect(wrong({ ...at, port: "80" }))],
    ["port", "EINVAL", () => tcp.connect({ ...at, port: 0 })],
    ["port", "EINVAL", () => tcp.connect({ ...at, port: -1 })],
    ["port", "EINVAL", () => tcp.connect({ ...at, port: 65_536 })],
    ["port", "EINVAL", () => tcp.connect({ ...at, port: 1.5 })],
    ["port", "EINVAL", () => tcp.connect({ ...at, port: Number.NaN })],
    ["localPort", "TypeError", () => tcp.connect(wrong({ ...at, localPort: "1" }))],
    ["localPort", "EINVAL", () => tcp.connect({ ...at, localPort: 65_536 })],
    ["noDelay", "TypeError", () => tcp.connect(wrong({ ...at, noDelay: 1 }))],
    ["context", "TypeError", () => tcp.connect(wrong({ ...at, context: {} }))],
    ["deadline", "TypeError", () => tcp.connect(at, wrong("1"))],
    ["deadline", "EINVAL", () => tcp.connect(at, Number.NaN)],
  ],
  "tcp.listen": [
    ["options", "TypeError", () => tcp.listen(wrong(undefined))],
    ["options", "TypeError", () => tcp.listen(wrong(80))],
    [`address must be like ${PLACES}, got "80"`, "EINVAL", () => tcp.listen("80")],
    [`address must be like ${PLACES}, got "::1:80"`, "EINVAL", () => tcp.listen("::1:80")],
    [
      "options.adress is not known; there are backlog, context, host, port, tcp.listen",
      "EINVAL",
      () => tcp.listen(wrong({ port: 1, adress: "127.0.0.1" })),
    ],
    ["port", "TypeError", () => tcp.listen(wrong({}))],
    ["port", "EINVAL", () => tcp.listen({ port: -1 })],
    ["port", "EINVAL", () => tcp.listen({ port: 65_536 })],
    ["host", "TypeError", () => tcp.listen(wrong({ port: 1, host: 1 }))],
    ['such as "10.0.0.1", got "here"', "EINVAL", () => tcp.listen({ port: 1, host: "here" })],
    ['such as "10.0.0.1", got "a b"', "EINVAL", () => tcp.listen({ port: 1, host: "a b" })],
    ["backlog", "TypeError", () => tcp.listen(wrong({ port: 1, backlog: "5" }))],
    ["backlog", "EINVAL", () => tcp.listen({ port: 1, backlog: 0 })],
    ["backlog", "EINVAL", () => tcp.listen({ port: 1, backlog: 65_536 })],
    ["context", "TypeError", () => tcp.listen(wrong({ port: 1, context: null }))],
  ],
  connection: [
    ["data", "TypeError", ({ conn }) => conn.send(wrong("text"))],
    ["data", "TypeError", ({ conn }) => conn.send(wrong(undefined))],
    ["data", "TypeError", ({ conn }) => conn.send(wrong([1, 2]))],
    ["data", "TypeError", ({ conn }) => conn.send(wrong(new ArrayBuffer(4)))],
    ["deadline", "TypeError", ({ conn }) => conn.send(new Uint8Array(1), wrong({}))],
    ["deadline", "EINVAL", ({ conn }) => conn.send(new Uint8Array(1), Number.NaN)],
    ["buf", "TypeError", ({ conn }) => conn.recv(wrong(64))],
    ["buf", "TypeError", ({ conn }) => conn.recv(wrong(new Uint16Array(4)))],
    ["deadline", "TypeError", ({ conn }) => conn.recv(new Uint8Array(1), wrong(null))],
    ["buf", "TypeError", ({ conn }) => conn.recvSome(wrong(null))],
    ["buf", "EINVAL", ({ conn }) => conn.recvSome(new Uint8Array(0))],
    ["deadline", "EINVAL", ({ conn }) => conn.recvSome(new Uint8Array(1), Number.NaN)],
    ["deadline", "TypeError", ({ conn }) => conn.close(wrong("soon"))],
    ["bundle", "TypeError", ({ conn }) => conn.moveTo(wrong({}))],
    ["bundle", "TypeError", ({ conn }) => conn.moveTo(wrong(undefined))],
  ],
  contexts: [
    ["options", "TypeError", () => createContext(wrong(undefined))],
    ["driver", "TypeError", () => createContext(wrong({ address: "10.0.0.1/24" }))],
    ["driver", "TypeError", () => createContext(options({ driver: "eth0" }))],
    ["address", "EINVAL", () => createContext(options({ address: undefined }))],
    ["address", "EINVAL", () => createContext(options({ address: "10.0.0" }))],
    ["address", "EINVAL", () => createContext(options({ address: "10.0.0.1/33" }))],
    ["address", "EINVAL", () => createContext(options({ address: "fe80::1/64" }))],
    [
      'address must be like "10.0.0.2/24", got "10.0.0.1"',
      "EINVAL",
      () => createContext(options({ address: "10.0.0.1" })),
    ],
    [
      'address must be like "10.0.0.2/24", got "0.0.0.0/0": that is a network, not a host in it',
      "EINVAL",
      () => createContext(options({ address: "0.0.0.0/0" })),
    ],
    [
      'address must be like "10.0.0.2/24", got "10.0.0.0/24": that is a network, not a host in it',
      "EINVAL",
      () => createContext(options({ address: "10.0.0.0/24" })),
    ],
    [
      'address must be like "10.0.0.2/24", got "10.0.0.255/24": that is the broadcast address of the network',
      "EINVAL",
      () => createContext(options({ address: "10.0.0.255/24" })),
    ],
    [
      "options.adress is not known; there are address, driver, gateway, limits, macAddress",
      "EINVAL",
      () => createContext(options({ adress: "10.0.0.1/24" })),
    ],
    ["gateway", "TypeError", () => createContext(options({ gateway: 1 }))],
    ["gateway", "EINVAL", () => createContext(options({ gateway: "router" }))],
    ["gateway", "EINVAL", () => createContext(options({ gateway: "192.0.2.1" }))],
    ["macAddress", "EINVAL", () => createContext(options({ macAddress: "ff:ff:ff:ff:ff:ff" }))],
    ["macAddress", "EINVAL", () => createContext(options({ macAddress: "02:00" }))],
    ["macAddress", "EINVAL", () => createContext(options({ macAddress: 7 }))],
    ["random", "TypeError", () => createContext(options({ random: 4 }))],
    ["limits", "TypeError", () => createContext(options({ limits: 5 }))],
    ["limits.maxSocket", "EINVAL", () => createContext(options({ limits: { maxSocket: 5 } }))],
    ["limits.maxSockets", "EINVAL", () => createContext(options({ limits: { maxSockets: 0 } }))],
    [
      "limits.maxTimeWait",
      "EINVAL",
      () => createContext(options({ limits: { maxTimeWait: 0.5 } })),
    ],
    [
      "limits.maxSockets",
      "TypeError",
      () => createContext(options({ limits: { maxSockets: "9" } })),
    ],
    [
      "limits.ephemeralFirst",
      "EINVAL",
      () => createContext(options({ limits: { ephemeralFirst: 9, ephemeralLast: 8 } })),
    ],
    ["tcp.noDelay", "TypeError", () => createContext(options({ tcp: { noDelay: 1 } }))],
    ["tcp.mslMs", "EINVAL", () => createContext(options({ tcp: { mslMs: -1 } }))],
    [
      "tcp.sendBufferBytes",
      "EINVAL",
      () => createContext(options({ tcp: { sendBufferBytes: 0 } })),
    ],
    ["tcp.toString", "EINVAL", () => createContext(options({ tcp: { toString: 0 } }))],
    [
      "neighbours.maxEntries",
      "EINVAL",
      () => createContext(options({ neighbours: { maxEntries: 0 } })),
    ],
    [
      "reassembly.maxBytes",
      "EINVAL",
      () => createContext(options({ reassembly: { maxBytes: -5 } })),
    ],
    ["destination", "EINVAL", ({ client }) => client.addRoute(wrong(1), "10.0.0.1")],
    ["destination", "EINVAL", ({ client }) => client.addRoute("everywhere", "10.0.0.1")],
    ["gateway", "TypeError", ({ client }) => client.addRoute("10.9.0.0/16", wrong(null))],
    ["gateway", "EINVAL", ({ client }) => client.addRoute("10.9.0.0/16", "x")],
    ["gateway", "EINVAL", ({ client }) => client.addRoute("10.9.0.0/16", "192.0.2.1")],
    ["context", "TypeError", () => useNetwork(wrong({}))],
    ["context", "TypeError", () => withNetwork(wrong(null), function* () {})],
    ["options", "TypeError", () => openDriver(wrong(undefined))],
  ],
};

it("the addresses of a /31 and of a /32 are hosts", async () => {
  await connectedScene(function* () {
    for (const address of ["10.0.0.0/31", "10.0.0.1/31", "10.0.0.255/32"]) {
      const made = createContext({ driver: new SimDriver(), address });
      expect(made.address).toBe(address.slice(0, -3));
      made.close();
    }
  });
});

describe("wrong arguments are named", () => {
  for (const [name, rows] of Object.entries(CALLS)) {
    rows.forEach(([argument, kind, call], i) => {
      it(`${name} ${i}: ${argument} is ${kind}`, async () => {
        await connectedScene(function* (scene) {
          expectNamed(yield* thrown(() => call(scene)), argument, kind);
        });
      });
    });
  }

  const SERVE: readonly Row[] = [
    ["handler", "TypeError", () => wrong(undefined)],
    ["options", "TypeError", () => null],
    ["maxConnections", "EINVAL", () => ({ maxConnections: 0 })],
    ["maxConnections", "TypeError", () => ({ maxConnections: "4" })],
    ["graceMs", "EINVAL", () => ({ graceMs: -1 })],
    ["onError", "TypeError", () => ({ onError: "log" })],
    [
      "options.grace is not known; there are graceMs, maxConnections, onError",
      "EINVAL",
      () => ({ grace: 1 }),
    ],
  ];
  SERVE.forEach(([argument, kind, value], i) => {
    it(`listener ${i}: ${argument} is ${kind}`, async () => {
      await connectedScene(function* (scene) {
        const { listener } = yield* connected(scene);
        const handler = argument === "handler" ? wrong(7) : function* () {};
        const given = value(scene);
        const call = (): unknown =>
          argument === "handler" ? listener.serve(handler) : listener.serve(handler, wrong(given));
        expectNamed(yield* thrown(call), argument, kind);
        expectNamed(yield* thrown(() => listener.accept(wrong("x"))), "deadline", "TypeError");
        expectNamed(yield* thrown(() => listener.accept(Number.NaN)), "deadline", "EINVAL");
        expectNamed(yield* thrown(() => listener.moveTo(wrong(1))), "bundle", "TypeError");
      });
    });
  });

  it("without a context in scope: ENETDOWN, saying what to do", async () => {
    await connectedScene(function* () {
      const error = yield* thrown(() => tcp.listen({ port: 1 }));
      expect(isNetError(error, "ENETDOWN")).toBe(true);
      expect((error as Error).message).toContain("createContext");
    });
  });
});

/** What a call throws, at once or when it is waited for. */
function* thrown(call: () => unknown): Operation<unknown> {
  try {
    const result = call();
    if (typeof result === "object" && result !== null && Symbol.iterator in result) {
      yield* result as Operation<unknown>;
    }
  } catch (error) {
    return error;
  }
  throw new Error("should have been refused");
}

function expectNamed(error: unknown, argument: string, kind: "EINVAL" | "TypeError"): void {
  if (kind === "TypeError") expect(error).toBeInstanceOf(TypeError);
  else expect(isNetError(error, "EINVAL"), String(error)).toBe(true);
  expect((error as Error).message).toContain(argument);
}
