// SPDX-License-Identifier: MIT
// Random segments into connections in every state: nothing throws, every invariant holds, nothing
// is answered without bound, and no connection comes to life again (hostile input C, D, J1).

import { describe, expect, it } from "vitest";
import { finish, receiveBytes, sendBytes } from "../../src/tcp/calls.ts";
import { CLOSED } from "../../src/tcp/state.ts";
import { ACK, FIN, PSH, RST, SYN, TcpSegment, URG } from "../../src/wire/tcp.ts";
import { checkInvariants } from "./support/invariants.ts";
import { pattern } from "./support/pattern.ts";
import { Random } from "./support/random.ts";
import type { Scene } from "./support/scene.ts";
import { ALIVE, SEQUENCE_PAIRS, sceneIn } from "./support/states.ts";

const SEGMENTS = Number(process.env["CARAWAY_FUZZ_SEGMENTS"] ?? 216_000);
const SEED = Number(process.env["CARAWAY_SEED"] ?? 1);
/** A connection is used for so many segments, if it lives that long. */
const PER_CONNECTION = 60;
const BYTES = pattern(0, 65_535);

/** Picks a number at one of the edges where a comparison could be off by one. */
function near(random: Random, ...edges: readonly number[]): number {
  const edge = random.pick(edges);
  switch (random.below(5)) {
    case 0:
      return edge;
    case 1:
      return (edge + 1) | 0;
    case 2:
      return (edge - 1) | 0;
    case 3:
      return (edge + random.below(3_000) - 1_500) | 0;
    default:
      return random.chance(0.2) ? random.int32() : (edge ^ -0x80000000) | 0;
  }
}

const FLAG_SETS: readonly number[] = [
  ACK,
  ACK,
  ACK | PSH,
  ACK | PSH,
  ACK | FIN,
  ACK | SYN,
  ACK | RST,
  ACK | URG,
  SYN,
  RST,
  FIN,
  SYN | FIN,
  SYN | RST,
  0,
  255,
];

function mutate(random: Random, scene: Scene, seg: TcpSegment): void {
  const { snd, rcv } = scene.tcb;
  seg.flags = random.chance(0.9) ? random.pick(FLAG_SETS) : random.below(256);
  seg.seq = random.chance(0.4) ? rcv.nxt : near(random, rcv.nxt, rcv.edge, rcv.irs, rcv.finSeq);
  seg.ack = random.chance(0.4) ? snd.una : near(random, snd.una, snd.nxt, snd.iss, snd.resend);
  seg.window = random.pick([0, 0, 1, 100, 1_460, 65_535]);
  seg.urgentPointer = random.pick([0, 1, 100, 65_535]);
  seg.payloadOffset = 0;
  seg.payloadBytes = random.pick([0, 0, 0, 1, 100, 1_460, 9_000, 65_535]);
  seg.bytes = BYTES;
  seg.mss = random.pick([0, 1, 88, 1_460, 65_535]);
  seg.windowScale = random.pick([-1, 0, 7, 14]);
  seg.hasTimestamps = random.chance(scene.tcb.hasTimestamps ? 0.8 : 0.2);
  seg.tsVal = random.chance(0.6)
    ? (scene.tcb.tsRecent + random.below(3)) | 0
    : near(random, scene.tcb.tsRecent);
  seg.tsEcr = near(random, scene.nowMs | 0);
}

function freshScene(random: Random, state: string): Scene {
  const pair = random.pick(SEQUENCE_PAIRS);
  const scene = sceneIn(state, { ...pair, config: { receiveBufferBytes: 20_000 } });
  if (state !== "SYN-SENT" && state !== "SYN-RECEIVED") {
    // Not negotiated in the script; from here on the connection is as if it had been.
    scene.tcb.hasTimestamps = random.chance(0.3);
    scene.tcb.snd.wndShift = random.pick([0, 0, 7, 14]);
  }
  return scene;
}

/** The user and the clock do something too. */
function live(random: Random, scene: Scene): void {
  const { tcb } = scene;
  switch (random.below(12)) {
    case 0:
      sendBytes(tcb, BYTES, 0, random.below(5_000));
      break;
    case 1:
      receiveBytes(tcb, new Uint8Array(3_000), 0, random.below(3_000));
      break;
    case 2:
      if (random.chance(0.1)) finish(tcb, scene.nowMs);
      break;
    case 3:
      scene.wait(random.pick([1, 40, 300, 2_000]));
      break;
    case 4:
      scene.host.room = random.pick([0, 1, Number.POSITIVE_INFINITY]);
      break;
    default:
  }
}

describe.each(ALIVE)("random segments from %s", (state) => {
  it(`never throw and never break an invariant (RFC 9293 §3.10.7), seed ${SEED}`, () => {
    const random = new Random(SEED * 7919 + state.length);
    const seg = new TcpSegment();
    const share = Math.ceil(SEGMENTS / ALIVE.length);
    let scene = freshScene(random, state);
    let used = 0;
    for (let i = 0; i < share; i++) {
      if (scene.tcb.state === CLOSED || used++ > PER_CONNECTION) {
        scene = freshScene(random, state);
        used = 0;
      }
      mutate(random, scene, seg);
      const wasSent = scene.host.sent.length;
      scene.arrive(seg);
      checkInvariants(scene.tcb);
      // At once, one segment is answered by one at most.
      expect(scene.host.sent.length - wasSent).toBeLessThanOrEqual(1);
      if (random.chance(0.7)) scene.flush();
      live(random, scene);
      checkInvariants(scene.tcb);
      scene.host.sent.length = 0;
    }
  });
});
