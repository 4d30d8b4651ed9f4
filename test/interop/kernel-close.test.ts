// SPDX-License-Identifier: MIT
// What the end of a connection means over the kernel, told by a peer of plain libc: after `close`
// it has every byte, whatever it does; nothing reports success that lost something.

import { readdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  createKernelContext,
  go,
  type KernelContext,
  now,
  type Operation,
  run,
  sleep,
  type TcpConnection,
  tcp,
} from "../../src/index.ts";
import { expectNothingLeft } from "../../src/testing.ts";
import { fails, pattern, readAll, soon } from "../socket/support/helpers.ts";
import { hashOf, type RawPeer, rawPeersForTests, reportOf } from "./support/raw-peer.ts";

const MEGABYTE = pattern(1_000_000);
/** More than all buffers of both ends hold. */
const FLOOD = pattern(12_000_000);
const SMALL = { sendBufferBytes: 16_384, receiveBufferBytes: 16_384 };

const startPeer = rawPeersForTests();
let peer: RawPeer;
let descriptors = 0;

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

beforeEach(async () => {
  peer = await startPeer();
  await run(() => sleep(0));
  descriptors = openDescriptors();
});

afterEach(async () => {
  // Fewer when the peer is gone, with the ends of its pipes.
  expect(openDescriptors()).toBeLessThanOrEqual(descriptors);
  await peer.kill();
});

interface Both {
  readonly conn: TcpConnection;
  readonly context: KernelContext;
}

/** A connection of ours to the peer; afterwards nothing is left of ours. */
async function connected(op: (both: Both) => Operation<void>): Promise<void> {
  await run(function* () {
    const context = createKernelContext();
    yield* (yield* go(function* () {
      const conn = yield* open(context);
      yield* op({ conn, context });
    })).join();
    const endMs = soon();
    while (context.leftovers().sockets > 0 && now() < endMs) yield* sleep(now() + 5);
    expectNothingLeft(context);
  });
}

function* open(context?: KernelContext): Operation<TcpConnection> {
  const target = { host: "127.0.0.1", port: peer.port };
  const conn = yield* tcp.connect(context ? { ...target, context } : target, soon());
  expect(yield* peer.tell("accept")).toBe("ok");
  return conn;
}

/** Sends until nothing goes any more. @returns bytes taken */
function* flood(conn: TcpConnection): Operation<number> {
  const error = yield* fails("ETIMEDOUT", () => conn.send(FLOOD, now() + 200));
  expect(error.bytesSent).toBeGreaterThan(0);
  return error.bytesSent as number;
}

/** What the peer has read must be the first bytes of `sent`. */
function* expectRead(sent: Uint8Array, end: string, pauseMs = 0): Operation<void> {
  const report = yield* peer.read(0, pauseMs);
  expect(report.end).toBe(end);
  if (end === "end") expect(report.bytes).toBe(sent.length);
  expect(report.hash).toBe(hashOf(sent.subarray(0, report.bytes)));
}

