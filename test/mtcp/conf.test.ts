// SPDX-License-Identifier: MIT
// Initialising, the configuration, contexts and whose they are.

import { afterEach, describe, expect, it } from "vitest";
import { codeOf, currentCoroutine } from "../../scheduler/internal.ts";
import {
  bundle,
  createContext,
  go,
  now,
  openDriver,
  run,
  type StackContext,
  sleep,
  useNetwork,
} from "../../src/index.ts";
import * as mtcp from "../../src/mtcp/index.ts";
import { createCable, simulate } from "../../src/testing.ts";
import {
  bad,
  connected,
  dialing,
  good,
  listening,
  nameOf,
  option,
  quiet,
  simScene,
  soon,
  stream,
} from "./support/scene.ts";

afterEach(() => mtcp.destroy());

/** The code of the thread's last failure, if the result is one. */
function codeIf(result: unknown): string {
  return result === -1 || result === null ? codeOf(mtcp.errno()) : "success";
}

function conf(): mtcp.MtcpConf {
  const into: Partial<mtcp.MtcpConf> = {};
  expect(mtcp.getconf(into)).toBe(0);
  return into as mtcp.MtcpConf;
}

describe("init, getconf, setconf", () => {
  it("has defaults, which what is given changes", () => {
    expect(mtcp.init({ maxConcurrency: 77 })).toBe(0);
    expect(conf()).toEqual({
      numCores: 1,
      maxConcurrency: 77,
      maxNumBuffers: 77,
      rcvbuf: 262_144,
      sndbuf: 262_144,
      tcpTimeout: 180,
      tcpTimewait: 60,
      rssTableSize: 128,
      network: null,
      closeNetwork: false,
    });
  });

  it("takes one buffer size for both if only one is given", () => {
    mtcp.init({ rcvbuf: 8_192 });
    expect(conf()).toMatchObject({ rcvbuf: 8_192, sndbuf: 8_192 });
    mtcp.init({ sndbuf: 4_096 });
    expect(conf()).toMatchObject({ rcvbuf: 4_096, sndbuf: 4_096 });
    mtcp.init({ sndbuf: 4_096, rcvbuf: 1_024 });
    expect(conf()).toMatchObject({ rcvbuf: 1_024, sndbuf: 4_096 });
  });

  it("setconf changes what it is given, 0 and -1 too, or nothing", () => {
    mtcp.init({ tcpTimewait: 5 });
    expect(mtcp.setconf({ tcpTimewait: 0, tcpTimeout: -1 })).toBe(0);
    expect(conf()).toMatchObject({ tcpTimewait: 0, tcpTimeout: -1, maxConcurrency: 10_000 });
    expect(codeIf(mtcp.setconf({ maxConcurrency: 5, rcvbuf: 1 }))).toBe("EINVAL");
    expect(conf().maxConcurrency).toBe(10_000);
  });

  const WRONG: Partial<mtcp.MtcpConf>[] = [
    { numCores: 0 },
    { numCores: 257 },
    { numCores: 1.5 },
    { maxConcurrency: 0 },
    { maxConcurrency: 2 ** 20 + 1 },
    { maxNumBuffers: -1 },
    { rcvbuf: 63 },
    { sndbuf: 2 ** 31 },
    { tcpTimeout: 0 },
    { tcpTimeout: -2 },
    { tcpTimeout: Number.NaN },
    { tcpTimewait: -1 },
    { rssTableSize: 100 },
  ];
  for (const wrong of WRONG) {
    it(`refuses ${JSON.stringify(wrong)}: EINVAL`, () => {
      expect(codeIf(mtcp.init(wrong))).toBe("EINVAL");
      mtcp.init({});
      expect(codeIf(mtcp.setconf(wrong))).toBe("EINVAL");
    });
  }

  it("a null pointer is EFAULT, a call before init EPERM", () => {
    const nothing = null as unknown as mtcp.MtcpConf;
    for (const call of [mtcp.init, mtcp.getconf, mtcp.setconf]) {
      expect(codeIf(call(nothing))).toBe("EFAULT");
    }
    expect(codeIf(mtcp.getconf({}))).toBe("EPERM");
    expect(codeIf(mtcp.setconf({ rcvbuf: 100 }))).toBe("EPERM");
  });

  it("is turned into settings of a stack", () => {
    mtcp.init({ rcvbuf: 8_192, tcpTimeout: 10, tcpTimewait: 1 });
    expect(mtcp.tcpOptions(conf())).toEqual({
      receiveBufferBytes: 8_192,
      sendBufferBytes: 8_192,
      r2Ms: 10_000,
      synR2Ms: 10_000,
      mslMs: 500,
    });
    mtcp.setconf({ tcpTimeout: -1 });
    expect(mtcp.tcpOptions(conf()).r2Ms).toBeGreaterThan(1e12);
  });
});

