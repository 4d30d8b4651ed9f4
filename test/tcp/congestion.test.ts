// SPDX-License-Identifier: MIT
// RFC 5681, 6582, 3042, 6928, 3465; rows D4 and D5 of the hostile-input list.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NewReno } from "../../src/tcp/congestion.ts";

const MSS = 1_000;

/** A connection in the middle of a transfer: everything that the window allows is in flight. */
class Sender {
  readonly control: NewReno = new NewReno(10);
  una: number;
  nxt: number;
  readonly resent: number[] = [];

  constructor(iss = 0, mss = MSS) {
    this.una = iss | 0;
    this.nxt = iss | 0;
    this.control.start(mss);
  }

  get flight(): number {
    return (this.nxt - this.una) | 0;
  }

  /** Sends full segments while the window has room. @returns how many */
  fill(most = Number.POSITIVE_INFINITY): number {
    let sent = 0;
    while (sent < most && this.flight + MSS <= this.control.sendLimit) {
      this.nxt = (this.nxt + MSS) | 0;
      sent++;
    }
    return sent;
  }

  ack(bytes: number): void {
    this.una = (this.una + bytes) | 0;
    if (this.control.onAck(bytes, this.flight, this.una, this.nxt)) this.resent.push(this.una);
  }

  duplicates(count: number): void {
    for (let i = 0; i < count; i++) {
      if (this.control.onDuplicateAck(this.flight, this.una, this.nxt)) this.resent.push(this.una);
    }
  }

  timeout(): void {
    this.control.onTimeout(this.flight, this.nxt);
  }

  /** Acknowledges everything in flight, one segment at a time, without sending. */
  ackAll(): void {
    while (this.flight > 0) this.ack(Math.min(MSS, this.flight));
  }
}

/** A sender in congestion avoidance with a window of `segments`. */
function avoiding(segments: number, iss = 0): Sender {
  const sender = new Sender(iss);
  sender.control.ssthresh = segments * MSS;
  while (sender.control.cwnd < segments * MSS) {
    sender.fill();
    sender.ackAll();
  }
  sender.control.cwnd = segments * MSS;
  return sender;
}

describe("the initial window (RFC 6928)", () => {
  it.each([
    [1_460, 14_600],
    [536, 5_360],
    [1_448, 14_480],
    [8_960, 17_920],
    [4_000, 14_600],
  ])("of MSS %i is %i bytes", (mss, bytes) => {
    expect(new Sender(0, mss).control.cwnd).toBe(bytes);
  });

  it("is one segment after a lost SYN (RFC 5681 §3.1)", () => {
    const control = new NewReno(10);
    control.start(1_460, true);
    expect(control.cwnd).toBe(1_460);
  });
});

describe("slow start (RFC 5681 §3.1)", () => {
  it("doubles the window each round trip, however the peer delays its ACKs up to 2", () => {
    for (const perAck of [1, 2]) {
      const sender = new Sender();
      const windows: number[] = [];
      for (let round = 0; round < 4; round++) {
        sender.fill();
        while (sender.flight > 0) sender.ack(Math.min(perAck * MSS, sender.flight));
        windows.push(sender.control.cwnd / MSS);
      }
      expect(windows).toEqual([20, 40, 80, 160]);
    }
  });

  it.each([
    [7, 17],
    [8, 18],
    [10, 18],
  ])("grows by eight segments at most for an ACK of %i (L = 8)", (acked, window) => {
    const sender = new Sender();
    sender.fill();
    sender.ack(acked * MSS);
    expect(sender.control.cwnd).toBe(window * MSS);
  });

  it("grows by two at most for an ACK once a loss has told of the path (RFC 3465, RFC 9406)", () => {
    const sender = new Sender();
    sender.control.ssthresh = 14 * MSS;
    const windows: number[] = [];
    for (let round = 0; round < 4; round++) {
      sender.fill();
      sender.ack(sender.flight);
      windows.push(sender.control.cwnd / MSS);
    }
    expect(windows).toEqual([12, 14, 15, 16]);
  });

  it("D5: one ACK for all gains no more than one for each segment", () => {
    const [one, each] = [new Sender(), new Sender()];
    for (let round = 0; round < 6; round++) {
      one.fill();
      each.fill();
      one.ack(one.flight);
      each.ackAll();
      expect(one.control.cwnd).toBeLessThanOrEqual(each.control.cwnd);
    }
  });

  it("D5: ACK division gains nothing: a segment acknowledged in 1,000 pieces counts once", () => {
    const sender = new Sender();
    sender.fill();
    for (let i = 0; i < MSS; i++) sender.ack(1);
    expect(sender.control.cwnd).toBe(11 * MSS);
  });

  it("does not grow a window that is not used", () => {
    const sender = new Sender();
    for (let i = 0; i < 1_000; i++) {
      sender.fill(1);
      sender.ackAll();
    }
    expect(sender.control.cwnd).toBe(10 * MSS);
  });
});

