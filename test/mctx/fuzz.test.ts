// SPDX-License-Identifier: MIT
// Mutated frames into a context with a listener, live connections in many states and UDP sockets
// (hostile input J): never a throw, bounded memory, and a stack that works afterwards.
// CARAWAY_FUZZ_FRAMES says how many; CARAWAY_SEED from which seed.

import { describe, expect, it } from "vitest";
import type { UdpFlow } from "../../src/mctx/datagram-flow.ts";
import type { Flow } from "../../src/mctx/flow.ts";
import type { ListenerRecord } from "../../src/mctx/listener.ts";
import type { DatagramFlow } from "../../src/transport/datagram.ts";
import { Random } from "../tcp/support/random.ts";
import {
  type Bench,
  benchStack,
  deliver,
  exchange,
  listenOn,
  open,
  round,
  take,
  talk,
} from "./support/bench-stack.ts";
import { mutate } from "./support/mutate.ts";

const FRAMES = Number(process.env["CARAWAY_FUZZ_FRAMES"] ?? 1_000_000);
const SEED = Number(process.env["CARAWAY_SEED"] ?? 20_261);
/** Frames between two checks; every epoch has new connections. */
const EPOCH_FRAMES = 25_000;
const BATCH_FRAMES = 16;
const PORT = 80;
const UDP_PORT = 53;
const QUEUE = { maxQueuedDatagrams: 32, maxQueuedDatagramBytes: 8_192 };
const LIMITS = { maxSockets: 64, maxHalfOpen: 16, maxTimeWait: 16, maxListeners: 4, ...QUEUE };
const TCP = { sendBufferBytes: 32_768, receiveBufferBytes: 32_768, synR2Ms: 30_000 };
/** R2, twice 60 s of TIME-WAIT, and room. */
const LONG_MS = 400_000;

/** Both ends of a connection. */
interface Ends {
  readonly name: string;
  readonly near: Flow;
  readonly far: Flow;
}

/** Opens a UDP socket. */
function openUdp({ stack }: Bench, port: number, remote: Bench | null): DatagramFlow {
  const to = remote === null ? null : { address: remote.address, port: UDP_PORT };
  const place = { address: null, port, remote: to };
  const flow = stack.openDatagram(place, { flowEvents: () => {} });
  if (typeof flow === "number") throw new Error(`openDatagram: ${flow}`);
  return flow;
}

/** The victim, an honest peer, and their connections. */
class Scene {
  readonly victim: Bench;
  readonly peer: Bench;
  readonly listener: ListenerRecord;
  /** The victim's on all addresses, its connected one, and the peer's. */
  readonly datagrams: readonly [DatagramFlow, DatagramFlow, DatagramFlow];
  readonly random: Random;
  /** Frames from the peer to the victim, the material of mutations. */
  readonly corpus: Uint8Array[] = [];
  nowMs = 1_000;

  constructor(seed: number) {
    this.random = new Random(seed);
    this.victim = benchStack(1, { seed, limits: LIMITS, tcp: TCP });
    this.peer = benchStack(2, { seed: seed + 1, tcp: TCP });
    this.listener = listenOn(this.victim, PORT);
    this.datagrams = [
      openUdp(this.victim, UDP_PORT, null),
      openUdp(this.victim, UDP_PORT + 1, this.peer),
      openUdp(this.peer, UDP_PORT, null),
    ];
  }

  /** Exchanges frames for some ms, and keeps those that the victim gets. */
  settle(ms: number): void {
    const { driver } = this.victim;
    const { receive } = driver;
    driver.receive = (bytes, offset, length, nowMs) => {
      if (this.corpus.length < 4_096) this.corpus.push(bytes.slice(offset, offset + length));
      receive.call(driver, bytes, offset, length, nowMs);
    };
    this.nowMs = talk(this.peer, this.victim, this.nowMs, this.nowMs + ms);
    driver.receive = receive;
  }