describe("close over the kernel", () => {
  it("gives 1 MB to a peer that half-closed first and reads slowly", async () => {
    await connected(function* ({ conn }) {
      yield* peer.tell("fin");
      expect(yield* conn.recvSome(new Uint8Array(1), soon())).toBe(0);
      const reading = yield* go(() => expectRead(MEGABYTE, "end", 2));
      yield* conn.send(MEGABYTE, soon());
      yield* conn.close(soon());
      yield* reading.join(soon());
    });
  });

  it("returns only when a peer that half-closed first has taken every byte", async () => {
    await connected(function* ({ conn }) {
      yield* peer.tell("fin");
      const closing = yield* go(function* () {
        yield* conn.send(FLOOD, soon());
        yield* conn.close(soon());
      });
      yield* sleep(now() + 100);
      expect(closing.isEnded).toBe(false);
      yield* expectRead(FLOOD, "end");
      yield* closing.join(soon());
    });
  });

  it("waits for the peer's end, and drops what it sends meanwhile", async () => {
    await connected(function* ({ conn }) {
      yield* conn.send(MEGABYTE, soon());
      const closing = yield* go(() => conn.close(soon()));
      yield* expectRead(MEGABYTE, "end");
      expect(yield* peer.tell("write 9000000")).toBe("wrote 9000000");
      yield* sleep(now() + 20);
      expect(closing.isEnded).toBe(false);
      yield* peer.tell("fin");
      yield* closing.join(soon());
      // No RST: what was dropped was acknowledged.
      expect((yield* peer.read()).end).toBe("end");
    });
  });

  it("is ETIMEDOUT and a RST when the peer never reads", async () => {
    await connected(function* ({ conn }) {
      yield* flood(conn);
      yield* fails("ETIMEDOUT", () => conn.close(now() + 100));
      yield* expectRead(FLOOD, "ECONNRESET");
    });
  });

  it("is ETIMEDOUT and a RST when a peer that half-closed first never reads", async () => {
    await connected(function* ({ conn }) {
      yield* peer.tell("fin");
      expect(yield* conn.recvSome(new Uint8Array(1), soon())).toBe(0);
      yield* flood(conn);
      yield* fails("ETIMEDOUT", () => conn.close(now() + 100));
      yield* expectRead(FLOOD, "ECONNRESET");
    });
  });

  it("is ETIMEDOUT and a RST when the peer reads but never closes", async () => {
    await connected(function* ({ conn }) {
      yield* conn.send(MEGABYTE, soon());
      const closing = yield* go(() => fails("ETIMEDOUT", () => conn.close(now() + 300)));
      yield* expectRead(MEGABYTE, "end");
      yield* closing.join(soon());
      expect(yield* peer.tell("write 1")).toMatch(/^wrote 0 (EPIPE|ECONNRESET)$/);
    });
  });

  it("with a deadline of 0, or of the past, resets what cannot be over yet", async () => {
    await connected(function* ({ conn, context }) {
      yield* fails("ETIMEDOUT", () => conn.close(0));
      yield* expectRead(new Uint8Array(0), "ECONNRESET");
      const other = yield* open(context);
      yield* fails("ETIMEDOUT", () => other.close(now() - 5));
      yield* expectRead(new Uint8Array(0), "ECONNRESET");
    });
  });

  it("is ECONNRESET when the peer resets, before and during it", async () => {
    await connected(function* ({ conn, context }) {
      yield* peer.tell("rst");
      yield* sleep(now() + 20);
      yield* fails("ECONNRESET", () => conn.close(soon()));

      const other = yield* open(context);
      const closing = yield* go(() => fails("ECONNRESET", () => other.close(soon())));
      yield* sleep(now() + 20);
      yield* peer.tell("rst");
      yield* closing.join(soon());
    });
  });

  it("is never a success when bytes were lost", async () => {
    await connected(function* ({ conn }) {
      yield* peer.tell("fin");
      const closing = yield* go(() =>
        fails("ECONNRESET", function* () {
          yield* conn.send(MEGABYTE, soon());
          yield* conn.close(soon());
        }),
      );
      expect((yield* peer.read(100_000)).end).toBe("");
      yield* peer.tell("rst");
      yield* closing.join(soon());
    });
  });

  it("is ECONNRESET when the peer closes with bytes of ours unread", async () => {
    await connected(function* ({ conn }) {
      const closing = yield* go(() =>
        fails("ECONNRESET", function* () {
          yield* conn.send(MEGABYTE, soon());
          yield* conn.close(soon());
        }),
      );
      yield* peer.read(10_000);
      yield* peer.tell("close");
      yield* closing.join(soon());
    });
  });
});

describe("a peer that dies", () => {
  it("with nothing unread ends the stream as if it had closed", async () => {
    await connected(function* ({ conn }) {
      yield* conn.send(pattern(50_000), soon());
      const closing = yield* go(() => conn.close(soon()));
      yield* expectRead(pattern(50_000), "end");
      void peer.kill();
      yield* closing.join(soon());
    });
  });

  it("with bytes unread resets it", async () => {
    await connected(function* ({ conn }) {
      yield* conn.send(pattern(50_000), soon());
      const closing = yield* go(() => fails("ECONNRESET", () => conn.close(soon())));
      yield* sleep(now() + 20);
      void peer.kill();
      yield* closing.join(soon());
    });
  });

  it("is told to those who receive and send", async () => {
    await connected(function* ({ conn }) {
      yield* conn.send(pattern(50_000), soon());
      const receiving = yield* go(() =>
        fails("ECONNRESET", () => conn.recv(new Uint8Array(9), soon())),
      );
      const sending = yield* go(() => fails("ECONNRESET", () => conn.send(FLOOD, soon())));
      yield* sleep(now() + 20);
      void peer.kill();
      yield* receiving.join(soon());
      yield* sending.join(soon());
    });
  });
});

describe("abort over the kernel", () => {
  it("with unsent data is ECONNRESET for the peer, and no end", async () => {
    await connected(function* ({ conn }) {
      yield* flood(conn);
      conn.abort();
      yield* expectRead(FLOOD, "ECONNRESET");
    });
  });

  it("in the round of a send is ECONNRESET for the peer", async () => {
    await connected(function* ({ conn }) {
      yield* conn.send(pattern(10), soon());
      conn.abort();
      yield* expectRead(pattern(10), "ECONNRESET");
    });
  });

  it("is what the end of its owner does", async () => {
    await connected(function* ({ conn, context }) {
      const owner = yield* go(() => open(context));
      yield* owner.join(soon());
      yield* expectRead(new Uint8Array(0), "ECONNRESET");
      expect(conn.isOpen).toBe(true);
    });
  });
});

