// Descriptors that come from elsewhere or go there: passed over AF_UNIX, adopted, detached; and
// what other programs may send that this addon itself never does.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  EVENT_ACCEPTABLE,
  EVENT_DATA,
  EVENT_DESCRIPTOR,
  EVENT_END,
  EVENT_WRITABLE,
  SOCK_STREAM,
} from "../../native-io/sockets.ts";
import {
  describeWithSockets,
  EAGAIN,
  EBADF,
  EINVAL,
  ENFILE,
  ok,
  Poller,
  portOf,
  type SocketEvent,
  sockaddrUn,
  textOf,
} from "./socket-poller.ts";

const EEXIST = -17;
const ENOTSOCK = -88;
const EOPNOTSUPP = -95;
const ENOTCONN = -107;
const PASSING_BYTE = 0xcc;

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

describeWithSockets("descriptors", () => {
  let poller: Poller;
  let folder: string;
  let file: string;
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), "caraway-"));
    file = path.join(folder, "file");
    writeFileSync(file, "in the file");
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  beforeEach(() => {
    poller = new Poller();
  });
  afterEach(() => poller.close());

  const sendFd = (id: number, fd: number) => poller.addon.socketSendFd(poller.handle, id, fd);
  const adopt = (fd: number, family: number, isListener = false) =>
    poller.addon.socketAdopt(poller.handle, fd, family, isListener);
  const detach = (id: number) => poller.addon.socketDetach(poller.handle, id);
  const kindsOf = (events: readonly SocketEvent[]) => events.map((each) => each.kind);

  describe("passed over AF_UNIX", () => {
    it("arrive before their byte, as copies that the receiver owns", () => {
      const [one, other] = poller.unixPair();
      const fd = openSync(file, "r");
      expect(sendFd(one, fd)).toBe(1);
      const events = poller.untilKind(other, EVENT_DATA);
      expect(kindsOf(events)).toEqual([EVENT_DESCRIPTOR, EVENT_DATA]);
      expect(events[1]?.bytes).toEqual(Uint8Array.of(PASSING_BYTE));
      const received = events[0]?.length as number;
      expect(received).not.toBe(fd);
      expect(fstatSync(received).ino).toBe(fstatSync(fd).ino);
      closeSync(fd);
      expect(fstatSync(received).size).toBe(11);
      expect(poller.addon.closeDescriptor(received)).toBe(0);
      expect(poller.addon.closeDescriptor(received)).toBe(EBADF);
    });

    it("keep their place between bytes", () => {
      const [one, other] = poller.unixPair();
      const fd = openSync(file, "r");
      poller.setRoom(other, 0);
      for (const text of ["before", "between", "after"]) {
        poller.send(one, text);
        poller.poll();
        if (text !== "after") expect(sendFd(one, fd)).toBe(1);
      }
      poller.setRoom(other, 65_536);
      poller.resume(other);
      const events = poller.until(
        (all) => all.reduce((sum, each) => sum + (each.bytes?.length ?? 0), 0) === 20,
      );
      let text = "";
      for (const each of events) {
        if (each.kind === EVENT_DESCRIPTOR) {
          text += "*";
          closeSync(each.length);
        } else text += textOf((each.bytes as Uint8Array).map((b) => (b === PASSING_BYTE ? 43 : b)));
      }
      expect(text).toBe("*before+*between+after");
      closeSync(fd);
    });

    it("come one by one although the reads are short", () => {
      const [one, other] = poller.unixPair();
      const fd = openSync(file, "r");
      for (let i = 0; i < 10; i++) expect(sendFd(one, fd)).toBe(1);
      const events = poller
        .until((all) => all.filter((each) => each.kind === EVENT_DATA).length === 10)
        .filter((each) => each.kind === EVENT_DESCRIPTOR);
      expect(events).toHaveLength(10);
      expect(events.every((each) => each.id === other)).toBe(true);
      for (const each of events) closeSync(each.length);
      closeSync(fd);
    });

    it("that are none are EBADF, over anything else EOPNOTSUPP", () => {
      const [one] = poller.unixPair();
      const [tcp] = poller.tcpPair();
      for (const fd of [-1, 1 << 20]) expect(sendFd(one, fd)).toBe(EBADF);
      expect(sendFd(tcp, 0)).toBe(EOPNOTSUPP);
    });

    it("wait for room, and writability tells of it", () => {
      const [one, other] = poller.unixPair();
      poller.setRoom(other, 0);
      let result: number;
      do {
        const index = poller.send(one, new Uint8Array(32_768));
        poller.poll();
        result = poller.result(index);
      } while (result > 0);
      const fd = openSync(file, "r");
      while (result >= 0) result = sendFd(one, fd);
      expect(result).toBe(EAGAIN);
      poller.setRoom(other, 65_536);
      poller.resume(other);
      const events = poller.untilKind(one, EVENT_WRITABLE).concat(poller.settle());
      for (const each of events) if (each.kind === EVENT_DESCRIPTOR) closeSync(each.length);
      expect(sendFd(one, fd)).toBe(1);
      closeSync(fd);
    });

    it("that nobody takes are closed with the socket", () => {
      const before = openDescriptors();
      const [one, other] = poller.unixPair();
      poller.setRoom(other, 0);
      const fd = openSync(file, "r");
      for (let i = 0; i < 5; i++) sendFd(one, fd);
      closeSync(fd);
      poller.settle();
      poller.socketClose(one);
      poller.socketClose(other);
      expect(openDescriptors()).toBe(before);
    });
  });

  describe("detached and adopted", () => {
    it("a connection goes on in another poller, with what was unread", () => {
      const elsewhere = new Poller();
      const [client, server] = poller.tcpPair();
      poller.setRoom(server, 0);
      poller.send(client, "unread");
      poller.settle();
      const fd = ok(detach(server));
      expect(poller.socketClose(server)).toBe(EBADF);
      const adopted = elsewhere.take(
        elsewhere.addon.socketAdopt(elsewhere.handle, fd, AF_INET, false),
      );
      expect(textOf(elsewhere.receive(adopted, 6))).toBe("unread");
      elsewhere.send(adopted, "answer");
      elsewhere.poll();
      expect(textOf(poller.receive(client, 6))).toBe("answer");
      expect(poller.settle()).toEqual([]);
      elsewhere.close();
      poller.untilKind(client, EVENT_END);
    });

    it("a listener goes on", () => {
      const listener = poller.listen();
      const name = poller.name(listener);
      const client = poller.connect(name);
      poller.settle();
      const fd = ok(detach(listener));
      expect(adopt(fd, AF_INET, false)).toBe(EINVAL);
      const adopted = poller.take(adopt(fd, AF_INET, true));
      expect(poller.name(adopted)).toEqual(name);
      poller.untilKind(adopted, EVENT_ACCEPTABLE);
      const server = poller.take(poller.accept(adopted));
      poller.send(client, "hello");
      expect(textOf(poller.receive(server, 5))).toBe("hello");
    });

    it("what is no such socket stays the caller's", () => {
      const plain = openSync(file, "r");
      const [one] = poller.unixPair();
      const stream = ok(detach(one));
      const unconnected = ok(detach(poller.open(AF_INET, SOCK_STREAM)));
      const datagram = ok(detach(poller.udp()));
      const cases: readonly (readonly [number, number, boolean, number])[] = [
        [-1, AF_UNIX, false, EBADF],
        [1 << 20, AF_UNIX, false, EBADF],
        [plain, AF_UNIX, false, ENOTSOCK],
        [stream, AF_INET, false, EINVAL],
        [stream, AF_UNIX, true, EINVAL],
        [unconnected, AF_INET, false, ENOTCONN],
        [unconnected, AF_INET, true, EINVAL],
        [unconnected, AF_INET6, false, EINVAL],
        [datagram, AF_INET, false, EINVAL],
      ];
      for (const [fd, family, isListener, expected] of cases) {
        expect(adopt(fd, family, isListener)).toBe(expected);
      }
      for (const fd of [plain, stream, unconnected, datagram]) closeSync(fd);
    });

    it("is EEXIST twice, ENFILE in a full table", () => {
      const [one, other] = poller.unixPair();
      const fd = ok(detach(one));
      const adopted = adopt(fd, AF_UNIX);
      expect(adopted).toBeGreaterThan(0);
      expect(adopt(fd, AF_UNIX)).toBe(EEXIST);
      const full = new Poller({ maxSockets: 1 });
      full.open(AF_UNIX, SOCK_STREAM);
      const second = ok(detach(other));
      expect(full.addon.socketAdopt(full.handle, second, AF_UNIX, false)).toBe(ENFILE);
      full.close();
      closeSync(second);
    });

    it("a socket of which a copy is left elsewhere tells nothing once it is closed", () => {
      const [one, other] = poller.unixPair();
      const elsewhere = new Poller();
      const [near, far] = elsewhere.unixPair();
      const fd = ok(elsewhere.addon.socketDetach(elsewhere.handle, near));
      expect(sendFd(one, fd)).toBe(1);
      const copy = poller.untilKind(other, EVENT_DATA)[0]?.length as number;
      poller.socketClose(poller.take(adopt(fd, AF_UNIX)));
      poller.settle();
      elsewhere.send(far, "to the copy");
      elsewhere.poll();
      // Nobody is woken by it either.
      expect(poller.addon.armWake(poller.handle, () => {})).toBe(true);
      poller.addon.disarmWake(poller.handle);
      expect(poller.settle()).toEqual([]);
      const mine = poller.take(adopt(copy, AF_UNIX));
      expect(textOf(poller.receive(mine, 11))).toBe("to the copy");
      elsewhere.close();
    });
  });

  describe("another program", () => {
    let peer: ChildProcess;
    let output = "";
    /** Runs Python, which comes with what builds the addon. */
    function python(program: string): void {
      output = "";
      const env = { ...process.env, LD_PRELOAD: "" };
      peer = spawn("python3", ["-c", program], { env, stdio: ["ignore", "pipe", "inherit"] });
      peer.stdout?.on("data", (text) => {
        output += text;
      });
    }
    afterEach(() => peer.kill());

    it("may send more descriptors than are taken: the first 16 are", async () => {
      const name = `caraway-${process.pid}-many`;
      const listener = poller.listen(sockaddrUn(`\0${name}`));
      python(`
import array, socket, time
s = socket.socket(socket.AF_UNIX)
s.connect(b"\\0${name}")
fds = array.array("i", [0] * 20)
s.sendmsg([b"many"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
s.send(b"more")
time.sleep(60)`);
      poller.untilKind(listener, EVENT_ACCEPTABLE);
      const before = openDescriptors();
      const server = poller.take(poller.accept(listener));
      const events = poller.until(
        (all) => all.reduce((sum, each) => sum + (each.bytes?.length ?? 0), 0) === 8,
      );
      const descriptors = events.filter((each) => each.kind === EVENT_DESCRIPTOR);
      expect(descriptors).toHaveLength(16);
      expect(kindsOf(events).indexOf(EVENT_DATA)).toBe(16);
      expect(openDescriptors()).toBe(before + 17);
      for (const each of descriptors) closeSync(each.length);
      poller.socketClose(server);
    });

    it("may send urgent data, behind which nothing is left lying", async () => {
      const listener = poller.listen();
      const port = portOf(poller.name(listener));
      python(`
import socket, time
s = socket.create_connection(("127.0.0.1", ${port}))
for i in range(5):
    s.send(b"plain")
    s.send(b"!", socket.MSG_OOB)
    s.send(b"behind")
print("sent", flush=True)
time.sleep(60)`);
      poller.untilKind(listener, EVENT_ACCEPTABLE);
      while (!output.includes("sent")) await once(peer.stdout as NodeJS.ReadableStream, "data");
      const server = poller.take(poller.accept(listener));
      // The urgent bytes themselves: only the last is out of band, the earlier ones are inline.
      const events = poller.until((all) => textsOf(all).match(/behind/g)?.length === 5);
      expect(textsOf(events).replaceAll("!", "")).toBe("plainbehind".repeat(5));
      expect(events.every((each) => each.id === server)).toBe(true);
    });
  });
});

function textsOf(events: readonly SocketEvent[]): string {
  return events.map((each) => (each.bytes ? textOf(each.bytes) : "")).join("");
}
