// A poller at its limits: ids that were kept too long, a full table, more to receive or to tell
// than one poll can take. Nothing is lost, and nothing is somebody else's.

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  EVENT_ACCEPTABLE,
  EVENT_DATA,
  EVENT_WRITABLE,
  openSockets,
  SOCK_STREAM,
  type SocketsOptions,
} from "../../native-io/sockets.ts";
import {
  describeWithSockets,
  EAGAIN,
  EBADF,
  ENFILE,
  Poller,
  pattern,
  type SocketEvent,
} from "./socket-poller.ts";

const AF_UNIX = 1;
const SLOT_MASK = 2 ** 20 - 1;

describeWithSockets("a poller of sockets at its limits", () => {
  let poller: Poller;
  function open(options: SocketsOptions): void {
    poller.close();
    poller = new Poller(options);
  }
  const make = () => poller.addon.socketOpen(poller.handle, AF_UNIX, SOCK_STREAM, "");

  beforeEach(() => {
    poller = new Poller();
  });
  afterEach(() => poller.close());

  describe("ids", () => {
    it("a stale one is EBADF in every call, also when the slot is used again", () => {
      open({ maxSockets: 1 });
      const stale = make();
      poller.socketClose(stale);
      const { addon, handle } = poller;
      const bytes = new Uint8Array(128);
      const calls = (id: number) => [
        addon.socketBind(handle, id, bytes),
        addon.socketConnect(handle, id, bytes),
        addon.socketListen(handle, id, 1),
        addon.socketAccept(handle, id),
        addon.socketName(handle, id, false, bytes),
        addon.socketOption(handle, id, 1, 2, 1),
        addon.socketGetOption(handle, id, 1, 2),
        addon.socketError(handle, id),
        addon.socketInfo(handle, id, new Float64Array(32)),
        addon.socketUnsent(handle, id),
        addon.socketDrops(handle, id),
        addon.socketDetach(handle, id),
        addon.socketSendFd(handle, id, 0),
        addon.socketClose(handle, id, false),
      ];
      const everywhere = calls(0).map(() => EBADF);
      expect(calls(stale)).toEqual(everywhere);
      const fresh = make();
      expect(fresh & SLOT_MASK).toBe(stale & SLOT_MASK);
      expect(fresh).not.toBe(stale);
      for (const wrong of [stale, 0, -1, -fresh, fresh + 1, SLOT_MASK, 2 ** 31 - 1]) {
        expect(calls(wrong)).toEqual(everywhere);
      }
      expect(addon.socketError(handle, fresh)).toBe(0);
    });

    it("are positive through all generations of a slot, and differ until they wrap", () => {
      open({ maxSockets: 1 });
      const seen = new Set<number>();
      for (let i = 0; i < 2047; i++) {
        const id = make();
        expect(id).toBeGreaterThan(0);
        seen.add(id);
        poller.socketClose(id);
      }
      expect(seen.size).toBe(2047);
      expect(make()).toBe(Math.min(...seen));
    });

    it("use freed slots first in, first out", () => {
      open({ maxSockets: 3 });
      const ids = [make(), make(), make()];
      for (const index of [1, 0, 2]) poller.socketClose(ids[index] as number);
      const slots = [make(), make(), make()].map((id) => id & SLOT_MASK);
      expect(slots).toEqual([1, 0, 2].map((index) => (ids[index] as number) & SLOT_MASK));
    });

    it("of another poller are not known", () => {
      const other = new Poller();
      make();
      expect(other.socketClose(make())).toBe(EBADF);
      other.close();
    });
  });

  describe("a full table", () => {
    it("is ENFILE for each way to get a socket", () => {
      open({ maxSockets: 2 });
      const ids = [make(), make()] as [number, number];
      const { addon, handle } = poller;
      expect(make()).toBe(ENFILE);
      expect(addon.socketPair(handle, new Int32Array(2))).toBe(ENFILE);
      poller.socketClose(ids[0]);
      expect(addon.socketPair(handle, new Int32Array(2))).toBe(ENFILE);
      expect(make()).toBeGreaterThan(0);
    });

    it("leaves the connection in the kernel's queue", () => {
      open({ maxSockets: 2 });
      const listener = poller.listen();
      const client = poller.connect(poller.name(listener));
      poller.untilKind(listener, EVENT_ACCEPTABLE);
      expect(poller.accept(listener)).toBe(ENFILE);
      expect(poller.accept(listener)).toBe(ENFILE);
      poller.socketClose(client);
      expect(poller.accept(listener)).toBeGreaterThan(0);
      expect(poller.accept(listener)).toBe(ENFILE);
    });
  });

  describe("more to receive than a poll can take", () => {
    it("comes in the next polls, all sockets in turn", () => {
      open({ rxBytes: 131_072 });
      const pairs = Array.from({ length: 20 }, () => poller.unixPair());
      for (const [one] of pairs) poller.send(one, pattern(40_000));
      const first = poller.poll();
      expect(first.reduce((sum, each) => sum + each.length, 0)).toBe(131_072);
      expect(poller.addon.armWake(poller.handle, () => {})).toBe(false);
      const got = new Map<number, number>();
      let turns = 0;
      const all = first.concat(
        poller.until((events) => {
          turns++;
          const sum = events.concat(first).reduce((total, each) => total + each.length, 0);
          return sum === 20 * 40_000;
        }),
      );
      expect(turns).toBeGreaterThanOrEqual(6);
      for (const each of all) got.set(each.id, (got.get(each.id) ?? 0) + each.length);
      expect([...got.values()]).toEqual(pairs.map(() => 40_000));
      // In the order in which they became ready, nobody twice before all had a turn.
      const firstTurns = [...new Set(all.map((each) => each.id))];
      expect(firstTurns).toEqual(pairs.map(([, other]) => other));
    });

    it("of one socket is no more than 64 KiB per poll, and is whole in the end", () => {
      const [one, other] = poller.unixPair();
      poller.setRoom(other, 1 << 30);
      poller.send(one, pattern(150_000));
      const lengths: number[] = [];
      const parts: Uint8Array[] = [];
      poller.until((events) => {
        for (const each of events.slice(lengths.length)) {
          lengths.push(each.length);
          parts.push(each.bytes as Uint8Array);
        }
        return lengths.reduce((sum, each) => sum + each, 0) === 150_000;
      });
      expect(lengths).toEqual([65_536, 65_536, 150_000 - 131_072]);
      expect(Buffer.concat(parts).equals(pattern(150_000))).toBe(true);
    });
  });

  describe("more to tell than a poll has room for", () => {
    it("data comes in the next polls", () => {
      open({ events: 64 });
      const pairs = Array.from({ length: 300 }, () => poller.unixPair());
      for (const [one] of pairs) poller.send(one, "x");
      const ids = new Set<number>();
      let most = 0;
      let before = 0;
      const events = poller.until((all) => {
        most = Math.max(most, all.length - before);
        before = all.length;
        return all.length === pairs.length;
      });
      for (const each of events) ids.add(each.id);
      expect(ids.size).toBe(pairs.length);
      expect(most).toBeLessThanOrEqual(64);
      expect(poller.settle()).toEqual([]);
    });

    it("connections that finish are all told of", () => {
      open({ events: 64 });
      const listeners = Array.from({ length: 150 }, () => poller.listen());
      const clients = listeners.map((each) => poller.connect(poller.name(each)));
      const events = poller.until((all) => all.length >= 300).concat(poller.settle());
      const idsOf = (kind: number) =>
        events.filter((each) => each.kind === kind).map((each) => each.id);
      expect(new Set(idsOf(EVENT_WRITABLE))).toEqual(new Set(clients));
      expect(new Set(idsOf(EVENT_ACCEPTABLE))).toEqual(new Set(listeners));
      expect(events).toHaveLength(300);
    });

    it("more are ready at once than epoll tells in one batch", () => {
      const pairs = Array.from({ length: 1500 }, () => poller.unixPair());
      for (const [one] of pairs) poller.send(one, "x");
      const events = poller.poll();
      expect(events.filter((each) => each.kind === EVENT_DATA)).toHaveLength(1500);
      expect(poller.settle()).toEqual([]);
    });

    it("a socket that is closed while it waits for its turn takes it along", () => {
      open({ events: 64 });
      const pairs = Array.from({ length: 100 }, () => poller.unixPair());
      for (const [one] of pairs) poller.send(one, "x");
      const told = poller.poll();
      const waiting = pairs.map(([, other]) => other).filter((id) => !isToldOf(told, id));
      const closed = waiting.filter((_, index) => index % 3 === 0);
      for (const id of closed) poller.socketClose(id);
      const rest = poller.until((all) => all.length >= waiting.length - closed.length);
      for (const id of closed) expect(isToldOf(rest, id)).toBe(false);
      const left = waiting.filter((id) => !closed.includes(id));
      for (const id of left) expect(isToldOf(rest, id)).toBe(true);
    });
  });

  describe("options", () => {
    const wrong: readonly (readonly [keyof SocketsOptions, number])[] = [
      ["maxSockets", 0],
      ["maxSockets", 2 ** 20 + 1],
      ["rxBytes", 131_071],
      ["txBytes", 2 ** 28 + 1],
      ["submissions", 0],
      ["events", 63],
      ["events", Number.NaN],
    ];
    for (const [name, value] of wrong) {
      it(`${name}: ${value} is EINVAL`, () => {
        expect(() => openSockets({ [name]: value })).toThrow(
          expect.objectContaining({ code: "EINVAL", errno: -22, syscall: "sockets.open" }),
        );
      });
    }

    it("of a wrong type are a TypeError", () => {
      expect(() => openSockets({ rxBytes: "many" as never })).toThrow(TypeError);
    });

    it("have defaults, and the largest table works", () => {
      const byDefault = openSockets();
      expect(byDefault).toMatchObject({
        maxSockets: 65_536,
        rxBytes: 2 ** 20,
        txBytes: 2 ** 20,
        submissions: 4096,
        events: 4096,
      });
      poller.addon.close(byDefault.handle);
      open({ maxSockets: 2 ** 20 });
      expect(make()).toBeGreaterThan(0);
      expect(poller.poll()).toEqual([]);
    });

    it("more than 64 pollers in one thread are EMFILE, and closing one helps", () => {
      const handles = Array.from({ length: 63 }, () => openSockets({ maxSockets: 1 }).handle);
      expect(() => openSockets()).toThrow(expect.objectContaining({ code: "EMFILE" }));
      poller.addon.close(handles.pop() as number);
      handles.push(openSockets({ maxSockets: 1 }).handle);
      for (const handle of handles) poller.addon.close(handle);
    });
  });

  it("a closed poller is EBADF, and its memory is gone", () => {
    const { addon, handle, room } = poller;
    const [one] = poller.unixPair();
    poller.close();
    poller.close();
    expect(addon.poll(handle)).toBe(EBADF);
    expect(addon.socketClose(handle, one, false)).toBe(EBADF);
    expect(addon.socketOpen(handle, AF_UNIX, SOCK_STREAM, "")).toBe(EBADF);
    expect(addon.socketPair(handle, new Int32Array(2))).toBe(EBADF);
    expect(addon.armWake(handle, () => {})).toBe(false);
    expect(room.length).toBe(0);
  });

  it("skips connections that were reset before they were accepted", () => {
    const listener = poller.listen(undefined, 4096);
    const to = poller.name(listener);
    const reset = (count: number) => {
      const ids = Array.from({ length: count }, () => poller.connect(to));
      poller.until((all) => ids.every((id) => isToldOf(all, id)));
      for (const id of ids) poller.socketClose(id, true);
    };
    reset(3);
    poller.poll();
    expect(poller.accept(listener)).toBe(EAGAIN);
    expect(poller.settle()).toEqual([]);
    // More than one accept looks at: it is told of again, until the good one is there.
    reset(100);
    const good = poller.connect(to);
    poller.untilWritable(good);
    expect(poller.accept(listener)).toBe(EAGAIN);
    expect(poller.poll()).toEqual([{ id: listener, kind: EVENT_ACCEPTABLE, length: 0 }]);
    const accepted = poller.accept(listener);
    expect(poller.name(accepted, true)).toEqual(poller.name(good));
    expect(poller.accept(listener)).toBe(EAGAIN);
  });
});

function isToldOf(events: readonly SocketEvent[], id: number): boolean {
  return events.some((each) => each.id === id);
}
