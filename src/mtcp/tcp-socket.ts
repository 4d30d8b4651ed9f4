// SPDX-License-Identifier: MIT
// A stream socket: what a descriptor of SOCK_STREAM stands for, from `socket` to `close`. Calls
// answer at once, >= 0 or -errno (positive numbers are `answer`'s business); events of the flow
// only mark (R3).
//
//   FRESH ──connect──► CONNECTING ──► CONNECTED ──(close)──►
//     │  ▲                  │
//     │  └─ connect again ─ FAILED
//     └──listen──► LISTENING

import type { IpAddress } from "../ip/address.ts";
import {
  type Endpoint,
  EVENT_READABLE,
  EVENT_STATE,
  EVENT_WRITABLE,
  type FlowSink,
  type ListenerSink,
  type StreamFlow,
  type StreamListener,
} from "../transport/stream.ts";
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, INADDR_ANY } from "./constants.ts";
import type { Mctx } from "./context.ts";
import type { Descriptor } from "./descriptors.ts";
import {
  EAGAIN,
  EALREADY,
  ECONNRESET,
  EINPROGRESS,
  EINVAL,
  EISCONN,
  ENOMEM,
  ENOTCONN,
  ENOTSOCK,
  EPIPE,
} from "./errno.ts";
import { openFlow } from "./open-flow.ts";
import { ALL_EVENTS, Pollable, READ_EVENTS, WRITE_EVENTS } from "./pollable.ts";

/** Neither connected nor listening. */
export const FRESH = 0;
/** `connect` has begun. */
export const CONNECTING = 1;
/** Has been connected; the flow tells whether it still is. */
export const CONNECTED = 2;
/** `connect` has ended without success. */
export const FAILED = 3;
/** A listener. */
export const LISTENING = 4;

const ANYWHERE: Endpoint = { host: INADDR_ANY, port: 0 };

/** One stream socket. */
export class TcpSocket implements Descriptor, FlowSink, ListenerSink {
  readonly kind = "socket";
  readonly mctx: Mctx;
  readonly poll: Pollable;
  stage: number;
  flow: StreamFlow | null;
  listener: StreamListener | null;
  isBound: boolean;
  boundAddress: IpAddress | null;
  boundPort: number;
  /** SO_REUSEADDR. */
  reusesAddress: boolean;
  /** TCP_NODELAY; null: as the network has it for connections that are accepted. */
  noDelay: boolean | null;
  /** SO_LINGER: seconds, -1: off. */
  lingerSeconds: number;
  /** SO_SNDBUF. */
  sendBufferBytes: number;
  isReadShut: boolean;
  isWriteShut: boolean;
  /** Counts connection attempts. */
  attempt: number;
  /** Why `connect` has failed, -errno. */
  #failure: number;
  /** The reason of a failure has been told, by SO_ERROR or by a call. */
  #isTold: boolean;
  /** There was no room to write: whoever waits for it is to hear when there is. */
  #isStarved: boolean;

  constructor(mctx: Mctx) {
    this.mctx = mctx;
    this.poll = new Pollable();
    this.stage = FRESH;
    this.flow = null;
    this.listener = null;
    this.isBound = false;
    this.boundAddress = null;
    this.boundPort = 0;
    this.reusesAddress = false;
    this.noDelay = true;
    this.lingerSeconds = -1;
    this.sendBufferBytes = mctx.conf.sndbuf;
    this.isReadShut = false;
    this.isWriteShut = false;
    this.attempt = 0;
    this.#failure = 0;
    this.#isTold = false;
    this.#isStarved = false;
  }

  // --- opening -----------------------------------------------------------------------------------

  /** True once it listens. */
  get isListening(): boolean {
    return this.stage === LISTENING;
  }

  /** Binds it. @returns 0 or -errno */
  bindTo(address: IpAddress | null, port: number): void {
    this.isBound = true;
    this.boundAddress = address;
    this.boundPort = port;
    if (port !== 0) this.mctx.ports.add(port, this);
  }

  /** Starts to listen. @returns 0 or -errno */
  listen(backlog: number): number {
    if (this.stage !== FRESH) return -EINVAL;
    const { context } = this.mctx;
    const place = { address: this.boundAddress, port: this.boundPort, backlog };
    const opened = context.listenStream(this.mctx.placeOf(place), this);
    if (typeof opened === "number") return opened;
    this.listener = opened;
    this.stage = LISTENING;
    return 0;
  }

  /** It is the socket of a connection that a listener has taken. */
  acceptedFrom(listening: TcpSocket, flow: StreamFlow): void {
    this.noDelay = null;
    this.lingerSeconds = listening.lingerSeconds;
    this.sendBufferBytes = listening.sendBufferBytes;
    this.stage = CONNECTED;
    this.#hold(flow);
  }