  /**
   * Opens a connection. After hostile frames that may take a while: the table can be full until
   * half-open connections are given up, and a forged ARP entry lives until it is confirmed.
   */
  connect(name: string): Ends {
    const endMs = this.nowMs + LONG_MS;
    while (this.nowMs < endMs) {
      const far = open(this.peer, this.victim, PORT, this.nowMs);
      for (let ms = 5; ms < 40_000 && far.failure === 0; ms *= 2) {
        this.settle(5);
        for (let near = take(this.listener); near !== null; near = take(this.listener)) {
          if (near.remotePort === far.localPort) return { name, near, far };
          this.victim.stack.abortFlow(near, this.nowMs);
        }
        this.nowMs += ms;
      }
      this.peer.stack.abortFlow(far, this.nowMs);
    }
    throw new Error(`${name}: no connection within ${LONG_MS} ms`);
  }

  /** Connections in many states, with frames of each in the corpus. */
  connections(): Ends[] {
    this.corpus.length = 0;
    const data = new Uint8Array(9_000).fill(7);
    this.talkUdp();
    const ends: Ends[] = [];
    for (const name of ["idle", "unread", "sending", "FIN-WAIT-2", "CLOSE-WAIT", "TIME-WAIT"]) {
      const pair = this.connect(name);
      ends.push(pair);
      if (name === "unread") pair.far.send(data, 0, data.length);
      if (name === "sending") pair.near.send(data, 0, data.length);
      if (name === "FIN-WAIT-2" || name === "TIME-WAIT") pair.near.finish(this.nowMs);
      if (name === "CLOSE-WAIT") pair.far.finish(this.nowMs);
      this.settle(50);
      if (name === "TIME-WAIT") pair.far.finish(this.nowMs);
      this.settle(50);
    }
    return ends;
  }

  /**
   * A datagram each way over each of the victim's sockets. After hostile frames some get lost: a
   * forged ARP entry lives until it is confirmed.
   */
  talkUdp(): void {
    const [any, connected, far] = this.datagrams;
    const into = new Uint8Array(65_535);
    const about = { lengthBytes: 0, from: { host: "", port: 0 } };
    const { address } = this.victim;
    const endMs = this.nowMs + LONG_MS;
    for (let ms = 5; this.nowMs < endMs; ms *= 2) {
      for (const flow of this.datagrams) while (flow.hasReceived) flow.receive(into, about);
      far.send({ address, port: UDP_PORT }, into, 0, 300);
      far.send({ address, port: UDP_PORT + 1 }, into, 0, 300);
      any.send({ address: this.peer.address, port: UDP_PORT }, into, 0, 30);
      connected.send(null, into, 0, 30);
      this.settle(5);
      const got = [any, connected, far, far].map((flow) => flow.receive(into, about));
      if (got.join() === "300,300,30,30") return;
      this.nowMs = talk(this.peer, this.victim, this.nowMs, this.nowMs + ms, ms);
    }
    throw new Error(`UDP does not work within ${LONG_MS} ms`);
  }

  /** Throws `count` mutated frames at the victim. */
  fuzz(count: number): void {
    const { victim, peer, random } = this;
    for (let done = 0; done < count; done += BATCH_FRAMES) {
      for (let i = 0; i < BATCH_FRAMES; i++) {
        deliver(victim, mutate(random.pick(this.corpus), random), this.nowMs);
      }
      round(victim, this.nowMs);
      // The peer hears half of the answers; some of what it says comes through.
      const answers = victim.sent.splice(0);
      for (const frame of answers) if (random.chance(0.5)) deliver(peer, frame, this.nowMs);
      if (answers.length > 0 || random.chance(0.05)) round(peer, this.nowMs);
      for (const frame of peer.sent.splice(0)) {
        if (random.chance(0.5)) deliver(victim, frame, this.nowMs);
        else if (this.corpus.length < 4_096) this.corpus.push(frame);
        else this.corpus[random.below(4_096)] = frame;
      }
      this.nowMs += random.chance(0.01) ? random.below(500) : random.fraction();
      for (let flow = take(this.listener); flow !== null; flow = take(this.listener)) {
        if (random.chance(0.7)) victim.stack.abortFlow(flow, this.nowMs);
      }
    }
    victim.sent.length = 0;
  }

