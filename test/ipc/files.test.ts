// SPDX-License-Identifier: MIT
// The files of listening sockets: who removes them, who may replace them.

import { once } from "node:events";
import {
  existsSync,
  lstatSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { expect, it } from "vitest";
import {
  abortable,
  bundle,
  go,
  type IpcListener,
  ipc,
  now,
  type Operation,
  sleep,
} from "../../src/index.ts";
import { describeWithSockets } from "../native-io/socket-poller.ts";
import { fails, failure, soon } from "../socket/support/helpers.ts";
import { connected, echo, type Scene, scene } from "./support/scene.ts";

/** Leaves a socket file behind whose socket is gone. */
function* leaveStale({ path }: Scene): Operation<void> {
  const listener = yield* ipc.listen(`${path}-moved`);
  // Under another name the listener does not find it.
  renameSync(`${path}-moved`, path);
  listener.close();
  expect(lstatSync(path).isSocket()).toBe(true);
}

describeWithSockets("the file of a listening socket is removed", () => {
  const ENDS: Readonly<Record<string, (it: Scene) => Operation<void>>> = {
    *"by close, at once"(its) {
      const listener = yield* ipc.listen(its.path);
      expect(existsSync(its.path)).toBe(true);
      listener.close();
    },
    *"by ipc.close"(its) {
      yield* ipc.close(yield* ipc.listen(its.path), soon());
    },
    *"at the end of the coroutine that owns it"(its) {
      const opener = yield* go(function* () {
        yield* ipc.listen(its.path);
        throw new Error("on its way");
      });
      yield* ignoring(() => opener.join(soon()));
    },
    *"when its owner is cancelled"(its) {
      const serving = yield* go(function* () {
        const listener = yield* ipc.listen(its.path);
        yield* listener.serve(echo);
      });
      yield* sleep(now() + 2);
      expect(existsSync(its.path)).toBe(true);
      serving.cancel();
      while (!serving.isEnded) yield* sleep(now() + 1);
    },
    *"with the bundle it was moved to"(its) {
      const home = yield* bundle();
      const opener = yield* go(function* () {
        (yield* ipc.listen(its.path)).moveTo(home);
      });
      yield* opener.join(soon());
      expect(existsSync(its.path)).toBe(true);
      yield* home.close();
    },
  };
  it.each(Object.entries(ENDS))("%s", (_name, end) =>
    scene(function* (its) {
      yield* end(its);
      expect(existsSync(its.path)).toBe(false);
      expect(its.kernel.leftovers().listeners).toBe(0);
    }),
  );

  it("but not when it is another's by now", () =>
    scene(function* (its) {
      const first = yield* ipc.listen(its.path);
      unlinkSync(its.path);
      const second = yield* ipc.listen(its.path);
      first.close();
      expect(existsSync(its.path)).toBe(true);
      yield* ipc.connect(its.path, soon());
      unlinkSync(its.path);
      writeFileSync(its.path, "precious");
      second.close();
      expect(readFileSync(its.path, "utf8")).toBe("precious");
    }));

  it("and may be gone already", () =>
    scene(function* (its) {
      const listener = yield* ipc.listen(its.path);
      unlinkSync(its.path);
      listener.close();
      expect(listener.isOpen).toBe(false);
    }));
});

function* ignoring(op: () => Operation<unknown>): Operation<void> {
  try {
    yield* op();
  } catch {
    // Expected.
  }
}

describeWithSockets("a path that is taken", () => {
  const STALE =
    "EADDRINUSE: a socket file is there and nobody has its socket any more: remove it, or listen " +
    "with replaceStale: true, ipc.listen";

  it("by a socket that is gone: the error names the remedy, which works", () =>
    scene(function* (its) {
      yield* leaveStale(its);
      yield* fails("ECONNREFUSED", () => ipc.connect(its.path, soon()));
      const error = yield* fails("EADDRINUSE", () => ipc.listen(its.path));
      expect(error.message).toBe(`${STALE} ${its.path}`);
      expect([error.syscall, error.address]).toEqual(["ipc.listen", its.path]);
      const listener = yield* ipc.listen(its.path, { replaceStale: true });
      yield* ipc.connect(its.path, soon());
      listener.close();
      expect(existsSync(its.path)).toBe(false);
    }));

  it("by somebody who listens: nobody replaces that, and nobody there notices the question", () =>
    scene(function* (its) {
      const listener = yield* ipc.listen(its.path, { replaceStale: true });
      for (const replaceStale of [false, true]) {
        const error = yield* fails("EADDRINUSE", () => ipc.listen(its.path, { replaceStale }));
        expect(error.message).toBe(`EADDRINUSE: address already in use, ipc.listen ${its.path}`);
      }
      yield* fails("ETIMEDOUT", () => listener.accept(now() + 20));
      expect(listener.statistics()).toMatchObject({ accepted: 0, waiting: 0 });
      yield* ipc.connect(its.path, soon());
      yield* listener.accept(soon());
    }));

  it("by another program's server, with a full backlog", () =>
    scene(function* (its) {
      const server = createServer();
      server.listen({ path: its.path, backlog: 1 });
      yield* abortable(() => once(server, "listening"));
      try {
        yield* fails("EADDRINUSE", () => ipc.listen(its.path, { replaceStale: true }));
        expect(existsSync(its.path)).toBe(true);
      } finally {
        server.close();
        yield* abortable(() => once(server, "close"));
      }
    }));

  it.each([
    ["a file", (path: string) => writeFileSync(path, "precious")],
    ["a link to nowhere", (path: string) => symlinkSync("nowhere", path)],
  ])("by %s: never replaced", (_what, make) =>
    scene(function* (its) {
      make(its.path);
      for (const replaceStale of [false, true]) {
        const error = yield* fails("EADDRINUSE", () => ipc.listen(its.path, { replaceStale }));
        expect(error.message).toContain("there is a file that is no socket");
      }
      expect(lstatSync(its.path).isSocket()).toBe(false);
    }),
  );

  it("leaves nothing open", () =>
    scene(function* (its) {
      const listeners: IpcListener[] = [yield* ipc.listen(its.path)];
      for (let i = 0; i < 20; i++) yield* failure(() => ipc.listen(its.path));
      expect(its.kernel.leftovers()).toMatchObject({ sockets: 0, listeners: 1 });
      for (const listener of listeners) listener.close();
      yield* connected(its);
    }));
});
