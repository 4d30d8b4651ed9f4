// SPDX-License-Identifier: MIT
// ICMP errors and failed neighbour discovery: RFC 5927, RFC 9293 §3.9.2.2, hostile input G1.

import { describe, expect, it } from "vitest";
import { ECONNREFUSED, EHOSTUNREACH } from "../../src/tcp/errno.ts";
import { hostUnreachable, icmpArrives, pathMtuArrives } from "../../src/tcp/tcp-in.ts";
import { RECEIVE_NEXT, SEQUENCE_PAIRS, SYNCHRONIZED, sceneIn } from "./support/states.ts";

describe.each(SEQUENCE_PAIRS)("ICMP, ISS $iss, IRS $irs", (pair) => {
  it("ends SYN-SENT by a hard error that quotes our SYN (SHLD-26)", () => {
    const scene = sceneIn("SYN-SENT", pair);
    icmpArrives(scene.tcb, scene.iss, ECONNREFUSED, true, 0);
    scene.play("= CLOSED\nerror ECONNREFUSED");
  });

  it("ends SYN-RECEIVED by a hard error too", () => {
    const scene = sceneIn("SYN-RECEIVED", pair);
    icmpArrives(scene.tcb, scene.iss, ECONNREFUSED, true, 0);
    scene.play("= CLOSED\nerror ECONNREFUSED");
  });

  it("is ignored if it quotes what is not in flight (RFC 5927 §4.1)", () => {
    for (const state of ["SYN-SENT", "SYN-RECEIVED", "ESTABLISHED"]) {
      const scene = sceneIn(state, pair);
      for (const distance of [-1, 1, 2, 1_000_000, -0x80000000]) {
        icmpArrives(scene.tcb, (scene.iss + distance) | 0, ECONNREFUSED, true, 0);
      }
      scene.play(`= ${state}\nsoft 0`);
      expect(scene.tcb.counters.icmpOutOfWindow).toBe(5);
    }
  });

  it("is only remembered if it is soft (MUST-47, MUST-56)", () => {
    const scene = sceneIn("SYN-SENT", pair);
    icmpArrives(scene.tcb, scene.iss, EHOSTUNREACH, false, 0);
    scene.play("= SYN-SENT\nsoft EHOSTUNREACH");
    scene.wait(180_000);
    scene.host.sent.length = 0;
    // It names the reason when R2 is reached.
    scene.play("= CLOSED\nerror EHOSTUNREACH");
  });

  it("never ends a synchronized connection, however hard (RFC 5927 §5.2)", () => {
    for (const state of SYNCHRONIZED) {
      const scene = sceneIn(state, pair);
      for (const distance of [-1, 0, 1]) {
        icmpArrives(scene.tcb, (scene.tcb.snd.una + distance) | 0, ECONNREFUSED, true, 0);
      }
      scene.play(`= ${state}`);
    }
  });

  it("is soft with data in flight, and forgotten on progress (SHLD-25)", () => {
    const scene = sceneIn("ESTABLISHED", pair).play(`
      write 100
      > P. 1:101(100) ack 1
    `);
    icmpArrives(scene.tcb, (scene.iss + 50) | 0, ECONNREFUSED, true, 0);
    scene.play(`
      = ESTABLISHED
      soft ECONNREFUSED
      < . 1:1(0) ack 101
      soft 0
    `);
  });

  it("lowers the MSS after a timeout, never raises it, never below the floor (G2)", () => {
    const scene = sceneIn("ESTABLISHED", pair).play(`
      write 2000
      > . 1:1461(1460) ack 1
      > P. 1461:2001(540) ack 1
    `);
    pathMtuArrives(scene.tcb, (scene.iss + 1) | 0, 1_000);
    scene.play('info {"mss":1460}\n+200 > . 1:1461(1460) ack 1');
    pathMtuArrives(scene.tcb, (scene.iss + 5_000) | 0, 1_000);
    scene.play('info {"mss":1460}');
    pathMtuArrives(scene.tcb, (scene.iss + 1) | 0, 1_000);
    scene.flush();
    scene.play('info {"mss":1000}\n> . 1:1001(1000) ack 1');
    pathMtuArrives(scene.tcb, (scene.iss + 1) | 0, 1_400);
    scene.play('info {"mss":1000}');
    pathMtuArrives(scene.tcb, (scene.iss + 1) | 0, 0);
    scene.play('info {"mss":512}');
  });

  it("does nothing in CLOSED", () => {
    const scene = sceneIn("SYN-SENT", pair).play("abort");
    icmpArrives(scene.tcb, scene.iss, ECONNREFUSED, true, 0);
    hostUnreachable(scene.tcb, EHOSTUNREACH, 0);
    scene.play("error ECONNABORTED");
  });
});

describe("no answer to ARP", () => {
  it("ends SYN-SENT with EHOSTUNREACH", () => {
    const scene = sceneIn("SYN-SENT");
    hostUnreachable(scene.tcb, EHOSTUNREACH, 0);
    scene.play("= CLOSED\nerror EHOSTUNREACH");
  });

  it("is a soft error later", () => {
    for (const state of ["SYN-RECEIVED", ...SYNCHRONIZED]) {
      const scene = sceneIn(state);
      hostUnreachable(scene.tcb, EHOSTUNREACH, 0);
      scene.play(`= ${state}\nsoft EHOSTUNREACH`);
      expect(RECEIVE_NEXT[state]).toBeDefined();
    }
  });
});
