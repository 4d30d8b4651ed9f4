// SPDX-License-Identifier: MIT
// The waits behind blocking.ts.

import type { Resource } from "../../scheduler/index.ts";
import { WaitQueue } from "../../scheduler/internal.ts";
import type { FlowSink, StreamFlow } from "../transport/stream.ts";
import { contextOf, lookup, openContext } from "./context.ts";
import type { EpollEvent } from "./epoll.ts";
import { tryCollect } from "./epoll-calls.ts";
import {
  EACCES,
  EAGAIN,
  EALREADY,
  EBADF,
  EINPROGRESS,
  EINVAL,
  ENOTCONN,
  ETIMEDOUT,
} from "./errno.ts";
import { PIPE_BYTES } from "./pipe.ts";
import type { Pollable } from "./pollable.ts";
import type { IntRef, SockaddrIn } from "./sockaddr.ts";
import { streamSocket, tryAccept, tryClose, tryConnect } from "./sockets.ts";
import {
  type Bytes,
  type ByteVector,
  streamEnd,
  tryReadv,
  tryRecv,
  tryWritev,
  vectorLength,
} from "./stream-calls.ts";
import { CONNECTED, type TcpSocket } from "./tcp-socket.ts";
import { Twin } from "./twin.ts";

/** `accept` that waits for a connection. */
export class AcceptTwin extends Twin {
  readonly addr: SockaddrIn | null;
  readonly addrlen: IntRef | null;

  constructor(
    mctx: unknown,
    sockid: number,
    addr: SockaddrIn | null,
    addrlen: IntRef | null,
    deadline: number | undefined,
  ) {
    super("accept", mctx, sockid, deadline);
    this.addr = addr;
    this.addrlen = addrlen;
  }

  protected override attempt(): number {
    return tryAccept(this.mctx, this.sockid, this.addr, this.addrlen);
  }

  protected override queueOf(poll: Pollable): WaitQueue {
    return poll.readers;
  }
}

/** `recv` that waits for a byte or the end. */
export class RecvTwin extends Twin {
  readonly buf: Bytes;
  readonly len: number;
  readonly flags: number;

  constructor(
    call: string,
    mctx: unknown,
    sockid: number,
    buf: Bytes,
    len: number,
    flags: number,
    deadline: number | undefined,
  ) {
    super(call, mctx, sockid, deadline);
    this.buf = buf;
    this.len = len;
    this.flags = flags;
  }

  protected override attempt(): number {
    return tryRecv(this.mctx, this.sockid, this.buf, this.len, this.flags);
  }

  protected override queueOf(poll: Pollable): WaitQueue {
    return poll.readers;
  }
}

/** `readv` that waits for a byte or the end. */
export class ReadvTwin extends Twin {
  readonly iov: ByteVector;
  readonly count: number;

  constructor(
    mctx: unknown,
    sockid: number,
    iov: ByteVector,
    count: number,
    deadline: number | undefined,
  ) {
    super("readv", mctx, sockid, deadline);
    this.iov = iov;
    this.count = count;
  }

  protected override attempt(): number {
    return tryReadv(this.mctx, this.sockid, this.iov, this.count);
  }

  protected override queueOf(poll: Pollable): WaitQueue {
    return poll.readers;
  }
}

/** `writev` that goes on until all is taken. */
export class WritevTwin extends Twin {
  readonly iov: ByteVector;
  readonly count: number;
  #written: number;

  constructor(
    call: string,
    mctx: unknown,
    sockid: number,
    iov: ByteVector,
    count: number,
    deadline: number | undefined,
  ) {
    super(call, mctx, sockid, deadline);
    this.iov = iov;
    this.count = count;
    this.#written = 0;
  }

  override reset(): void {
    this.#written = 0;
  }

