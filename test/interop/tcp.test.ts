// Our TCP and the Linux kernel's over real frames, in both roles, on every native driver.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  bundle,
  go,
  now,
  type Operation,
  sleep,
  type TcpConnection,
  tcp,
} from "../../src/index.ts";
import { patternAt, patternMismatch } from "../support/byte-pattern.ts";
import { describeWithNic } from "../support/netns.ts";
import { codeOf, DRIVERS, KERNEL, type Lab, Machine, NOBODY, OURS } from "./support/machine.ts";

const PORT = 7_000;
const BULK_BYTES = 100_000_000;
const MANY = 200;

function soon(): number {
  return now() + 10_000;
}

/** Sends text. */
function* say(conn: TcpConnection, text: string): Operation<void> {
  yield* conn.send(Buffer.from(text), soon());
}

/** Receives exactly this text. */
function* hear(conn: TcpConnection, text: string): Operation<void> {
  const buf = Buffer.alloc(text.length);
  yield* conn.recv(buf, soon());
  expect(buf.toString()).toBe(text);
}

function* expectEnd(conn: TcpConnection): Operation<void> {
  expect(yield* conn.recvSome(new Uint8Array(1), soon())).toBe(0);
}

/** The kernel connects to us. Both ends. */
function* kernelConnects({ kernel }: Lab): Operation<{ conn: TcpConnection; socket: number }> {
  const listener = yield* tcp.listen({ port: PORT });
  const socket = yield* kernel.call("connect", OURS, PORT);
  const conn = yield* listener.accept(soon());
  listener.close();
  return { conn, socket };
}

/** We connect to the kernel. Both ends. */
function* weConnect({ kernel }: Lab): Operation<{ conn: TcpConnection; socket: number }> {
  const server = yield* kernel.call("listen", KERNEL, PORT, false);
  const conn = yield* tcp.connect({ host: KERNEL, port: PORT }, soon());
  const socket = yield* kernel.call("accept", server);
  yield* kernel.call("stopListening", server);
  return { conn, socket };
}

const ROLES = {
  "our server, the kernel's client": { open: kernelConnects, opener: "in" },
  "our client, the kernel's server": { open: weConnect, opener: "out" },
} as const;

function* sendBulk(conn: TcpConnection): Operation<void> {
  for (let at = 0; at < BULK_BYTES; ) {
    const chunk = patternAt(at, Math.min(65_536, BULK_BYTES - at));
    yield* conn.send(chunk, soon());
    at += chunk.length;
  }
  conn.done();
}

function* receiveBulk(conn: TcpConnection): Operation<void> {
  const buf = new Uint8Array(262_144);
  let position = 0;
  for (let n: number; (n = yield* conn.recvSome(buf, soon())) > 0; position += n) {
    const wrongAt = patternMismatch(buf.subarray(0, n), position);
    if (wrongAt >= 0) throw new Error(`byte ${wrongAt} is wrong`);
  }
  expect(position).toBe(BULK_BYTES);
}

/** Lets the last ACKs pass. */
function* quiet(): Operation<void> {
  yield* sleep(now() + 60);
}

/** Looks again and again until something is so. */
function* until(isSo: () => boolean): Operation<void> {
  for (const endMs = soon(); !isSo(); yield* sleep(now() + 2)) {
    if (now() > endMs) throw new Error(`it never came true: ${isSo}`);
  }
}