describe("createContext", () => {
  it("one for each core: EINVAL for another, for no core, and before init", () =>
    simScene(function* ({ networks }) {
      for (const cpu of [-1, 0, 1, 2, 0.5, Number.NaN]) {
        expect(codeIf(mtcp.createContext(cpu))).toBe("EINVAL");
      }
      expect(codeIf(mtcp.init({}))).toBe("EBUSY");
      mtcp.destroy();
      expect(codeIf(mtcp.createContext(0))).toBe("EINVAL");
      mtcp.init({ network: () => networks.server });
      expect(mtcp.createContext(0)).toBeInstanceOf(mtcp.Mctx);
      yield* quiet(0);
    }));

  it("a core is free again once its context is destroyed", () =>
    simScene(function* ({ client, networks }) {
      expect(mtcp.destroyContext(client)).toBe(0);
      bad(client, mtcp.destroyContext(client), mtcp.EACCES);
      expect(client.isOpen).toBe(false);
      const again = mtcp.createContext(1) as mtcp.Mctx;
      expect([again.cpu, again.isOpen, again.errno]).toEqual([1, true, 0]);
      expect(networks.client.isOpen).toBe(true);
      yield* quiet(0);
    }));

  it("without `network` it uses the network in scope", async () => {
    await simulate(1, function* (net) {
      const host = net.host("host");
      mtcp.init({});
      expect(codeIf(mtcp.createContext(0))).toBe("ENETDOWN");
      const owner = yield* go(function* () {
        yield* useNetwork(host.context);
        const mctx = mtcp.createContext(0) as mtcp.Mctx;
        expect(nameOf(mctx, listening(mctx, 80)).port).toBe(80);
      });
      yield* owner.join(-1);
    });
  });

  it("tells why `network` failed, and lets through what is no operating error", () =>
    run(function* () {
      const network = (): never => openDriver({ driver: "tap", netns: "no such place" }) as never;
      mtcp.init({ network });
      const made = mtcp.createContext(0);
      expect(made).toBeNull();
      expect(["ENOENT", "EPERM", "ENOSYS", "EINVAL"]).toContain(codeOf(mtcp.errno()));
      mtcp.init({ network: () => "tap0" as never });
      expect(() => mtcp.createContext(0)).toThrow(TypeError);
      yield* sleep(0);
    }));

  it("is nobody's once it is destroyed", () =>
    simScene(function* ({ client }) {
      mtcp.destroyContext(client);
      const owned = (): number => currentCoroutine()?.bundleForOwn().resourceCount ?? -1;
      const before = owned();
      for (let i = 0; i < 3; i++) {
        const mctx = mtcp.createContext(1);
        expect(owned()).toBe(before + 1);
        mtcp.destroyContext(mctx);
        expect(owned()).toBe(before);
      }
      yield* quiet(0);
    }));

  it("belongs to the coroutine that makes it: its end resets every socket", () =>
    simScene(function* ({ server, client, host, networks }) {
      mtcp.destroyContext(client);
      const listener = listening(server);
      const { port } = nameOf(server, listener);
      const owner = yield* go(function* () {
        const mctx = mtcp.createContext(1) as mtcp.Mctx;
        good(mctx, yield* dialing(mctx, stream(mctx), host, port));
        const waiting = mtcp.blocking.accept(server, listener, null, null, soon());
        return { mctx, served: good(server, yield* waiting) };
      });
      const { mctx, served } = yield* owner.join(soon());
      expect(mctx.isOpen).toBe(false);
      const buf = new Uint8Array(1);
      bad(server, yield* mtcp.blocking.read(server, served, buf, 1, soon()), mtcp.ECONNRESET);
      expect(networks.client.leftovers().sockets).toBe(0);
      expect(mtcp.createContext(1)).not.toBeNull();
    }));

  it("made by a coroutine that is being cancelled ends with it, too", () =>
    simScene(function* ({ client }) {
      mtcp.destroyContext(client);
      const group = yield* bundle();
      yield* group.go(function* () {
        try {
          yield* sleep(-1);
        } finally {
          expect(mtcp.createContext(1)?.isOpen).toBe(true);
        }
      });
      yield* quiet(1);
      yield* group.close();
      // It was destroyed with its coroutine.
      expect(mtcp.createContext(1)).not.toBeNull();
    }));
});

