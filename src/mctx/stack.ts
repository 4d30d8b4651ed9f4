// SPDX-License-Identifier: MIT
// The stack of a context (mctx): TCP/IP on one core, over one driver. It owns the flow table, the
// listeners, the ports and the limits, and runs the round: `poll` (driver in, stack fed), then the
// coroutines of the loop, then `flush` (stack out). It knows nothing of coroutines: whoever waits
// is told through sinks that only mark (R3). Time is an argument (R1).

import { Timer, type TimerWheel } from "../../scheduler/timer-wheel.ts";
import type { IpAddress } from "../ip/address.ts";
import { abort, openActive, openPassive } from "../tcp/calls.ts";
import type { TcpConfig } from "../tcp/config.ts";
import { TcpCounters } from "../tcp/counters.ts";
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENETUNREACH, ENFILE } from "../tcp/errno.ts";
import { EVENT_READABLE, EVENT_STATE, EVENT_WRITABLE, type TcbHost } from "../tcp/host.ts";
import { CLOSED, ESTABLISHED, SYN_SENT, TIME_WAIT } from "../tcp/state.ts";
import { createTcb, type Tcb } from "../tcp/tcb.ts";
import { mayReuseTimeWait } from "../tcp/time-wait.ts";
import { nextTimeout, onTimeout } from "../tcp/timers.ts";
import type { DatagramFlow, DatagramPlace } from "../transport/datagram.ts";
import type { FlowSink, ListenerSink } from "../transport/stream.ts";
import { SYN, TCP_HEADER_BYTES, type TcpSegment } from "../wire/tcp.ts";
import { Datagrams } from "./datagrams.ts";
import { Flow, FlowList, type FlowOwner } from "./flow.ts";
import { FlowTable } from "./flow-table.ts";
import { countLeftovers, type StackLeftovers } from "./leftovers.ts";
import type { Limits } from "./limits.ts";
import type { ListenerRecord } from "./listener.ts";
import { ListenerTable } from "./listener-table.ts";
import { LocalPorts } from "./local-ports.ts";
import type { Network } from "./network.ts";
import { OpeningFlows } from "./opening-flows.ts";
import { Outbox } from "./outbox.ts";
import { RestingFlows } from "./resting-flows.ts";
import { Receiver } from "./rx.ts";
import type { Secrets } from "./secrets.ts";
import { SharedAddresses } from "./shared-addresses.ts";

const ALL_EVENTS = EVENT_READABLE | EVENT_WRITABLE | EVENT_STATE;

/** Fires so that a round takes place; the round does the work. */
class Alarm extends Timer {
  override fire(): void {}
}

/** One TCP/IP stack. Made by `createStack`. */
export class Stack implements TcbHost, FlowOwner {
  readonly network: Network;
  readonly timers: TimerWheel;
  readonly limits: Limits;
  readonly tcpConfig: TcpConfig;
  readonly tcpCounters: TcpCounters;
  /** Time of the current round, ms on the loop's clock. */
  nowMs: number;
  /** Counts rounds. */
  round: number;
  /** 0, or -errno once the device is gone; every call fails with it. */
  error: number;
  readonly #secrets: Secrets;
  readonly #receiver: Receiver;
  readonly #flows: FlowTable;
  readonly #listeners: ListenerTable;
  readonly #ports: LocalPorts;
  readonly #addresses: SharedAddresses;
  readonly #datagrams: Datagrams;
  readonly #opening: OpeningFlows;
  readonly timeWait: FlowList;
  readonly #outbox: Outbox;
  readonly #resting: RestingFlows;
  /** SND.NXT of the connection in TIME-WAIT that the SYN in hand replaces; null: none. */
  #replacedNxt: number | null;
  /** Makes a round happen when the network layer has something due. */
  readonly #housekeeping: Timer;

