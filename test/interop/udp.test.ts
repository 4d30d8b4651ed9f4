// UDP over real frames: the suite of datagram behaviour between two stacks of ours, and our UDP
// with the Linux kernel's on every native driver.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { go, now, type Operation, type UdpSocket, udp } from "../../src/index.ts";
import { describeDatagramBehaviour } from "../socket/udp-behaviour.ts";
import { patternAt, patternMismatch } from "../support/byte-pattern.ts";
import { describeWithNic, type NetNs } from "../support/netns.ts";
import { codeOf, DRIVERS, KERNEL, type Lab, Machine, NOBODY, OURS } from "./support/machine.ts";
import {
  overMemif,
  overPacket,
  overTap,
  overXdp,
  twoStackNamespace,
} from "./support/two-stacks.ts";

const PORT = 7_000;
/** Payload of a packet of 1,500 bytes. */
const MOST_BYTES = 1_472;
/** The largest datagram of IPv4. */
const LARGEST_BYTES = 65_507;

function soon(): number {
  return now() + 10_000;
}

/** Receives a datagram that must be so many bytes of the pattern. */
function* hear(socket: UdpSocket, bytes: number): Operation<{ host: string; port: number }> {
  const buf = new Uint8Array(LARGEST_BYTES);
  const { length, ...from } = yield* socket.recv(buf, soon());
  expect([length, patternMismatch(buf.subarray(0, length), 0)]).toEqual([bytes, -1]);
  return from;
}

describeWithNic("UDP between two stacks of ours", () => {
  let netns: NetNs;

  beforeAll(async () => {
    netns = await twoStackNamespace();
  });
  afterAll(() => netns?.remove());

  describe("af_packet", () => {
    describeDatagramBehaviour(
      "af_packet",
      overPacket(() => netns),
    );
  });

  describe("af_xdp", () => {
    describeDatagramBehaviour(
      "af_xdp",
      overXdp(() => netns),
    );
  });

  describe("tap", () => {
    describeDatagramBehaviour(
      "tap",
      overTap(() => netns),
    );
  });
});

describe("UDP over shared memory", () => {
  describeDatagramBehaviour("memif", overMemif(1_500));
});

