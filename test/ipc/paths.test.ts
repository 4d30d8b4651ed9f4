// SPDX-License-Identifier: MIT
// Where local sockets are: paths and abstract names, what is wrong with them, and what errors say.

import { chmodSync, existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import {
  abortable,
  createKernelContext,
  type ErrorCode,
  go,
  ipc,
  now,
  type Operation,
  run,
  sleep,
  useNetwork,
} from "../../src/index.ts";
import { simulate } from "../../src/testing.ts";
import { describeWithSockets } from "../native-io/socket-poller.ts";
import { fails, soon } from "../socket/support/helpers.ts";
import { codeWhenCancelled } from "./support/codes.ts";
import { bytesOf, connected, recvText, type Scene, scene } from "./support/scene.ts";

const wrong = (value: unknown): never => value as never;

/** Does what root may not, as somebody else. */
function* asNobody(op: () => Operation<void>): Operation<void> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    yield* op();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

describeWithSockets("paths of local sockets", () => {
  it("are those of files, and both ends know them", () =>
    scene(function* (it) {
      const { listener, client, server } = yield* connected(it);
      expect(statSync(it.path).isSocket()).toBe(true);
      const end = { host: it.path, port: 0 };
      const none = { host: "", port: 0 };
      expect([listener.path, client.path, server.path]).toEqual([it.path, it.path, it.path]);
      expect([listener.local, client.remote, server.local]).toEqual([end, end, end]);
      expect([client.local, server.remote]).toEqual([none, none]);
    }));

  it("may be relative, and the file is removed wherever the process has gone", () =>
    scene(function* (it) {
      const before = process.cwd();
      process.chdir(it.folder);
      try {
        const listener = yield* ipc.listen("here");
        const client = yield* ipc.connect("./here", soon());
        expect([listener.path, client.path]).toEqual(["here", "./here"]);
        process.chdir("/");
        expect(existsSync(path.join(it.folder, "here"))).toBe(true);
        listener.close();
        expect(existsSync(path.join(it.folder, "here"))).toBe(false);
      } finally {
        process.chdir(before);
      }
    }));

  it.each([
    ["a zero byte in front", (name: string) => `\0${name}`],
    ["@ in front", (name: string) => `@${name}`],
  ])("with %s are abstract names, which have no file", (_what, write) =>
    scene(function* (it) {
      const name = `caraway-${process.pid}`;
      const listener = yield* ipc.listen(write(name));
      const client = yield* ipc.connect(`@${name}`, soon());
      const server = yield* listener.accept(soon());
      expect([listener.path, client.path, server.path]).toEqual(Array(3).fill(`@${name}`));
      expect(server.local.host).toBe(`@${name}`);
      yield* client.send(bytesOf("hello"), soon());
      expect(yield* recvText(server, 5)).toBe("hello");
      const error = yield* fails("EADDRINUSE", () => ipc.listen(`\0${name}`));
      expect(error.message).toBe(`EADDRINUSE: address already in use, ipc.listen @${name}`);
      expect(it.kernel.leftovers().listeners).toBe(1);
      listener.close();
      yield* fails("ECONNREFUSED", () => ipc.connect(`@${name}`, soon()));
    }),
  );

  it("a file whose name begins with @ is reached by ./@", () =>
    scene(function* (it) {
      const before = process.cwd();
      process.chdir(it.folder);
      try {
        yield* ipc.listen("./@file");
        expect(statSync("@file").isSocket()).toBe(true);
        yield* ipc.connect("./@file", soon());
        yield* fails("ECONNREFUSED", () => ipc.connect("@file", soon()));
      } finally {
        process.chdir(before);
      }
    }));

  it("hold 107 bytes, of UTF-8, and abstract names too", () =>
    scene(function* (it) {
      const fits = path.join(it.folder, "ü".repeat(60)).slice(0, 200);
      const room = 107 - Buffer.byteLength(it.folder) - 1;
      const longest = path.join(it.folder, "x".repeat(room));
      yield* ipc.listen(longest);
      yield* ipc.connect(longest, soon());
      const name = `@${process.pid}-${"y".repeat(106 - String(process.pid).length)}`;
      expect(name).toHaveLength(108);
      yield* ipc.listen(name);
      yield* ipc.connect(name, soon());
      for (const long of [`${longest}x`, `${name}y`, fits]) {
        const listening = yield* fails("ENAMETOOLONG", function* () {
          yield* ipc.listen(long);
        });
        expect(listening.message).toMatch(
          /^ENAMETOOLONG: path has \d+ bytes, and a local socket's at most 107, ipc.listen$/,
        );
        yield* fails("ENAMETOOLONG", function* () {
          yield* ipc.connect(long, soon());
        });
      }
    }));

  it("that cannot be are EINVAL, or a TypeError", () =>
    scene(function* () {
      for (const bad of ["", "\0", "@", "/tmp/a\0b"]) {
        const error = yield* fails("EINVAL", function* () {
          yield* ipc.listen(bad);
        });
        expect(error.message).toContain("path must not");
        yield* fails("EINVAL", function* () {
          yield* ipc.connect(bad, soon());
        });
      }
      for (const bad of [undefined, null, 7, {}, Buffer.from("/tmp/x")]) {
        expect(() => ipc.listen(wrong(bad))).toThrow(TypeError);
        expect(() => ipc.connect(wrong(bad))).toThrow(/path must be a string/);
      }
    }));

  /** What is wrong, how it is brought about, and where. */
  const WRONG: readonly (readonly [ErrorCode, string, (it: Scene) => string])[] = [
    ["ENOENT", "a folder that is not there", ({ folder }) => path.join(folder, "none", "socket")],
    [
      "ENOTDIR",
      "a folder that is a file",
      ({ folder }) => {
        writeFileSync(path.join(folder, "file"), "");
        return path.join(folder, "file", "socket");
      },
    ],
    [
      "ELOOP",
      "links that go round",
      ({ folder }) => {
        symlinkSync("round", path.join(folder, "round"));
        return path.join(folder, "round", "socket");
      },
    ],
  ];
  it.each(WRONG)("say %s for %s", (code, _what, make) =>
    scene(function* (it) {
      const bad = make(it);
      for (const op of [() => ipc.listen(bad), () => ipc.connect(bad, soon())]) {
        const error = yield* fails(code, op);
        expect(error.address).toBe(bad);
        expect(error.port).toBe(undefined);
        expect(error.message).toMatch(new RegExp(`${error.syscall} ${bad}$`));
      }
      expect(it.kernel.leftovers().sockets).toBe(0);
    }),
  );

  it("say EACCES where the folder or the socket's file forbids it", () =>
    scene(function* (it) {
      chmodSync(it.folder, 0o755);
      const closed = path.join(it.folder, "closed");
      mkdirSync(closed, { mode: 0o700 });
      const file = path.join(it.folder, "mine");
      yield* ipc.listen(path.join(closed, "inside"));
      yield* ipc.listen(file);
      chmodSync(file, 0o400);
      if (process.geteuid?.() !== 0) chmodSync(closed, 0o000);
      yield* asNobody(function* () {
        yield* fails("EACCES", () => ipc.listen(path.join(closed, "other")));
        yield* fails("EACCES", () => ipc.connect(path.join(closed, "inside"), soon()));
        yield* fails("EACCES", () => ipc.connect(file, soon()));
      });
      chmodSync(closed, 0o700);
    }));

  it("say ENOENT and ECONNREFUSED where nobody listens", () =>
    scene(function* (it) {
      const absent = yield* fails("ENOENT", () => ipc.connect(it.path, soon()));
      expect([absent.syscall, absent.address]).toEqual(["ipc.connect", it.path]);
      writeFileSync(it.path, "a file");
      yield* fails("ECONNREFUSED", () => ipc.connect(it.path, soon()));
    }));
});

describeWithSockets("local sockets and networks", () => {
  it("are the kernel's whatever network is in scope", () =>
    scene(function* (it) {
      const context = createKernelContext({ address: "127.0.0.1" });
      yield* useNetwork(context);
      yield* connected(it);
      expect(it.kernel.leftovers()).toMatchObject({ sockets: 2, listeners: 1 });
      expect(context.leftovers()).toMatchObject({ sockets: 0, listeners: 0 });
    }));

  it("are not there on the virtual clock: ENETDOWN, which says so", async () => {
    await simulate(1, function* (net) {
      yield* useNetwork(net.host("a").context);
      const calls = [
        () => ipc.listen("/tmp/never"),
        () => ipc.connect("/tmp/never", now() + 10),
        () => ipc.pair(),
        () => ipc.fromFd(0),
        () => ipc.listenerFromFd(0),
      ];
      for (const call of calls) {
        const error = yield* fails("ENETDOWN", call);
        expect(error.message).toMatch(
          /local sockets are the kernel's, and on the virtual clock there is no kernel, ipc\./,
        );
      }
      yield* sleep(now() + 1);
    });
  });

  it("are closed with the coroutine that opened them, or at the latest with run", () =>
    scene(function* (it) {
      const [first, second] = [`${it.path}-1`, `${it.path}-2`];
      const opener = yield* go(() => ipc.listen(first));
      yield* opener.join(soon());
      expect(existsSync(first)).toBe(false);
      yield* abortable(() =>
        run(function* () {
          // As that of a plain Effection task: nobody owns it but the context.
          const listener = yield* ipc.listen(second);
          listener.core.disown();
          expect(existsSync(second)).toBe(true);
        }),
      );
      expect(existsSync(second)).toBe(false);
    }));

  it("open nothing in a coroutine that is cancelled", () =>
    scene(function* (it) {
      yield* ipc.listen(it.path);
      const other = `${it.path}-2`;
      expect(yield* codeWhenCancelled(() => ipc.listen(other))).toBe("ECANCELED");
      expect(yield* codeWhenCancelled(() => ipc.connect(it.path, soon()))).toBe("ECANCELED");
      expect(yield* codeWhenCancelled(() => ipc.pair())).toBe("ECANCELED");
      expect(existsSync(other)).toBe(false);
      expect(it.kernel.leftovers()).toMatchObject({ sockets: 0, listeners: 1 });
    }));
});
