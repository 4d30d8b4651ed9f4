// SPDX-License-Identifier: MIT
// Two TCBs joined by a virtual pipe that loses, delays, reorders and duplicates, on one clock.

import {
  atEnd,
  discardReceived,
  finish,
  openActive,
  openPassive,
  receiveBytes,
  sendBytes,
  sendSpaceBytes,
} from "../../../src/tcp/calls.ts";
import { type TcpConfig, tcpConfig } from "../../../src/tcp/config.ts";
import type { TcbHost } from "../../../src/tcp/host.ts";
import { type RestingTcbs, restsAtMs } from "../../../src/tcp/resting.ts";
import { CLOSED } from "../../../src/tcp/state.ts";
import { createTcb, type Tcb } from "../../../src/tcp/tcb.ts";
import { segmentArrives } from "../../../src/tcp/tcp-in.ts";
import { output } from "../../../src/tcp/tcp-out.ts";
import { nextTimeout, onTimeout } from "../../../src/tcp/timers.ts";
import { parseTcp, TcpSegment } from "../../../src/wire/tcp.ts";
import { checkInvariants, checkLiveness } from "./invariants.ts";
import { pattern, patternBreak } from "./pattern.ts";
import { Random } from "./random.ts";

const TX_OFFSET = 34;
const MAX_STEPS = 2_000_000;

/** How the pipe behaves; probabilities per segment. */
export interface PipeOptions {
  readonly delayMs: number;
  /** Added to the delay, uniform; more than the time between segments reorders them. */
  readonly jitterMs: number;
  readonly loss: number;
  readonly duplicate: number;
  /** Chance that the tx ring has no room for a segment. */
  readonly full: number;
}

/** What each side does. */
export interface SideOptions {
  readonly config: Partial<TcpConfig>;
  readonly iss: number;
  readonly mss: number;
  /** Bytes to send. */
  readonly bytes: number;
  /** Largest single write. */
  readonly writeBytes: number;
  /** Largest single read; 0: discards what arrives. */
  readonly readBytes: number;
  /** Chance to read in a round. */
  readonly readChance: number;
  /** Chance to write in a round. Default 1. */
  readonly writeChance?: number;
}

/** One end: host, user and counters. */
export class Side implements TcbHost {
  readonly txBytes: Uint8Array = new Uint8Array(2_048);
  readonly txOffset: number = TX_OFFSET;
  readonly options: SideOptions;
  tcb: Tcb;
  readonly #play: SelfPlay;
  readonly #into: Uint8Array;
  isOutputWanted = false;
  written = 0;
  read = 0;
  discarded = 0;
  hasFinished = false;
  sentSegments = 0;

  constructor(play: SelfPlay, options: SideOptions) {
    this.#play = play;
    this.options = options;
    this.#into = new Uint8Array(options.readBytes);
    const config = tcpConfig(options.config);
    this.tcb = createTcb(this, null, config, 1, 2, options.mss, options.iss, options.iss ^ 0x5a);
  }

  reserve(_tcb: Tcb): boolean {
    if (!this.#play.random.chance(this.#play.pipe.full)) return true;
    this.isOutputWanted = true;
    return false;
  }

  superSegmentBytes(_tcb: Tcb): number {
    return 0;
  }

  commit(_tcb: Tcb, lengthBytes: number): void {
    this.sentSegments++;
    this.#play.carry(this, this.txBytes.slice(TX_OFFSET, TX_OFFSET + lengthBytes));
  }

  requestOutput(_tcb: Tcb): void {
    this.isOutputWanted = true;
  }

  notify(_tcb: Tcb, _events: number): void {}

  /** The user's turn in a round: writes, reads, finishes. */
  act(): void {
    const { tcb, options } = this;
    const { random } = this.#play;
    if (tcb.state === CLOSED && !tcb.rcv.finReceived) return;
    if (options.readBytes === 0 && !tcb.rcv.isDiscarding) discardReceived(tcb);
    const isWriting = options.writeChance === undefined || random.chance(options.writeChance);
    while (isWriting && this.written < options.bytes) {
      const want = Math.min(1 + random.below(options.writeBytes), options.bytes - this.written);
      if (sendSpaceBytes(tcb) === 0) break;
      const taken = sendBytes(tcb, pattern(this.written, want), 0, want);
      if (taken < 0) throw new Error(`write failed: ${taken}`);
      this.written += taken;
      if (taken < want || options.writeChance !== undefined) break;
    }
    if (this.written === options.bytes && !this.hasFinished) {
      this.hasFinished = true;
      if (finish(tcb, this.#play.nowMs) !== 0) throw new Error("finish failed");
    }
    if (options.readBytes > 0 && random.chance(options.readChance)) this.#readSome();
  }

  #readSome(): void {
    const into = this.#into;
    for (;;) {
      const taken = receiveBytes(this.tcb, into, 0, into.length);
      if (taken < 0) throw new Error(`read failed: ${taken}`);
      if (taken === 0) return;
      if (patternBreak(into.subarray(0, taken), this.read) >= 0) {
        throw new Error(`wrong byte near ${this.read}`);
      }
      this.read += taken;
      if (this.options.readChance < 1) return;
    }
  }

  endRound(nowMs: number): void {
    if (this.isOutputWanted) {
      this.isOutputWanted = false;
      output(this.tcb, nowMs);
    }
    checkInvariants(this.tcb);
    if (!this.isOutputWanted) checkLiveness(this.tcb);
    if (restsAtMs(this.tcb) <= nowMs) this.#rest(nowMs);
  }

  #rest(nowMs: number): void {
    const { resting } = this.#play;
    if (resting === null) return;
    this.#play.rests++;
    const { config, localPort, remotePort } = this.tcb;
    const row = resting.put(this.tcb);
    this.tcb = resting.take(row, this, null, config, localPort, remotePort, nowMs);
  }
}

interface Carried {
  readonly atMs: number;
  readonly order: number;
  readonly to: Side;
  readonly bytes: Uint8Array;
}

/** Two sides and the pipe between them. */
export class SelfPlay {
  readonly random: Random;
  readonly pipe: PipeOptions;
  readonly client: Side;
  readonly server: Side;
  nowMs = 0;
  /** Where connections rest whenever they can; null: never. */
  resting: RestingTcbs | null = null;
  rests = 0;
  /** Is told of every segment that is sent. */
  onCarry: ((bytes: Uint8Array) => void) | null = null;
  readonly #carried: Carried[] = [];
  readonly #segment: TcpSegment = new TcpSegment();
  readonly #isSimultaneous: boolean;
  #order = 0;

