// The calls that make, name and question sockets; addresses of AF_UNIX; network namespaces.

import { existsSync, rmSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  EVENT_ACCEPTABLE,
  INFO_BYTES_ACKED,
  INFO_BYTES_RECEIVED,
  INFO_CONGESTION_WINDOW,
  INFO_OPTIONS,
  INFO_RECEIVE_QUEUE,
  INFO_RECEIVE_WINDOW_SCALE,
  INFO_RTO_US,
  INFO_RTT_US,
  INFO_SACKED,
  INFO_SEGMENTS_IN,
  INFO_SEGMENTS_OUT,
  INFO_SEND_MSS,
  INFO_SEND_QUEUE,
  INFO_SEND_WINDOW,
  INFO_STATE,
  INFO_TOTAL_RETRANSMITS,
  INFO_UNACKED,
  SOCK_DGRAM,
  SOCK_STREAM,
} from "../../native-io/sockets.ts";
import { TestFolder } from "../support/folder.ts";
import { describeWithNic, NetNs, ownNamespace } from "../support/netns.ts";
import {
  describeWithSockets,
  EAGAIN,
  EBADF,
  ECONNREFUSED,
  EINVAL,
  Poller,
  pattern,
  portOf,
  sockaddrIn,
  sockaddrUn,
  textOf,
} from "./socket-poller.ts";

const ENOENT = -2;
const EADDRINUSE = -98;
const ENOTCONN = -107;
const ENOBUFS = -105;
const EAFNOSUPPORT = -97;
const EPROTONOSUPPORT = -93;
const ENOPROTOOPT = -92;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_TYPE = 3;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const STATE_ESTABLISHED = 1;
const STATE_LISTEN = 10;

