// SPDX-License-Identifier: MIT
// A connection that has rested goes on as one that never did.

import { describe, expect, it } from "vitest";
import { discardReceived, info } from "../../src/tcp/calls.ts";
import { RestingTcbs, restsAtMs } from "../../src/tcp/resting.ts";
import type { Tcb } from "../../src/tcp/tcb.ts";
import { Random } from "./support/random.ts";
import { Scene } from "./support/scene.ts";
import { type PipeOptions, SelfPlay, type SideOptions } from "./support/self-play.ts";

const HOUR_MS = 3_600_000;
const PIPES: readonly PipeOptions[] = [
  { delayMs: 0, jitterMs: 0, loss: 0, duplicate: 0, full: 0 },
  { delayMs: 2, jitterMs: 0, loss: 0.05, duplicate: 0, full: 0 },
  { delayMs: 1, jitterMs: 5, loss: 0.02, duplicate: 0.05, full: 0.05 },
];

/** A side that writes now and then, so that its connection rests in between. */
function side(random: Random): SideOptions {
  return {
    config: { timestamps: random.chance(0.7), r2Ms: HOUR_MS, synR2Ms: HOUR_MS, mslMs: HOUR_MS },
    iss: random.int32(),
    mss: random.pick([536, 1_460]),
    bytes: random.below(20_000),
    writeBytes: random.pick([50, 5_000]),
    readBytes: 50_000,
    readChance: 1,
    writeChance: random.pick([0.03, 0.2]),
  };
}

/** All that was sent, with and without rests. */
function play(seed: number, pipe: PipeOptions, resting: RestingTcbs | null): [string, number] {
  const random = new Random(seed);
  const game = new SelfPlay(seed, pipe, side(random), side(random));
  const sent: string[] = [];
  game.resting = resting;
  game.onCarry = (bytes) => sent.push(`${game.nowMs} ${Buffer.from(bytes).toString("base64")}`);
  game.run(24 * HOUR_MS);
  for (const { tcb } of [game.client, game.server]) sent.push(JSON.stringify(info(tcb)));
  return [sent.join("\n"), game.rests];
}

const PARTS = ["tcb", "snd", "rcv", "rto", "congestion"] as const;
type Part = (typeof PARTS)[number];
/** What follows from the state, or is written before it is read again. */
const FOLLOWS_OR_UNREAD: ReadonlySet<string> = new Set([
  "tcb.challengeCount",
  "tcb.challengeFromMs",
  "tcb.isTimingClean",
  "tcb.persistMs",
  "tcb.progressAtMs",
  "tcb.synTimedOut",
  "tcb.timedAtMs",
  "tcb.timedSeq",
  "snd.finAcked",
  "snd.finSeq",
  "snd.synAcked",
  "rcv.finReceived",
  "rcv.finSeq",
  "rcv.up",
  // A round trip without a sample is none.
  "rto.hasSample",
  "congestion.partialAcks",
]);

/** Nothing is sent or taken any more but the last ACK. */
const FOLLOWS_IN_TIME_WAIT: ReadonlySet<string> = new Set([
  ...FOLLOWS_OR_UNREAD,
  "tcb.isOrphan",
  "tcb.lastDataAtMs",
  "snd.finQueued",
  "rcv.finSeen",
  "rcv.isDiscarding",
  "rcv.top",
]);

function isAtRest(tcb: Tcb, nowMs: number): boolean {
  return restsAtMs(tcb) <= nowMs;
}

function partOf(tcb: Tcb, part: Part): Record<string, unknown> {
  return (part === "tcb" ? tcb : tcb[part]) as unknown as Record<string, unknown>;
}

function keysOf({ tcb }: { tcb: Tcb }, part: Part): string[] {
  const record = partOf(tcb, part);
  const isPlain = (key: string): boolean => ["number", "boolean"].includes(typeof record[key]);
  return Object.keys(record).filter(isPlain);
}

function established(): Scene {
  return new Scene({ config: { windowScale: true } }).play(`
    < S 0:0(0) win 65535 <mss 1000,ws 7>
    > S. 0:0(0) ack 1
    +100 < . 1:1(0) ack 1
  `);
}

