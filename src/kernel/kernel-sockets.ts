// SPDX-License-Identifier: MIT
// All kernel sockets of one loop. A round: one crossing sends what was submitted, harvests what
// is ready and receives it into shared memory; then everyone is told, and only marks (R3). Bytes
// that nobody has taken by the next crossing move to buffers of their sockets.

import type { TimerWheel } from "../../scheduler/timer-wheel.ts";
import {
  CONTROL_EVENTS,
  EVENT_DESCRIPTOR,
  EVENT_FIELDS,
  EVENT_ID,
  EVENT_KIND,
  EVENT_LENGTH,
  EVENT_OFFSET,
  type NativeSockets,
} from "./native-sockets.ts";
import { Submissions } from "./submissions.ts";

const SLOT_MASK = (1 << 20) - 1;

/** One open socket. */
export interface KernelSocket {
  /** As the addon names it: a slot and a generation. */
  readonly id: number;
  /** From the crossing: must only mark. */
  event(kind: number, offset: number, length: number, nowMs: number): void;
  /** Received bytes in shared memory are about to be overwritten: keep what is wanted. */
  keepReceived(): void;
  /** Submits what waits to be sent; asked once per round after `touch`. */
  flush(nowMs: number): void;
  /** The network is gone. */
  fail(errno: number, nowMs: number): void;
  /** True while it ends in the background and nobody holds it. */
  readonly isReleased: boolean;
  readonly isListener: boolean;
  /** Bytes in buffers of ours. */
  readonly bufferedBytes: number;
  readonly hasTimer: boolean;
}

/** What is there, for tests. */
export interface KernelLeftovers {
  readonly sockets: number;
  readonly timeWait: number;
  readonly listeners: number;
  readonly bufferedBytes: number;
  readonly timers: number;
}

/**
 * Sockets that something is to be done for once, in order. A count instead of the array's own
 * length: setting that is a call into the engine's runtime, in every round.
 */
class Gathered {
  count = 0;
  readonly #sockets: (KernelSocket | null)[] = [];

  add(socket: KernelSocket): void {
    this.#sockets[this.count++] = socket;
  }

  /** Takes one out, from 0 to `count` - 1; `count` is the caller's to set back. */
  take(index: number): KernelSocket {
    const socket = this.#sockets[index] as KernelSocket;
    this.#sockets[index] = null;
    return socket;
  }
}

/** The sockets of one loop, and the memory they share with the addon. */
export class KernelSockets {
  readonly native: NativeSockets;
  readonly timers: TimerWheel;
  readonly submissions: Submissions;
  /** Events by name, for statistics. */
  readonly counts: Map<string, number>;
  /** Time of the current round, ms. */
  nowMs: number;
  /** Counts crossings. */
  round: number;
  readonly #sockets: (KernelSocket | null)[];
  #open: number;
  #listeners: number;
  /** Have received bytes in shared memory. */
  readonly #holding: Gathered;
  /** Have something to send at the end of the round. */
  #touched: Gathered;
  #spare: Gathered;
  readonly #onWork: () => void;

  /** @param onWork - there is something to be done by a round: it may be that none runs */
  constructor(native: NativeSockets, timers: TimerWheel, onWork: () => void) {
    this.native = native;
    this.timers = timers;
    this.submissions = new Submissions(native.shared, onWork);
    this.#onWork = onWork;
    this.counts = new Map();
    this.nowMs = 0;
    this.round = 0;
    this.#sockets = [];
    this.#open = 0;
    this.#listeners = 0;
    this.#holding = new Gathered();
    this.#touched = new Gathered();
    this.#spare = new Gathered();
  }

  /** Open sockets. */
  get size(): number {
    return this.#open;
  }