  /** Begins to connect. @returns 0: connected already; -EINPROGRESS; or -errno */
  connect(remote: IpAddress, port: number): number {
    this.settle();
    if (this.stage === CONNECTED) return -EISCONN;
    if (this.stage === CONNECTING) return -EALREADY;
    if (this.stage === LISTENING) return -ENOTSOCK;
    if (this.stage === FAILED && !this.#isTold) return this.#tell(this.#failure);
    if (remote.isMulticast || remote.isLimitedBroadcast || remote.isUnspecified) return -EINVAL;
    if (port === 0) return -EINVAL;
    if (!this.mctx.hasBuffer) return -ENOMEM;
    const opened = openFlow(this, remote, port);
    if (typeof opened === "number") return opened;
    this.#failure = 0;
    this.#isTold = false;
    this.attempt++;
    this.stage = CONNECTING;
    this.#hold(opened);
    this.settle();
    if (this.stage === CONNECTING) return -EINPROGRESS;
    this.poll.raise(ALL_EVENTS);
    return this.connectOutcome();
  }

  /** How an attempt stands. @returns 0: connected; -EAGAIN: under way; or why it failed */
  connectOutcome(): number {
    this.settle();
    if (this.stage === CONNECTING) return -EAGAIN;
    if (this.stage === FAILED) return this.#tell(this.#failure);
    if (this.stage !== CONNECTED) return -ENOTCONN;
    const failure = this.flow?.failure ?? 0;
    return failure === 0 ? 0 : this.#tell(failure);
  }

  /** Gives an attempt up: nothing of it is left, and another may begin. */
  cancelConnect(): void {
    if (this.stage !== CONNECTING) return;
    this.stage = FRESH;
    this.#letGo()?.abort(this.mctx.nowMs);
  }

  /** Sees how a connection attempt has ended, if it has. */
  settle(): void {
    const { flow } = this;
    if (this.stage !== CONNECTING || flow === null) return;
    const failure = flow.openFailure;
    if (failure !== 0) {
      this.stage = FAILED;
      this.#failure = failure;
      this.#letGo()?.abort(this.mctx.nowMs);
    } else if (flow.isEstablished) {
      this.stage = CONNECTED;
    }
  }

  // --- reading and writing -----------------------------------------------------------------------

  /** Takes received bytes. @returns bytes, 0: end of the stream, -EAGAIN: none now, or -errno */
  receive(into: Uint8Array, offset: number, length: number, isPeek: boolean): number {
    const flow = this.#connected();
    if (typeof flow === "number") return flow;
    if (this.isReadShut || length === 0) return 0;
    const taken = isPeek ? flow.peek(into, offset, length) : flow.receive(into, offset, length);
    if (taken > 0) return taken;
    // Before the end of the stream: a connection that was reset has not ended in order.
    if (flow.failure !== 0) return this.#tell(flow.failure);
    if (taken < 0) return taken;
    return flow.atEnd ? 0 : -EAGAIN;
  }

  /** Gives bytes to be sent. @returns bytes taken, -EAGAIN: no room now, or -errno */
  send(bytes: Uint8Array, offset: number, length: number): number {
    const flow = this.#connected();
    if (typeof flow === "number") return flow;
    if (this.isWriteShut) return -EPIPE;
    if (flow.failure !== 0) return this.#tell(flow.failure);
    if (length === 0) return 0;
    const room = this.sendRoom(flow);
    const taken = room <= 0 ? 0 : flow.send(bytes, offset, Math.min(length, room));
    if (taken < length) this.#isStarved = true;
    return taken === 0 ? -EAGAIN : taken;
  }

  /** Bytes that `send` would take now. */
  sendRoom(flow: StreamFlow): number {
    const space = flow.sendSpaceBytes;
    const queued = flow.sendLimitBytes - space;
    return Math.min(space, this.sendBufferBytes - queued);
  }

  /** Bytes that can wait to be sent, at most. */
  get sendLimitBytes(): number {
    const most = this.flow?.sendLimitBytes ?? this.sendBufferBytes;
    return Math.min(most, this.sendBufferBytes);
  }

  /** Sets SO_SNDBUF: who waits for room may have it now. */
  limitSendBuffer(bytes: number): void {
    this.sendBufferBytes = bytes;
    this.flowEvents(EVENT_WRITABLE);
  }

  /** Who waits for room to write is to hear when there is some. */
  wantsRoom(): void {
    this.#isStarved = true;
  }

  /** Bytes that can be read now. */
  get readableBytes(): number {
    return this.stage === CONNECTED && !this.isReadShut ? (this.flow?.receivedBytes ?? 0) : 0;
  }

  /** Ends one direction or both. @returns 0 or -errno */
  shutdown(isRead: boolean, isWrite: boolean): number {
    const flow = this.#connected();
    if (typeof flow === "number") return flow;
    if (flow.failure !== 0) return -ENOTCONN;
    if (isRead && !this.isReadShut) {
      this.isReadShut = true;
      flow.discardReceived();
    }
    if (isWrite && !this.isWriteShut) {
      this.isWriteShut = true;
      flow.finish(this.mctx.nowMs);
    }
    this.poll.raise(ALL_EVENTS);
    return 0;
  }

  /** The pending error, told once. @returns 0 or -errno */
  takeError(): number {
    this.settle();
    const failure = this.stage === CONNECTED ? (this.flow?.failure ?? 0) : this.#failure;
    return this.#isTold || failure === 0 ? 0 : this.#tell(failure);
  }

  // --- names -------------------------------------------------------------------------------------

  /** Our end. */
  get localEnd(): Endpoint {
    if (this.listener !== null) return this.listener.localEnd;
    if (this.flow !== null) return this.flow.localEnd;
    if (!this.isBound) return ANYWHERE;
    return { host: this.boundAddress?.toString() ?? INADDR_ANY, port: this.boundPort };
  }

  /** The peer's end, null if there is none. */
  get remoteEnd(): Endpoint | null {
    this.settle();
    const { flow } = this;
    return this.stage === CONNECTED && flow?.failure === 0 ? flow.remoteEnd : null;
  }

  // --- events ------------------------------------------------------------------------------------

  /** From the flow: marks. */
  flowEvents(events: number): void {
    const { flow, poll } = this;
    if (flow === null) return;
    const isState = (events & EVENT_STATE) !== 0;
    if (this.stage === CONNECTING && flow.isEstablished) this.stage = CONNECTED;
    if (isState) {
      poll.raise(ALL_EVENTS);
      return;
    }
    if ((events & EVENT_READABLE) !== 0) poll.raise(READ_EVENTS);
    // Each acknowledgement is such an event; only who found no room has waited for one.
    if ((events & EVENT_WRITABLE) !== 0 && this.#isStarved && this.sendRoom(flow) > 0) {
      this.#isStarved = false;
      poll.raise(WRITE_EVENTS);
    }
  }

  /** From the listener: marks. */
  listenerReady(): void {
    this.poll.raise(this.listener?.error === 0 ? READ_EVENTS : ALL_EVENTS);
  }

  /** How things stand, as epoll tells it: EPOLL* bits. */
  readiness(): number {
    this.settle();
    if (this.stage === LISTENING) return this.#listenerReadiness();
    const isFailed = this.stage === FAILED;
    if (isFailed || (this.stage === CONNECTED && this.flow?.failure !== 0)) {
      return EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP | (this.#isTold ? 0 : EPOLLERR);
    }
    const { flow } = this;
    if (this.stage !== CONNECTED || flow === null) return 0;
    const isReadOver = flow.isFinished || this.isReadShut;
    let ready = 0;
    if (isReadOver) ready |= EPOLLRDHUP | EPOLLIN;
    else if (flow.receivedBytes > 0) ready |= EPOLLIN;
    if (this.isWriteShut || this.sendRoom(flow) > 0) ready |= EPOLLOUT;
    else this.#isStarved = true;
    if (isReadOver && this.isWriteShut) ready |= EPOLLHUP;
    return ready;
  }

  // --- the end -----------------------------------------------------------------------------------

  /** As `mtcp_close`: in order, in the background. @returns 0 or -errno; it is gone either way */
  close(): number {
    this.settle();
    const { stage, lingerSeconds } = this;
    const flow = this.detach();
    if (stage === FAILED) return -ENOTCONN;
    if (flow === null) return 0;
    const { nowMs } = this.mctx;
    const hasFailed = flow.failure !== 0;
    if (stage === CONNECTING || hasFailed || lingerSeconds === 0) {
      flow.abort(nowMs);
      return hasFailed && stage === CONNECTED ? -ENOTCONN : 0;
    }
    flow.release(nowMs);
    // What SO_LINGER asks for is to wait, which this call cannot.
    return lingerSeconds > 0 ? -EAGAIN : 0;
  }

  /** Ends it at once. */
  drop(): void {
    this.detach()?.abort(this.mctx.nowMs);
  }

  /** Leaves everything but the flow. @returns the flow, which is the caller's to end, or null */
  detach(): StreamFlow | null {
    const { listener, mctx } = this;
    this.listener = null;
    if (this.boundPort !== 0) mctx.ports.remove(this.boundPort, this);
    const flow = this.#letGo();
    this.stage = FRESH;
    listener?.close(mctx.nowMs);
    this.poll.end();
    return flow;
  }

  #hold(flow: StreamFlow): void {
    this.flow = flow;
    flow.sink = this;
    this.mctx.takeBuffer();
  }

  #letGo(): StreamFlow | null {
    const { flow } = this;
    this.flow = null;
    if (flow === null) return null;
    flow.sink = null;
    this.mctx.giveBuffer();
    return flow;
  }

  /** @returns the flow of a connection that is or was open, or -errno */
  #connected(): StreamFlow | number {
    this.settle();
    if (this.stage === FAILED && !this.#isTold) return this.#tell(this.#failure);
    return this.stage === CONNECTED && this.flow !== null ? this.flow : -ENOTCONN;
  }

  #tell(failure: number): number {
    this.#isTold = true;
    return failure === 0 ? -ECONNRESET : failure;
  }

  #listenerReadiness(): number {
    const { listener } = this;
    if (listener === null) return 0;
    if (listener.error !== 0) return EPOLLIN | EPOLLERR | EPOLLHUP;
    return listener.waiting > 0 ? EPOLLIN : 0;
  }
}