describeWithNic("UDP with the kernel", () => {
  describe.each(DRIVERS)("%s", (driver) => {
    let machine: Machine;

    beforeAll(async () => {
      machine = await Machine.create(driver);
    });
    afterAll(() => machine?.remove());

    /** Registers a test on a stack of its own. */
    function scenario(title: string, op: (lab: Lab) => Operation<void>): void {
      it(title, () => machine.run(op));
    }

    scenario("the kernel echoes what we send, of every size that fits", function* ({ kernel }) {
      const peer = yield* kernel.call("udpOpen", KERNEL, PORT + 1, true);
      const open = yield* udp.open({ port: PORT });
      const connected = yield* udp.open({ remote: { host: KERNEL, port: PORT + 1 } });
      for (const bytes of [0, 1, 2, 17, 512, 1_000, 1_471, MOST_BYTES]) {
        const to = { host: KERNEL, port: PORT + 1 };
        yield* open.send(patternAt(0, bytes), to, soon());
        expect(yield* hear(open, bytes)).toEqual(to);
        yield* connected.send(patternAt(0, bytes), undefined, soon());
        expect(yield* hear(connected, bytes)).toEqual(to);
      }
      yield* kernel.call("udpClose", peer);
    });

    scenario("we echo what the kernel sends", function* ({ kernel }) {
      const peer = yield* kernel.call("udpOpen", KERNEL, 0, false);
      const socket = yield* udp.open({ port: PORT });
      yield* go(function* () {
        const buf = new Uint8Array(2_000);
        for (;;) {
          const got = yield* socket.recv(buf);
          yield* socket.send(buf.subarray(0, got.length), got, soon());
        }
      });
      for (const bytes of [0, 1, 2, 17, 512, 1_000, 1_471, MOST_BYTES]) {
        yield* kernel.call("udpSend", peer, bytes, OURS, PORT);
        const back = yield* kernel.call("udpReceive", peer);
        expect(back).toEqual({ bytes, host: OURS, port: PORT, wrongAt: -1 });
      }
      yield* kernel.call("udpClose", peer);
    });

    scenario("a byte more than fits is EMSGSIZE: we do not fragment", function* ({ kernel }) {
      const peer = yield* kernel.call("udpOpen", KERNEL, PORT + 2, false);
      const socket = yield* udp.open({ remote: { host: KERNEL, port: PORT + 2 } });
      const tooLong = patternAt(0, MOST_BYTES + 1);
      expect(yield* codeOf(() => socket.send(tooLong, undefined, soon()))).toBe("EMSGSIZE");
      yield* socket.send(tooLong.subarray(1), undefined, soon());
      expect((yield* kernel.call("udpReceive", peer)).bytes).toBe(MOST_BYTES);
      yield* kernel.call("udpClose", peer);
    });

    scenario("what the kernel fragments arrives whole", function* ({ kernel, mctx }) {
      const peer = yield* kernel.call("udpOpen", KERNEL, 0, false);
      const socket = yield* udp.open({ port: PORT });
      for (const bytes of [MOST_BYTES + 1, 2_953, 9_000, 40_000, LARGEST_BYTES]) {
        yield* kernel.call("udpSend", peer, bytes, OURS, PORT);
        yield* hear(socket, bytes);
      }
      expect(mctx.statistics().events["ipv4.reassembled"]).toBe(5);
      yield* kernel.call("udpSend", peer, 9_000, OURS, PORT);
      const error = yield* codeOf(() => socket.recv(new Uint8Array(8_999), soon()));
      expect(error).toBe("EMSGSIZE");
      yield* kernel.call("udpClose", peer);
    });

    scenario("a port that nobody has is ECONNREFUSED, both ways", function* ({ kernel, mctx }) {
      const ours = yield* udp.open({ remote: { host: KERNEL, port: 9 } });
      yield* ours.send(Uint8Array.of(1), undefined, soon());
      expect(yield* codeOf(() => ours.recv(new Uint8Array(1), soon()))).toBe("ECONNREFUSED");
      const peer = yield* kernel.call("udpOpen", KERNEL, 0, false);
      yield* kernel.call("udpConnect", peer, OURS, 9);
      yield* kernel.call("udpSend", peer, 100);
      expect(yield* kernel.call("udpError", peer)).toBe("ECONNREFUSED");
      expect(mctx.statistics().events["udp.noPort"]).toBe(1);
      yield* kernel.call("udpClose", peer);
    });

    scenario("an address that nobody has is EHOSTUNREACH", function* () {
      const socket = yield* udp.open({ remote: { host: NOBODY, port: 9 } });
      yield* socket.send(Uint8Array.of(1), undefined, soon());
      expect(yield* codeOf(() => socket.recv(new Uint8Array(1), soon()))).toBe("EHOSTUNREACH");
    });

    scenario("a burst of 500 either way is not mixed up", function* ({ kernel }) {
      const peer = yield* kernel.call("udpOpen", KERNEL, PORT + 3, true);
      const socket = yield* udp.open({ remote: { host: KERNEL, port: PORT + 3 } });
      const sizes = new Set<number>();
      yield* go(function* () {
        for (let bytes = 0; bytes < 500; bytes++) {
          yield* socket.send(patternAt(0, bytes), undefined, soon());
        }
      });
      const buf = new Uint8Array(2_000);
      // The kernel's queue may have been full for some.
      while (sizes.size < 400) {
        const { length } = yield* socket.recv(buf, soon());
        expect(patternMismatch(buf.subarray(0, length), 0)).toBe(-1);
        expect(sizes.has(length)).toBe(false);
        sizes.add(length);
      }
      yield* kernel.call("udpClose", peer);
    });
  });
});