describe("congestion avoidance (RFC 5681 §3.1)", () => {
  it("adds a segment a round trip", () => {
    const sender = avoiding(20);
    const windows: number[] = [];
    for (let round = 0; round < 5; round++) {
      sender.fill();
      sender.ackAll();
      windows.push(sender.control.cwnd / MSS);
    }
    expect(windows).toEqual([21, 22, 23, 24, 25]);
  });

  it("does not grow a window that is not used", () => {
    const sender = avoiding(20);
    for (let i = 0; i < 1_000; i++) {
      sender.fill(18);
      sender.ackAll();
    }
    expect(sender.control.cwnd).toBe(20 * MSS);
  });
});

describe("fast retransmit and fast recovery (RFC 5681 §3.2, RFC 6582)", () => {
  it("resends at the third duplicate, halves the flight and inflates by three", () => {
    const sender = avoiding(20);
    sender.fill();
    sender.duplicates(2);
    expect(sender.resent).toEqual([]);
    sender.duplicates(1);
    expect(sender.resent).toEqual([sender.una]);
    expect([sender.control.inRecovery, sender.control.ssthresh, sender.control.cwnd]).toEqual([
      true,
      10 * MSS,
      13 * MSS,
    ]);
  });

  it("allows a new segment for each of the first two duplicates (RFC 3042)", () => {
    const sender = avoiding(20);
    sender.fill();
    sender.duplicates(1);
    expect(sender.fill()).toBe(1);
    sender.duplicates(1);
    expect(sender.fill()).toBe(1);
    sender.duplicates(1);
    // Half of the 20 before limited transmit, not of 22.
    expect(sender.control.ssthresh).toBe(10 * MSS);
  });

  it("sends new data once enough duplicates have come, and ends deflated", () => {
    const sender = avoiding(20);
    sender.fill();
    sender.duplicates(10);
    expect(sender.fill()).toBe(0);
    sender.duplicates(9);
    expect(sender.fill()).toBe(9);
    sender.ack(20 * MSS);
    expect([sender.control.inRecovery, sender.resent.length]).toEqual([false, 1]);
    expect(sender.control.cwnd).toBe(10 * MSS);
    expect(sender.control.duplicateAcks).toBe(0);
  });

  it("never leaves recovery with a burst: a window above the flight shrinks to it", () => {
    const sender = avoiding(20);
    sender.fill();
    sender.duplicates(3);
    sender.ack(20 * MSS);
    expect(sender.control.cwnd).toBe(2 * MSS);
  });

  it("resends one segment per partial ACK, without a new halving", () => {
    const sender = avoiding(20);
    sender.fill();
    sender.duplicates(17);
    const { ssthresh } = sender.control;
    for (const [i, bytes] of [5 * MSS, 5 * MSS, 5 * MSS].entries()) {
      sender.ack(bytes);
      expect(sender.resent.length).toBe(i + 2);
      expect([sender.control.inRecovery, sender.control.partialAcks]).toEqual([true, i + 1]);
    }
    expect(sender.control.ssthresh).toBe(ssthresh);
    sender.ack(sender.flight);
    expect(sender.control.inRecovery).toBe(false);
  });

  it("deflates by what a partial ACK acknowledges, less a segment (RFC 6582 §3.2 step 3)", () => {
    const sender = avoiding(20);
    sender.fill();
    sender.duplicates(19);
    expect(sender.control.cwnd).toBe((10 + 19) * MSS);
    sender.ack(5 * MSS);
    expect(sender.control.cwnd).toBe((10 + 19 - 5 + 1) * MSS);
    sender.ack(MSS / 2);
    expect(sender.control.cwnd).toBe((10 + 19 - 5 + 1) * MSS - MSS / 2);
    // Duplicates after it are of what was in flight at this resend.
    sender.fill();
    const inFlight = sender.flight;
    const before = sender.control.cwnd;
    sender.duplicates(1_000);
    expect(sender.control.cwnd).toBeLessThanOrEqual(before + inFlight);
  });

  it("forgets an old recovery before the sequence space comes round to it", () => {
    const sender = avoiding(20);
    sender.fill();
    sender.duplicates(3);
    sender.ack(sender.flight);
    for (let i = 0; i < 5; i++) {
      sender.nxt = (sender.una + 0x30000000) | 0;
      sender.ack(0x30000000);
      sender.control.cwnd = 20 * MSS;
      sender.fill();
      sender.duplicates(3);
      expect(sender.control.inRecovery).toBe(true);
      sender.timeout();
      sender.ack(sender.flight);
      sender.nxt = (sender.una + 0x30000000) | 0;
      sender.ack(0x30000000);
    }
    for (let i = 0; i < 3; i++) {
      sender.nxt = (sender.una + 0x40000000) | 0;
      sender.ack(0x40000000);
    }
    sender.fill();
    sender.duplicates(3);
    expect(sender.control.inRecovery).toBe(true);
  });

  it("ignores duplicates of what a timeout resent (RFC 6582 §3.2 step 2)", () => {
    const sender = avoiding(20);
    sender.fill();
    sender.timeout();
    sender.ack(2 * MSS);
    sender.duplicates(10);
    expect([sender.resent, sender.control.inRecovery]).toEqual([[], false]);
    sender.ack(sender.flight);
    sender.fill();
    sender.ack(MSS);
    sender.fill();
    sender.duplicates(3);
    expect(sender.resent).toEqual([sender.una]);
  });

  it("D5: 1,000 spoofed duplicates inflate the window by what was in flight, and no more", () => {
    const sender = avoiding(20);
    sender.fill();
    for (let i = 0; i < 1_000; i++) {
      sender.duplicates(1);
      sender.fill();
    }
    // 22 were in flight at the resend: 20, and 2 by limited transmit.
    expect(sender.control.cwnd).toBe((10 + 22) * MSS);
    expect(sender.flight).toBe((10 + 22) * MSS);
  });

  it("works at every place of the sequence space, wraps included", () => {
    for (const iss of [0, -1, 0x7fffffff - 30_000, -0x80000000, -30_000, 0x7fffffff]) {
      const sender = avoiding(20, iss);
      sender.fill();
      sender.duplicates(3);
      expect(sender.resent.length).toBe(1);
      sender.ack(10 * MSS);
      expect(sender.resent.length).toBe(2);
      sender.ack(sender.flight);
      expect(sender.control.inRecovery).toBe(false);
      sender.fill();
      sender.ack(MSS);
      sender.fill();
      sender.duplicates(3);
      expect(sender.resent.length).toBe(3);
    }
  });
});