describeWithSockets("calls on sockets of the kernel", () => {
  const folder = new TestFolder();
  let poller: Poller;
  beforeEach(() => {
    poller = new Poller();
  });
  afterEach(() => poller.close());

  describe("opening", () => {
    it("knows three families and two types", () => {
      for (const family of [AF_UNIX, AF_INET, AF_INET6]) {
        for (const type of [SOCK_STREAM, SOCK_DGRAM]) {
          const id = poller.open(family, type);
          expect(poller.addon.socketGetOption(poller.handle, id, SOL_SOCKET, SO_TYPE)).toBe(type);
        }
      }
      const { addon, handle } = poller;
      // AF_PACKET, SOCK_RAW: what Caraway does not open here.
      expect(addon.socketOpen(handle, 17, SOCK_DGRAM, "")).toBe(EAFNOSUPPORT);
      expect(addon.socketOpen(handle, AF_INET, 3, "")).toBe(EPROTONOSUPPORT);
    });

    it("tells nothing of a stream that neither connects nor listens", () => {
      poller.open(AF_INET, SOCK_STREAM);
      poller.open(AF_UNIX, SOCK_STREAM);
      poller.open(AF_INET, SOCK_DGRAM);
      expect(poller.settle()).toEqual([]);
    });

    it("is ENOENT for a namespace that is not there, EINVAL for what is none", () => {
      const { addon, handle } = poller;
      const open = (netns: string) => addon.socketOpen(handle, AF_INET, SOCK_STREAM, netns);
      expect(open("caraway-nowhere")).toBe(ENOENT);
      expect(open("/proc/self/ns/uts")).toBe(EINVAL);
    });
  });

  describe("names", () => {
    it("are the address and the port, ours and the peer's", () => {
      const [client, server] = poller.tcpPair();
      expect(poller.name(client)).toEqual(poller.name(server, true));
      expect(poller.name(client, true)).toEqual(poller.name(server));
      expect(poller.name(client).subarray(4, 8)).toEqual(Uint8Array.of(127, 0, 0, 1));
      expect(portOf(poller.name(client))).toBeGreaterThan(0);
    });

    it("of the peer are told by accept", () => {
      const listener = poller.listen();
      const client = poller.connect(poller.name(listener));
      poller.until((events) => events.some((each) => each.id === client));
      const peer = new Uint8Array(20).fill(7);
      poller.take(poller.accept(listener, peer));
      expect(peer.subarray(0, 16)).toEqual(poller.name(client));
      // Neither more than the address has, nor than there is room for.
      expect([...peer.subarray(16)]).toEqual([7, 7, 7, 7]);
      poller.connect(poller.name(listener));
      poller.until(() => true);
      const short = new Uint8Array(20).fill(7);
      poller.take(poller.accept(listener, short.subarray(0, 4)));
      expect([...short.subarray(4)]).toEqual(new Array(16).fill(7));
    });

    it("of IPv6 have 28 bytes", () => {
      const id = poller.open(AF_INET6, SOCK_STREAM);
      expect(poller.name(id)).toHaveLength(28);
    });

    it("of what has no peer are ENOTCONN, without room for them ENOBUFS", () => {
      const { addon, handle } = poller;
      const id = poller.listen();
      expect(addon.socketName(handle, id, true, new Uint8Array(128))).toBe(ENOTCONN);
      expect(addon.socketName(handle, id, false, new Uint8Array(4))).toBe(ENOBUFS);
      expect(addon.socketName(handle, id, false, new Uint8Array(0))).toBe(ENOBUFS);
    });

    it("in use are EADDRINUSE", () => {
      const listener = poller.listen();
      const id = poller.open(AF_INET, SOCK_STREAM);
      const bound = poller.addon.socketBind(poller.handle, id, poller.name(listener));
      expect(bound).toBe(EADDRINUSE);
    });

    it("of AF_UNIX may be paths", () => {
      const file = folder.file("socket");
      const listener = poller.listen(sockaddrUn(file));
      expect(existsSync(file)).toBe(true);
      expect(poller.name(listener)).toEqual(sockaddrUn(file));
      const client = poller.connect(sockaddrUn(file));
      poller.untilKind(listener, EVENT_ACCEPTABLE);
      const server = poller.take(poller.accept(listener));
      poller.send(client, "through a file");
      expect(textOf(poller.receive(server, 14))).toBe("through a file");
      rmSync(file);
      const late = poller.open(AF_UNIX, SOCK_STREAM);
      expect(poller.addon.socketConnect(poller.handle, late, sockaddrUn(file))).toBe(ENOENT);
    });

    it("of AF_UNIX may be abstract, and every byte of them counts", () => {
      const name = `\0caraway-${process.pid}-abstract`;
      const listener = poller.listen(sockaddrUn(name));
      expect(poller.name(listener)).toEqual(sockaddrUn(name));
      const { addon, handle } = poller;
      const client = poller.open(AF_UNIX, SOCK_STREAM);
      const longer = sockaddrUn(`${name}\0`);
      expect(addon.socketConnect(handle, client, longer)).toBe(ECONNREFUSED);
      expect(addon.socketConnect(handle, client, sockaddrUn(name))).toBe(0);
      expect(poller.name(client)).toHaveLength(2);
      poller.socketClose(listener);
      const late = poller.open(AF_UNIX, SOCK_STREAM);
      expect(addon.socketConnect(handle, late, sockaddrUn(name))).toBe(ECONNREFUSED);
    });
  });

  describe("options", () => {
    it("are set and read", () => {
      const { addon, handle } = poller;
      const id = poller.open(AF_INET, SOCK_STREAM);
      for (const [level, name] of [
        [IPPROTO_TCP, TCP_NODELAY],
        [SOL_SOCKET, SO_REUSEADDR],
      ] as const) {
        expect(addon.socketGetOption(handle, id, level, name)).toBe(0);
        expect(addon.socketOption(handle, id, level, name, 1)).toBe(0);
        expect(addon.socketGetOption(handle, id, level, name)).toBe(1);
      }
      expect(addon.socketOption(handle, id, SOL_SOCKET, 9999, 1)).toBe(ENOPROTOOPT);
      expect(addon.socketGetOption(handle, id, SOL_SOCKET, 9999)).toBe(ENOPROTOOPT);
    });
  });

  describe("accepting", () => {
    it("is EINVAL where nothing listens, EAGAIN where nobody comes", () => {
      expect(poller.accept(poller.open(AF_INET, SOCK_STREAM))).toBe(EINVAL);
      expect(poller.accept(poller.listen())).toBe(EAGAIN);
    });

    it("listening needs a stream", () => {
      const { addon, handle } = poller;
      expect(addon.socketListen(handle, poller.udp(), 1)).toBe(-95);
      const unbound = poller.open(AF_UNIX, SOCK_STREAM);
      expect(addon.socketListen(handle, unbound, 1)).toBe(EINVAL);
    });

    it("a full AF_UNIX backlog is EAGAIN to who connects", () => {
      const listener = poller.listen(sockaddrUn(`\0caraway-${process.pid}-full`), 0);
      const to = poller.name(listener);
      poller.connect(to);
      const second = poller.open(AF_UNIX, SOCK_STREAM);
      const connect = () => poller.addon.socketConnect(poller.handle, second, to);
      expect(connect()).toBe(EAGAIN);
      poller.accept(listener);
      expect(connect()).toBe(0);
    });
  });

  describe("information", () => {
    it("tells the state of a TCP connection", () => {
      const [client, server] = poller.tcpPair();
      poller.send(client, pattern(5000));
      poller.receive(server, 5000);
      poller.setRoom(client, 0);
      poller.send(server, pattern(700));
      poller.settle();
      const info = poller.info(client);
      expect(info[INFO_STATE]).toBe(STATE_ESTABLISHED);
      expect(info[INFO_SEND_MSS]).toBeGreaterThan(500);
      expect((info[INFO_OPTIONS] as number) & 4).toBe(4);
      expect(info[INFO_RECEIVE_WINDOW_SCALE]).toBeGreaterThan(0);
      expect(info[INFO_SEND_WINDOW]).toBeGreaterThan(5000);
      expect(info[INFO_CONGESTION_WINDOW]).toBeGreaterThan(0);
      expect(info[INFO_RTT_US]).toBeGreaterThan(0);
      expect(info[INFO_RTO_US]).toBeGreaterThanOrEqual(200_000);
      expect(info[INFO_TOTAL_RETRANSMITS]).toBe(0);
      expect(info[INFO_SEGMENTS_IN]).toBeGreaterThan(1);
      expect(info[INFO_SEGMENTS_OUT]).toBeGreaterThan(1);
      // The SYN counts as one.
      expect(info[INFO_BYTES_ACKED]).toBe(5001);
      expect(info[INFO_BYTES_RECEIVED]).toBe(700);
      expect(info[INFO_RECEIVE_QUEUE]).toBe(700);
      expect(info[INFO_SEND_QUEUE]).toBe(0);
    });

    it("tells a listener's queue and backlog", () => {
      const listener = poller.listen(undefined, 7);
      const clients = [0, 1, 2].map(() => poller.connect(poller.name(listener)));
      for (const client of clients) expect(client).toBeGreaterThan(0);
      poller.settle();
      const info = poller.info(listener);
      expect(info[INFO_STATE]).toBe(STATE_LISTEN);
      expect(info[INFO_UNACKED]).toBe(3);
      expect(info[INFO_SACKED]).toBe(7);
    });

    it("tells the queues of AF_UNIX", () => {
      const [one, other] = poller.unixPair();
      poller.setRoom(other, 0);
      poller.send(one, pattern(300));
      poller.poll();
      expect(poller.info(other)[INFO_RECEIVE_QUEUE]).toBe(300);
      expect(poller.info(one)[INFO_SEND_QUEUE]).toBeGreaterThanOrEqual(300);
      expect(poller.info(one)[INFO_STATE]).toBe(0);
    });

    it("fills in as much as there is room for", () => {
      const [client] = poller.tcpPair();
      const few = new Float64Array(2).fill(-1);
      const many = new Float64Array(40).fill(-1);
      const { addon, handle } = poller;
      expect(addon.socketInfo(handle, client, few)).toBe(0);
      expect(few[0]).toBe(STATE_ESTABLISHED);
      expect(addon.socketInfo(handle, client, many)).toBe(0);
      expect(many[39]).toBe(0);
    });

    it("takes the pending error once", () => {
      const { addon, handle } = poller;
      const listener = poller.listen();
      const to = poller.name(listener);
      poller.socketClose(listener);
      const client = poller.connect(to);
      expect(addon.socketError(handle, client)).toBe(ECONNREFUSED);
      expect(addon.socketError(handle, client)).toBe(0);
    });

    it("counts what a full backlog drops", () => {
      const listener = poller.listen(undefined, 0);
      const to = poller.name(listener);
      const drops = () => poller.addon.socketDrops(poller.handle, listener);
      expect(drops()).toBe(0);
      for (let i = 0; i < 5; i++) poller.connect(to);
      poller.settle();
      expect(drops()).toBeGreaterThan(0);
    });
  });

  it("arguments of wrong types harm nobody", () => {
    const { addon, handle } = poller;
    const call = addon as unknown as Record<string, (...args: unknown[]) => unknown>;
    const id = poller.listen();
    for (const name of Object.keys(addon).filter((each) => each.startsWith("socket"))) {
      if (name === "socketOpen") continue;
      for (const wrong of [undefined, null, "x", {}, Number.NaN, new Uint8Array(0)]) {
        call[name]?.();
        call[name]?.(wrong);
        call[name]?.(handle, wrong, wrong, wrong, wrong);
        if (name !== "socketClose" && name !== "socketDetach") {
          call[name]?.(handle, id, wrong, wrong, wrong);
        }
      }
    }
    expect(addon.closeDescriptor(undefined as never)).toBe(EBADF);
    expect(poller.settle()).toEqual([]);
    expect(addon.socketBind(handle, id, new Float64Array(16) as never)).toBe(EINVAL);
    expect(addon.socketPair(handle, new Int32Array(1))).toBe(EINVAL);
  });
});

describeWithNic("sockets of the kernel in a network namespace", () => {
  let poller: Poller;
  let netns: NetNs;
  beforeAll(async () => {
    netns = await NetNs.create();
    netns.addVeth("one", "other");
    netns.ip("addr add 10.77.0.1/24 dev one");
    poller = new Poller();
  });
  afterAll(() => {
    poller.close();
    netns.remove();
  });

  it("are there and nowhere else, and this thread stays where it is", () => {
    const before = ownNamespace();
    const listener = poller.listen(sockaddrIn("10.77.0.1", 0), 16, netns.path);
    expect(ownNamespace()).toBe(before);
    const inside = poller.connect(poller.name(listener), netns.path);
    poller.untilKind(listener, EVENT_ACCEPTABLE);
    const server = poller.take(poller.accept(listener));
    poller.send(inside, "inside");
    expect(textOf(poller.receive(server, 6))).toBe("inside");
    // The address does not exist here.
    const outside = poller.open(AF_INET, SOCK_STREAM);
    const bound = poller.addon.socketBind(poller.handle, outside, sockaddrIn("10.77.0.1", 0));
    expect(bound).toBe(-99);
  });
});