  constructor(
    seed: number,
    pipe: PipeOptions,
    client: SideOptions,
    server: SideOptions,
    isSimultaneous = false,
  ) {
    this.random = new Random(seed);
    this.pipe = pipe;
    this.client = new Side(this, client);
    this.server = new Side(this, server);
    this.#isSimultaneous = isSimultaneous;
  }

  /** Takes a segment from `from` into the pipe. */
  carry(from: Side, bytes: Uint8Array): void {
    const { random, pipe } = this;
    this.onCarry?.(bytes);
    const copies = random.chance(pipe.loss) ? 0 : random.chance(pipe.duplicate) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const atMs = this.nowMs + pipe.delayMs + random.fraction() * pipe.jitterMs;
      const to = from === this.client ? this.server : this.client;
      this.#insert({ atMs, order: this.#order++, to, bytes });
    }
  }

  /** Plays until both ends are CLOSED. @throws Error if it never comes to that */
  run(limitMs: number): void {
    openActive(this.client.tcb, 0);
    if (this.#isSimultaneous) openActive(this.server.tcb, 0);
    for (let step = 0; step < MAX_STEPS; step++) {
      this.#round();
      if (this.#isOver()) return;
      const next = this.#next();
      if (next > limitMs) throw new Error(`not over after ${limitMs} ms: ${this.describe()}`);
      this.nowMs = Math.max(this.nowMs, next);
    }
    throw new Error(`too many steps: ${this.describe()}`);
  }

  describe(): string {
    const side = ({ tcb, written, read }: Side) =>
      `state ${tcb.state} error ${tcb.error} written ${written} read ${read} una ${tcb.snd.una} ` +
      `nxt ${tcb.snd.nxt} wnd ${tcb.snd.wnd}`;
    return `at ${this.nowMs}: client ${side(this.client)}, server ${side(this.server)}`;
  }

  #isOver(): boolean {
    const { client, server } = this;
    for (const side of [client, server]) {
      if (side.tcb.state !== CLOSED) return false;
      if (side.options.readBytes > 0 && side.tcb.error === 0 && !atEnd(side.tcb)) return false;
    }
    return true;
  }

  #next(): number {
    const { client, server } = this;
    // A user that has not read everything yet, or a full ring, comes back in a millisecond.
    let next = Math.min(nextTimeout(client.tcb), nextTimeout(server.tcb));
    for (const side of [client, server]) {
      const isReading = side.options.readBytes > 0 && side.tcb.receiveBuffer.available > 0;
      const isWriting = side.written < side.options.bytes && side.tcb.sendBuffer.space > 0;
      if (isReading || isWriting || side.isOutputWanted) next = Math.min(next, this.nowMs + 1);
    }
    const first = this.#carried[0];
    return first === undefined ? next : Math.min(next, first.atMs);
  }

  #round(): void {
    for (let first = this.#carried[0]; first !== undefined && first.atMs <= this.nowMs; ) {
      this.#carried.shift();
      this.#deliver(first);
      first = this.#carried[0];
    }
    for (const side of [this.client, this.server]) {
      if (nextTimeout(side.tcb) <= this.nowMs) onTimeout(side.tcb, this.nowMs);
      if (side.tcb.snd.synAcked) side.act();
      side.endRound(this.nowMs);
    }
  }

  #deliver(carried: Carried): void {
    const { tcb } = carried.to;
    const seg = this.#segment;
    if (parseTcp(carried.bytes, 0, carried.bytes.length, seg) !== 0) throw new Error("parse");
    const isFresh = tcb.state === CLOSED && tcb.progressAtMs === 0 && tcb.segmentsIn === 0;
    if (isFresh && carried.to === this.server) {
      if (seg.flags === 2) openPassive(tcb, seg, this.nowMs);
      return;
    }
    segmentArrives(tcb, seg, this.nowMs);
  }

  #insert(carried: Carried): void {
    let at = this.#carried.length;
    while (at > 0 && (this.#carried[at - 1] as Carried).atMs > carried.atMs) at--;
    this.#carried.splice(at, 0, carried);
  }
}
