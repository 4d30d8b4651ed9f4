// SPDX-License-Identifier: MIT
// Local sockets with programs that do not know this library: one of plain libc calls, Node's `net`,
// nc; and another process that does.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import path from "node:path";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { expect, it } from "vitest";
import {
  abortable,
  go,
  type IpcConnection,
  ipc,
  now,
  type Operation,
  sleep,
} from "../../src/index.ts";
import { itWith, peersForTests } from "../ipc/support/peer.ts";
import { bytesOf, echo, readAll, recvText, type Scene } from "../ipc/support/scene.ts";
import { describeWithSockets } from "../native-io/socket-poller.ts";
import { expectSame, fails, pattern, soon } from "../socket/support/helpers.ts";
import type { Program } from "../support/program.ts";

const CHILD = path.resolve(import.meta.dirname, "../ipc/support/child-main.ts");
const LIMITS = path.resolve(import.meta.dirname, "../ipc/support/limits-main.ts");
const peers = peersForTests();

/** Starts a mode of the peer that listens, and connects to it. */
function* connectTo(mode: string, it: Scene): Operation<{ conn: IpcConnection; peer: Program }> {
  const peer = peers.start(mode, it.path);
  yield* abortable(() => peer.printed(/ready/));
  return { conn: yield* ipc.connect(it.path, soon()), peer };
}

/** Waits for the end of a program. @returns its exit code and its last line */
function* end(peer: Program): Operation<readonly [number, string]> {
  const code = yield* abortable(() => peer.exitCode());
  return [code, peer.output.trim().split("\n").at(-1) ?? ""];
}

function textOf(fd: number): string {
  const text = readFileSync(fd, "utf8");
  closeSync(fd);
  return text;
}

describeWithSockets("a peer of plain libc", () => {
  it.each([1, 1_000, 1_000_000])("echoes %i bytes, and close is orderly", (size) =>
    peers.scene(function* (its) {
      const { conn, peer } = yield* connectTo("echo", its);
      const bytes = pattern(size);
      yield* go(function* () {
        yield* conn.send(bytes, soon());
        conn.done();
      });
      expectSame(yield* readAll(conn), bytes);
      yield* conn.close(soon());
      expect(yield* end(peer)).toEqual([0, `echoed ${size}`]);
    }),
  );

  it("that half-closes first gets every byte before close returns", () =>
    peers.scene(function* (its) {
      const { conn, peer } = yield* connectTo("end-first", its);
      expect(yield* conn.recvSome(new Uint8Array(1), soon())).toBe(0);
      yield* conn.send(pattern(1_000_000), soon());
      yield* conn.close(soon());
      expect(yield* end(peer)).toEqual([0, "read 1000000"]);
    }));

  it("that half-closes last answers after our end", () =>
    peers.scene(function* (its) {
      const { conn, peer } = yield* connectTo("end-last", its);
      yield* conn.send(pattern(300_000), soon());
      conn.done();
      expect(new TextDecoder().decode(yield* readAll(conn))).toBe("read 300000");
      yield* conn.close(soon());
      expect(yield* end(peer)).toEqual([0, "read 300000"]);
    }));

  it("that dies with bytes unread is ECONNRESET, behind what it sent", () =>
    peers.scene(function* (its) {
      const { conn, peer } = yield* connectTo("die", its);
      yield* conn.send(pattern(1_000), soon());
      expect(yield* recvText(conn, 5)).toBe("dying");
      yield* fails("ECONNRESET", () => conn.recv(new Uint8Array(1), soon()));
      yield* fails("ECONNRESET", () => conn.close(soon()));
      expect((yield* end(peer))[0]).toBe(3);
    }));

  it("that never reads: send waits, close ends at its deadline, and it can go on after us", () =>
    peers.scene(function* (its) {
      const { conn, peer } = yield* connectTo("never-read", its);
      yield* fails("ETIMEDOUT", () => conn.send(pattern(2_000_000), now() + 30));
      yield* fails("ETIMEDOUT", () => conn.close(now() + 30));
      peers.tell(peer);
      expect((yield* end(peer))[0]).toBe(0);
    }));

  it("that is killed while we close is ECONNRESET", () =>
    peers.scene(function* (its) {
      const { conn, peer } = yield* connectTo("never-read", its);
      yield* conn.send(pattern(1_000), soon());
      yield* go(function* () {
        yield* sleep(now() + 20);
        peer.signal("SIGKILL");
      });
      yield* fails("ECONNRESET", () => conn.close(soon()));
    }));

  it("calls us, and ends in order", () =>
    peers.scene(function* (its) {
      const listener = yield* ipc.listen(its.path);
      const serving = yield* go(() => listener.serve(echo));
      const callers = [0, 1, 2, 3].map(() => peers.start("call", its.path));
      for (const caller of callers) expect(yield* end(caller)).toEqual([0, "then 0"]);
      expect(listener.statistics()).toMatchObject({ accepted: 4, failed: 0 });
      serving.cancel();
    }));

  it("calls us and dies before we accept: what it sent is there", () =>
    peers.scene(function* (its) {
      const listener = yield* ipc.listen(its.path);
      expect((yield* end(peers.start("call-and-die", its.path)))[0]).toBe(3);
      const conn = yield* listener.accept(soon());
      expect(yield* recvText(conn, 4)).toBe("gone");
      expect(yield* conn.recvSome(new Uint8Array(1), soon())).toBe(0);
    }));

  it("with a full backlog is waited for, up to the deadline", () =>
    peers.scene(function* (its) {
      const { conn: first, peer } = yield* connectTo("late", its);
      const before = its.kernel.leftovers();
      yield* fails("ETIMEDOUT", () => ipc.connect(its.path, now() + 60));
      expect(its.kernel.leftovers()).toEqual(before);
      const connecting = yield* go(function* () {
        // Without a deadline nothing but its own timer makes it try again.
        const conn = yield* ipc.connect(its.path);
        yield* conn.close(soon());
      });
      yield* sleep(now() + 20);
      expect(connecting.isEnded).toBe(false);
      peers.tell(peer);
      yield* first.close(soon());
      yield* connecting.join(soon());
      peer.signal("SIGKILL");
    }));

  it("of datagrams is EPROTOTYPE, and nobody replaces its socket", () =>
    peers.scene(function* (its) {
      const peer = peers.start("dgram", its.path);
      yield* abortable(() => peer.printed(/ready/));
      yield* fails("EPROTOTYPE", () => ipc.connect(its.path, soon()));
      yield* fails("EADDRINUSE", () => ipc.listen(its.path, { replaceStale: true }));
      peers.tell(peer);
      yield* end(peer);
      yield* fails("ECONNREFUSED", () => ipc.connect(its.path, soon()));
      const listener = yield* ipc.listen(its.path, { replaceStale: true });
      listener.close();
      expect(existsSync(its.path)).toBe(false);
    }));
});