  constructor(
    network: Network,
    timers: TimerWheel,
    secrets: Secrets,
    limits: Limits,
    tcpConfig: TcpConfig,
  ) {
    this.network = network;
    this.timers = timers;
    this.limits = limits;
    this.tcpConfig = tcpConfig;
    this.tcpCounters = new TcpCounters();
    this.nowMs = 0;
    this.round = 0;
    this.error = 0;
    this.#secrets = secrets;
    this.#flows = new FlowTable(secrets.flowSeed);
    this.#listeners = new ListenerTable(limits.maxListeners);
    this.#addresses = new SharedAddresses();
    this.#datagrams = new Datagrams(network, secrets, limits, this.#flows);
    this.#opening = new OpeningFlows();
    this.timeWait = new FlowList();
    this.#resting = new RestingFlows();
    this.#outbox = new Outbox(network.tx, this.#resting);
    this.#ports = new LocalPorts(secrets, limits, this.#flows, this.#listeners, this.#resting);
    this.#replacedNxt = null;
    this.#housekeeping = new Alarm();
    this.#receiver = new Receiver(network, this, this.#datagrams);
  }

  // --- the round ---------------------------------------------------------------------------

  /** Takes what the driver has received, and feeds it to the stack. @returns work done, a count */
  poll(nowMs: number): number {
    this.nowMs = nowMs;
    this.round++;
    if (this.error !== 0) return 0;
    const frames = this.#receiver.poll(nowMs);
    if (frames < 0) {
      this.fail(frames);
      return 1;
    }
    this.#datagrams.unblock();
    return frames + this.#outbox.size;
  }

  /**
   * Sends what the round has given rise to; the driver takes it at the next poll. Flows that find
   * the tx ring full come first in the next round.
   */
  flush(nowMs: number): void {
    if (this.error !== 0) return;
    this.nowMs = nowMs;
    this.#outbox.flush(nowMs);
    this.#housekeep(nowMs);
  }

  /** Work that must not wait for the driver to wake the loop. */
  get hasWork(): boolean {
    return this.#outbox.size > 0 || this.#datagrams.blocked > 0 || this.network.hasWork;
  }

  // --- calls from above ---------------------------------------------------------------------

  /**
   * Opens a connection; `sink` hears of its progress.
   *
   * @param localPort - 0: an ephemeral one
   * @returns the flow in SYN-SENT, or -errno
   */
  connect(
    remote: IpAddress,
    remotePort: number,
    localPort: number,
    config: TcpConfig,
    sink: FlowSink,
    nowMs: number,
  ): Flow | number {
    if (this.error !== 0) return this.error;
    if (this.network.isGroupAddress(remote)) return EINVAL;
    if (this.socketCount >= this.limits.maxSockets) return ENFILE;
    const nextHop = this.network.nextHop(remote);
    if (nextHop === null) return ENETUNREACH;
    const local = this.network.address;
    const ports = this.#ports;
    const port = localPort || ports.ephemeral(local, remote, remotePort, nowMs);
    if (port === 0) return EADDRNOTAVAIL;
    if (!ports.isFree(local, port, remote, remotePort, nowMs)) return EADDRINUSE;
    const old = this.findFlow(local, port, remote, remotePort);
    const oldNxt = old === null ? null : this.#resting.reopens(old, nowMs);
    if (old !== null) this.#remove(old);
    const flow = this.#createFlow(local, port, remote, remotePort, nextHop, config, nowMs, oldNxt);
    flow.sink = sink;
    this.#opening.add(flow);
    openActive(flow.tcb, nowMs);
    this.touch(flow);
    return flow;
  }