/** In TIME-WAIT, and let go by its user. */
function inTimeWait(): Scene {
  const scene = established().play(`
    finish
    > F. 1:1(0) ack 1
    < F. 1:1(0) ack 2
    > . 2:2(0) ack 2
    = TIME-WAIT
  `);
  discardReceived(scene.tcb);
  scene.tcb.isOrphan = true;
  return scene;
}

describe("a connection at rest", () => {
  it("goes on as if it had not rested: every segment is the same", () => {
    const resting = new RestingTcbs();
    let rests = 0;
    for (let seed = 1; seed <= 6; seed++) {
      const pipe = PIPES[seed % PIPES.length] as PipeOptions;
      const [expected] = play(seed, pipe, null);
      const [sent, count] = play(seed, pipe, resting);
      expect(sent === expected, `seed ${seed}`).toBe(true);
      rests += count;
    }
    expect(rests).toBeGreaterThan(300);
    expect([resting.size, resting.memoryBytes]).toEqual([0, 0]);
  });

  it.each([
    ["open", established, FOLLOWS_OR_UNREAD],
    ["in TIME-WAIT", inTimeWait, FOLLOWS_IN_TIME_WAIT],
  ])("comes back with whatever it may differ in: %s", (_state, make, followsOrUnread) => {
    const compared: string[] = [];
    for (const part of PARTS) {
      for (const key of keysOf(make(), part)) {
        const { tcb, host } = make();
        const record = partOf(tcb, part);
        const value = record[key];
        record[key] = typeof value === "number" ? value + 1 : !value;
        const name = `${part}.${key}`;
        if (!isAtRest(tcb, 10_000) || followsOrUnread.has(name)) continue;
        const resting = new RestingTcbs();
        const { config, localPort, remotePort } = tcb;
        const row = resting.put(tcb);
        const back = resting.take(row, host, null, config, localPort, remotePort, 10_000);
        for (const each of PARTS) {
          const before: Record<string, unknown> = {};
          for (const other of keysOf({ tcb }, each)) before[other] = partOf(tcb, each)[other];
          for (const other of followsOrUnread) delete before[other.slice(each.length + 1)];
          expect(partOf(back, each), name).toMatchObject(before);
        }
        compared.push(name);
      }
    }
    for (const part of PARTS) expect(compared.join(" ")).toContain(`${part}.`);
    expect(compared.length).toBeGreaterThan(25);
  });

  it("has a row that the next one may take", () => {
    const resting = new RestingTcbs();
    const { tcb, host } = established();
    const { config, localPort, remotePort } = tcb;
    const rows = [0, 1, 2].map(() => resting.put(tcb));
    expect(new Set(rows).size).toBe(3);
    for (const row of [rows[1], rows[0]]) {
      resting.take(row as number, host, null, config, localPort, remotePort, 0);
    }
    expect([resting.put(tcb), resting.put(tcb), resting.put(tcb)]).toEqual([0, 1, 3]);
    expect(resting.size).toBe(4);
  });

  it("forgets what is dropped", () => {
    const resting = new RestingTcbs();
    const row = resting.put(inTimeWait().tcb);
    expect(resting.memoryBytes).toBeGreaterThan(0);
    resting.drop(row);
    expect([resting.size, resting.memoryBytes]).toEqual([0, 0]);
  });

  it.each([
    ["with bytes to send", "write 10\n> P. 1:11(10) ack 1"],
    ["with bytes to read", "+50 < . 1:11(10) ack 1\n+40 > . 1:1(0) ack 11"],
    ["with a gap", "< . 11:21(10) ack 1\n> . 1:1(0) ack 1"],
    ["that has finished", "finish\n> F. 1:1(0) ack 1\n< . 1:1(0) ack 2"],
    ["whose peer has finished", "< F. 1:1(0) ack 1\n> . 1:1(0) ack 2"],
    [
      "with an ACK to send",
      "< P. 1:11(10) ack 1\nread 10\n> . 1:1(0) ack 11\n< P. 11:21(10) ack 1\nread 10",
    ],
    ["that is used", "= ESTABLISHED"],
  ])("is none %s", (_name, script) => {
    const scene = established();
    expect(isAtRest(scene.tcb, scene.nowMs)).toBe(true);
    if (script !== "= ESTABLISHED") {
      expect(isAtRest(scene.play(script).tcb, scene.nowMs)).toBe(false);
    }
  });
});