describeWithSockets("descriptors from and to a peer of plain libc", () => {
  it("come with the first byte of their message; the first of several is taken", () =>
    peers.scene(function* (its) {
      const { conn, peer } = yield* connectTo("send-fds", its);
      yield* fails("EPROTO", () => conn.recvFd(soon()));
      expect(yield* recvText(conn, 2)).toBe("ab");
      expect(textOf(yield* conn.recvFd(soon()))).toBe("first");
      // A message of five bytes.
      expect(textOf(yield* conn.recvFd(soon()))).toBe("second");
      expect(yield* recvText(conn, 4)).toBe("ello");
      // Two with one byte, of files whose offset is shared and at their end.
      closeSync(yield* conn.recvFd(soon()));
      yield* fails("EPIPE", () => conn.recvFd(soon()));
      yield* conn.close(soon());
      yield* end(peer);
    }));

  it("that are received as bytes are closed", () =>
    peers.scene(function* (its) {
      const { conn, peer } = yield* connectTo("send-fds", its);
      expect(yield* readAll(conn)).toHaveLength(9);
      yield* conn.close(soon());
      yield* end(peer);
    }));

  it("go to it", () =>
    peers.scene(function* (its) {
      const { conn, peer } = yield* connectTo("take-fd", its);
      writeFileSync(`${its.folder}/file`, "from our file");
      const fd = openSync(`${its.folder}/file`, "r");
      yield* conn.sendFd(fd, soon());
      closeSync(fd);
      expect(yield* recvText(conn, 13)).toBe("from our file");
      yield* conn.close(soon());
      yield* end(peer);
    }));
});

