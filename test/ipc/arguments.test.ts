// SPDX-License-Identifier: MIT
// Every call of local sockets with each argument wrong: TypeError for a wrong type, EINVAL or EBADF
// for a wrong value, and the message names the argument.

import { expect, it } from "vitest";
import { type IpcConnection, ipc, isNetError } from "../../src/index.ts";
import { describeWithSockets } from "../native-io/socket-poller.ts";
import { scene } from "./support/scene.ts";

const wrong = (value: unknown): never => value as never;

type Row = readonly [
  argument: string,
  kind: "EBADF" | "EINVAL" | "TypeError",
  call: (conn: IpcConnection) => unknown,
];

const CALLS: Readonly<Record<string, readonly Row[]>> = {
  "ipc.listen": [
    ["path", "TypeError", () => ipc.listen(wrong(undefined))],
    ["path", "EINVAL", () => ipc.listen("")],
    ["options", "TypeError", () => ipc.listen("x", wrong(null))],
    ["options", "TypeError", () => ipc.listen("x", wrong(7))],
    ["backlog", "TypeError", () => ipc.listen("x", { backlog: wrong("1") })],
    ["backlog", "EINVAL", () => ipc.listen("x", { backlog: 0 })],
    ["backlog", "EINVAL", () => ipc.listen("x", { backlog: 1.5 })],
    ["backlog", "EINVAL", () => ipc.listen("x", { backlog: 65_536 })],
    [
      "options.replaceStal is not known; there are backlog, replaceStale",
      "EINVAL",
      () => ipc.listen("x", wrong({ replaceStal: true })),
    ],
    ["replaceStale", "TypeError", () => ipc.listen("x", { replaceStale: wrong(1) })],
  ],
  "ipc.connect": [
    ["path", "TypeError", () => ipc.connect(wrong({ path: "x" }))],
    ["path", "EINVAL", () => ipc.connect("a\0b")],
    ["deadline", "TypeError", () => ipc.connect("x", wrong("1"))],
    ["deadline", "EINVAL", () => ipc.connect("x", Number.NaN)],
  ],
  "ipc.fromFd": [
    ["fd", "TypeError", () => ipc.fromFd(wrong("3"))],
    ["fd", "EBADF", () => ipc.fromFd(-1)],
    ["fd", "EBADF", () => ipc.fromFd(1.5)],
  ],
  "ipc.listenerFromFd": [
    ["fd", "TypeError", () => ipc.listenerFromFd(wrong(null))],
    ["fd", "EBADF", () => ipc.listenerFromFd(2 ** 31)],
  ],
  "ipc.close": [
    ["handle", "TypeError", () => ipc.close(wrong(undefined))],
    ["deadline", "TypeError", (conn) => ipc.close(conn, wrong("1"))],
  ],
  "ipc.send": [
    ["data", "TypeError", (conn) => conn.send(wrong("text"))],
    ["data", "TypeError", (conn) => conn.send(wrong(new ArrayBuffer(1)))],
    ["deadline", "EINVAL", (conn) => conn.send(new Uint8Array(1), Number.NaN)],
  ],
  "ipc.recv": [["buf", "TypeError", (conn) => conn.recv(wrong(10))]],
  "ipc.recvSome": [
    ["buf", "TypeError", (conn) => conn.recvSome(wrong(undefined))],
    ["buf", "EINVAL", (conn) => conn.recvSome(new Uint8Array(0))],
  ],
  "ipc.sendFd": [
    ["fd", "TypeError", (conn) => conn.sendFd(wrong(undefined))],
    ["fd", "EBADF", (conn) => conn.sendFd(-1)],
    ["deadline", "TypeError", (conn) => conn.sendFd(0, wrong(null))],
  ],
  "ipc.recvFd": [["deadline", "EINVAL", (conn) => conn.recvFd(Number.NaN)]],
  "ipc.moveTo": [["bundle", "TypeError", (conn) => conn.moveTo(wrong({}))]],
};

describeWithSockets("arguments of local sockets", () => {
  const rows = Object.entries(CALLS).flatMap(([name, all]) =>
    all.map((row) => [name, ...row] as const),
  );
  it.each(rows)("%s: a wrong %s is %s", (name, argument, kind, call) =>
    scene(function* () {
      const [conn] = yield* ipc.pair();
      let thrown: unknown;
      try {
        call(conn);
      } catch (error) {
        thrown = error;
      }
      if (kind === "TypeError") expect(thrown).toBeInstanceOf(TypeError);
      else expect(isNetError(thrown, kind)).toBe(true);
      expect((thrown as Error).message).toContain(name);
      expect((thrown as Error).message).toContain(argument);
      expect(conn.isOpen).toBe(true);
    }),
  );
});
