// SPDX-License-Identifier: MIT
// What a listener makes of a kernel that lacks descriptors or memory for a connection, and of one
// that tells once of several connections. On virtual time, over a listening place that is played.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { currentLoop } from "../../scheduler/internal.ts";
import { bundle, go, now, type Operation, run, sleep, withDeadline } from "../../src/index.ts";
import { Listener } from "../../src/socket/listener.ts";
import type { StreamFlow, StreamListener } from "../../src/transport/stream.ts";
import { failure } from "../socket/support/helpers.ts";

const SHORTAGES = { EMFILE: -24, ENFILE: -23, ENOBUFS: -105, ENOMEM: -12, ENOSPC: -28 } as const;
const EIO = -5;

/** A connection that knows no more than its number. */
class Numbered {
  readonly number: number;
  constructor(number: number) {
    this.number = number;
  }
  abort(): void {}
  disown(): void {}
}

/** A listening place: a queue of connections, by number, and of errors. */
class Place implements StreamListener {
  readonly localEnd = { host: "::", port: 7 };
  readonly opening = 0;
  error = 0;
  takes = 0;
  readonly queue: number[] = [];

  get waiting(): number {
    return this.queue.length;
  }

  take(): StreamFlow | number | null {
    this.takes++;
    const next = this.queue.shift();
    if (next === undefined || next < 0) return next ?? null;
    return { number: next } as unknown as StreamFlow;
  }

  close(): void {}
}

function listening(place: Place): Listener<Numbered> {
  const listener = new Listener<Numbered>(currentLoop(), {
    name: "tcp",
    connection: (_loop, flow) => new Numbered((flow as unknown as Numbered).number),
  });
  listener.attach(place);
  return listener;
}

function virtually(op: () => Operation<void>): Promise<void> {
  return run(op, { clock: "virtual" });
}

describe("serve without descriptors or memory", () => {
  const written: string[] = [];

  beforeEach(() => {
    written.length = 0;
    vi.spyOn(process.stderr, "write").mockImplementation((text) => written.push(String(text)) > 0);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  for (const [code, errno] of Object.entries(SHORTAGES)) {
    it(`reports ${code} once a second, and serves the connection once it can`, async () => {
      await virtually(function* () {
        const place = new Place();
        const listener = listening(place);
        place.queue.push(...new Array<number>(14).fill(errno), 1, 2);
        const served: [number, number][] = [];
        const startMs = now();
        const serving = yield* go(() =>
          listener.serve(function* (conn) {
            served.push([conn.number, now() - startMs]);
          }),
        );
        yield* sleep(now() + 5_000);
        expect(served).toEqual([
          [1, 1_400],
          [2, 1_400],
        ]);
        // One try per pause, and the last finds nothing.
        expect([place.takes, listener.statistics().shortages]).toEqual([17, 14]);
        expect(serving.isEnded).toBe(false);
        serving.cancel();
      });
      expect(written.length).toBe(2);
      expect(written[0]).toContain(`tcp.serve :7: NetError: ${code}: `);
      expect(written[1]).toContain("(and 9 more since the last)");
    });
  }

  it("tries again as soon as a handler has ended", async () => {
    await virtually(function* () {
      const place = new Place();
      const listener = listening(place);
      place.queue.push(1, SHORTAGES.EMFILE, 2);
      const served: [number, number][] = [];
      const startMs = now();
      const serving = yield* go(() =>
        listener.serve(function* (conn) {
          served.push([conn.number, now() - startMs]);
          yield* sleep(now() + 30);
        }),
      );
      yield* sleep(now() + 1_000);
      expect(served).toEqual([
        [1, 0],
        [2, 30],
      ]);
      serving.cancel();
    });
  });

  it("can be cancelled, closed and ended by a deadline while it pauses", async () => {
    await virtually(function* () {
      const place = new Place();
      place.queue.push(...new Array<number>(100).fill(SHORTAGES.ENFILE));
      const handler = function* (): Operation<void> {};

      const cancelled = listening(place);
      const serving = yield* go(() => cancelled.serve(handler));
      yield* sleep(now() + 50);
      serving.cancel();
      expect((yield* failure(() => serving.join())).code).toBe("ECANCELED");
      expect(cancelled.isOpen).toBe(false);

      const closed = listening(place);
      const ending = yield* go(() => failure(() => closed.serve(handler)));
      yield* sleep(now() + 50);
      closed.close();
      expect((yield* ending.join()).code).toBe("EBADF");

      const late = listening(place);
      const startMs = now();
      const error = yield* failure(() => withDeadline(startMs + 250, () => late.serve(handler)));
      expect([error.code, now() - startMs]).toEqual(["ETIMEDOUT", 250]);
    });
  });

  it("ends with any other error", async () => {
    await virtually(function* () {
      const place = new Place();
      place.queue.push(EIO);
      const error = yield* failure(() => listening(place).serve(function* () {}));
      expect(error.code).toBe("EIO");
    });
    expect(written).toEqual([]);
  });

  it("leaves it to accept to fail, and to whoever called it to go on", async () => {
    await virtually(function* () {
      const place = new Place();
      const listener = listening(place);
      place.queue.push(SHORTAGES.EMFILE, 1);
      expect((yield* failure(() => listener.accept())).code).toBe("EMFILE");
      expect((yield* listener.accept()).number).toBe(1);
    });
  });
});

describe("one event for several connections", () => {
  it("wakes as many acceptors as there are connections", async () => {
    await virtually(function* () {
      const place = new Place();
      const listener = listening(place);
      const taken: number[] = [];
      const acceptors = yield* bundle();
      for (let i = 0; i < 4; i++) {
        yield* acceptors.go(function* () {
          taken.push((yield* listener.accept()).number);
        });
      }
      yield* sleep(now() + 10);
      place.queue.push(1, 2, 3);
      listener.listenerReady();
      yield* sleep(now() + 10);
      expect(taken).toEqual([1, 2, 3]);
      yield* acceptors.close();
    });
  });
});
