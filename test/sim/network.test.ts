// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import {
  choose,
  currentLoop,
  go,
  type Loop,
  now,
  run,
  sleep,
  yieldNow,
} from "../../scheduler/index.ts";
import {
  craftArp,
  craftTcp,
  drop,
  expectNothingLeft,
  FrameView,
  Random,
  type RawHost,
  SimNetwork,
  simulate,
  TCP_FLAGS,
} from "../../src/testing.ts";

function segment(from: RawHost, to: RawHost, payload: string): Uint8Array {
  return craftTcp({ ...from.to(to), sourcePort: 1, destinationPort: 2, payload });
}

function textOf(frame: Uint8Array): string {
  return new TextDecoder().decode(new FrameView().parse(frame).payload);
}

describe("a simulated network", () => {
  it("delivers at the virtual time that the links say, and takes no real time", async () => {
    const { result, virtualMs } = await simulate(1, function* (net) {
      const a = net.rawHost("a");
      const b = net.rawHost("b", { link: { delayMs: 60_000 } });
      const startMs = now();
      a.send(segment(a, b, "hello"));
      const frame = yield* b.recv(-1);
      return [textOf(frame), now() - startMs];
    });
    expect(result).toEqual(["hello", 60_000]);
    expect(virtualMs).toBe(60_000);
  });

  it("resumes a receiver in the order and at the time of each frame", async () => {
    const { result } = await simulate(1, function* (net) {
      const a = net.rawHost("a", { link: { delayMs: 1.5 } });
      const b = net.rawHost("b");
      const seen: string[] = [];
      const startMs = now();
      yield* go(function* () {
        for (;;) seen.push(`${textOf(yield* b.recv(-1))}@${now() - startMs}`);
      });
      for (const text of ["x", "y", "z"]) {
        a.send(segment(a, b, text));
        a.send(segment(a, b, text.toUpperCase()));
        yield* sleep(now() + 1);
      }
      yield* sleep(now() + 10);
      return seen.join(" ");
    });
    expect(result).toBe("x@1.5 X@1.5 y@2.5 Y@2.5 z@3.5 Z@3.5");
  });

  it("times out where nothing comes: ETIMEDOUT at the deadline", async () => {
    await simulate(1, function* (net) {
      const a = net.rawHost("a");
      const startMs = now();
      let code = "";
      try {
        yield* a.recv(now() + 120_000);
      } catch (error) {
        code = (error as { code: string }).code;
      }
      expect([code, now() - startMs]).toEqual(["ETIMEDOUT", 120_000]);
    });
  });

  it("gives a frame to exactly one reader, and loses none to a choose or a deadline", async () => {
    await simulate(1, function* (net) {
      const a = net.rawHost("a");
      const b = net.rawHost("b");
      const c = net.rawHost("c");
      b.send(segment(b, a, "1"));
      c.send(segment(c, b, "2"));
      yield* sleep(now() + 1);
      const chosen = yield* choose([b.recv(), a.recv()]);
      expect([chosen.index, textOf(chosen.value as Uint8Array)]).toEqual([0, "2"]);
      expect(a.waiting).toBe(1);
      expect(textOf(yield* a.recv(0))).toBe("1");
      const readers = [yield* go(() => a.recv(-1)), yield* go(() => a.recv(-1))];
      yield* yieldNow();
      b.send(segment(b, a, "3"));
      b.send(segment(b, a, "4"));
      const got = [];
      for (const reader of readers) got.push(textOf(yield* reader.join(-1)));
      expect(got).toEqual(["3", "4"]);
    });
  });

  it("hands a frame to the next reader when the one it woke is cancelled", async () => {
    await simulate(1, function* (net) {
      const a = net.rawHost("a");
      const b = net.rawHost("b");
      const first = yield* go(() => a.recv(-1));
      const second = yield* go(() => a.recv(-1));
      yield* yieldNow();
      b.send(segment(b, a, "for one of them"));
      first.cancel();
      const frame = yield* second.join(now() + 1000);
      expect(textOf(frame)).toBe("for one of them");
    });
  });

  it("answers ARP for raw and silent hosts, and nothing else for silent ones", async () => {
    await simulate(1, function* (net) {
      const a = net.rawHost("a");
      const silent = net.silentHost("silent");
      const ask = { senderMac: a.macAddress, senderIp: a.address, targetIp: silent.address };
      a.send(craftArp(ask));
      const answer = new FrameView().parse(yield* a.recv(now() + 10));
      expect([answer.protocol, answer.arpOperation, answer.source]).toEqual([
        "arp",
        2,
        silent.address,
      ]);
      a.send(segment(a, silent, "anybody there?"));
      yield* sleep(now() + 1000);
      expect([silent.arrived, silent.waiting, a.waiting]).toEqual([2, 0, 0]);
    });
  });

  it("numbers hosts and prefixes, and keeps out of the way of chosen addresses", async () => {
    await simulate(1, function* (net) {
      net.lan("dmz", { prefix: "192.168.7.0/28" });
      const addresses = [
        net.rawHost("a").address,
        net.rawHost("b", { address: "10.0.1.2" }).address,
        net.rawHost("c").address,
        net.rawHost("d").address,
        net.rawHost("e", { lan: "dmz" }).address,
        net.rawHost("f", { lan: "third" }).address,
      ];
      expect(addresses).toEqual([
        "10.0.1.1",
        "10.0.1.2",
        "10.0.1.3",
        "10.0.1.4",
        "192.168.7.1",
        "10.0.2.1",
      ]);
    });
  });

  it("partitions groups of hosts and repairs them", async () => {
    await simulate(1, function* (net) {
      const [a, b, c] = ["a", "b", "c"].map((name) => net.rawHost(name)) as [RawHost, ...RawHost[]];
      net.partition([a], [b!, c!]);
      a.send(segment(a, b!, "1"));
      b!.send(segment(b!, c!, "2"));
      yield* sleep(now() + 1);
      net.repair([a], [b!]);
      a.send(segment(a, b!, "3"));
      a.send(segment(a, c!, "4"));
      expect(textOf(yield* b!.recv(now() + 5))).toBe("3");
      expect(textOf(yield* c!.recv(now() + 5))).toBe("2");
      yield* sleep(now() + 5);
      expect(c!.waiting).toBe(0);
    });
  });

  it("captures a link as one end sees it, in a pcap file with virtual times", async () => {
    const pieces: Uint8Array[] = [];
    await simulate(1, function* (net) {
      const a = net.rawHost("a", { link: { delayMs: 5 } });
      const b = net.rawHost("b");
      const capture = a.link.capture((bytes) => pieces.push(bytes), { at: "a" });
      a.link.rule((frame) => (textOf(frame.bytes) === "lost" ? drop : undefined), "lan");
      a.send(segment(a, b, "there"));
      yield* b.recv(-1);
      b.send(segment(b, a, "lost"));
      b.send(segment(b, a, "back"));
      yield* a.recv(-1);
      capture.stop();
      a.send(segment(a, b, "too late"));
      expect(capture.frames).toBe(2);
    });
    const file = Buffer.concat(pieces);
    expect(file.readUInt32LE(0)).toBe(0xa1b23c4d);
    const firstLength = file.readUInt32LE(24 + 8);
    expect(file.readUInt32LE(24)).toBe(1); // virtual time starts at 1 s
    const second = 24 + 16 + firstLength;
    expect([file.readUInt32LE(second), file.readUInt32LE(second + 4)]).toEqual([1, 10_000_000]);
    expect(file.length).toBe(second + 16 + file.readUInt32LE(second + 8));
  });

  it("prints its trace and counts by link and direction", async () => {
    const { trace } = await simulate(1, function* (net) {
      const a = net.rawHost("a", { link: { delayMs: 5 } });
      const b = net.rawHost("b");
      const fields = { ...a.to(b), sourcePort: 49152, destinationPort: 80 };
      a.send(craftTcp({ ...fields, flags: TCP_FLAGS.SYN, seq: 77 }));
      yield* b.recv(-1);
      b.link.partition();
      a.send(craftTcp({ ...fields, seq: 78 }));
      yield* sleep(now() + 10);
      const statistics = net.statistics();
      expect(statistics["a"]?.["a"]).toMatchObject({ sent: 2, delivered: 2 });
      expect(statistics["b"]?.["lan"]).toMatchObject({ sent: 2, delivered: 1, partitioned: 1 });
      expect(net.leftovers()).toEqual([]);
      expectNothingLeft(net);
    });
    expect(trace).toEqual([
      "  1000.000 a > b  10.0.0.1:49152 > 10.0.0.2:80 [SYN] seq 0 win 65535",
      "  1005.000 a > b  10.0.0.1:49152 > 10.0.0.2:80 [ACK] seq 1 ack 0 win 65535",
      "  1010.000 lan > b  10.0.0.1:49152 > 10.0.0.2:80 [ACK] seq 1 ack 0 win 65535  *partitioned*",
    ]);
  });

  it("refuses wrong arguments, naming them", async () => {
    await simulate(1, function* (net) {
      net.rawHost("a");
      expect(() => net.rawHost("a")).toThrow(/name/);
      expect(() => net.rawHost("")).toThrow(/name/);
      expect(() => net.rawHost("b", { address: "10.0.0.1" })).toThrow(/address/);
      expect(() => net.rawHost("c", { address: "10.0.0.1/99" })).toThrow(/address/);
      expect(() => net.lan("lan", { mode: "hub" })).toThrow(/name/);
      expect(() => net.lan("x", { mode: "router" as "hub" })).toThrow(/mode/);
      expect(() => net.lan("x", { prefix: "10.0.0.0" })).toThrow(/prefix/);
      expect(() => net.host("h", { adress: "10.0.0.9" } as object)).toThrow(/adress/);
      const a = net.host.bind(net) as (name: string) => unknown;
      expect(() => a("a")).toThrow(/name/);
    });
    await expect(simulate(0.5, function* () {})).rejects.toThrow(/seed/);
    await expect(simulate(1, 5 as never)).rejects.toThrow(/program/);
    await expect(simulate(1, function* () {}, { limit: 1 } as object)).rejects.toThrow(/limit/);
  });
});