  /** Tries to move bytes both ways: it works, or the connection has ended. @returns which */
  works({ near, far }: Ends): boolean {
    const byte = Uint8Array.of(1);
    const into = new Uint8Array(65_536);
    const endMs = this.nowMs + LONG_MS;
    let step = 1;
    let isUp = false;
    for (; this.nowMs < endMs && !isUp; this.nowMs += step) {
      if (near.failure !== 0 || far.failure !== 0 || near.isGone || far.isGone) return false;
      if (near.atEnd || far.atEnd || near.tcb.snd.finQueued || far.tcb.snd.finQueued) return false;
      near.send(byte, 0, 1);
      far.send(byte, 0, 1);
      exchange(this.peer, this.victim, this.nowMs);
      exchange(this.peer, this.victim, this.nowMs);
      isUp = near.receive(into, 0, into.length) > 0 && far.receive(into, 0, into.length) > 0;
      step = Math.min(step * 1.2, 1_000);
    }
    expect(isUp, "neither works nor ends").toBe(true);
    return true;
  }

  /** Ends all connections of both stacks; nothing may be left. */
  clear(): void {
    for (const bench of [this.victim, this.peer]) {
      for (const flow of bench.stack.flows()) {
        if (!flow.isTimeWait) bench.stack.abortFlow(flow, this.nowMs);
      }
    }
    this.nowMs = talk(this.peer, this.victim, this.nowMs, this.nowMs + LONG_MS, 1_000);
    this.talkUdp();
    const left = { sockets: 2, timeWait: 0, listeners: 1, bufferedBytes: 0, timers: 0 };
    expect(this.victim.stack.leftovers()).toEqual(left);
  }

  expectBounded(): void {
    const { stack } = this.victim;
    const { sockets, timeWait } = stack.leftovers();
    expect(sockets).toBeLessThanOrEqual(LIMITS.maxSockets);
    expect(timeWait).toBeLessThanOrEqual(LIMITS.maxTimeWait);
    for (const flow of this.datagrams) {
      const { heldBytes } = flow as UdpFlow;
      expect(heldBytes).toBeLessThanOrEqual(QUEUE.maxQueuedDatagramBytes);
    }
    expect(this.listener.halfOpen.size).toBeLessThanOrEqual(LIMITS.maxHalfOpen);
    for (const { tcb } of stack.flows()) {
      expect(tcb.receiveBuffer.available).toBeLessThanOrEqual(TCP.receiveBufferBytes);
      expect(tcb.sendBuffer.length).toBeLessThanOrEqual(TCP.sendBufferBytes);
    }
    expect(stack.network.neighbours.size).toBeLessThanOrEqual(1_024);
    expect(stack.error).toBe(0);
  }
}

describe("a context under mutated frames", () => {
  it(`survives ${FRAMES} of them, seed ${SEED}`, { timeout: 0 }, () => {
    console.log(`CARAWAY_SEED=${SEED} CARAWAY_FUZZ_FRAMES=${FRAMES}`);
    const scene = new Scene(SEED);
    const startBytes = process.memoryUsage().heapUsed;
    let survivors = 0;
    let fuzzed = 0;
    for (let epoch = 0; fuzzed < FRAMES; epoch++) {
      const ends = scene.connections();
      const count = Math.min(EPOCH_FRAMES, FRAMES - fuzzed);
      // Few in the first epochs, so that connections survive them.
      const frames = epoch < 20 ? Math.min(count, 200) : count;
      scene.fuzz(frames);
      fuzzed += frames;
      scene.expectBounded();
      for (const pair of ends) if (scene.works(pair)) survivors++;
      expect(scene.works(scene.connect("new")), `epoch ${epoch}`).toBe(true);
      scene.clear();
    }
    expect(survivors).toBeGreaterThan(0);
    expect(process.memoryUsage().heapUsed - startBytes).toBeLessThan(256 * 1024 * 1024);
    const names = Object.keys(scene.victim.stack.network.counters.toObject());
    expect(names.length).toBeGreaterThan(15);
    for (const name of ["udp.length", "udp.noPort", "udp.queueFull", "udp.checksum"]) {
      expect(names).toContain(name);
    }
  });
});
