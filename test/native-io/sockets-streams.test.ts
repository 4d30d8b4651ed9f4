// Streams of the kernel: every event they can tell, in the order in which things happened.

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  EVENT_ACCEPTABLE,
  EVENT_DATA,
  EVENT_END,
  EVENT_ERROR,
  EVENT_HANGUP,
  EVENT_WRITABLE,
  INFO_STATE,
  SOCKET_STATUS_ACCEPTED,
  SOCKET_STATUS_BYTES_RECEIVED,
  SOCKET_STATUS_BYTES_SENT,
  SOCKET_STATUS_CLOSED,
  SOCKET_STATUS_EPOLL_WAITS,
  SOCKET_STATUS_EVENTS,
  SOCKET_STATUS_NOW_MS,
  SOCKET_STATUS_OPENED,
  SOCKET_STATUS_POLLS,
  SOCKET_STATUS_RECV_CALLS,
  SOCKET_STATUS_SEND_CALLS,
} from "../../native-io/sockets.ts";
import {
  describeWithSockets,
  EAGAIN,
  EBADF,
  ECONNREFUSED,
  ECONNRESET,
  EINVAL,
  Poller,
  pattern,
  type SocketEvent,
  sockaddrIn,
  sockaddrUn,
  textOf,
} from "./socket-poller.ts";

const EFAULT = -14;
const EPIPE = -32;
const STATE_CLOSE = 7;
const STATE_FIN_WAIT2 = 5;