  protected override attempt(): number {
    const { mctx, sockid, iov, count } = this;
    const whole = vectorLength(iov, count);
    if (this.isClause && whole > 0) {
      const gate = this.#gateClause(whole);
      if (gate < 0) return gate;
    }
    for (;;) {
      const taken = tryWritev(mctx, sockid, iov, count, this.#written);
      // As write(2): what was written before an error is the result, the error comes next time.
      if (taken < 0) return taken !== -EAGAIN && this.#written > 0 ? this.#written : taken;
      this.#written += taken;
      if (this.#written === whole) return whole;
    }
  }

  protected override queueOf(poll: Pollable): WaitQueue {
    return poll.writers;
  }

  protected override refused(errno: number): number {
    return this.#written > 0 ? this.#written : errno;
  }

  /** In a choose: all of it or nothing, for a clause that loses must have written nothing. */
  #gateClause(whole: number): number {
    const found = streamEnd(this.mctx, this.sockid);
    if (typeof found === "number") return found;
    if (found.kind === "pipe") {
      const gate = found.gate(whole);
      if (gate < 0 && gate !== -EAGAIN) return gate;
      if (whole > PIPE_BYTES) return -EINVAL;
      return found.roomBytes < whole ? -EAGAIN : 0;
    }
    const { flow } = found;
    if (flow === null || flow.failure !== 0 || found.isWriteShut) return 0;
    if (whole > found.sendLimitBytes) return -EINVAL;
    if (found.sendRoom(flow) >= whole) return 0;
    found.wantsRoom();
    return -EAGAIN;
  }
}

/** `connect` that returns when the connection is open. */
export class ConnectTwin extends Twin {
  readonly addr: SockaddrIn | null;
  readonly addrlen: number;
  /** The socket and its attempt, once begun. */
  #socket: TcpSocket | null;
  #attempt: number;

  constructor(
    mctx: unknown,
    sockid: number,
    addr: SockaddrIn | null,
    addrlen: number,
    deadline: number | undefined,
  ) {
    super("connect", mctx, sockid, deadline);
    this.addr = addr;
    this.addrlen = addrlen;
    this.#socket = null;
    this.#attempt = 0;
  }

  override reset(): void {
    this.#socket = null;
  }

  protected override attempt(): number {
    const { mctx, sockid } = this;
    if (this.#socket === null) {
      const begun = tryConnect(mctx, sockid, this.addr, this.addrlen);
      if (begun !== -EINPROGRESS) return begun;
      this.#socket = streamSocket(mctx, sockid) as TcpSocket;
      this.#attempt = this.#socket.attempt;
      return -EAGAIN;
    }
    // Closed meanwhile, or the whole context destroyed.
    const found = lookup(mctx, sockid);
    if (typeof found === "number") return found;
    // Somebody else was told how this attempt ended, and has begun another.
    return this.#socket.attempt === this.#attempt ? this.#socket.connectOutcome() : -EALREADY;
  }

  protected override queueOf(poll: Pollable): WaitQueue {
    return poll.writers;
  }

  override withdrawn(): void {
    const socket = this.#socket;
    this.#socket = null;
    if (socket !== null && socket.attempt === this.#attempt) socket.cancelConnect();
  }
}

/** `epoll_wait` that waits for an event. */
export class EpollTwin extends Twin {
  readonly events: EpollEvent<unknown>[] | null;
  readonly maxevents: number;

  constructor(
    mctx: unknown,
    epid: number,
    events: EpollEvent<unknown>[] | null,
    maxevents: number,
    deadline: number | undefined,
  ) {
    super("epollWait", mctx, epid, deadline);
    this.events = events;
    this.maxevents = maxevents;
  }

  protected override attempt(): number {
    const count = tryCollect(this.mctx, this.sockid, this.events, this.maxevents);
    return count === 0 ? -EAGAIN : count;
  }