  /** Starts listening. @returns the listener, or -errno */
  listen(
    address: IpAddress | null,
    port: number,
    backlog: number,
    sink: ListenerSink,
  ): ListenerRecord | number {
    if (this.error !== 0) return this.error;
    if (this.#listeners.isFull) return ENFILE;
    if (address !== null && !this.network.isOwnAddress(address)) return EADDRNOTAVAIL;
    const chosen = port !== 0 ? port : this.#ports.listening(this.network.address);
    if (chosen === 0) return EADDRNOTAVAIL;
    return this.#listeners.add(address, chosen, backlog, sink);
  }

  /** Opens a place for datagrams. @returns it, or -errno */
  openDatagram(place: DatagramPlace, sink: FlowSink): DatagramFlow | number {
    if (this.error !== 0) return this.error;
    if (this.socketCount >= this.limits.maxSockets) return ENFILE;
    return this.#datagrams.open(place, sink);
  }

  /** Stops listening; connections that nobody has accepted are reset. Idempotent. */
  unlisten(listener: ListenerRecord, nowMs: number): void {
    if (!this.#listeners.remove(listener)) return;
    for (const list of [listener.halfOpen, listener.ready]) {
      for (let flow = list.oldest; flow !== null; flow = list.oldest) {
        this.abortFlow(flow, nowMs);
      }
    }
  }

  /** After any user call on `flow.tcb`: its output and timer follow in `flush`. */
  touch(flow: Flow): void {
    this.#outbox.touch(flow);
  }

  /**
   * Resets the connection, unless both sides have finished with it: at once, or as soon as the tx
   * ring has room for the RST. The peer must hear of it (MUST-12), also if a thousand connections
   * end in one round.
   */
  abortFlow(flow: Flow, nowMs: number): void {
    flow.sink = null;
    const { state } = flow.tcb;
    if (state === CLOSED) return;
    if (state === TIME_WAIT && this.error === 0) {
      // An ACK may still be owed, and old duplicates are given their time.
      flow.discardReceived();
      return;
    }
    const wantsReset = state > SYN_SENT && this.error === 0;
    if (wantsReset && !this.network.tx.reserve()) {
      flow.listener?.leave(flow);
      this.#outbox.abortLater(flow);
      return;
    }
    abort(flow.tcb, nowMs);
  }

  /** Ends everything with `error` (-errno): the device is gone or the context is closed. */
  fail(error: number): void {
    if (this.error !== 0) return;
    this.error = error;
    this.#listeners.fail(error);
    this.#datagrams.fail(error);
    for (const flow of this.#flows.all()) {
      flow.tcb.error = error;
      abort(flow.tcb, this.nowMs);
    }
    this.#outbox.clear();
    this.timers.cancel(this.#housekeeping);
    this.network.forget();
  }

  /** Ends the stack: every connection is reset, the driver sends that, and is closed. */
  close(error: number, nowMs: number): void {
    const wasAlive = this.error === 0;
    // First what is owed already: the ACK of a FIN that came in this very round, or the peer would
    // send its FIN again and again to somebody who is not there.
    if (wasAlive) this.flush(nowMs);
    if (wasAlive) this.#resetAll(error, nowMs);
    this.fail(error);
    this.#listeners.clear();
    this.timers.cancel(this.#housekeeping);
    if (wasAlive) this.network.close(nowMs);
    else this.network.driver.close();
  }

  /** Resets every connection, one ring full of RSTs after the other. */
  #resetAll(error: number, nowMs: number): void {
    for (const flow of this.#flows.all()) {
      const { tx, driver } = this.network;
      // What arrives by this poll is for connections that end here.
      if (!tx.reserve() && driver.poll(nowMs) < 0) return;
      flow.tcb.error = error;
      abort(flow.tcb, nowMs);
    }
  }

  // --- calls from the receiver ---------------------------------------------------------------

  /** @returns the flow of a 4-tuple, or null */
  findFlow(
    local: IpAddress,
    localPort: number,
    remote: IpAddress,
    remotePort: number,
  ): Flow | null {
    const hash = this.#flows.hash(local, localPort, remote, remotePort);
    return this.#flows.find(hash, local, localPort, remote, remotePort);
  }

  /** @returns who listens there, or null */
  findListener(local: IpAddress, port: number): ListenerRecord | null {
    return this.#listeners.find(local, port);
  }

  /** A SYN for `listener`: makes the half-open connection, or drops it and counts why. */
  acceptSyn(
    listener: ListenerRecord,
    local: IpAddress,
    remote: IpAddress,
    syn: TcpSegment,
    nowMs: number,
  ): void {
    const { counters } = this.network;
    const replacedNxt = this.#replacedNxt;
    this.#replacedNxt = null;
    if (listener.ready.size >= listener.backlog) return counters.count("tcp.backlogFull");
    if (this.socketCount >= this.limits.maxSockets) return counters.count("tcp.socketsFull");
    const nextHop = this.network.nextHop(remote);
    if (nextHop === null) return counters.count("tcp.noRoute");
    if (listener.halfOpen.size >= this.limits.maxHalfOpen) {
      counters.count("tcp.halfOpenEvicted");
      this.#discard(listener.halfOpen.oldest as Flow);
    }
    const flow = this.#createFlow(
      local,
      listener.port,
      remote,
      syn.srcPort,
      nextHop,
      this.tcpConfig,
      nowMs,
      replacedNxt,
    );
    flow.listener = listener;
    listener.halfOpen.push(flow);
    openPassive(flow.tcb, syn, nowMs);
    this.touch(flow);
  }

  /** A SYN for a 4-tuple in TIME-WAIT that RFC 6191 lets through ends the old connection. */
  reuseTimeWait(flow: Flow, seg: TcpSegment): boolean {
    if (!flow.isTimeWait || (seg.flags & SYN) === 0) return false;
    if (this.findListener(flow.local, flow.localPort) === null) return false;
    if (!mayReuseTimeWait(flow.tcb, seg)) return false;
    this.#replacedNxt = flow.tcb.snd.nxt;
    this.#discard(flow);
    return true;
  }

  /** Nobody answers ARP for `nextHop`; established connections find out by retransmission. */
  hopUnreachable(nextHop: IpAddress, nowMs: number): void {
    this.#opening.hopUnreachable(nextHop, nowMs);
    this.#datagrams.hopUnreachable(nextHop);
  }

  // --- TcbHost -------------------------------------------------------------------------------

  get txBytes(): Uint8Array {
    return this.network.tx.txBytes;
  }

  get txOffset(): number {
    return this.network.tx.txOffset;
  }

  reserve(tcb: Tcb): boolean {
    if (this.network.tx.reserve()) return true;
    // Whatever it was, it is tried again in the next round, when the driver has taken frames.
    this.network.counters.count("tx.full");
    this.#outbox.postpone(tcb.owner as Flow);
    return false;
  }

  superSegmentBytes(tcb: Tcb): number {
    return this.network.superSegmentBytes((tcb.owner as Flow).nextHop);
  }

  commit(tcb: Tcb, lengthBytes: number, cutBytes: number): void {
    this.network.sendTcp(tcb.owner as Flow, lengthBytes, cutBytes);
  }

  requestOutput(tcb: Tcb): void {
    this.touch(tcb.owner as Flow);
  }

  notify(tcb: Tcb, events: number): void {
    const flow = tcb.owner as Flow;
    if ((events & EVENT_STATE) !== 0) this.#stateChanged(flow);
    flow.sink?.flowEvents(events);
  }

  deliver(tcb: Tcb, bytes: Uint8Array, offset: number, length: number): number {
    const { sink } = tcb.owner as Flow;
    if (sink?.isReading !== true) return 0;
    return sink.deliver?.(this.network.frameViews.of(bytes, offset, length)) ?? 0;
  }

  // --- FlowOwner -----------------------------------------------------------------------------

  flowTimeout(flow: Flow, nowMs: number): void {
    this.nowMs = nowMs;
    // Of those at rest only one in TIME-WAIT has a timer, and its time is over.
    if (flow.awake === null) return this.#remove(flow);
    const { tcb } = flow;
    const at = nextTimeout(tcb);
    // The timer is re-armed lazily: it may fire before anything is due.
    if (at <= nowMs) onTimeout(tcb, nowMs);
    else if (at === Number.POSITIVE_INFINITY && this.#resting.offer(flow, nowMs)) return;
    if (at !== Number.POSITIVE_INFINITY) this.touch(flow);
  }

  wakeFlow(flow: Flow): Tcb {
    this.touch(flow);
    return this.#resting.wake(flow, this, this.nowMs);
  }

  /** Connections, half-open connections and datagram sockets, TIME-WAIT not counted. */
  get socketCount(): number {
    return this.#flows.size - this.timeWait.size + this.#datagrams.size;
  }

  /** All flows, TIME-WAIT included, as a copy. */
  flows(): Flow[] {
    return this.#flows.all();
  }

  /** What is alive now. */
  leftovers(): StackLeftovers {
    const { size } = this.#listeners;
    return countLeftovers(this.#flows.all(), size, this.#datagrams, this.network);
  }

  #stateChanged(flow: Flow): void {
    const { state } = flow.tcb;
    if (state >= ESTABLISHED) this.#opening.remove(flow);
    if (state === CLOSED) {
      this.#remove(flow);
    } else if (state === TIME_WAIT && !flow.isTimeWait) {
      flow.isTimeWait = true;
      if (this.timeWait.size >= this.limits.maxTimeWait) {
        this.network.counters.count("tcp.timeWaitEvicted");
        this.#discard(this.timeWait.oldest as Flow);
      }
      this.timeWait.push(flow);
      this.touch(flow);
    } else if (flow.listener !== null && state >= ESTABLISHED && flow.sink === null) {
      flow.listener.offer(flow);
    }
  }

  #createFlow(
    local: IpAddress,
    localPort: number,
    remote: IpAddress,
    remotePort: number,
    nextHop: IpAddress,
    config: TcpConfig,
    nowMs: number,
    replacedNxt: number | null = null,
  ): Flow {
    const secrets = this.#secrets;
    secrets.open(local, localPort, remote, remotePort, nowMs);
    let { iss } = secrets;
    // RFC 6191 §2: beyond all that the connection in TIME-WAIT has sent, however fast that was.
    if (replacedNxt !== null && ((iss - replacedNxt) | 0) <= 0) iss = (replacedNxt + 65_537) | 0;
    const hash = this.#flows.hash(local, localPort, remote, remotePort);
    const peer = this.#addresses.share(remote);
    const hop = nextHop === remote ? peer : nextHop;
    const flow = new Flow(this, local, localPort, peer, remotePort, hop, hash, config);
    flow.awake = createTcb(
      this,
      flow,
      config,
      localPort,
      remotePort,
      this.network.mtu - this.network.ipHeaderBytes - TCP_HEADER_BYTES,
      iss,
      secrets.tsOffset,
    );
    this.#flows.add(flow);
    return flow;
  }

  /** Forgets a flow without telling the peer: eviction. */
  #discard(flow: Flow): void {
    this.#remove(flow);
    flow.sink?.flowEvents(ALL_EVENTS);
  }

  #remove(flow: Flow): void {
    if (!this.#flows.remove(flow)) return;
    flow.isGone = true;
    if (flow.awake === null) this.#resting.drop(flow);
    flow.disarm();
    this.#opening.remove(flow);
    if (flow.isTimeWait) this.timeWait.remove(flow);
    flow.listener?.leave(flow);
  }

  /** ARP requests are sent here, between frames; the timer is for when no round would come. */
  #housekeep(nowMs: number): void {
    const { network } = this;
    const timer = this.#housekeeping;
    if (network.nextTimeout() <= nowMs) network.onTimeout(nowMs);
    const at = network.nextTimeout();
    if (at === Number.POSITIVE_INFINITY || (timer.isArmed && timer.whenMs === at)) return;
    this.timers.arm(timer, at);
  }
}