describeWithSockets("streams of the kernel", () => {
  let poller: Poller;
  beforeEach(() => {
    poller = new Poller();
  });
  afterEach(() => poller.close());

  const kinds: readonly (readonly [string, () => [number, number]])[] = [
    ["TCP", () => poller.tcpPair()],
    ["AF_UNIX", () => poller.unixPair()],
  ];

  for (const [kind, pair] of kinds) {
    describe(kind, () => {
      it("carries bytes both ways", () => {
        const [one, other] = pair();
        const sent = poller.send(one, "to the other");
        expect(textOf(poller.receive(other, 12))).toBe("to the other");
        expect(poller.result(sent)).toBe(12);
        poller.send(other, "back");
        expect(textOf(poller.receive(one, 4))).toBe("back");
      });

      it("takes what the kernel has room for, keeps the order, and tells when there is room", () => {
        const [one, other] = pair();
        poller.setRoom(other, 0);
        const data = pattern(64 * 1024);
        let taken = 0;
        let results: number[];
        let calls: number;
        do {
          calls = poller.status[SOCKET_STATUS_SEND_CALLS] as number;
          const indices = [0, 1, 2].map(() => poller.send(one, data));
          // Every send of one poll sends the same bytes, so that only whole ones may be followed.
          poller.poll();
          results = indices.map((index) => poller.result(index));
          taken += results.reduce((sum, each) => sum + each, 0);
        } while (results.every((each) => each === data.length));
        const short = results.findIndex((each) => each < data.length);
        expect(results[short]).toBeGreaterThanOrEqual(0);
        expect(results.slice(short + 1).every((each) => each === 0)).toBe(true);
        // Not even tried: a shorter one might have found room and would have gone first.
        expect(poller.status[SOCKET_STATUS_SEND_CALLS]).toBe(calls + short + 1);
        expect(poller.settle()).toEqual([]);
        poller.setRoom(other, 65_536);
        poller.resume(other);
        const events = poller.until(
          (all) => all.reduce((sum, each) => sum + (each.bytes?.length ?? 0), 0) === taken,
        );
        expect(events.filter((each) => each.kind === EVENT_WRITABLE)).toEqual([
          { id: one, kind: EVENT_WRITABLE, length: 0 },
        ]);
        const received = events.flatMap((each) => (each.bytes ? [each.bytes] : []));
        const whole = Buffer.concat(received);
        for (let at = 0; at < whole.length; at += data.length) {
          const part = whole.subarray(at, at + data.length);
          expect(part.equals(data.subarray(0, part.length))).toBe(true);
        }
        poller.send(one, "on");
        expect(textOf(poller.receive(other, 2))).toBe("on");
      });

      it("tells of the end once, after the bytes before it", () => {
        const [one, other] = pair();
        poller.send(one, "last words");
        const shut = poller.shutdown(one);
        const events = poller.untilKind(other, EVENT_END).concat(poller.settle());
        expect(poller.result(shut)).toBe(0);
        const mine = events.filter((each) => each.id === other && each.kind !== EVENT_HANGUP);
        expect(mine.map((each) => each.kind)).toEqual([EVENT_DATA, EVENT_END]);
        // The other direction still works.
        poller.send(other, "still");
        expect(textOf(poller.receive(one, 5))).toBe("still");
      });

      it("tells of a hangup when both directions are over", () => {
        const [one, other] = pair();
        poller.shutdown(one);
        const events = poller.untilKind(other, EVENT_END);
        poller.shutdown(other);
        const isHungUp = (id: number, all: readonly SocketEvent[]) =>
          all.some((each) => each.id === id && each.kind === EVENT_HANGUP);
        events.push(...poller.until((all) => isHungUp(one, all) && isHungUp(other, all)));
        events.push(...poller.settle());
        const ends = events.filter((each) => each.kind === EVENT_END).map((each) => each.id);
        expect(ends).toEqual([other, one]);
        expect([poller.unsent(one), poller.unsent(other)]).toEqual([0, 0]);
      });

      it("refuses to send after its end", () => {
        const [one] = pair();
        poller.shutdown(one);
        const sent = poller.send(one, "too late");
        poller.poll();
        expect(poller.result(sent)).toBe(EPIPE);
      });

      it("tells nothing of an idle connection", () => {
        const [one, other] = pair();
        poller.settle();
        for (let i = 0; i < 10; i++) {
          poller.send(one, pattern(1000));
          expect(poller.receive(other, 1000)).toEqual(pattern(1000));
        }
        expect(poller.settle()).toEqual([]);
      });

      it("receives no more than there is room for, and goes on by RESUME", () => {
        const [one, other] = pair();
        poller.setRoom(other, 10);
        poller.send(one, pattern(25));
        expect(poller.receive(other, 10)).toEqual(pattern(10));
        poller.setRoom(other, 0);
        expect(poller.settle()).toEqual([]);
        poller.setRoom(other, 10);
        expect(poller.settle()).toEqual([]);
        poller.resume(other);
        expect(poller.receive(other, 15)).toEqual(pattern(15, 10));
      });

      it("treats the room 0 of a new socket as none", () => {
        poller.defaultRoom = 0;
        const [one, other] = pair();
        poller.send(one, "early");
        expect(poller.settle()).toEqual([]);
        poller.setRoom(other, 100);
        poller.resume(other);
        expect(textOf(poller.receive(other, 5))).toBe("early");
      });

      it("tells nothing more once it is closed", () => {
        const [one, other] = pair();
        poller.setRoom(other, 0);
        poller.send(one, "unread");
        poller.settle();
        expect(poller.socketClose(other)).toBe(0);
        expect(poller.settle().filter((each) => each.id === other)).toEqual([]);
      });

      it("answers a submission for a closed socket with EBADF", () => {
        const [one, other] = pair();
        const indices = [poller.send(one, "x"), poller.shutdown(one), poller.resume(one)];
        poller.socketClose(one);
        poller.untilKind(other, EVENT_END);
        expect(indices.map((index) => poller.result(index))).toEqual([EBADF, EBADF, EBADF]);
      });
    });
  }

  describe("connecting", () => {
    it("is writable once connected, and the listener acceptable", () => {
      const listener = poller.listen();
      const client = poller.connect(poller.name(listener));
      const events = poller.until((all) => all.length >= 2).concat(poller.settle());
      expect(events).toHaveLength(2);
      expect(events).toContainEqual({ id: client, kind: EVENT_WRITABLE, length: 0 });
      expect(events).toContainEqual({ id: listener, kind: EVENT_ACCEPTABLE, length: 0 });
      const server = poller.accept(listener);
      expect(server).toBeGreaterThan(0);
      expect(poller.accept(listener)).toBe(EAGAIN);
      expect(poller.name(server, true)).toEqual(poller.name(client));
      expect(poller.name(server)).toEqual(poller.name(client, true));
    });

    it("that is refused is an error and no writability", () => {
      const listener = poller.listen();
      const nowhere = poller.name(listener);
      poller.socketClose(listener);
      const client = poller.connect(nowhere);
      const events = poller.untilKind(client, EVENT_ERROR).concat(poller.settle());
      const told = events.filter((each) => each.kind !== EVENT_HANGUP);
      expect(told).toEqual([{ id: client, kind: EVENT_ERROR, length: ECONNREFUSED }]);
    });

    it("to an AF_UNIX listener is done at once", () => {
      const listener = poller.listen(sockaddrUn(`\0caraway-${process.pid}-at-once`));
      const client = poller.open(1, 1);
      const { addon, handle } = poller;
      expect(addon.socketConnect(handle, client, poller.name(listener))).toBe(0);
      expect(poller.untilKind(listener, EVENT_ACCEPTABLE)).toHaveLength(1);
      const server = poller.take(poller.accept(listener));
      poller.send(client, "hello");
      expect(textOf(poller.receive(server, 5))).toBe("hello");
    });
  });

  describe("TCP", () => {
    it("tells of a reset after the bytes that came before it", () => {
      const [one, other] = poller.tcpPair();
      poller.setRoom(other, 0);
      poller.send(one, "before");
      poller.poll();
      poller.setRoom(other, 100);
      poller.socketClose(one, true);
      const events = poller.untilKind(other, EVENT_ERROR).concat(poller.settle());
      const told = events.filter((each) => each.kind !== EVENT_HANGUP);
      expect(told.map((each) => [each.kind, each.length])).toEqual([
        [EVENT_DATA, 6],
        [EVENT_ERROR, ECONNRESET],
      ]);
      expect(events.some((each) => each.kind === EVENT_HANGUP)).toBe(true);
      expect(poller.unsent(other)).toBe(ECONNRESET);
      expect(poller.info(other)[INFO_STATE]).toBe(STATE_CLOSE);
    });

    it("tells of a reset at once when there is no room", () => {
      const [one, other] = poller.tcpPair();
      poller.setRoom(other, 0);
      poller.send(one, "never read");
      poller.settle();
      poller.socketClose(one, true);
      const events = poller.untilKind(other, EVENT_ERROR);
      expect(events.find((each) => each.kind === EVENT_ERROR)?.length).toBe(ECONNRESET);
      poller.setRoom(other, 100);
      poller.resume(other);
      expect(poller.settle().filter((each) => each.kind !== EVENT_HANGUP)).toEqual([]);
    });

    it("tells of a reset when the room ends on the way to it", () => {
      const [one, other] = poller.tcpPair();
      poller.setRoom(other, 0);
      poller.send(one, "eight by");
      poller.poll();
      poller.setRoom(other, 4);
      poller.socketClose(one, true);
      const events = poller.untilKind(other, EVENT_DATA);
      poller.setRoom(other, 0);
      events.push(...poller.settle());
      expect(events.filter((each) => each.kind !== EVENT_HANGUP).map((each) => each.kind)).toEqual([
        EVENT_DATA,
        EVENT_ERROR,
      ]);
    });

    it("gives a sender the reset as its result, and the cause again when asked what is unsent", () => {
      const [one, other] = poller.tcpPair();
      poller.setRoom(other, 0);
      poller.socketClose(one, true);
      const sent = poller.send(other, "into nothing");
      poller.poll();
      expect(poller.result(sent)).toBe(ECONNRESET);
      expect(poller.unsent(other)).toBe(ECONNRESET);
      expect(poller.unsent(other)).toBe(ECONNRESET);
    });

    it("says how the connection broke to who asks what is unsent first", () => {
      const [one, other] = poller.tcpPair();
      poller.socketClose(one, true);
      expect(poller.unsent(other)).toBe(ECONNRESET);
      expect(poller.settle().filter((each) => each.kind === EVENT_ERROR)).toEqual([]);
      expect(poller.unsent(other)).toBe(ECONNRESET);
    });

    it("tells once when the FIN has been acknowledged, although the peer has not ended", () => {
      const [one, other] = poller.tcpPair();
      expect(poller.unsent(one)).toBe(0);
      poller.setRoom(other, 0);
      poller.send(one, pattern(1000));
      poller.shutdown(one);
      const events = poller.untilKind(one, EVENT_HANGUP).concat(poller.settle());
      expect(events.filter((each) => each.id === one)).toHaveLength(1);
      expect(poller.info(one)[INFO_STATE]).toBe(STATE_FIN_WAIT2);
      expect(poller.unsent(one)).toBe(0);
    });

    it("counts what is not acknowledged, the FIN as one", () => {
      const [one, other] = poller.tcpPair();
      poller.setRoom(other, 0);
      let index: number;
      let sent = 0;
      do {
        index = poller.send(one, pattern(65_536));
        poller.poll();
        sent += poller.result(index);
      } while (poller.result(index) > 0);
      // What is under way is still being acknowledged.
      let before = -1;
      let calm = 0;
      poller.until(() => {
        const unsent = poller.unsent(one);
        calm = unsent === before ? calm + 1 : 0;
        before = unsent;
        return calm > 1_000;
      });
      expect(before).toBeGreaterThan(0);
      expect(before).toBeLessThanOrEqual(sent);
      poller.shutdown(one);
      poller.poll();
      expect(poller.unsent(one)).toBe(before + 1);
      poller.setRoom(other, 65_536);
      poller.resume(other);
      poller.receive(other, sent);
      poller.until(() => poller.unsent(one) === 0);
    });

    it("closes by RST when asked to and by FIN when not", () => {
      for (const [isReset, kind] of [
        [true, EVENT_ERROR],
        [false, EVENT_END],
      ] as const) {
        const [one, other] = poller.tcpPair();
        poller.socketClose(one, isReset);
        const events = poller.untilKind(other, kind);
        const kinds = new Set(events.map((each) => each.kind));
        expect(kinds.has(EVENT_ERROR)).toBe(isReset);
        expect(kinds.has(EVENT_END)).toBe(!isReset);
      }
    });
  });

  describe("AF_UNIX", () => {
    it("tells when the peer has read all that was sent before the end", () => {
      const [one, other] = poller.unixPair();
      poller.setRoom(other, 0);
      poller.send(one, "unread");
      poller.shutdown(one);
      expect(poller.settle().filter((each) => each.id === one)).toEqual([]);
      expect(poller.unsent(one)).toBeGreaterThan(0);
      poller.setRoom(other, 100);
      poller.resume(other);
      poller.untilKind(one, EVENT_HANGUP);
      expect(poller.unsent(one)).toBe(0);
    });

    it("says ECONNRESET when the peer closes without having read", () => {
      const [one, other] = poller.unixPair();
      poller.setRoom(other, 0);
      poller.send(one, "never read");
      poller.settle();
      poller.setRoom(one, 0);
      poller.socketClose(other);
      const events = poller.untilKind(one, EVENT_ERROR);
      expect(events.find((each) => each.kind === EVENT_ERROR)?.length).toBe(ECONNRESET);
      expect(poller.unsent(one)).toBe(ECONNRESET);
    });
  });

  it("refuses wrong submissions one by one and does the others", () => {
    const [one, other] = poller.unixPair();
    const { txBytes } = poller.opened;
    const indices = [
      poller.submit(one, 1, -1, 10),
      poller.submit(one, 1, 0, -10),
      poller.submit(one, 1, txBytes - 5, 10),
      poller.submit(one, 1, 2 ** 31 - 1, 2 ** 31 - 1),
      poller.submit(one, 99, 0, 0),
      poller.submit(one, 2, 0, 4),
      poller.submit(0, 1, 0, 1),
      poller.submit(-1, 1, 0, 1),
      poller.submit(one + 1, 1, 0, 0),
      poller.send(one, "good"),
    ];
    expect(textOf(poller.receive(other, 4))).toBe("good");
    expect(indices.map((index) => poller.result(index))).toEqual([
      EFAULT,
      EFAULT,
      EFAULT,
      EFAULT,
      EINVAL,
      EINVAL,
      EBADF,
      EBADF,
      0,
      4,
    ]);
  });

  it("clamps a count of submissions that is out of range", () => {
    const [one, other] = poller.unixPair();
    poller.send(one, "x");
    for (const count of [-5, 2 ** 31 - 1]) {
      poller.control[0] = count;
      const work = poller.addon.poll(poller.handle);
      expect(work).toBeLessThanOrEqual(poller.opened.submissions + poller.opened.events);
      expect(poller.control[0]).toBe(0);
    }
    poller.socketClose(other);
  });

  it("moves a message by one send and one receive, and asks epoll once per poll", () => {
    const [one, other] = poller.tcpPair();
    const before = poller.status.slice();
    for (let i = 0; i < 100; i++) {
      poller.send(one, pattern(64));
      poller.receive(other, 64);
      poller.send(other, pattern(64));
      poller.receive(one, 64);
    }
    const since = (field: number) => (poller.status[field] as number) - (before[field] as number);
    expect(since(SOCKET_STATUS_SEND_CALLS)).toBe(200);
    expect(since(SOCKET_STATUS_RECV_CALLS)).toBe(200);
    expect(since(SOCKET_STATUS_EPOLL_WAITS)).toBe(since(SOCKET_STATUS_POLLS));
    expect(since(SOCKET_STATUS_BYTES_SENT)).toBe(12_800);
    expect(since(SOCKET_STATUS_BYTES_RECEIVED)).toBe(12_800);
    expect(since(SOCKET_STATUS_EVENTS)).toBe(200);
    expect(since(SOCKET_STATUS_NOW_MS)).toBeGreaterThan(0);
  });

  it("counts sockets opened, accepted and closed", () => {
    const before = poller.status.slice();
    const listener = poller.listen();
    const [one, other] = poller.tcpPair(listener);
    for (const id of [one, other, listener]) poller.socketClose(id);
    const since = (field: number) => (poller.status[field] as number) - (before[field] as number);
    expect([SOCKET_STATUS_OPENED, SOCKET_STATUS_ACCEPTED, SOCKET_STATUS_CLOSED].map(since)).toEqual(
      [2, 1, 3],
    );
  });

  it("says what is wrong with an address", () => {
    const { addon, handle } = poller;
    const id = poller.open(2, 1);
    expect(addon.socketBind(handle, id, new Uint8Array(0))).toBe(EINVAL);
    expect(addon.socketBind(handle, id, sockaddrUn("/tmp/x"))).toBeLessThan(0);
    expect(addon.socketConnect(handle, id, new Uint8Array(1))).toBe(EINVAL);
    expect(addon.socketBind(handle, id, sockaddrIn("192.0.2.1", 0))).toBe(-99);
  });
});