describe("a timeout (RFC 5681 §3.1)", () => {
  it("takes the window to one segment and half of the flight as threshold", () => {
    const sender = avoiding(20);
    sender.fill();
    sender.timeout();
    expect([sender.control.cwnd, sender.control.ssthresh]).toEqual([MSS, 10 * MSS]);
  });

  it("does not lower the threshold again for the same segment", () => {
    const sender = avoiding(20);
    sender.fill();
    sender.timeout();
    sender.nxt = (sender.una + MSS) | 0;
    sender.timeout();
    sender.timeout();
    expect(sender.control.ssthresh).toBe(10 * MSS);
    sender.ack(MSS);
    sender.fill();
    sender.timeout();
    expect(sender.control.ssthresh).toBe(2 * MSS);
  });

  it("has a threshold of at least two segments", () => {
    const sender = new Sender();
    sender.fill(1);
    sender.timeout();
    expect(sender.control.ssthresh).toBe(2 * MSS);
  });

  it("ends a recovery", () => {
    const sender = avoiding(20);
    sender.fill();
    sender.duplicates(5);
    sender.timeout();
    expect([sender.control.inRecovery, sender.control.duplicateAcks]).toEqual([false, 0]);
  });

  it("is followed by slow start of one segment per ACK (RFC 3465 §2.3)", () => {
    const sender = avoiding(20);
    sender.fill();
    sender.timeout();
    sender.ack(5 * MSS);
    expect(sender.control.cwnd).toBe(2 * MSS);
  });
});

describe("idle (RFC 5681 §4.1)", () => {
  it("for longer than the RTO restarts with the initial window", () => {
    const sender = avoiding(50);
    sender.control.onIdle(200, 200);
    expect(sender.control.cwnd).toBe(50 * MSS);
    sender.control.onIdle(201, 200);
    expect(sender.control.cwnd).toBe(10 * MSS);
  });

  it("never enlarges the window", () => {
    const sender = avoiding(20);
    sender.fill();
    sender.timeout();
    sender.control.onIdle(10_000, 200);
    expect(sender.control.cwnd).toBe(MSS);
  });
});

describe("the window", () => {
  it("stays between one segment and its cap, whatever the peer does", () => {
    const step = fc.tuple(fc.constantFrom("fill", "ack", "dup", "timeout", "idle"), fc.nat(40));
    const iss = fc.integer({ min: -0x80000000, max: 0x7fffffff });
    fc.assert(
      fc.property(iss, fc.array(step, { maxLength: 200 }), (start, steps) => {
        const sender = new Sender(start);
        for (const [what, n] of steps) {
          if (what === "fill") sender.fill(n);
          else if (what === "ack" && sender.flight > 0)
            sender.ack(Math.min(1 + n * 100, sender.flight));
          else if (what === "dup" && sender.flight > 0) sender.duplicates(n);
          else if (what === "timeout") sender.timeout();
          else if (what === "idle") sender.control.onIdle(n * 100, 1_000);
          const { cwnd, ssthresh, sendLimit } = sender.control;
          expect(cwnd).toBeGreaterThanOrEqual(MSS);
          expect(cwnd).toBeLessThanOrEqual(0x3fffffff);
          expect(ssthresh).toBeGreaterThanOrEqual(2 * MSS);
          expect(sendLimit).toBeLessThanOrEqual(cwnd + 2 * MSS);
        }
      }),
    );
  });
});
