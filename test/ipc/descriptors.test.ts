// SPDX-License-Identifier: MIT
// Descriptors over local streams: each comes with its byte, in order, as a copy; none is ever lost
// or left open. `scene` counts what this process has open.

import {
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { expect, it } from "vitest";
import {
  choose,
  go,
  type IpcConnection,
  ipc,
  now,
  type Operation,
  sleep,
} from "../../src/index.ts";
import { describeWithSockets } from "../native-io/socket-poller.ts";
import { expectSame, fails, failure, pattern, soon } from "../socket/support/helpers.ts";
import { codeWhenCancelled, goFailing } from "./support/codes.ts";
import { bytesOf, openDescriptors, recvText, type Scene, scene } from "./support/scene.ts";

const PASSING_BYTE = 0xcc;

/** A file, open; the caller closes it. */
function open({ folder }: Scene, text: string, flags = "r"): number {
  const file = `${folder}/${text}`;
  writeFileSync(file, text);
  return openSync(file, flags);
}

/** What the file of a received descriptor says; closes it. */
function textOf(fd: number): string {
  const text = readFileSync(fd, "utf8");
  closeSync(fd);
  return text;
}

/** Sends copies of `fd` until there is no room. @returns how many were sent */
function* fill(conn: IpcConnection, fd: number): Operation<number> {
  for (let sent = 0; ; sent++) {
    const error = yield* outcome(() => conn.sendFd(fd, 0));
    if (error === "ETIMEDOUT") return sent;
    expect(error).toBe("none");
  }
}

function* outcome(op: () => Operation<unknown>): Operation<string> {
  try {
    yield* op();
    return "none";
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describeWithSockets("sendFd and recvFd", () => {
  it("pass a copy: both ends use the file, and each closes its own", () =>
    scene(function* (its) {
      const [here, there] = yield* ipc.pair();
      const fd = open(its, "shared", "r+");
      yield* here.sendFd(fd, soon());
      const got = yield* there.recvFd(soon());
      expect(got).not.toBe(fd);
      expect(fstatSync(got).ino).toBe(fstatSync(fd).ino);
      writeSync(fd, "written", 0);
      closeSync(fd);
      const buf = Buffer.alloc(7);
      readSync(got, buf, 0, 7, 0);
      expect(buf.toString()).toBe("written");
      closeSync(got);
    }));

  it("keep their place among the bytes, however those were sent", () =>
    scene(function* (its) {
      const [here, there] = yield* ipc.pair();
      const fds = ["a", "b", "c"].map((text) => open(its, text));
      yield* here.send(bytesOf("one"), soon());
      yield* here.sendFd(fds[0] as number, soon());
      yield* here.sendFd(fds[1] as number, soon());
      yield* here.send(bytesOf("two"), soon());
      yield* here.sendFd(fds[2] as number, soon());
      here.done();
      for (const fd of fds) closeSync(fd);
      expect(yield* recvText(there, 3)).toBe("one");
      expect(textOf(yield* there.recvFd(soon()))).toBe("a");
      expect(textOf(yield* there.recvFd(soon()))).toBe("b");
      expect(yield* recvText(there, 3)).toBe("two");
      expect(textOf(yield* there.recvFd(soon()))).toBe("c");
      yield* fails("EPIPE", () => there.recvFd(soon()));
      expect(yield* there.recvSome(new Uint8Array(1), soon())).toBe(0);
    }));

  it("come behind a send that had to wait", () =>
    scene(function* (its) {
      const [here, there] = yield* ipc.pair();
      const bytes = pattern(1_000_000);
      yield* go(function* () {
        const fd = open(its, "late");
        yield* here.send(bytes, soon());
        yield* here.sendFd(fd, soon());
        closeSync(fd);
      });
      const got = new Uint8Array(bytes.length);
      yield* there.recv(got, soon());
      expectSame(got, bytes);
      expect(textOf(yield* there.recvFd(soon()))).toBe("late");
    }));

  it("wait for each other", () =>
    scene(function* (its) {
      const [here, there] = yield* ipc.pair();
      const receiving = yield* go(() => there.recvFd(soon()));
      yield* sleep(now() + 5);
      const fd = open(its, "awaited");
      yield* here.sendFd(fd, 0);
      closeSync(fd);
      expect(textOf(yield* receiving.join(soon()))).toBe("awaited");
    }));

  it("say EPROTO when the next byte has none, and leave the byte", () =>
    scene(function* (its) {
      const [here, there] = yield* ipc.pair();
      const fd = open(its, "x");
      yield* here.send(bytesOf("ab"), soon());
      yield* here.sendFd(fd, soon());
      closeSync(fd);
      for (let i = 0; i < 2; i++) {
        const error = yield* fails("EPROTO", () => there.recvFd(soon()));
        expect(error.message).toBe(
          "EPROTO: the next byte of the stream came without a descriptor, ipc.recvFd",
        );
      }
      expect(yield* recvText(there, 1)).toBe("a");
      yield* fails("EPROTO", () => there.recvFd(soon()));
      expect(yield* recvText(there, 1)).toBe("b");
      expect(textOf(yield* there.recvFd(soon()))).toBe("x");
    }));

  it("say EPIPE at the end of the stream, and after done", () =>
    scene(function* () {
      const [here, there] = yield* ipc.pair();
      const receiving = yield* goFailing(() => there.recvFd(soon()));
      yield* sleep(now() + 5);
      here.done();
      expect(yield* receiving.join(soon())).toBe("EPIPE");
      yield* fails("EPIPE", () => there.recvFd(soon()));
      yield* fails("EPIPE", () => here.sendFd(0, soon()));
    }));

  it("refuse what is no descriptor, and the stream goes on", () =>
    scene(function* () {
      const [here, there] = yield* ipc.pair();
      const unused = 9_999;
      const error = yield* fails("EBADF", () => here.sendFd(unused, soon()));
      expect(error.message).toBe("EBADF: fd is 9999, which is not open, ipc.sendFd");
      for (const bad of [-1, 1.5, 2 ** 31, Number.NaN]) {
        const refused = yield* fails("EBADF", function* () {
          yield* here.sendFd(bad, soon());
        });
        expect(refused.message).toContain(`fd is ${bad}, which is no descriptor`);
      }
      expect(() => here.sendFd("1" as never)).toThrow(TypeError);
      yield* here.send(bytesOf("fine"), soon());
      expect(yield* recvText(there, 4)).toBe("fine");
      here.abort();
      const gone = yield* fails("EBADF", () => here.sendFd(0, soon()));
      expect(gone.message).toBe("EBADF: handle is closed, ipc.sendFd");
    }));

  it("end with ECONNRESET when the peer has gone", () =>
    scene(function* () {
      const [here, there] = yield* ipc.pair();
      yield* here.send(bytesOf("unread"), soon());
      there.abort();
      yield* fails("ECONNRESET", () => here.sendFd(0, soon()));
      yield* fails("ECONNRESET", () => here.recvFd(soon()));
    }));

  it("let no second coroutine in: EBUSY", () =>
    scene(function* (its) {
      const [here, there] = yield* ipc.pair();
      const receiving = yield* go(() => there.recvFd(soon()));
      yield* sleep(now() + 5);
      yield* fails("EBUSY", () => there.recvFd(soon()));
      yield* fails("EBUSY", () => there.recv(new Uint8Array(1), soon()));
      const fd = open(its, "x");
      yield* here.sendFd(fd, soon());
      expect(textOf(yield* receiving.join(soon()))).toBe("x");
      yield* fill(here, fd);
      const sending = yield* go(() => here.sendFd(fd, soon()));
      yield* sleep(now() + 5);
      yield* fails("EBUSY", () => here.sendFd(fd, soon()));
      yield* fails("EBUSY", () => here.send(bytesOf("x"), soon()));
      const closing = yield* go(() => there.close(soon()));
      yield* sending.join(soon());
      yield* here.close(soon());
      yield* closing.join(soon());
      closeSync(fd);
    }));

  it("wait while the peer's queue is full, up to the deadline, and go on then", () =>
    scene(function* (its) {
      const [here, there] = yield* ipc.pair();
      const fd = open(its, "x");
      const sent = yield* fill(here, fd);
      expect(sent).toBeGreaterThan(10);
      yield* fails("ETIMEDOUT", () => here.sendFd(fd, now() + 10));
      const sending = yield* go(() => here.sendFd(fd, soon()));
      yield* sleep(now() + 5);
      expect(sending.isEnded).toBe(false);
      for (let i = 0; i < sent + 1; i++) closeSync(yield* there.recvFd(soon()));
      yield* sending.join(soon());
      here.done();
      yield* fails("EPIPE", () => there.recvFd(soon()));
      closeSync(fd);
    }));

  it("can be cancelled and timed out: nothing is lost", () =>
    scene(function* (its) {
      const [here, there] = yield* ipc.pair();
      yield* fails("ETIMEDOUT", () => there.recvFd(0));
      yield* fails("ETIMEDOUT", () => there.recvFd(now() + 5));
      const receiving = yield* goFailing(() => there.recvFd());
      yield* sleep(now() + 5);
      receiving.cancel();
      const fd = open(its, "x");
      expect(yield* codeWhenCancelled(() => here.sendFd(fd))).toBe("ECANCELED");
      yield* here.sendFd(fd, soon());
      expect(yield* codeWhenCancelled(() => there.recvFd())).toBe("ECANCELED");
      expect(textOf(yield* there.recvFd(soon()))).toBe("x");
      closeSync(fd);
    }));

  it("are clauses of choose", () =>
    scene(function* (its) {
      const [here, there] = yield* ipc.pair();
      const none = yield* choose([there.recvFd(), sleep(now() + 5)]);
      expect(none.index).toBe(1);
      const fd = open(its, "x");
      expect((yield* choose([here.sendFd(fd), sleep(soon())])).index).toBe(0);
      closeSync(fd);
      const { index, value } = yield* choose([there.recvFd(), sleep(soon())]);
      expect(index).toBe(0);
      expect(textOf(value as number)).toBe("x");
    }));
});

describeWithSockets("descriptors that nobody takes are closed", () => {
  const WAYS: Readonly<Record<string, (there: IpcConnection) => Operation<unknown>>> = {
    "when their byte is received": (there) => there.recv(new Uint8Array(3), soon()),
    "when recvSome takes them": (there) => there.recvSome(new Uint8Array(100), soon()),
    "when a choose has looked for bytes": function* (there) {
      const looked = yield* choose([there.recv(new Uint8Array(50)), sleep(now() + 10)]);
      expect(looked.index).toBe(1);
      yield* there.recv(new Uint8Array(3), soon());
    },
    "by close": (there) => failure(() => there.close(now() + 5)),
    *"by abort"(there) {
      there.abort();
    },
    *"by release"(there) {
      there.release();
    },
  };
  it.each(Object.entries(WAYS))("%s", (_name, take) =>
    scene(function* (its) {
      const [here, there] = yield* ipc.pair();
      const before = openDescriptors();
      const fd = open(its, "x");
      for (let i = 0; i < 3; i++) yield* here.sendFd(fd, soon());
      closeSync(fd);
      yield* sleep(now() + 5);
      yield* take(there);
      yield* sleep(now() + 5);
      const mine = openDescriptors().filter((target) => target.includes(its.folder));
      expect([mine, openDescriptors().length <= before.length]).toEqual([[], true]);
      here.abort();
    }),
  );

  it("but those that a choose has gathered can still be received", () =>
    scene(function* (its) {
      const [here, there] = yield* ipc.pair();
      const fd = open(its, "x");
      yield* here.send(bytesOf("ab"), soon());
      yield* here.sendFd(fd, soon());
      yield* here.send(bytesOf("c"), soon());
      closeSync(fd);
      const looked = yield* choose([there.recv(new Uint8Array(50)), sleep(now() + 10)]);
      expect(looked.index).toBe(1);
      yield* fails("EPROTO", () => there.recvFd(soon()));
      expect(yield* recvText(there, 2)).toBe("ab");
      expect(textOf(yield* there.recvFd(soon()))).toBe("x");
      expect(yield* recvText(there, 1)).toBe("c");
    }));
});

describeWithSockets("a byte of a descriptor", () => {
  it("is 0xcc to who receives bytes", () =>
    scene(function* () {
      const [here, there] = yield* ipc.pair();
      yield* here.sendFd(0, soon());
      const byte = new Uint8Array(1);
      yield* there.recv(byte, soon());
      expect(byte[0]).toBe(PASSING_BYTE);
    }));
});
