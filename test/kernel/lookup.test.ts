// SPDX-License-Identifier: MIT
// Names: what a lookup gives, and how tcp.connect tries the addresses. On virtual time, with a name
// service that is played and hosts that are simulated.

import { describe, expect, it } from "vitest";
import { currentLoop } from "../../scheduler/internal.ts";
import { choose, go, now, type Operation, run, sleep, tcp } from "../../src/index.ts";
import { NameLookup, type Resolve } from "../../src/kernel/lookup.ts";
import type { Context } from "../../src/socket/context.ts";
import { failure, soon } from "../socket/support/helpers.ts";
import { type Scene, scene } from "../socket/support/sim.ts";

type Done = Parameters<Resolve>[1];

/** A name service that answers when it is told to. */
class Names {
  readonly asked: string[] = [];
  readonly #waiting: Done[] = [];

  /** As `Resolve`. */
  readonly resolve: Resolve = (host, done) => {
    this.asked.push(host);
    this.#waiting.push(done);
  };

  /** Answers the question that has waited longest. */
  answer(...addresses: readonly string[]): void {
    const found = addresses.map((address) => ({ address, family: 4 }));
    this.#waiting.shift()?.(null, found);
  }

  fails(code: string, errno = -3_008): void {
    const error = Object.assign(new Error(code), { code, errno });
    this.#waiting.shift()?.(error, []);
  }
}

/** Gives a context a name service. */
function named(context: Context): Names {
  const names = new Names();
  context.lookup = (host) => new NameLookup(host, currentLoop(), names.resolve);
  return names;
}

/** A scene in which the client can ask for names, and the server listens. */
function namedScene(op: (it: Scene, names: Names) => Operation<void>): Promise<unknown> {
  return scene(function* (it) {
    const names = named(it.client);
    const listener = yield* tcp.listen({ port: 80, context: it.server });
    const serving = yield* go(() => listener.serve(() => sleep(-1)));
    yield* op(it, names);
    serving.cancel();
  });
}

const SERVER = "10.0.0.1";
const NOBODY = "10.0.0.77";