describe("a reset that a send meets first", () => {
  it("is no end of the stream to whoever receives", async () => {
    await connected(function* ({ conn, context }) {
      yield* peer.tell("rst");
      // Now or never: in one crossing the send is told of the reset, and then recv(2) gives 0.
      yield* fails("ECONNRESET", function* () {
        for (;;) yield* conn.send(Uint8Array.of(1), soon());
      });
      yield* fails("ECONNRESET", () => conn.recvSome(new Uint8Array(1), soon()));
      const other = yield* open(context);
      const receiving = yield* go(() =>
        fails("ECONNRESET", () => other.recvSome(new Uint8Array(1), soon())),
      );
      yield* peer.tell("rst");
      yield* receiving.join(soon());
    });
  });
});

describe("linger over the kernel", () => {
  it("returns when everything is acknowledged, though the peer never closes", async () => {
    await connected(function* ({ conn }) {
      const lingering = yield* go(function* () {
        yield* conn.send(FLOOD, soon());
        yield* conn.linger(soon());
      });
      yield* sleep(now() + 100);
      expect(lingering.isEnded).toBe(false);
      yield* expectRead(FLOOD, "end");
      yield* lingering.join(soon());
      yield* peer.tell("close");
    });
  });

  it("is ETIMEDOUT and a RST when the peer does not read", async () => {
    await connected(function* ({ conn }) {
      yield* flood(conn);
      yield* fails("ETIMEDOUT", () => conn.linger(now() + 100));
      yield* expectRead(FLOOD, "ECONNRESET");
    });
  });
});

describe("release over the kernel", () => {
  it("delivers everything and the end after handle and coroutine have gone", async () => {
    await connected(function* ({ conn, context }) {
      conn.abort();
      let sent = 0;
      const owner = yield* go(function* () {
        const released = yield* open(context);
        sent = yield* flood(released);
        released.release();
      });
      yield* owner.join(soon());
      expect(context.leftovers().sockets).toBe(1);
      yield* expectRead(FLOOD.subarray(0, sent), "end");
      yield* peer.tell("close");
    });
  });

  it("outlives run as far as the kernel has the bytes", async () => {
    await run(function* () {
      const conn = yield* open();
      yield* conn.send(pattern(100_000), soon());
      conn.release();
    });
    const report = reportOf(await peer.ask("read 0"));
    expect(report).toEqual({ bytes: 100_000, hash: hashOf(pattern(100_000)), end: "end" });
  });

  it("outlives run for many connections that share one crossing's memory", async () => {
    const peers = [peer];
    while (peers.length < 12) peers.push(await startPeer());
    descriptors = openDescriptors();
    await run(function* () {
      const conns: TcpConnection[] = [];
      for (const each of peers) {
        conns.push(yield* tcp.connect({ host: "127.0.0.1", port: each.port }, soon()));
        yield* each.tell("accept");
      }
      // 2.4 MB in one round, of which 1 MiB has room in the shared memory.
      for (const [i, conn] of conns.entries()) {
        yield* conn.send(pattern(200_000, i), soon());
        conn.release();
      }
    });
    expect(openDescriptors()).toBe(descriptors);
    for (const [i, each] of peers.entries()) {
      const { end, hash } = reportOf(await each.ask("read 0"));
      expect([end, hash]).toEqual(["end", hashOf(pattern(200_000, i))]);
    }
    for (const each of peers.slice(1)) await each.kill();
    descriptors = openDescriptors();
  });

  it("resets what the kernel has not taken when run ends", async () => {
    await run(function* () {
      const conn = yield* open(createKernelContext(SMALL));
      yield* flood(conn);
      conn.release();
    });
    expect(reportOf(await peer.ask("read 0")).end).toBe("ECONNRESET");
  });
});

describe("a server over the kernel", () => {
  it("reads to the end, answers and closes after a client that half-closed first", async () => {
    await run(function* () {
      const listener = yield* tcp.listen("127.0.0.1:0");
      const serving = yield* go(() =>
        listener.serve(function* (conn) {
          const request = yield* readAll(conn);
          expect(request.length).toBe(500_000);
          yield* conn.send(MEGABYTE, soon());
          yield* conn.close(soon());
        }),
      );
      expect(yield* peer.tell(`connect ${listener.local.port}`)).toBe("ok");
      expect(yield* peer.tell("write 500000")).toBe("wrote 500000");
      yield* peer.tell("fin");
      yield* expectRead(MEGABYTE, "end", 1);
      serving.cancel();
    });
  });
});