describe("simulate", () => {
  const storm = function* (net: SimNetwork) {
    const conditions = { delayMs: 3, jitterMs: 2, loss: 0.1, duplicate: 0.1, reorder: 0.1 };
    const hosts = ["a", "b", "c"].map((name) => net.rawHost(name, { link: conditions }));
    const random = net.random.fork("storm");
    let received = 0;
    for (const host of hosts) {
      yield* go(function* () {
        for (;;) {
          yield* host.recv(-1);
          received++;
        }
      });
    }
    for (let i = 0; i < 300; i++) {
      const [from, to] = random.shuffle([...hosts]) as [RawHost, RawHost];
      from.send(segment(from, to, `${i}`));
      yield* sleep(now() + random.float());
    }
    yield* sleep(now() + 100);
    return received;
  };

  it("gives the same run for the same seed, and another for another (R4)", async () => {
    const first = await simulate(11, storm);
    const second = await simulate(11, storm);
    const other = await simulate(12, storm);
    expect(second).toEqual(first);
    expect(other.traceHash).not.toBe(first.traceHash);
    expect(first.traceHash).toMatch(/^[0-9a-f]{32}$/);
  });

  it("keeps the error that the program threw, and adds seed and packets to its message", async () => {
    const error = new RangeError("boom");
    const thrown = await simulate(99, function* (net) {
      const a = net.rawHost("a");
      a.send(segment(a, net.rawHost("b"), "last words"));
      throw error;
    }).catch((caught: unknown) => caught);
    expect(thrown).toBe(error);
    expect(error.message).toContain("boom");
    expect(error.message).toContain("seed 99");
    expect(error.message).toContain("simulate(99, ...)");
    expect(error.message).toContain("10.0.0.1:1 > 10.0.0.2:2");
    expect(error.stack).toContain("seed 99");
  });

  it("reports what is no Error, too", async () => {
    await expect(
      simulate("text seed", function* () {
        throw "just text";
      }),
    ).rejects.toThrow(/just text[\s\S]*text seed/);
  });

  it("fails when everybody waits for ever", async () => {
    const promise = simulate(1, function* (net) {
      yield* net.rawHost("a").recv(-1);
    });
    await expect(promise).rejects.toMatchObject({ code: "ETIMEDOUT" });
  });

  it("fails when it does not end within its limit", async () => {
    const promise = simulate(
      1,
      function* () {
        for (;;) yield* sleep(now() + 1000);
      },
      { limitMs: 60_000 },
    );
    await expect(promise).rejects.toThrow(/no end within 60000 ms/);
  });

  it("cancels what still runs when the program ends", async () => {
    const ended: string[] = [];
    await simulate(1, function* (net) {
      const a = net.rawHost("a");
      yield* go(function* () {
        try {
          yield* a.recv(-1);
        } catch (error) {
          ended.push((error as { code: string }).code);
          throw error;
        }
      });
      yield* sleep(now() + 5);
    });
    expect(ended).toEqual(["ECANCELED"]);
  });

  it("carries a hundred thousand frames in little time and bounded memory", async () => {
    const { result } = await simulate(1, function* (net) {
      const a = net.rawHost("a", { link: { delayMs: 1, loss: 0.01 } });
      const b = net.silentHost("b");
      const frame = segment(a, b, "x".repeat(1000));
      for (let i = 0; i < 1000; i++) {
        for (let n = 0; n < 100; n++) a.send(frame);
        yield* sleep(now() + 1);
      }
      yield* sleep(now() + 10);
      return b.arrived;
    });
    expect(Math.abs(result - 99_000)).toBeLessThan(1000 * 0.5);
  });
});

describe("a simulated network on the real clock", () => {
  it("delivers after its delays, and leaves nothing behind", async () => {
    let loop: Loop | undefined;
    await run(
      function* () {
        const net = new SimNetwork(currentLoop(), new Random(1));
        const a = net.rawHost("a", { link: { delayMs: 20 } });
        const b = net.rawHost("b");
        const startMs = now();
        a.send(segment(a, b, "later"));
        expect(textOf(yield* b.recv(now() + 5_000))).toBe("later");
        expect(now() - startMs).toBeGreaterThanOrEqual(20);
        net.close();
        net.close();
      },
      {
        onLoop: (made) => {
          loop = made;
        },
      },
    );
    expectNothingLeft(loop as Loop);
  });
});

describe("expectNothingLeft", () => {
  it("names what is left, but for TIME-WAIT", () => {
    const context = (sockets: number) => ({ leftovers: () => ({ sockets, timeWait: 3 }) });
    expect(() => expectNothingLeft(context(0))).not.toThrow();
    expect(() => expectNothingLeft(context(0), context(2))).toThrow(/2 sockets/);
    expect(() => expectNothingLeft({ leftovers: () => ["a: 1 listeners"] })).toThrow(/1 listeners/);
  });
});
