// What the tests of src/kernel stand on: the sockets of a loop without the loop. A round is what
// the loop makes of one, and time is a number.

import { TimerWheel } from "../../../scheduler/timer-wheel.ts";
import { type FlowSettings, KernelFlow } from "../../../src/kernel/kernel-flow.ts";
import { KernelSockets } from "../../../src/kernel/kernel-sockets.ts";
import {
  EVENT_READABLE,
  EVENT_STATE,
  EVENT_WRITABLE,
  type FlowSink,
} from "../../../src/transport/stream.ts";
import { FakeKernel, type FakeSizes, type FakeSocket } from "./fake-kernel.ts";

const REMOTE = { host: "10.0.0.2", port: 2 };

/** The events that a flow has told. */
export class Told implements FlowSink {
  #events = 0;

  flowEvents(events: number): void {
    this.#events |= events;
  }

  /** Names of what was told since the last time. */
  take(): string {
    const events = this.#events;
    this.#events = 0;
    return [
      events & EVENT_READABLE ? "readable" : "",
      events & EVENT_WRITABLE ? "writable" : "",
      events & EVENT_STATE ? "state" : "",
    ]
      .filter(Boolean)
      .join(" ");
  }
}

/** A flow, its socket in the fake kernel, and what it has told. */
export interface Connection {
  readonly flow: KernelFlow;
  readonly socket: FakeSocket;
  readonly told: Told;
}

/** The sockets of one loop over a fake kernel. */
export class Rig {
  readonly kernel: FakeKernel;
  readonly timers: TimerWheel;
  readonly sockets: KernelSockets;
  nowMs = 1_000;
  /** Times that a round was asked for. */
  kicks = 0;

  constructor(sizes?: FakeSizes) {
    this.kernel = new FakeKernel(sizes);
    this.timers = new TimerWheel(this.nowMs);
    this.sockets = new KernelSockets(this.kernel.native, this.timers, () => this.kicks++);
    this.sockets.poll(this.nowMs);
  }

  /** An open connection. */
  connection(settings: Partial<FlowSettings> = {}, isEstablished = true): Connection {
    const socket = this.kernel.make();
    const all = { sendLimitBytes: 100, receiveLimitBytes: 100, ...settings };
    const flow = new KernelFlow(this.sockets, socket.id, all, isEstablished, REMOTE);
    const told = new Told();
    flow.sink = told;
    return { flow, socket, told };
  }

  /** One round: the crossing, the timers, what coroutines do, the flush. */
  round(user: () => void = () => {}): void {
    this.sockets.poll(this.nowMs);
    this.timers.advance(this.nowMs);
    user();
    this.sockets.flush(this.nowMs);
  }

  /** Rounds until nothing is left to be done but to wait. */
  settle(): void {
    for (let rounds = 0; rounds < 1_000; rounds++) {
      this.round();
      if (!this.sockets.hasWork && this.sockets.submissions.count === 0) return;
    }
    throw new Error("the rounds never end");
  }

  /** Lets time pass, in as many rounds as there are timers. */
  pass(ms: number): void {
    const endMs = this.nowMs + ms;
    while (this.timers.nextMs() <= endMs) {
      this.nowMs = Math.max(this.nowMs, this.timers.nextMs());
      this.round();
    }
    this.nowMs = endMs;
    this.round();
  }
}

/** Bytes that differ by position. */
export function bytes(length: number, from = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (from + i) % 251);
}

/** Takes all that a flow has. */
export function takeAll(flow: KernelFlow): Uint8Array {
  const into = new Uint8Array(flow.receivedBytes);
  const taken = flow.receive(into, 0, into.length);
  return into.subarray(0, Math.max(0, taken));
}