  /** The one crossing of a round. @returns work done, a count */
  poll(nowMs: number): number {
    this.nowMs = nowMs;
    this.round++;
    const holding = this.#holding;
    for (let i = 0; i < holding.count; i++) holding.take(i).keepReceived();
    holding.count = 0;
    if (this.#open === 0 && this.submissions.count === 0) return 0;
    this.native.poll();
    const submitted = this.submissions.settle(nowMs);
    this.submissions.takeBack();
    return submitted + this.#dispatch(nowMs);
  }

  /** Submits what the round has given rise to. */
  flush(nowMs: number): void {
    const touched = this.#touched;
    if (touched.count === 0) return;
    this.#touched = this.#spare;
    this.#spare = touched;
    for (let i = 0; i < touched.count; i++) touched.take(i).flush(nowMs);
    touched.count = 0;
  }

  /** Work that must not wait for the kernel to wake the loop. */
  get hasWork(): boolean {
    return this.#touched.count > 0 || this.#holding.count > 0;
  }

  /** A socket has been opened. */
  add(socket: KernelSocket): void {
    this.#sockets[socket.id & SLOT_MASK] = socket;
    this.#open++;
    if (socket.isListener) this.#listeners++;
  }

  /** Closes its descriptor. @param isReset - TCP: by a RST */
  close(socket: KernelSocket, isReset: boolean): void {
    const slot = socket.id & SLOT_MASK;
    if (this.#sockets[slot] !== socket) return;
    this.native.close(socket.id, isReset);
    this.forget(socket);
  }

  /** Its descriptor has been closed or given away. */
  forget(socket: KernelSocket): void {
    this.#sockets[socket.id & SLOT_MASK] = null;
    this.#open--;
    if (socket.isListener) this.#listeners--;
  }

  /** It has received bytes that lie in shared memory. */
  holds(socket: KernelSocket): void {
    this.#holding.add(socket);
  }

  /** Asks for its `flush` at the end of the round; the caller sees to it that it is asked once. */
  touch(socket: KernelSocket): void {
    if (this.#touched.count === 0) this.#onWork();
    this.#touched.add(socket);
  }

  /** How many bytes, or datagrams, it may receive at the next crossing. */
  setRoom(id: number, room: number): void {
    this.native.shared.room[id & SLOT_MASK] = room;
  }

  /** Counts events. */
  count(name: string, times: number): void {
    if (times > 0) this.counts.set(name, (this.counts.get(name) ?? 0) + times);
  }

  /**
   * Gives the kernel what has been submitted, in the midst of a round. Nothing is received: what
   * others have peeked at stays where it is, and what they have reserved is still theirs.
   */
  submitNow(): void {
    if (this.submissions.count === 0) return;
    this.native.submit();
    this.submissions.settle(this.nowMs);
  }

  /** Gives the kernel all that it takes of what waits to be sent, as `submitNow` does. */
  giveAll(nowMs: number): void {
    let sent: number;
    do {
      this.flush(nowMs);
      sent = this.submissions.count;
      this.submitNow();
    } while (sent > 0);
  }

  /** Every open socket, as a copy. */
  all(): KernelSocket[] {
    return this.#sockets.filter((socket) => socket !== null && socket !== undefined);
  }

  /** What is there. */
  leftovers(): KernelLeftovers {
    let bufferedBytes = 0;
    let timers = 0;
    for (const socket of this.all()) {
      bufferedBytes += socket.bufferedBytes;
      if (socket.hasTimer) timers++;
    }
    const listeners = this.#listeners;
    return { sockets: this.#open - listeners, timeWait: 0, listeners, bufferedBytes, timers };
  }

  #dispatch(nowMs: number): number {
    const { control, events } = this.native.shared;
    const count = control[CONTROL_EVENTS] as number;
    for (let i = 0; i < count; i++) {
      const at = i * EVENT_FIELDS;
      const id = events[at + EVENT_ID] as number;
      const socket = this.#sockets[id & SLOT_MASK];
      if (socket === null || socket === undefined || socket.id !== id) {
        // Closed by an event before this one; a descriptor is ours all the same.
        const isDescriptor = events[at + EVENT_KIND] === EVENT_DESCRIPTOR;
        if (isDescriptor) this.native.closeDescriptor(events[at + EVENT_LENGTH] as number);
        continue;
      }
      socket.event(
        events[at + EVENT_KIND] as number,
        events[at + EVENT_OFFSET] as number,
        events[at + EVENT_LENGTH] as number,
        nowMs,
      );
    }
    return count;
  }
}
