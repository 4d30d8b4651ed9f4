// SPDX-License-Identifier: MIT
// One TCB under test, played by a script that reads as a packet trace with a clock:
//
//   +0    < S 0:0(0) win 65535 <mss 1460>      a segment arrives, and the round ends
//   +0    > S. 0:0(0) ack 1 <mss 1460>         this left, at this very time
//   +10   << . 1:1001(1000) ack 1              arrives; the round goes on
//   +0    write 1000                           and: read 500, finish, abort, discard, orphan
//   +40   = ESTABLISHED                        the state; also: error, soft, info, nothing
//   +0    room 2                     the tx ring; flush: the round ends; ignore: what left
//
// `+n` lets n ms pass, timers fire at their time. Flags are S F R P . U (`.` is ACK). Sequence
// numbers are relative: ours to ISS, the peer's to IRS. `ack` and `win` and options that a `>` line
// does not name are not compared. A segment that left and is not expected fails the test at the
// next line that lets one arrive, lets time pass, or ends the script.

import { expect } from "vitest";
import {
  abort,
  discardReceived,
  finish,
  info,
  openActive,
  openPassive,
  orphan,
  receiveBytes,
  sendBytes,
} from "../../../src/tcp/calls.ts";
import { type TcpConfig, tcpConfig } from "../../../src/tcp/config.ts";
import * as errnos from "../../../src/tcp/errno.ts";
import { CLOSED, STATE_NAMES } from "../../../src/tcp/state.ts";
import { createTcb, type Tcb } from "../../../src/tcp/tcb.ts";
import { segmentArrives } from "../../../src/tcp/tcp-in.ts";
import { output } from "../../../src/tcp/tcp-out.ts";
import { nextTimeout, onTimeout } from "../../../src/tcp/timers.ts";
import type { TcpSegment } from "../../../src/wire/tcp.ts";
import { FakeHost } from "./fake-host.ts";
import { checkInvariants } from "./invariants.ts";
import { formatSegment, parseSegment, type SegmentText } from "./notation.ts";
import { pattern, patternBreak } from "./pattern.ts";

/** What differs from the defaults. */
export interface SceneOptions {
  readonly config?: Partial<TcpConfig>;
  readonly iss?: number;
  readonly irs?: number;
  /** The MSS we announce. */
  readonly mss?: number;
}

const LOCAL_PORT = 7777;
const REMOTE_PORT = 49152;

/** One connection, its fake host and its clock. */
export class Scene {
  readonly host: FakeHost = new FakeHost();
  readonly tcb: Tcb;
  readonly iss: number;
  readonly irs: number;
  #written = 0;
  #read = 0;

  constructor(options: SceneOptions = {}) {
    this.iss = (options.iss ?? 1_000_000) | 0;
    this.irs = (options.irs ?? 5_000_000) | 0;
    const config = tcpConfig({ timestamps: false, windowScale: false, ...options.config });
    const mss = options.mss ?? 1460;
    this.tcb = createTcb(this.host, null, config, LOCAL_PORT, REMOTE_PORT, mss, this.iss, 0);
  }

  get nowMs(): number {
    return this.host.nowMs;
  }

  /** Plays a script. @returns itself */
  play(script: string): this {
    for (const raw of script.split("\n")) {
      const line = raw.replace(/#.*$/, "").trim();
      if (line === "") continue;
      try {
        this.#line(line);
        checkInvariants(this.tcb);
      } catch (error) {
        if (error instanceof Error) error.message = `at "${line}": ${error.message}`;
        throw error;
      }
    }
    this.#expectNothingSent("the end");
    return this;
  }

  /** Ends a round: what was asked to be sent is sent. */
  flush(): void {
    if (!this.host.isOutputWanted) return;
    this.host.isOutputWanted = false;
    output(this.tcb, this.nowMs);
  }

  /** Lets time pass; timers fire when they are due. */
  wait(ms: number): void {
    const end = this.nowMs + ms;
    for (let fired = 0; nextTimeout(this.tcb) <= end; fired++) {
      if (fired > 10_000) throw new Error("timers fire for ever");
      this.host.nowMs = Math.max(this.nowMs, nextTimeout(this.tcb));
      onTimeout(this.tcb, this.nowMs);
      this.flush();
    }
    this.host.nowMs = end;
  }

  /** Lets a segment arrive, without ending the round. */
  arrive(seg: TcpSegment): void {
    segmentArrives(this.tcb, seg, this.nowMs);
  }

  /** @returns the segment of a `<` line, with absolute numbers */
  segment(text: string): TcpSegment {
    return parseSegment(text).toSegment(this.irs, this.iss, REMOTE_PORT, LOCAL_PORT);
  }

  #line(line: string): void {
    const match = /^(?:\+([\d.]+)\s+)?(\S+)\s*(.*)$/.exec(line);
    if (match === null) throw new Error("no such line");
    const ms = Number(match[1] ?? 0);
    const verb = match[2] as string;
    const rest = match[3] as string;
    if (ms > 0) {
      this.#expectNothingSent("before time passes");
      this.wait(ms);
    }
    this.#verb(verb, rest);
  }

