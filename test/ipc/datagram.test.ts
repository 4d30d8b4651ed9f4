// SPDX-License-Identifier: MIT
// Local sockets for datagrams: what arrives, from whom, and what calls end with.

import { chmodSync, existsSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import {
  bundle,
  choose,
  go,
  type IpcOptions,
  type IpcSocket,
  ipc,
  now,
  type Operation,
  run,
  sleep,
} from "../../src/index.ts";
import { simulate } from "../../src/testing.ts";
import { describeWithSockets } from "../native-io/socket-poller.ts";
import { codeOf, expectSame, fails, failure, pattern, soon } from "../socket/support/helpers.ts";
import { bytesOf, type Scene, scene } from "./support/scene.ts";

/** Receives text. @returns it and its sender */
function* recvText(socket: IpcSocket): Operation<readonly [string, string]> {
  const buf = new Uint8Array(1_000);
  const { length, path } = yield* socket.recv(buf, soon());
  return [new TextDecoder().decode(buf.subarray(0, length)), path];
}

/** Two sockets that can send to each other. */
function* twoAt(
  { path }: Scene,
  second: IpcOptions = {},
): Operation<readonly [IpcSocket, IpcSocket]> {
  const one = yield* ipc.open({ path });
  return [one, yield* ipc.open({ path: `${path}-2`, ...second })] as const;
}

describeWithSockets("datagrams", () => {
  it("go both ways, and say where their sender receives", () =>
    scene(function* (its) {
      const [server, client] = yield* twoAt(its);
      yield* client.send(bytesOf("question"), its.path, soon());
      expect(yield* recvText(server)).toEqual(["question", `${its.path}-2`]);
      yield* server.send(bytesOf("answer"), `${its.path}-2`, soon());
      expect(yield* recvText(client)).toEqual(["answer", its.path]);
      expect([server.path, server.remote]).toEqual([its.path, null]);
    }));

  it("go by abstract names, of which no file is made", () =>
    scene(function* (its) {
      const name = `@caraway-${process.pid}`;
      const server = yield* ipc.open({ path: name });
      const client = yield* ipc.open({ path: `\0${name.slice(1)}-2`, remote: name });
      expect([server.path, client.path, client.remote]).toEqual([name, `${name}-2`, name]);
      yield* client.send(bytesOf("question"));
      expect(yield* recvText(server)).toEqual(["question", `${name}-2`]);
      yield* server.send(bytesOf("answer"), client.path);
      expect(yield* recvText(client)).toEqual(["answer", name]);
      expect(existsSync(name)).toBe(false);
      server.close();
      // The name is free at once.
      (yield* ipc.open({ path: name })).close();
      expect(existsSync(its.path)).toBe(false);
    }));

  it("have no sender if that receives nowhere", () =>
    scene(function* (its) {
      const server = yield* ipc.open({ path: its.path });
      const client = yield* ipc.open({ remote: its.path });
      expect([client.path, client.remote]).toEqual(["", its.path]);
      yield* client.send(bytesOf("no answer"));
      expect(yield* recvText(server)).toEqual(["no answer", ""]);
    }));

  it("arrive in their order, all of them, while others go to somebody else", () =>
    scene(function* (its) {
      const [server, client] = yield* twoAt(its);
      const COUNT = 500;
      const sending = yield* go(function* () {
        for (let i = 0; i < COUNT; i++) yield* client.send(bytesOf(`${i}`), its.path, soon());
      });
      const got: string[] = [];
      while (got.length < COUNT) got.push((yield* recvText(server))[0]);
      expect(got).toEqual(Array.from({ length: COUNT }, (_, i) => `${i}`));
      yield* sending.join(soon());
    }));

  it.each([0, 1, 1_000, 60_000, 65_507])("of %i bytes arrive whole", (bytes) =>
    scene(function* (its) {
      const [server, client] = yield* twoAt(its);
      const buf = new Uint8Array(bytes);
      yield* client.send(pattern(bytes), its.path, soon());
      expect(yield* server.recv(buf, soon())).toEqual({ length: bytes, path: client.path });
      expectSame(buf, pattern(bytes));
    }),
  );

  it("longer than can be sent are EMSGSIZE, and what follows is sent", () =>
    scene(function* (its) {
      const [server, client] = yield* twoAt(its);
      const error = yield* fails("EMSGSIZE", () =>
        client.send(new Uint8Array(65_508), its.path, soon()),
      );
      expect(error.message).toContain("a datagram of 65508 bytes, at most 65507 fit");
      yield* client.send(bytesOf("next"), its.path, soon());
      expect((yield* recvText(server))[0]).toBe("next");
    }));

  it("longer than the buffer are EMSGSIZE with their length and sender", () =>
    scene(function* (its) {
      const [server, client] = yield* twoAt(its);
      yield* client.send(pattern(300), its.path);
      yield* client.send(bytesOf("next"), its.path);
      const buf = new Uint8Array(100);
      const error = yield* fails("EMSGSIZE", () => server.recv(buf, soon()));
      expect(error).toMatchObject({
        syscall: "ipc.recv",
        bytesReceived: 100,
        datagramBytes: 300,
        address: client.path,
      });
      expectSame(buf, pattern(300).subarray(0, 100));
      expect((yield* recvText(server))[0]).toBe("next");
    }));

  it("that have come keep their bytes while others are sent and received", () =>
    scene(function* (its) {
      const [server, client] = yield* twoAt(its);
      const buf = new Uint8Array(10_000);
      for (let i = 1; i <= 8; i++) yield* client.send(pattern(10_000, i), its.path, soon());
      for (let i = 1; i <= 8; i++) {
        yield* server.recv(buf, soon());
        expectSame(buf, pattern(10_000, i));
        yield* server.send(pattern(10_000, 100 + i), client.path, soon());
      }
      for (let i = 1; i <= 8; i++) {
        yield* client.recv(buf, soon());
        expectSame(buf, pattern(10_000, 100 + i));
      }
    }));

  it("that were sent arrive though their sender has closed", () =>
    scene(function* (its) {
      const [server, client] = yield* twoAt(its);
      for (let i = 0; i < 5; i++) yield* client.send(bytesOf(`${i}`), its.path);
      client.close();
      for (let i = 0; i < 5; i++) expect((yield* recvText(server))[0]).toBe(`${i}`);
    }));

  it("are a clause of choose, and one that loses takes nothing", () =>
    scene(function* (its) {
      const [server, client] = yield* twoAt(its);
      const buf = new Uint8Array(10);
      yield* client.send(bytesOf("a"), its.path);
      const first = yield* choose([server.recv(buf, soon()), client.recv(buf, soon())]);
      expect(first).toMatchObject({ index: 0, value: { length: 1, path: client.path } });
      yield* server.send(bytesOf("bc"), client.path);
      const second = yield* choose([server.recv(buf, soon()), client.recv(buf, soon())]);
      expect(second).toMatchObject({ index: 1, value: { length: 2, path: its.path } });
    }));
});

describeWithSockets("a remote", () => {
  it("is the only one that is received from, and refuses nobody silently", () =>
    scene(function* (its) {
      const [server, client] = yield* twoAt(its, { remote: its.path });
      const other = yield* ipc.open({ path: `${its.path}-3` });
      yield* fails("EPERM", () => other.send(bytesOf("from another"), client.path));
      yield* fails("EPERM", () => ipc.open({ remote: client.path }));
      yield* server.send(bytesOf("from it"), client.path);
      expect(yield* recvText(client)).toEqual(["from it", its.path]);
    }));

  it("that has closed is ECONNREFUSED until another stands there", () =>
    scene(function* (its) {
      const [server, client] = yield* twoAt(its, { remote: its.path });
      server.close();
      const error = yield* fails("ECONNREFUSED", () => client.send(bytesOf("1")));
      expect([error.syscall, error.address]).toEqual(["ipc.send", its.path]);
      yield* fails("ENOENT", () => client.send(bytesOf("2")));
      const next = yield* ipc.open({ path: its.path });
      yield* client.send(bytesOf("3"));
      expect(yield* recvText(next)).toEqual(["3", client.path]);
      yield* next.send(bytesOf("4"), client.path);
      expect(yield* recvText(client)).toEqual(["4", its.path]);
    }));

  it("must be there, and without it no file is made", () =>
    scene(function* (its) {
      const remote = `${its.path}-none`;
      const error = yield* fails("ENOENT", () => ipc.open({ path: its.path, remote }));
      expect([error.syscall, error.address]).toEqual(["ipc.open", remote]);
      expect(existsSync(its.path)).toBe(false);
    }));
});

describeWithSockets("a datagram that cannot be sent", () => {
  it("says why, sends nothing, and harms nothing", () =>
    scene(function* (its) {
      const [server, client] = yield* twoAt(its);
      const listener = yield* ipc.listen(`${its.path}-stream`);
      writeFileSync(`${its.path}-file`, "");
      const WHYS = [
        ["ENOENT", "-none"],
        ["EPROTOTYPE", "-stream"],
        ["ECONNREFUSED", "-file"],
        ["ENOTDIR", "-file/socket"],
      ] as const;
      for (const [code, end] of WHYS) {
        const error = yield* fails(code, () => client.send(bytesOf("x"), its.path + end, soon()));
        expect(error.address).toBe(its.path + end);
      }
      yield* client.send(bytesOf("fine"), its.path);
      expect((yield* recvText(server))[0]).toBe("fine");
      listener.close();
    }));

  it.skipIf(process.geteuid?.() !== 0)("is EACCES without permission to write there", () =>
    scene(function* (its) {
      const [, client] = yield* twoAt(its);
      chmodSync(its.folder, 0o755);
      chmodSync(its.path, 0o600);
      process.seteuid?.(65_534);
      const error = yield* failure(() => client.send(bytesOf("x"), its.path));
      process.seteuid?.(0);
      expect(error.code).toBe("EACCES");
    }),
  );

  it("has whom to go to, once", () =>
    scene(function* (its) {
      const [server, client] = yield* twoAt(its, { remote: its.path });
      expect(codeOf(() => server.send(bytesOf("x")))).toBe("EDESTADDRREQ");
      expect(codeOf(() => client.send(bytesOf("x"), its.path))).toBe("EISCONN");
      expect(codeOf(() => server.send(bytesOf("x"), ""))).toBe("EINVAL");
      expect(codeOf(() => server.send(bytesOf("x"), "a".repeat(108)))).toBe("ENAMETOOLONG");
      expect(() => server.send(bytesOf("x"), 7 as unknown as string)).toThrow(
        new TypeError("ipc.send: to must be a string, got number"),
      );
    }));
});

describeWithSockets("the file of a datagram socket", () => {
  const ENDS: Readonly<Record<string, (it: Scene) => Operation<void>>> = {
    *"by close"({ path }) {
      (yield* ipc.open({ path })).close();
    },
    *"at the end of the coroutine that owns it"({ path }) {
      const opener = yield* go(() => ipc.open({ path }));
      yield* opener.join(soon());
    },
    *"when its owner is cancelled"({ path }) {
      const owner = yield* go(function* () {
        const socket = yield* ipc.open({ path });
        yield* socket.recv(new Uint8Array(1));
      });
      yield* sleep(now() + 2);
      expect(existsSync(path)).toBe(true);
      owner.cancel();
      while (!owner.isEnded) yield* sleep(now() + 1);
    },
    *"with the bundle it was moved to"({ path }) {
      const home = yield* bundle();
      const opener = yield* go(function* () {
        (yield* ipc.open({ path })).moveTo(home);
      });
      yield* opener.join(soon());
      expect(existsSync(path)).toBe(true);
      yield* home.close();
    },
  };
  it.each(Object.entries(ENDS))("is removed %s", (_name, end) =>
    scene(function* (its) {
      yield* end(its);
      expect(existsSync(its.path)).toBe(false);
    }),
  );

  it("is left alone when it is another's by now", () =>
    scene(function* (its) {
      const first = yield* ipc.open({ path: its.path });
      unlinkSync(its.path);
      const second = yield* ipc.open({ path: its.path });
      first.close();
      expect(existsSync(its.path)).toBe(true);
      second.close();
      expect(existsSync(its.path)).toBe(false);
    }));

  it("that is taken is EADDRINUSE, and replaced only if its socket is gone", () =>
    scene(function* (its) {
      const moved = yield* ipc.open({ path: `${its.path}-moved` });
      renameSync(moved.path, its.path);
      for (const replaceStale of [false, true]) {
        const error = yield* fails("EADDRINUSE", () => ipc.open({ path: its.path, replaceStale }));
        expect(error.message).toBe(`EADDRINUSE: address already in use, ipc.open ${its.path}`);
      }
      moved.close();
      const error = yield* fails("EADDRINUSE", () => ipc.open({ path: its.path }));
      expect(error.message).toContain("nobody has its socket any more");
      const [socket] = [yield* ipc.open({ path: its.path, replaceStale: true })];
      yield* (yield* ipc.open({ remote: its.path })).send(bytesOf("here"));
      expect((yield* recvText(socket))[0]).toBe("here");
    }));
});

describeWithSockets("a datagram socket that is closed", () => {
  it("is EBADF for each call, also for those that wait", () =>
    scene(function* (its) {
      const socket = yield* ipc.open({ path: its.path });
      const home = yield* bundle();
      const waiting = yield* go(() => failure(() => socket.recv(new Uint8Array(1), soon())));
      yield* sleep(now() + 2);
      socket.close();
      socket.close();
      expect((yield* waiting.join(soon())).code).toBe("EBADF");
      yield* fails("EBADF", () => socket.recv(new Uint8Array(1)));
      yield* fails("EBADF", () => socket.send(bytesOf("x"), its.path));
      expect(codeOf(() => socket.moveTo(home))).toBe("EBADF");
      expect(socket.isOpen).toBe(false);
    }));
});

it("there is no kernel for a datagram socket on the virtual clock", () =>
  simulate(1, function* () {
    yield* fails("ENETDOWN", () => ipc.open({ path: "/tmp/nowhere" }));
  }));

it("ipc.open refuses what it cannot mean", () =>
  run(function* () {
    expect(codeOf(() => ipc.open({ port: 7 } as IpcOptions))).toBe("EINVAL");
    expect(codeOf(() => ipc.open({ remote: "" }))).toBe("EINVAL");
    expect(() => ipc.open({ remote: 7 as unknown as string })).toThrow(
      new TypeError("ipc.open: remote must be a string, got number"),
    );
    yield* sleep(now());
  }));