describe("closeNetwork", () => {
  for (const closeNetwork of [true, false]) {
    it(`${closeNetwork}: destroyContext ${closeNetwork ? "closes" : "leaves"} the network`, () =>
      run(
        function* () {
          const [driver, other] = createCable();
          const made: { readonly isOpen: boolean }[] = [];
          mtcp.init({
            closeNetwork,
            tcpTimewait: 0,
            network: (_cpu, given) => {
              const tcp = mtcp.tcpOptions(given);
              const context = createContext({ driver, address: "10.0.0.1/24", tcp });
              made.push(context);
              return context;
            },
          });
          const mctx = mtcp.createContext(0);
          expect(mtcp.destroyContext(mctx)).toBe(0);
          expect(made.map((context) => context.isOpen)).toEqual([!closeNetwork]);
          other.close();
          yield* sleep(now() + 1);
        },
        { clock: "virtual" },
      ));
  }
});

describe("the configuration of a stack", () => {
  it("is that of init: buffers, and no TIME-WAIT where 0 was asked for", () =>
    run(
      function* () {
        const drivers = createCable();
        const stacks: StackContext[] = [];
        mtcp.init({
          numCores: 2,
          rcvbuf: 8_192,
          sndbuf: 4_096,
          tcpTimewait: 60,
          closeNetwork: true,
          network: (cpu, given) => {
            const driver = drivers[cpu] as (typeof drivers)[0];
            const tcp = mtcp.tcpOptions(given);
            const context = createContext({ driver, address: `10.0.0.${cpu + 1}/24`, tcp });
            stacks.push(context);
            return context;
          },
        });
        expect(mtcp.setconf({ tcpTimewait: 0 })).toBe(0);
        const server = mtcp.createContext(0) as mtcp.Mctx;
        const client = mtcp.createContext(1) as mtcp.Mctx;
        const networks = { server: server.context, client: client.context };
        const it = { server, client, host: "10.0.0.1", networks };
        const { served, dialed } = yield* connected(it);
        expect(option(server, served, mtcp.SO_RCVBUF)).toBe(8_192);
        expect(option(client, dialed, mtcp.SO_SNDBUF)).toBe(4_096);
        expect(mtcp.write(client, dialed, new Uint8Array(10_000), 10_000)).toBe(4_096);
        good(server, mtcp.close(server, served));
        expect(good(client, yield* mtcp.blocking.close(client, dialed, soon()))).toBe(0);
        yield* quiet(1);
        for (const stack of stacks) {
          expect(stack.leftovers()).toMatchObject({ sockets: 0, timeWait: 0 });
        }
        mtcp.destroy();
        expect(stacks.map((stack) => stack.isOpen)).toEqual([false, false]);
      },
      { clock: "virtual" },
    ));

  it("a network in scope is never closed", () =>
    simulate(1, function* (net) {
      const { context } = net.host("host");
      mtcp.init({ closeNetwork: true });
      yield* useNetwork(context);
      expect(mtcp.destroyContext(mtcp.createContext(0))).toBe(0);
      expect(context.isOpen).toBe(true);
    }));
});