  #verb(verb: string, rest: string): void {
    switch (verb) {
      case "<":
      case "<<":
        if (verb === "<") this.#expectNothingSent("before the segment arrives");
        if (this.tcb.state === CLOSED && this.tcb.error === 0 && !this.tcb.rcv.finReceived) {
          openPassive(this.tcb, this.segment(rest), this.nowMs);
        } else this.arrive(this.segment(rest));
        if (verb === "<") this.flush();
        return;
      case ">":
        this.#expectSent(rest);
        return;
      case "flush":
        this.flush();
        return;
      case "=":
        expect(STATE_NAMES[this.tcb.state]).toBe(rest);
        return;
      case "error":
      case "soft":
        expect(errnoName(verb === "error" ? this.tcb.error : this.tcb.softError)).toBe(rest);
        return;
      case "room":
        this.host.room = Number(rest);
        return;
      case "info":
        expect(info(this.tcb)).toMatchObject(JSON.parse(rest));
        return;
      case "ignore":
        this.host.sent.length = 0;
        return;
      case "nothing":
        this.#expectNothingSent("now");
        return;
      default:
        this.#call(verb, rest);
        this.flush();
    }
  }

  #call(verb: string, rest: string): void {
    const [amount, result] = rest.split("=").map((part) => part.trim());
    switch (verb) {
      case "open":
        return openActive(this.tcb, this.nowMs);
      case "write": {
        const bytes = pattern(this.#written, Number(amount));
        const taken = sendBytes(this.tcb, bytes, 0, bytes.length);
        this.#written += Math.max(0, taken);
        return expectResult(taken, result ?? (amount as string));
      }
      case "read": {
        const into = new Uint8Array(Number(amount));
        const taken = receiveBytes(this.tcb, into, 0, into.length);
        expect(patternBreak(into.subarray(0, Math.max(0, taken)), this.#read)).toBe(-1);
        this.#read += Math.max(0, taken);
        return expectResult(taken, result ?? (amount as string));
      }
      case "finish":
        return expectResult(finish(this.tcb, this.nowMs), result ?? "0");
      case "abort":
        return abort(this.tcb, this.nowMs);
      case "discard":
        return discardReceived(this.tcb);
      case "orphan":
        return orphan(this.tcb, this.nowMs);
      default:
        throw new Error(`no such verb: ${verb}`);
    }
  }

  #expectSent(text: string): void {
    const expected = parseSegment(text);
    const sent = this.host.sent.shift();
    if (sent === undefined) throw new Error("nothing was sent");
    const found = formatSegment(sent.segment, this.iss, this.irs, expected);
    expect(`at ${sent.atMs}: ${found}`).toBe(`at ${this.nowMs}: ${expected.text}`);
    expectPattern(sent.segment, this.iss, expected);
  }

  #expectNothingSent(when: string): void {
    const sent = this.host.sent[0];
    if (sent === undefined) return;
    const found = formatSegment(sent.segment, this.iss, this.irs, null);
    throw new Error(`${when}, this was sent at ${sent.atMs}: ${found}`);
  }
}

function expectPattern(segment: TcpSegment, iss: number, expected: SegmentText): void {
  if (expected.length === 0) return;
  const from = segment.payloadOffset;
  const payload = segment.bytes.subarray(from, from + segment.payloadBytes);
  expect(patternBreak(payload, ((segment.seq - iss) >>> 0) - 1)).toBe(-1);
}

function expectResult(found: number, expected: string): void {
  expect(found < 0 ? errnoName(found) : String(found)).toBe(expected);
}

/** @returns "0" or the name of a negative errno */
export function errnoName(errno: number): string {
  if (errno === 0) return "0";
  for (const [name, value] of Object.entries(errnos)) if (value === errno) return name;
  return String(errno);
}
