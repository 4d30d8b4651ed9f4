// SPDX-License-Identifier: MIT
// Connections at rest: established or in TIME-WAIT, everything acknowledged, nothing queued or
// unread, and no timer but that of TIME-WAIT. Most of what a TCB holds then follows from that, and
// the rest fits into a row of numbers, a twentieth of the objects; whoever has the connection and
// touches it gets the same TCB back. Linux does this for connections that are about to open or to
// end ("mini sockets").
//
//   row:  | 10 doubles: times, round trip, counts | 22 int32: sequence numbers, windows, flags |
//
// Rows lie in chunks, so that a million of them need not be copied to have one more.
//
// Not stored: what is overwritten before it is read again (the timed octet, the persist interval),
// and the challenge ACK budget, which is full again by then. A field that is added to the TCB and
// matters to a connection at rest must be added here: a test compares.

import type { TcpConfig } from "./config.ts";
import type { TcbHost } from "./host.ts";
import { ESTABLISHED, restoreState, TIME_WAIT } from "./state.ts";
import { createTcb, NEVER, type Tcb } from "./tcb.ts";

const ROWS_PER_CHUNK = 4_096;
const DOUBLES = 10;
const WORDS = 22;
const ROW_WORDS = DOUBLES * 2 + WORDS;

/** Places in a row that are also read apart from the rest: of a double, and of words. */
const LAST_DATA_OR_END = 3;
const FLAGS = 3;
const SEND_NEXT = 4;

const HAS_TIMESTAMPS = 1;
const HAS_WINDOW_SCALE = 2;
const IS_PASSIVE = 4;
const IS_TIME_WAIT = 8;
const FLAG_BITS = 4;
const SHIFT_BITS = 4;
const SHIFT_MASK = (1 << SHIFT_BITS) - 1;

/** Where a row begins in its chunk, counted in words. */
function placeOf(row: number): number {
  return (row % ROWS_PER_CHUNK) * ROW_WORDS;
}

/** Rows in one piece of memory, seen as both kinds of numbers. */
class Chunk {
  readonly doubles: Float64Array;
  readonly words: Int32Array;

  constructor() {
    this.doubles = new Float64Array((ROWS_PER_CHUNK * ROW_WORDS) / 2);
    this.words = new Int32Array(this.doubles.buffer);
  }
}

/**
 * Tells when a connection is at rest, if it is left alone.
 *
 * @param tcb - in any state
 * @returns a time, which may have passed, ms; Infinity: something is left to be done or to be read
 */
export function restsAtMs(tcb: Tcb): number {
  if (!isQuiet(tcb)) return NEVER;
  return tcb.challengeFromMs + tcb.config.challengeAckIntervalMs;
}

function isQuiet(tcb: Tcb): boolean {
  const { snd, rcv } = tcb;
  if (tcb.state !== TIME_WAIT && !isOpen(tcb)) return false;
  if (tcb.error !== 0 || tcb.softError !== 0 || tcb.retries !== 0) return false;
  if (snd.una !== snd.nxt || snd.resend !== snd.nxt) return false;
  if (tcb.sendBuffer.length !== 0 || tcb.forceProbe || tcb.retransmitHead) return false;
  if (tcb.receiveBuffer.available !== 0 || tcb.receiveBuffer.hasGaps) return false;
  if (rcv.isUrgent || tcb.ackNow || rcv.lastAckSent !== rcv.nxt || rcv.segmentsSinceAck !== 0)
    return false;
  if (tcb.isTiming || tcb.congestion.inRecovery || tcb.congestion.duplicateAcks !== 0) return false;
  return tcb.rtoAtMs === NEVER && tcb.persistAtMs === NEVER && tcb.delayedAckAtMs === NEVER;
}

/** Established, held by somebody, and neither side has begun to end it. */
function isOpen(tcb: Tcb): boolean {
  const { snd, rcv } = tcb;
  if (tcb.state !== ESTABLISHED || tcb.isOrphan || tcb.endAtMs !== NEVER) return false;
  return !(snd.finQueued || rcv.isDiscarding || rcv.finSeen) && rcv.top === rcv.nxt;
}

/** The connections of a context that are at rest. */
export class RestingTcbs {
  #chunks: Chunk[] = [];
  /** First free row, linked by the first word of each; -1: none. */
  #free = -1;
  #used = 0;
  #size = 0;

