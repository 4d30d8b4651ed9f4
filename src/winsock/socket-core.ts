// SPDX-License-Identifier: MIT
// A socket itself: its settings, what it has become (bound, connecting, connected, listening), and
// the calls that wait on it. Bytes, handshakes and the ways to end a connection are those of the
// socket layer (Stream, Listener); nothing here knows how they are done.

import type { Loop } from "../../scheduler/internal.ts";
import { WaitQueue } from "../../scheduler/internal.ts";
import type { IpAddress } from "../ip/address.ts";
import type { Context } from "../socket/context.ts";
import { Listener, type ListenerKind } from "../socket/listener.ts";
import { Stream, streamCalls } from "../socket/stream.ts";
import type { Endpoint, FlowSink, StreamFlow } from "../transport/stream.ts";
import { CallQueue } from "./call-queue.ts";
import type { CallWait } from "./call-wait.ts";
import { WSAENOTCONN, WSAESHUTDOWN } from "./codes.ts";
import { AF_INET } from "./constants.ts";
import type { Descriptor } from "./descriptor.ts";
import { codeOfErrno } from "./last-error.ts";

const CALLS = streamCalls("winsock");
const KIND: ListenerKind<Stream> = {
  name: "winsock",
  connection: (loop, flow) => {
    const stream = new Stream(loop, flow, CALLS);
    stream.disown();
    return stream;
  },
};

/** A connection that is being opened. */
export class Attempt implements FlowSink {
  readonly waiting: WaitQueue = new WaitQueue();
  flow: StreamFlow | null = null;
  /** Why it has failed, a WSA code; 0 while it has not. */
  code = 0;

  flowEvents(): void {
    this.waiting.wakeAll();
  }
}

/** What options and `ioctlsocket` set; a socket that `accept` makes has its listener's. */
export interface Settings {
  isNonBlocking: boolean;
  /** SO_LINGER is on. */
  isLinger: boolean;
  lingerSeconds: number;
  /** Null: as the network has it, which is not known here. */
  noDelay: boolean | null;
  /** 0: for ever. */
  sendTimeoutMs: number;
  /** 0: for ever. */
  receiveTimeoutMs: number;
}

/** Where a socket is bound. */
export interface Place {
  /** Null: every address. */
  readonly address: IpAddress | null;
  /** 0: any free one, known once it listens or connects. */
  readonly port: number;
  readonly context: Context;
}

/** One socket, which descriptors refer to. */
export class SocketCore {
  readonly loop: Loop;
  /** AF_INET or AF_INET6. */
  readonly family: number;
  readonly settings: Settings;
  /** Descriptors that refer to it. */
  references = 0;
  place: Place | null = null;
  stream: Stream | null = null;
  listener: Listener<Stream> | null = null;
  /** Who carries its bytes, once that is known. */
  context: Context | null = null;
  isSendShut = false;
  isReceiveShut = false;
  /** Why the last connection attempt has failed, a WSA code that nobody has been told; else 0. */
  pendingError = 0;
  /** SO_ERROR has told why the connection broke. */
  hasToldFailure = false;
  /** Completion routines for it that are being processed. */
  callbacks = 0;
  /** Calls that wait. */
  readonly calls: Set<CallWait> = new Set();
  readonly receives: CallQueue = new CallQueue();
  readonly sends: CallQueue = new CallQueue();
  #attempt: Attempt | null = null;

  constructor(loop: Loop, family: number, settings: Settings) {
    this.loop = loop;
    this.family = family;
    this.settings = settings;
  }

  /** True while a connection is being opened. */
  get isConnecting(): boolean {
    return this.#attempt !== null;
  }

  /** True once the device or context that carries its bytes is gone. */
  get isNetworkDown(): boolean {
    return this.context !== null && !this.context.isOpen;
  }

  /** Where it is bound; null if it is not. */
  get localEnd(): Endpoint | null {
    this.settle();
    if (this.stream !== null) return this.stream.flow.localEnd;
    if (this.#attempt?.flow != null) return this.#attempt.flow.localEnd;
    if (this.listener !== null) return this.listener.place.localEnd;
    if (this.place === null) return null;
    const { address, port } = this.place;
    const any = this.family === AF_INET ? "0.0.0.0" : "::";
    return { host: address?.toString() ?? any, port };
  }

  /** Begins to open a connection. @returns the attempt, or the WSA code why not */
  connect(
    context: Context,
    remote: IpAddress,
    remotePort: number,
    nowMs: number,
  ): Attempt | number {
    const attempt = new Attempt();
    const { place, settings } = this;
    const target = {
      remote,
      remotePort,
      local: place?.address ?? null,
      localPort: place?.port ?? 0,
      noDelay: settings.noDelay,
    };
    const flow = context.openStream(target, attempt, nowMs);
    if (typeof flow === "number") return codeOfErrno(flow);
    attempt.flow = flow;
    this.#attempt = attempt;
    this.context = context;
    return attempt;
  }

  /** Notices how the connection attempt has ended, if it has. */
  settle(): void {
    const attempt = this.#attempt;
    if (attempt === null) return;
    const flow = attempt.flow as StreamFlow;
    const { openFailure } = flow;
    if (openFailure !== 0) {
      attempt.code = codeOfErrno(openFailure);
      this.pendingError = attempt.code;
      this.abandonConnect();
    } else if (flow.isEstablished) {
      this.#attempt = null;
      this.adopt(KIND.connection(this.loop, flow));
      attempt.waiting.wakeAll();
    }
  }

  /** Gives the connection attempt up. */
  abandonConnect(): void {
    const attempt = this.#attempt;
    this.#attempt = null;
    const flow = attempt?.flow ?? null;
    if (flow === null) return;
    flow.sink = null;
    flow.abort(this.loop.now());
    attempt?.waiting.wakeAll();
  }

  /** The socket is connected from now on. */
  adopt(stream: Stream): void {
    this.stream = stream;
  }

  /** Begins to listen. @returns 0, or -errno */
  listen(place: Place, backlog: number): number {
    const listener = new Listener(this.loop, KIND);
    listener.disown();
    const { address, port, context } = place;
    const opened = context.listenStream({ address, port, backlog }, listener);
    if (typeof opened === "number") {
      listener.close();
      return opened;
    }
    listener.attach(opened);
    this.listener = listener;
    this.context = context;
    return 0;
  }

  /** Whether it can receive. @returns 0, or the WSA code why not */
  receiveGate(): number {
    this.settle();
    if (this.stream === null) return WSAENOTCONN;
    return this.isReceiveShut ? WSAESHUTDOWN : 0;
  }

  /** Whether it can send. @returns 0, or the WSA code why not */
  sendGate(): number {
    this.settle();
    if (this.stream === null) return WSAENOTCONN;
    if (this.isSendShut) return WSAESHUTDOWN;
    const { failure } = this.stream.flow;
    return failure === 0 ? 0 : codeOfErrno(failure);
  }

  /** Calls that were made by way of `descriptor` end: it is being closed. */
  cancelCalls(descriptor: Descriptor): void {
    for (const call of [...this.calls]) if (call.descriptor === descriptor) call.cancel();
  }

  /** Nobody refers to it any more. */
  end(isHard: boolean): void {
    this.abandonConnect();
    this.listener?.close();
    if (isHard) this.stream?.abort();
    else this.stream?.release();
  }
}