describe("connecting to a name", () => {
  it("connects to its address once it is known", async () => {
    await namedScene(function* ({ client }, names) {
      const connecting = yield* go(() => tcp.connect({ host: "a.b", port: 80, context: client }));
      yield* sleep(now() + 500);
      expect([connecting.isEnded, names.asked]).toEqual([false, ["a.b"]]);
      names.answer(SERVER);
      const conn = yield* connecting.join(soon());
      expect(conn.remote).toEqual({ host: SERVER, port: 80 });
    });
  });

  it("asks for no address that is one already", async () => {
    await namedScene(function* ({ client }, names) {
      yield* tcp.connect({ host: SERVER, port: 80, context: client }, soon());
      expect(names.asked).toEqual([]);
    });
  });

  it("tries one address after the other", async () => {
    await namedScene(function* ({ client, serverHost }, names) {
      const connecting = yield* go(() => tcp.connect({ host: "a", port: 80, context: client }));
      yield* sleep(now() + 1);
      // One that cannot even be tried, one that nobody has, one that refuses.
      expect(serverHost.address).toBe(SERVER);
      names.answer("::1", NOBODY, SERVER);
      const conn = yield* connecting.join(soon());
      expect(conn.remote.host).toBe(SERVER);
    });
  });

  it("tells the error of an address that could be tried rather than of one that could not", async () => {
    await namedScene(function* ({ client }, names) {
      for (const addresses of [[SERVER, "::1"], ["::1", SERVER], [SERVER]]) {
        const connecting = yield* go(() =>
          failure(() => tcp.connect({ host: "a", port: 81, context: client })),
        );
        yield* sleep(now() + 1);
        names.answer(...addresses);
        const error = yield* connecting.join(soon());
        expect([error.code, error.address, error.port]).toEqual(["ECONNREFUSED", "a", 81]);
      }
      const connecting = yield* go(() =>
        failure(() => tcp.connect({ host: "a", port: 81, context: client })),
      );
      yield* sleep(now() + 1);
      names.answer("::1");
      expect((yield* connecting.join(soon())).code).toMatch(/^(EAFNOSUPPORT|ENETUNREACH)$/);
    });
  });

  it("fails with what the name service says", async () => {
    await namedScene(function* ({ client }, names) {
      const codes = [
        ["ENOTFOUND", "ENOENT"],
        ["ENODATA", "ENOENT"],
        ["EAI_AGAIN", "EAGAIN"],
        ["EAI_MEMORY", "ENOMEM"],
        ["EAI_FAIL", "EIO"],
      ] as const;
      for (const [theirs, ours] of codes) {
        const connecting = yield* go(() =>
          failure(() => tcp.connect({ host: "a.b", port: 80, context: client })),
        );
        yield* sleep(now() + 1);
        names.fails(theirs);
        const error = yield* connecting.join(soon());
        expect([error.code, error.syscall, error.address]).toEqual([ours, "tcp.connect", "a.b"]);
      }
    });
  });

  it("is ENOENT when the name has no address, or none that we know of", async () => {
    await namedScene(function* ({ client }, names) {
      for (const addresses of [[], ["fe80::1%eth0"]]) {
        const connecting = yield* go(() =>
          failure(() => tcp.connect({ host: "a.b", port: 80, context: client })),
        );
        yield* sleep(now() + 1);
        names.answer(...addresses);
        expect((yield* connecting.join(soon())).code).toBe("ENOENT");
      }
    });
  });

  it("ends at its deadline, or cancelled, or in a choose that another clause wins", async () => {
    await namedScene(function* ({ client }, names) {
      const target = { host: "a.b", port: 80, context: client };
      const startMs = now();
      expect((yield* failure(() => tcp.connect(target, 0))).code).toBe("ETIMEDOUT");
      const late = yield* failure(() => tcp.connect(target, startMs + 300));
      expect([late.code, now() - startMs]).toEqual(["ETIMEDOUT", 300]);
      const connecting = yield* go(() => tcp.connect(target));
      yield* sleep(now() + 1);
      connecting.cancel();
      expect((yield* failure(() => connecting.join())).code).toBe("ECANCELED");
      const { index } = yield* choose([tcp.connect(target), sleep(now() + 5)]);
      expect(index).toBe(1);
      // Nobody wants these answers any more.
      for (let i = 0; i < 4; i++) names.answer(SERVER);
      yield* sleep(now() + 500);
      expect(client.leftovers()).toMatchObject({ sockets: 0, timers: 0, bufferedBytes: 0 });
      expect(names.asked).toHaveLength(4);
    });
  });

  it("has one deadline for the lookup and all addresses together", async () => {
    await namedScene(function* ({ client, net, clientHost, serverHost }, names) {
      net.partition([clientHost], [serverHost]);
      const startMs = now();
      const connecting = yield* go(() =>
        failure(() => tcp.connect({ host: "a", port: 80, context: client }, startMs + 700)),
      );
      yield* sleep(now() + 400);
      names.answer(SERVER, "10.0.0.3", "10.0.0.4");
      const error = yield* connecting.join(soon());
      expect([error.code, now() - startMs]).toEqual(["ETIMEDOUT", 700]);
    });
  });
});

describe("a lookup", () => {
  it("holds nothing of the loop while it goes on, and may end after the loop has", async () => {
    const names = new Names();
    let lookup: NameLookup | null = null;
    await run(
      function* () {
        lookup = new NameLookup("a", currentLoop(), names.resolve);
        expect(currentLoop().leftovers()).toMatchObject({ timers: 0, pollers: 0 });
      },
      { clock: "virtual" },
    );
    names.answer("10.0.0.1");
    expect(String((lookup as NameLookup | null)?.addresses)).toBe("10.0.0.1");
  });

  it("ends once, and abandoned it stays abandoned", async () => {
    const names = new Names();
    await run(
      function* () {
        const loop = currentLoop();
        const abandoned = new NameLookup("a", loop, names.resolve);
        let ends = 0;
        abandoned.onEnd = () => ends++;
        abandoned.abandon();
        names.answer("10.0.0.1");
        abandoned.abandon();
        expect(ends).toBe(1);
        expect(abandoned.addresses).toEqual([]);
        const failed = new NameLookup("a", loop, names.resolve);
        failed.fail(-100);
        names.answer("10.0.0.1");
        expect([failed.addresses, failed.errno]).toEqual([[], -100]);
      },
      { clock: "virtual" },
    );
  });

  it("is EAGAIN beyond 1,024 at once", async () => {
    const names = new Names();
    await run(
      function* () {
        const loop = currentLoop();
        for (let i = 0; i < 1_024; i++) {
          expect(new NameLookup("a", loop, names.resolve).addresses).toBeNull();
        }
        const { addresses, errno } = new NameLookup("a", loop, names.resolve);
        expect([addresses, errno]).toEqual([[], -11]);
        for (let i = 0; i < 1_024; i++) names.answer("10.0.0.1");
        expect(new NameLookup("a", loop, names.resolve).addresses).toBeNull();
        names.answer();
      },
      { clock: "virtual" },
    );
  });
});