  /** Connections at rest. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of memory behind them now. */
  get memoryBytes(): number {
    return this.#chunks.length * ROWS_PER_CHUNK * ROW_WORDS * 4;
  }

  /**
   * Takes a connection in. The TCB must not be used any more.
   *
   * @param tcb - at rest: `restsAtMs` has passed
   * @returns its row, at least 0
   */
  put(tcb: Tcb): number {
    const row = this.#allocate();
    const { doubles, words } = this.#chunkOf(row);
    const at = placeOf(row);
    saveDoubles(tcb, doubles, at / 2);
    saveWords(tcb, words, at + DOUBLES * 2);
    tcb.sendBuffer.clear();
    tcb.receiveBuffer.clear();
    this.#size++;
    return row;
  }

  /**
   * Gives a connection back.
   *
   * @param row - what `put` returned; free from now on
   * @param host - as for `createTcb`, like what follows
   * @param nowMs - time of this round, ms
   * @returns a TCB as the one that was put in
   */
  take(
    row: number,
    host: TcbHost,
    owner: unknown,
    config: TcpConfig,
    localPort: number,
    remotePort: number,
    nowMs: number,
  ): Tcb {
    const { doubles, words } = this.#chunkOf(row);
    const at = placeOf(row);
    const i = at + DOUBLES * 2;
    const iss = words[i] as number;
    const mss = words[i + 1] as number;
    const tsOffset = words[i + 2] as number;
    const tcb = createTcb(host, owner, config, localPort, remotePort, mss, iss, tsOffset);
    restoreDoubles(tcb, doubles, at / 2);
    restoreWords(tcb, words, i);
    if (((words[i + FLAGS] as number) & IS_TIME_WAIT) !== 0) restoreTimeWait(tcb);
    else restoreState(tcb, ESTABLISHED);
    tcb.progressAtMs = nowMs;
    this.#release(row, words, at);
    return tcb;
  }

  /**
   * Tells whether the ports of a connection in TIME-WAIT may be opened again from this side: the
   * peer knows by the timestamps which segment belongs to which connection (RFC 6191).
   */
  mayReopen(row: number, nowMs: number, { mslMs, timeWaitReuseMs }: TcpConfig): boolean {
    const { doubles, words } = this.#chunkOf(row);
    const at = placeOf(row);
    const both = HAS_TIMESTAMPS | IS_TIME_WAIT;
    if (((words[at + DOUBLES * 2 + FLAGS] as number) & both) !== both) return false;
    const endAtMs = doubles[at / 2 + LAST_DATA_OR_END] as number;
    return nowMs - (endAtMs - 2 * mslMs) >= timeWaitReuseMs;
  }

  /** SND.NXT of the connection in that row. */
  sendNext(row: number): number {
    const { words } = this.#chunkOf(row);
    return words[placeOf(row) + DOUBLES * 2 + SEND_NEXT] as number;
  }

  /** Forgets the connection in that row, which is free from now on. */
  drop(row: number): void {
    const { words } = this.#chunkOf(row);
    this.#release(row, words, placeOf(row));
  }

  #chunkOf(row: number): Chunk {
    return this.#chunks[Math.floor(row / ROWS_PER_CHUNK)] as Chunk;
  }

  #allocate(): number {
    const row = this.#free;
    if (row < 0) {
      if (this.#used === this.#chunks.length * ROWS_PER_CHUNK) this.#chunks.push(new Chunk());
      return this.#used++;
    }
    const { words } = this.#chunkOf(row);
    this.#free = words[placeOf(row)] as number;
    return row;
  }

  #release(row: number, words: Int32Array, at: number): void {
    words[at] = this.#free;
    this.#free = row;
    if (--this.#size > 0) return;
    this.#chunks = [];
    this.#free = -1;
    this.#used = 0;
  }
}