describeWithSockets("fromFd and listenerFromFd", () => {
  /** A descriptor of some kind, from elsewhere. */
  function* given(kind: string, its: Scene): Operation<number> {
    const { conn, peer } = yield* connectTo(`give-${kind}`, its);
    const fd = yield* conn.recvFd(soon());
    yield* go(function* () {
      yield* conn.close(soon());
      yield* end(peer);
    });
    return fd;
  }

  it("take over a connected stream, which has no path", () =>
    peers.scene(function* (its) {
      const fd = yield* given("pair", its);
      const conn = yield* ipc.fromFd(fd);
      expect([conn.path, conn.local.host, conn.remote.host]).toEqual(["", "", ""]);
      const bytes = pattern(300_000);
      yield* go(function* () {
        yield* conn.send(bytes, soon());
        conn.done();
      });
      expectSame(yield* readAll(conn), bytes);
      // A second owner is refused, and does not close it.
      yield* fails("EEXIST", () => ipc.fromFd(fd));
      yield* conn.close(soon());
    }));

  it("take over a listener, whose file stays", () =>
    peers.scene(function* (its) {
      const fd = yield* given("listener", its);
      const listener = yield* ipc.listenerFromFd(fd);
      const path = `${its.path}-2`;
      expect(listener.path).toBe(path);
      const client = yield* ipc.connect(path, soon());
      const server = yield* listener.accept(soon());
      expect([client.path, server.path]).toEqual([path, path]);
      yield* server.send(bytesOf("hello"), soon());
      expect(yield* recvText(client, 5)).toBe("hello");
      listener.close();
      expect(existsSync(path)).toBe(true);
    }));

  it.each([
    ["listener", "fromFd", "EINVAL", "is not a connected local stream"],
    ["dgram", "fromFd", "EINVAL", "is not a connected local stream"],
    ["seqpacket", "fromFd", "EINVAL", "is not a connected local stream"],
    ["tcp", "fromFd", "EINVAL", "is not a connected local stream"],
    ["unconnected", "fromFd", "ENOTCONN", "is not connected"],
    ["file", "fromFd", "ENOTSOCK", "is no socket"],
    ["pair", "listenerFromFd", "EINVAL", "is not a local stream that listens"],
    ["unconnected", "listenerFromFd", "EINVAL", "is not a local stream that listens"],
    ["tcp", "listenerFromFd", "EINVAL", "is not a local stream that listens"],
    ["file", "listenerFromFd", "ENOTSOCK", "is no socket"],
  ] as const)("leave a %s to its owner: %s says %s", (kind, call, code, text) =>
    peers.scene(function* (its) {
      const fd = yield* given(kind, its);
      const error = yield* fails(code, () => ipc[call](fd));
      expect(error.message).toBe(`${code}: fd ${fd} ${text}, ipc.${call}`);
      // Still open, and ours to close.
      closeSync(fd);
      const gone = yield* fails("EBADF", () => ipc[call](fd));
      expect(gone.message).toBe(`EBADF: fd ${fd} is not open, ipc.${call}`);
    }),
  );
});

describeWithSockets("other programs", () => {
  itWith("nc -h 2>&1 | grep -qe -N", "nc -U talks to a server of ours, and ends in order", () =>
    peers.scene(function* (its) {
      const listener = yield* ipc.listen(its.path);
      const serving = yield* go(() => listener.serve(echo));
      const nc = peers.run("sh", "-c", `printf 'hello nc' | nc -U -N ${its.path}`);
      expect(yield* end(nc)).toEqual([0, "hello nc"]);
      expect(listener.statistics()).toMatchObject({ accepted: 1, failed: 0 });
      serving.cancel();
    }),
  );

  itWith("nc -h 2>&1 | grep -qe -N", "nc -lU is a server for a client of ours", () =>
    peers.scene(function* (its) {
      const nc = peers.run("nc", "-lU", its.path);
      while (!existsSync(its.path)) yield* sleep(now() + 2);
      const conn = yield* ipc.connect(its.path, soon());
      yield* conn.send(bytesOf("to nc"), soon());
      yield* conn.close(soon());
      expect(yield* end(nc)).toEqual([0, "to nc"]);
    }),
  );

  it("Node's net connects to a server of ours, and serves a client of ours", () =>
    peers.scene(function* (its) {
      const listener = yield* ipc.listen(its.path);
      const serving = yield* go(() => listener.serve(echo));
      const bytes = Buffer.from(pattern(400_000));
      const got = yield* abortable(async () => {
        const socket = createConnection(its.path);
        socket.end(bytes);
        return await buffer(socket);
      });
      expectSame(got, bytes);
      serving.cancel();

      const path = `${its.path}-2`;
      const server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
      yield* abortable(() => once(server.listen(path), "listening"));
      const conn = yield* ipc.connect(path, soon());
      yield* go(function* () {
        yield* conn.send(bytes, soon());
        conn.done();
      });
      expectSame(yield* readAll(conn), bytes);
      yield* conn.close(soon());
      yield* abortable(() => once(server.close(), "close"));
    }));

  it("a process that may open no more files says so, and goes on when it may", () =>
    peers.scene(function* (its) {
      const script = `ulimit -n 96; exec "$0" --import tsx "$1" "$2"`;
      const limited = peers.run("sh", "-c", script, process.execPath, LIMITS, its.path);
      yield* abortable(() => limited.exitCode());
      expect(limited.output.trim().split("\n")).toEqual([
        "recvFd: EMFILE",
        "recv behind it: works",
        "pair: EMFILE",
        "connect: EMFILE",
        "listen: EMFILE",
        "accept: EMFILE",
        "close of who waited: works",
        "pair: works",
        "sendFd of many: ETOOMANYREFS",
        "recvFd of many: works",
      ]);
    }));

  it("another process of ours inherits a stream, and talks over it", () =>
    peers.scene(function* () {
      const child = spawn(process.execPath, ["--import", "tsx", CHILD], {
        stdio: ["ignore", "ignore", "inherit", "pipe"],
      });
      // Node makes its pipes of local sockets.
      const socket = child.stdio[3] as Duplex;
      socket.end("hello child");
      const text = yield* abortable(async () => (await buffer(socket)).toString());
      expect(text).toBe("HELLO CHILD");
      expect(yield* abortable(() => once(child, "close"))).toEqual([0, null]);
    }));
});