  protected override queueOf(poll: Pollable): WaitQueue {
    return poll.readers;
  }
}

/**
 * `close` that waits for the orderly end. The descriptor is gone with the first step; from then on
 * the flow is this wait's own, and the context's, which resets it if it is destroyed.
 */
export class CloseTwin extends Twin implements FlowSink, Resource {
  readonly #closers: WaitQueue;
  #hasBegun: boolean;
  #flow: StreamFlow | null;
  #isLingering: boolean;
  #lingerEndMs: number;

  constructor(mctx: unknown, sockid: number, deadline: number | undefined) {
    super("close", mctx, sockid, deadline);
    this.#closers = new WaitQueue();
    this.#hasBegun = false;
    this.#flow = null;
    this.#isLingering = false;
    this.#lingerEndMs = Number.POSITIVE_INFINITY;
  }

  override reset(): void {
    this.#hasBegun = false;
    this.#flow = null;
    this.#lingerEndMs = Number.POSITIVE_INFINITY;
    this.dueMs = null;
    const found = lookup(this.mctx, this.sockid);
    if (typeof found === "number" || found.kind !== "socket" || found.lingerSeconds <= 0) return;
    this.#lingerEndMs = found.mctx.nowMs + found.lingerSeconds * 1_000;
    this.dueMs = this.#lingerEndMs;
  }

  protected override attempt(nowMs: number): number {
    if (!this.#hasBegun) {
      const begun = this.#begin(nowMs);
      if (begun !== -EAGAIN) return begun;
    }
    const flow = this.#flow;
    if (flow === null) return -EACCES;
    if (this.#isLingering ? flow.isAcknowledged : flow.isOrderlyClosed) {
      this.#leave()?.release(nowMs);
      return 0;
    }
    const { failure } = flow;
    if (failure === 0 && nowMs < this.#lingerEndMs) return -EAGAIN;
    this.#leave()?.abort(nowMs);
    return failure === 0 ? -ETIMEDOUT : failure;
  }

  override queue(): WaitQueue {
    return this.#closers;
  }

  protected override queueOf(): WaitQueue {
    return this.#closers;
  }

  override withdrawn(errno: number): void {
    const mctx = openContext(this.mctx);
    if (mctx === null) return;
    if (this.#hasBegun) {
      this.#leave()?.abort(mctx.nowMs);
      return;
    }
    // Cancelled before the first step: the descriptor is gone all the same, by a reset.
    const found = errno === 0 ? null : mctx.table.get(this.sockid);
    if (found === null) return;
    mctx.table.remove(this.sockid);
    found.drop();
  }

  /** From the flow: marks. */
  flowEvents(): void {
    this.#closers.wakeAll();
  }

  /** The context is destroyed. */
  abort(): void {
    const mctx = contextOf(this.mctx);
    if (mctx !== null) this.#leave()?.abort(mctx.nowMs);
    this.#closers.wakeAll();
  }

  #begin(nowMs: number): number {
    const mctx = openContext(this.mctx);
    if (mctx === null) return -EACCES;
    const found = mctx.table.get(this.sockid);
    if (found === null) return -EBADF;
    this.#hasBegun = true;
    const mustWait = found.kind === "socket" && waitsToClose(found);
    if (!mustWait) return tryClose(mctx, this.sockid);
    mctx.table.remove(this.sockid);
    this.#isLingering = found.lingerSeconds > 0;
    const flow = found.detach();
    if (flow === null) return -ENOTCONN;
    this.#flow = flow;
    flow.sink = this;
    mctx.closing.add(this);
    if (!found.isWriteShut) flow.finish(nowMs);
    flow.discardReceived();
    return -EAGAIN;
  }

  #leave(): StreamFlow | null {
    const flow = this.#flow;
    this.#flow = null;
    if (flow !== null) flow.sink = null;
    openContext(this.mctx)?.closing.delete(this);
    return flow;
  }
}

/** True for a connection that is open and is not to be reset. */
function waitsToClose(socket: TcpSocket): boolean {
  socket.settle();
  const isOpen = socket.stage === CONNECTED && socket.flow?.failure === 0;
  return isOpen && socket.lingerSeconds !== 0;
}