function saveDoubles(tcb: Tcb, into: Float64Array, at: number): void {
  tcb.rto.save(into, at);
  // No data follows a FIN: what would be the time of the next matters no more in TIME-WAIT.
  into[at + LAST_DATA_OR_END] = tcb.state === TIME_WAIT ? tcb.endAtMs : tcb.lastDataAtMs;
  into[at + 4] = tcb.tsRecentAtMs;
  into[at + 5] = tcb.bytesAcked;
  into[at + 6] = tcb.bytesReceived;
  into[at + 7] = tcb.segmentsIn;
  into[at + 8] = tcb.segmentsOut;
  into[at + 9] = tcb.echoFloorMs;
}

function restoreDoubles(tcb: Tcb, from: Float64Array, at: number): void {
  tcb.rto.restore(from, at);
  tcb.lastDataAtMs = from[at + LAST_DATA_OR_END] as number;
  tcb.tsRecentAtMs = from[at + 4] as number;
  tcb.bytesAcked = from[at + 5] as number;
  tcb.bytesReceived = from[at + 6] as number;
  tcb.segmentsIn = from[at + 7] as number;
  tcb.segmentsOut = from[at + 8] as number;
  tcb.echoFloorMs = from[at + 9] as number;
}

function saveWords(tcb: Tcb, into: Int32Array, at: number): void {
  const { snd, rcv } = tcb;
  let flags = tcb.hasTimestamps ? HAS_TIMESTAMPS : 0;
  if (rcv.hasWindowScale) flags |= HAS_WINDOW_SCALE;
  if (tcb.isPassive) flags |= IS_PASSIVE;
  if (tcb.state === TIME_WAIT) flags |= IS_TIME_WAIT;
  into[at] = snd.iss;
  into[at + 1] = rcv.mss;
  into[at + 2] = tcb.tsOffset;
  into[at + FLAGS] = flags | (((rcv.wndShift << SHIFT_BITS) | snd.wndShift) << FLAG_BITS);
  into[at + SEND_NEXT] = snd.nxt;
  into[at + 5] = snd.wnd;
  into[at + 6] = snd.wl1;
  into[at + 7] = snd.wl2;
  into[at + 8] = snd.maxWnd;
  into[at + 9] = snd.mss;
  into[at + 10] = rcv.nxt;
  into[at + 11] = rcv.edge;
  into[at + 12] = rcv.irs;
  into[at + 13] = tcb.tsRecent;
  into[at + 14] = tcb.retransmits;
  tcb.congestion.save(into, at + 15);
}

function restoreWords(tcb: Tcb, from: Int32Array, at: number): void {
  const { snd, rcv } = tcb;
  const flags = from[at + FLAGS] as number;
  tcb.hasTimestamps = (flags & HAS_TIMESTAMPS) !== 0;
  rcv.hasWindowScale = (flags & HAS_WINDOW_SCALE) !== 0;
  tcb.isPassive = (flags & IS_PASSIVE) !== 0;
  snd.wndShift = (flags >>> FLAG_BITS) & SHIFT_MASK;
  rcv.wndShift = flags >>> (FLAG_BITS + SHIFT_BITS);
  snd.synAcked = true;
  snd.una = from[at + SEND_NEXT] as number;
  snd.nxt = snd.una;
  snd.resend = snd.una;
  snd.wnd = from[at + 5] as number;
  snd.wl1 = from[at + 6] as number;
  snd.wl2 = from[at + 7] as number;
  snd.maxWnd = from[at + 8] as number;
  snd.mss = from[at + 9] as number;
  rcv.nxt = from[at + 10] as number;
  rcv.lastAckSent = rcv.nxt;
  rcv.top = rcv.nxt;
  rcv.edge = from[at + 11] as number;
  rcv.irs = from[at + 12] as number;
  tcb.tsRecent = from[at + 13] as number;
  tcb.retransmits = from[at + 14] as number;
  tcb.congestion.restore(from, at + 15);
}

/** What follows from both FINs being acknowledged, and nobody being there to read. */
function restoreTimeWait(tcb: Tcb): void {
  const { snd, rcv } = tcb;
  tcb.endAtMs = tcb.lastDataAtMs;
  tcb.isOrphan = true;
  snd.finQueued = true;
  snd.finAcked = true;
  snd.finSeq = (snd.nxt - 1) | 0;
  rcv.isDiscarding = true;
  rcv.finSeen = true;
  rcv.finReceived = true;
  rcv.finSeq = (rcv.nxt - 1) | 0;
  restoreState(tcb, TIME_WAIT);
}
