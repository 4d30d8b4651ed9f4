// Bytes of streams that move at once, by a call each, and stay in the kernel until then.

import { closeSync, openSync, readSync } from "node:fs";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  ABOUT_DESCRIPTORS,
  ABOUT_FDS,
  ABOUT_FIELDS,
  ABOUT_MORE,
  AF_UNIX,
  EVENT_END,
  EVENT_ERROR,
  EVENT_READABLE,
  ROOM_TELL,
  SOCK_STREAM,
} from "../../native-io/sockets.ts";
import {
  describeWithSockets,
  EAGAIN,
  EBADF,
  ECONNRESET,
  EINVAL,
  ok,
  Poller,
  pattern,
  sockaddrUn,
  textBytes,
  textOf,
} from "./socket-poller.ts";

const EPIPE = -32;
const EOPNOTSUPP = -95;

describeWithSockets("bytes that move at once", () => {
  let poller: Poller;
  beforeEach(() => {
    poller = new Poller();
    poller.defaultRoom = ROOM_TELL;
  });
  afterEach(() => poller.close());

  const about = new Int32Array(ABOUT_FIELDS);
  const send = (
    id: number,
    bytes: Uint8Array | string,
    offset = 0,
    length = bytes.length - offset,
  ) =>
    poller.addon.socketSend(
      poller.handle,
      id,
      typeof bytes === "string" ? textBytes(bytes) : bytes,
      offset,
      length,
    );
  const receive = (id: number, into: Uint8Array, offset = 0, length = into.length - offset) =>
    poller.addon.socketReceive(poller.handle, id, into, offset, length, about);
  const shutdown = (id: number) => poller.addon.socketShutdown(poller.handle, id);
  const isReadable = (id: number) => poller.addon.socketReadable(poller.handle, id);

  /** Receives what is there. */
  function take(id: number, most = 100): string {
    const into = new Uint8Array(most);
    return textOf(into.subarray(0, ok(receive(id, into))));
  }

  it("are told of and stay where they are until they are asked for", () => {
    const [one, other] = poller.unixPair();
    poller.settle();
    expect([isReadable(other), receive(other, new Uint8Array(1))]).toEqual([0, EAGAIN]);
    expect(send(one, "hello")).toBe(5);
    expect(isReadable(other)).toBe(1);
    expect(poller.untilKind(other, EVENT_READABLE)).toHaveLength(1);
    // Told once: the rest is for whoever asks.
    expect(poller.settle()).toEqual([]);
    expect(poller.unsent(one)).toBeGreaterThan(0);
    expect([take(other, 2), about[ABOUT_MORE]]).toEqual(["he", 1]);
    expect(poller.unsent(one)).toBeGreaterThan(0);
    expect([take(other), about[ABOUT_MORE]]).toEqual(["llo", 0]);
    expect(poller.unsent(one)).toBe(0);
    // What comes after that is told anew.
    send(one, "again");
    poller.untilKind(other, EVENT_READABLE);
    expect(take(other)).toBe("again");
  });

  it("go from and to a part of an array, which they never leave", () => {
    const [one, other] = poller.unixPair();
    const bytes = pattern(20);
    expect(send(one, bytes, 5, 10)).toBe(10);
    const into = new Uint8Array(20);
    expect(receive(other, into, 3, 17)).toBe(10);
    expect(into.subarray(3, 13)).toEqual(bytes.subarray(5, 15));
    expect(into.subarray(13)).toEqual(new Uint8Array(7));
    for (const [offset, length] of [
      [0, 0],
      [0, 21],
      [20, 1],
      [-1, 2],
      [2 ** 31 - 1, 2 ** 31 - 1],
    ] as const) {
      expect(send(one, bytes, offset, length)).toBe(EINVAL);
      expect(receive(other, into, offset, length)).toBe(EINVAL);
    }
    expect(poller.addon.socketReceive(poller.handle, other, into, 0, 1, about.subarray(1))).toBe(
      EINVAL,
    );
  });

  it("fall short when the kernel has no room, which it tells once somebody has tried", () => {
    const [one, other] = poller.unixPair();
    const bytes = pattern(1_000_000);
    const taken = ok(send(one, bytes));
    expect(taken).toBeLessThan(bytes.length);
    expect(send(one, bytes, taken)).toBe(EAGAIN);
    const got = new Uint8Array(taken);
    expect(receive(other, got)).toBe(taken);
    expect(Buffer.compare(got, bytes.subarray(0, taken))).toBe(0);
    poller.untilWritable(one);
    expect(send(one, "x")).toBe(1);
  });

  it("end by the peer's shutdown, again and again", () => {
    const [one, other] = poller.unixPair();
    send(one, "last");
    expect(shutdown(one)).toBe(0);
    poller.untilKind(other, EVENT_READABLE);
    expect([take(other), about[ABOUT_MORE]]).toEqual(["last", 1]);
    expect([take(other), take(other)]).toEqual(["", ""]);
    expect(poller.settle().filter(({ kind }) => kind === EVENT_END)).toEqual([]);
    expect(send(one, "x")).toBe(EPIPE);
  });

  it("are there before the error of a peer that has closed with unread ones", () => {
    const [one, other] = poller.unixPair();
    send(one, "never read");
    send(other, "answer");
    poller.socketClose(other);
    const events = poller.settle();
    expect(events.some(({ id, kind }) => id === one && kind === EVENT_READABLE)).toBe(true);
    expect(events.some(({ kind }) => kind === EVENT_ERROR)).toBe(false);
    expect(send(one, "x")).toBe(EPIPE);
    expect(take(one)).toBe("answer");
    const into = new Uint8Array(1);
    expect([receive(one, into), receive(one, into)]).toEqual([ECONNRESET, ECONNRESET]);
  });

  it("bring the descriptors that were sent with them, and stop behind those", () => {
    const [one, other] = poller.unixPair();
    const fd = openSync("/dev/zero", "r");
    send(one, "before");
    expect(poller.addon.socketSendFd(poller.handle, one, fd)).toBe(1);
    send(one, "after");
    closeSync(fd);
    expect([take(other, 6), about[ABOUT_DESCRIPTORS]]).toEqual(["before", 0]);
    const byte = new Uint8Array(1);
    expect([receive(other, byte), byte[0], about[ABOUT_DESCRIPTORS]]).toEqual([1, 0xcc, 1]);
    const got = about[ABOUT_FDS] as number;
    expect(readSync(got, new Uint8Array(9))).toBe(9);
    closeSync(got);
    expect([take(other), about[ABOUT_DESCRIPTORS]]).toEqual(["after", 0]);
  });

  it("keep the loop awake only until they were told of", () => {
    const [one, other] = poller.unixPair();
    poller.settle();
    send(one, "x");
    let wakes = 0;
    expect(poller.addon.armWake(poller.handle, () => wakes++)).toBe(false);
    poller.untilKind(other, EVENT_READABLE);
    expect(poller.addon.armWake(poller.handle, () => wakes++)).toBe(true);
    poller.addon.disarmWake(poller.handle);
    expect(wakes).toBe(0);
  });

  it("are none of a listener, whose queue can be looked at without taking from it", () => {
    const name = `\0caraway-direct-${process.pid}`;
    const listener = poller.listen(sockaddrUn(name));
    expect(isReadable(listener)).toBe(0);
    poller.connect(sockaddrUn(name));
    expect([isReadable(listener), isReadable(listener)]).toEqual([1, 1]);
    expect(receive(listener, new Uint8Array(1))).toBe(EOPNOTSUPP);
    ok(poller.accept(listener));
    expect(isReadable(listener)).toBe(0);
  });

  it("of a socket that is closed are EBADF", () => {
    const id = poller.open(AF_UNIX, SOCK_STREAM);
    poller.socketClose(id);
    expect([send(id, "x"), receive(id, new Uint8Array(1)), shutdown(id), isReadable(id)]).toEqual([
      EBADF,
      EBADF,
      EBADF,
      EBADF,
    ]);
  });
});