describe("no valid context", () => {
  it("every call says -1, and errno() EACCES", async () => {
    const calls = callsOn(null);
    for (const [name, call] of Object.entries(calls)) {
      expect([name, call(), codeOf(mtcp.errno())]).toEqual([name, -1, "EACCES"]);
    }
    await simScene(function* ({ client }) {
      mtcp.destroyContext(client);
      for (const [name, call] of Object.entries(callsOn(client))) {
        expect([name, call(), codeOf(client.errno)]).toEqual([name, -1, "EACCES"]);
      }
      for (const twin of twinsOn(client)) bad(client, yield* twin, mtcp.EACCES);
      for (const twin of twinsOn(null)) {
        expect([yield* twin, codeOf(mtcp.errno())]).toEqual([-1, "EACCES"]);
      }
    });
  });

  function callsOn(mctx: mtcp.Mctx | null): Record<string, () => number> {
    const addr = mtcp.sockaddrIn("10.0.0.1", 80);
    const ref = { value: 16 };
    const buf = new Uint8Array(4);
    return {
      socket: () => mtcp.socket(mctx, mtcp.AF_INET, mtcp.SOCK_STREAM, 0),
      bind: () => mtcp.bind(mctx, 1, addr, 16),
      listen: () => mtcp.listen(mctx, 1, 1),
      accept: () => mtcp.accept(mctx, 1, null, null),
      connect: () => mtcp.connect(mctx, 1, addr, 16),
      shutdown: () => mtcp.shutdown(mctx, 1, 0),
      setNonblock: () => mtcp.setNonblock(mctx, 1),
      close: () => mtcp.close(mctx, 1),
      abort: () => mtcp.abort(mctx, 1),
      read: () => mtcp.read(mctx, 1, buf, 4),
      readv: () => mtcp.readv(mctx, 1, [buf], 1),
      recv: () => mtcp.recv(mctx, 1, buf, 4, 0),
      write: () => mtcp.write(mctx, 1, buf, 4),
      writev: () => mtcp.writev(mctx, 1, [buf], 1),
      ioctl: () => mtcp.ioctl(mctx, 1, mtcp.FIONREAD, ref),
      getsockopt: () => mtcp.getsockopt(mctx, 1, 1, 4, ref, ref),
      setsockopt: () => mtcp.setsockopt(mctx, 1, 1, 2, 1, 4),
      getsockname: () => mtcp.getsockname(mctx, 1, addr, ref),
      getpeername: () => mtcp.getpeername(mctx, 1, addr, ref),
      pipe: () => mtcp.pipe(mctx, []),
      initRss: () => mtcp.initRss(mctx, "10.0.0.1", 1, "10.0.0.2", 80),
      epollCreate: () => mtcp.epollCreate(mctx, 1),
      epollCreate1: () => mtcp.epollCreate1(mctx, 0),
      epollCtl: () => mtcp.epollCtl(mctx, 1, 1, 1, { events: 1, data: 1 }),
      epollWait: () => mtcp.epollWait(mctx, 1, [], 1, 0),
      destroyContext: () => mtcp.destroyContext(mctx),
    };
  }

  function twinsOn(mctx: mtcp.Mctx | null) {
    const { blocking } = mtcp;
    const buf = new Uint8Array(4);
    return [
      blocking.accept(mctx, 1, null, null, -1),
      blocking.connect(mctx, 1, mtcp.sockaddrIn("10.0.0.1", 80), 16, -1),
      blocking.read(mctx, 1, buf, 4, -1),
      blocking.recv(mctx, 1, buf, 4, 0, -1),
      blocking.readv(mctx, 1, [buf], 1, -1),
      blocking.write(mctx, 1, buf, 4, -1),
      blocking.writev(mctx, 1, [buf], 1, -1),
      blocking.close(mctx, 1, -1),
      blocking.epollWait(mctx, 1, [], 1, -1),
    ];
  }
});