describeWithNic("interop", () => {
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

    for (const [role, { open, opener }] of Object.entries(ROLES)) {
      describe(role, () => {
        scenario("we close first: both FINs, both ACKs, no RST", function* (lab) {
          const { conn, socket } = yield* open(lab);
          yield* say(conn, "from us");
          expect(yield* lab.kernel.call("read", socket, 7)).toBe("from us");
          yield* lab.kernel.call("write", socket, "from the kernel");
          yield* hear(conn, "from the kernel");
          const closing = yield* go(() => conn.close(soon()));
          expect(yield* lab.kernel.call("readToEnd", socket)).toBe("");
          yield* quiet();
          expect(closing.isEnded).toBe(false);
          yield* lab.kernel.call("end", socket);
          yield* closing.join(soon());
          expect(yield* lab.kernel.call("closed", socket)).toBe("");
          yield* quiet();
          lab.wire.expectOrderly(opener, "out");
          expect(lab.mctx.leftovers()).toMatchObject({ sockets: 0, timeWait: 1 });
        });

        scenario("the kernel closes first: both FINs, both ACKs, no RST", function* (lab) {
          const { conn, socket } = yield* open(lab);
          yield* lab.kernel.call("write", socket, "good-bye");
          yield* lab.kernel.call("end", socket);
          yield* hear(conn, "good-bye");
          yield* expectEnd(conn);
          yield* say(conn, "farewell");
          yield* conn.close(soon());
          expect(yield* lab.kernel.call("readToEnd", socket)).toBe("farewell");
          expect(yield* lab.kernel.call("closed", socket)).toBe("");
          yield* quiet();
          lab.wire.expectOrderly(opener, "in");
          expect(lab.mctx.leftovers()).toMatchObject({ sockets: 0, timeWait: 0 });
        });

        scenario("after our half-close we still receive", function* (lab) {
          const { conn, socket } = yield* open(lab);
          yield* say(conn, "the question");
          conn.done();
          expect(yield* lab.kernel.call("readToEnd", socket)).toBe("the question");
          yield* lab.kernel.call("write", socket, "the answer");
          yield* hear(conn, "the answer");
          yield* lab.kernel.call("end", socket);
          yield* expectEnd(conn);
          yield* conn.close(soon());
          yield* quiet();
          lab.wire.expectOrderly(opener, "out");
        });

        scenario("the kernel's RST is ECONNRESET", function* (lab) {
          const { conn, socket } = yield* open(lab);
          const receiving = yield* go(() => codeOf(() => conn.recvSome(new Uint8Array(1), soon())));
          yield* lab.kernel.call("reset", socket);
          expect(yield* receiving.join(soon())).toBe("ECONNRESET");
          expect(yield* codeOf(() => say(conn, "x"))).toBe("ECONNRESET");
          expect(yield* codeOf(() => conn.close(soon()))).toBe("ECONNRESET");
          expect(lab.wire.has("in", "RST")).toBe(true);
        });

        scenario("our abort is ECONNRESET for the kernel", function* (lab) {
          const { conn, socket } = yield* open(lab);
          conn.abort();
          expect(yield* lab.kernel.call("closed", socket)).toBe("ECONNRESET");
          expect(lab.wire.has("out", "RST")).toBe(true);
        });

        scenario("100 MB each way, at once, byte for byte", function* (lab) {
          const { conn, socket } = yield* open(lab);
          yield* go(() => sendBulk(conn));
          const receiving = yield* go(() => receiveBulk(conn));
          const sending = yield* go(function* () {
            yield* lab.kernel.call("sendPattern", socket, BULK_BYTES);
            yield* lab.kernel.call("end", socket);
          });
          expect(yield* lab.kernel.call("receivePattern", socket, BULK_BYTES)).toBe(-1);
          yield* receiving.join();
          yield* sending.join();
          yield* conn.close(soon());
          expect(yield* lab.kernel.call("closed", socket)).toBe("");
        });
      });
    }

    scenario(`${MANY} connections of the kernel at once`, function* ({ kernel, wire }) {
      const listener = yield* tcp.listen({ port: PORT, backlog: MANY });
      yield* go(() =>
        listener.serve(function* (conn) {
          const buf = new Uint8Array(100);
          for (let n: number; (n = yield* conn.recvSome(buf, soon())) > 0; ) {
            yield* conn.send(buf.subarray(0, n), soon());
          }
          yield* conn.close(soon());
        }),
      );
      expect(yield* kernel.call("echoMany", OURS, PORT, MANY)).toBe(MANY);
      expect(listener.statistics()).toMatchObject({ accepted: MANY, failed: 0 });
      expect(wire.flags.filter((each) => each.includes("RST"))).toEqual([]);
    });

    scenario(`${MANY} connections of ours at once`, function* ({ kernel, wire, mctx }) {
      yield* kernel.call("listen", KERNEL, PORT + 1, true);
      const clients = yield* bundle();
      let open = 0;
      for (let i = 0; i < MANY; i++) {
        yield* clients.go(function* () {
          const conn = yield* tcp.connect({ host: KERNEL, port: PORT + 1 }, soon());
          open++;
          yield* until(() => open === MANY);
          yield* say(conn, `number ${i}`);
          yield* hear(conn, `number ${i}`);
          yield* conn.close(soon());
        });
      }
      yield* clients.wait();
      expect(mctx.leftovers()).toMatchObject({ sockets: 0, timeWait: MANY });
      expect(wire.flags.filter((each) => each.includes("RST"))).toEqual([]);
    });

    scenario("a port in TIME-WAIT is opened again after a second", function* (lab) {
      const { kernel, wire, mctx } = lab;
      yield* kernel.call("listen", KERNEL, PORT + 3, true);
      const to = { host: KERNEL, port: PORT + 3, localPort: 50_000 };
      for (let i = 0; i < 3; i++) {
        const conn = yield* tcp.connect(to, soon());
        yield* say(conn, `life ${i}`);
        yield* hear(conn, `life ${i}`);
        yield* conn.close(soon());
        expect(mctx.leftovers()).toMatchObject({ sockets: 0, timeWait: 1 });
        expect(yield* codeOf(() => tcp.connect(to, soon()))).toBe("EADDRINUSE");
        yield* sleep(now() + 1_001);
      }
      expect(wire.flags.filter((each) => each.includes("RST"))).toEqual([]);
    });

    scenario("nobody listens: ECONNREFUSED, both ways", function* ({ kernel }) {
      const ours = tcp.connect({ host: KERNEL, port: 9 }, soon());
      expect(yield* codeOf(() => ours)).toBe("ECONNREFUSED");
      expect(yield* codeOf(() => kernel.call("connect", OURS, 9))).toBe("ECONNREFUSED");
    });

    scenario("a silent host: ETIMEDOUT, and its late SYN-ACK meets a RST", function* (lab) {
      yield* lab.kernel.call("listen", KERNEL, PORT + 2, false);
      // The kernel sends what is for us to somebody else: nothing that it says reaches us.
      const neighbour = `${OURS} dev ${machine.kernelDevice}`;
      lab.netns.ip(`neigh replace ${neighbour} lladdr 02:00:00:00:00:99 nud permanent`);
      const connecting = tcp.connect({ host: KERNEL, port: PORT + 2 }, now() + 200);
      expect(yield* codeOf(() => connecting)).toBe("ETIMEDOUT");
      expect(lab.wire.flags.filter((each) => each.startsWith("out"))).toEqual(["out SYN"]);
      expect(lab.mctx.leftovers().sockets).toBe(0);
      // Now it finds us, and sends its SYN-ACK again.
      lab.netns.ip(`neigh del ${neighbour}`);
      yield* until(() => lab.wire.has("out", "RST"));
      expect(lab.wire.flags.filter((each) => each.startsWith("out"))).toEqual([
        "out SYN",
        "out RST",
      ]);
    });

    scenario("an address that nobody has: EHOSTUNREACH", function* ({ wire }) {
      expect(yield* codeOf(() => tcp.connect({ host: NOBODY, port: PORT }))).toBe("EHOSTUNREACH");
      expect(wire.flags).toEqual([]);
    });
  });
});
