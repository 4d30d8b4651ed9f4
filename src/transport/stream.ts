// SPDX-License-Identifier: MIT
// What the socket layer asks of whoever carries its byte streams: the flows of our own stack
// (src/mctx) or the kernel's sockets (src/kernel). Nothing here waits and nothing resumes a
// coroutine (R3): calls answer at once with a number, and events only mark.

import type { IpAddress } from "../ip/address.ts";
import type { TcpInfo } from "../tcp/info.ts";

export { EVENT_READABLE, EVENT_STATE, EVENT_WRITABLE } from "../tcp/host.ts";
export type { TcpInfo } from "../tcp/info.ts";

/** One end of a connection: an address in text form and a port in host byte order. */
export interface Endpoint {
  /** `"10.0.0.1"`, `"::1"`; for a local socket its path. */
  readonly host: string;
  /** 0 for a local socket. */
  readonly port: number;
}

/** Whoever wants to know of a flow's events: a socket handle. Must only mark, never resume (R3). */
export interface FlowSink {
  /** @param events - EVENT_* bits */
  flowEvents(events: number): void;
  /**
   * In-order bytes have come, and none are unread before them: whoever waits for them may have
   * them at once, and is marked ready when that is all it waits for. Missing: nobody ever does.
   *
   * @param bytes - all of them are the bytes; good only during this call
   * @returns how many were copied: the first ones; the flow keeps the others
   */
  deliver?(bytes: Uint8Array): number;
  /** True while somebody waits for bytes, and `deliver` may be called. */
  readonly isReading?: boolean;
}

/**
 * One connection. Whoever holds it ends with exactly one of `abort` and `release`; after that it
 * must not be used.
 */
export interface StreamFlow {
  /** Who is told of events; null: nobody. */
  sink: FlowSink | null;
  /** Our end. */
  readonly localEnd: Endpoint;
  /** The peer's end. */
  readonly remoteEnd: Endpoint;
  /** Whom errors name; none: the peer. */
  readonly namedEnd?: Endpoint;

  /** True once the connection is open and while it lives. */
  readonly isEstablished: boolean;
  /** Why it cannot be opened: 0 or -errno. */
  readonly openFailure: number;
  /** 0 while it can go on or after an orderly end, else why it ended: -errno. */
  readonly failure: number;
  /** In-order bytes that can be taken now. */
  readonly receivedBytes: number;
  /** Most bytes that can ever wait to be taken. */
  readonly receiveLimitBytes: number;
  /** Bytes that the send buffer has room for now. */
  readonly sendSpaceBytes: number;
  /** Most bytes that the send buffer can ever take. */
  readonly sendLimitBytes: number;
  /** True once the peer has ended its direction: no byte follows those that have been received. */
  readonly isFinished: boolean;
  /** The same, and all bytes have been taken. */
  readonly atEnd: boolean;
  /** True once the peer has acknowledged every byte and our end of the stream. */
  readonly isAcknowledged: boolean;
  /** The same, and the peer has ended its direction too. */
  readonly isOrderlyClosed: boolean;

  /**
   * Queues bytes for sending.
   *
   * @param isWhole - takes all of them, for which there is room (`sendSpaceBytes`)
   * @returns bytes taken, 0: buffer full, or -errno
   */
  send(bytes: Uint8Array, offset: number, length: number, isWhole?: boolean): number;
  /** Takes received bytes. @returns bytes taken, 0: none there, or -errno */
  receive(into: Uint8Array, offset: number, length: number): number;
  /**
   * Sees to it that `receivedBytes` counts that many bytes as soon as they have come. Missing:
   * nothing needs to be done for that.
   */
  gather?(wanted: number): void;
  /** Copies received bytes and leaves them there. @returns bytes copied */
  peek(into: Uint8Array, offset: number, length: number): number;
  /** Counts rounds: memory handed out in one is void in the next. */
  readonly round: number;
  /** Received bytes that `view` shows; some whenever any can be taken. */
  readonly viewedBytes: number;
  /** Received bytes that lie in one piece, from the oldest on. @returns a view of this round */
  view(): Uint8Array;
  /** Takes that many bytes of those that `view` shows. */
  consume(count: number): void;
  /**
   * Gives out room for bytes to send, which whatever else is sent takes back.
   *
   * @returns a view of this round; 0: not as much now (`sendSpaceBytes` says); or -errno
   */
  reserve(length: number): Uint8Array | number;
  /** Sends the first bytes of the room given out last, in the same round. @returns 0 or -errno */
  commit(length: number): number;
  /** Half-closes: the end of the stream follows the queued bytes. @returns 0 or -errno */
  finish(nowMs: number): number;
  /** From now on drops what has arrived and what arrives. */
  discardReceived(): void;
  /** Ends it by a reset, unless it has ended already; nobody holds it any more. */
  abort(nowMs: number): void;
  /**
   * Nobody holds it any more, and it goes on to its orderly end by itself: queued bytes, the end of
   * the stream, and what else the protocol wants. Bounded in time; then it is reset.
   */
  release(nowMs: number): void;
  /** What is known of the connection. */
  info(): TcpInfo;
}

/** Whoever wants to know that a connection can be accepted. Must only mark, never resume (R3). */
export interface ListenerSink {
  /** A connection is ready, or the listener has failed (`error`). */
  listenerReady(): void;
}

/** One listening place. */
export interface StreamListener {
  /** Where it listens; the port is the one chosen if 0 was asked for. */
  readonly localEnd: Endpoint;
  /** 0, or -errno once it can no longer serve. */
  readonly error: number;
  /** Connections that wait to be accepted. */
  readonly waiting: number;
  /** Connections whose handshake is under way, as far as is known. */
  readonly opening: number;
  /** Takes the connection that has waited longest. @returns null: none; or -errno */
  take(): StreamFlow | number | null;
  /** Stops listening: connections that nobody has accepted are reset. Idempotent. */
  close(nowMs: number): void;
}

/** Whom to connect to. */
export interface StreamTarget {
  readonly remote: IpAddress;
  readonly remotePort: number;
  /** Null: as the routes say. */
  readonly local: IpAddress | null;
  /** 0: an ephemeral one. */
  readonly localPort: number;
  /** False: Nagle's algorithm; null: as the network is set up. */
  readonly noDelay: boolean | null;
}

/** Where to listen. */
export interface StreamPlace {
  /** Null: every address. */
  readonly address: IpAddress | null;
  /** 0: any free one. */
  readonly port: number;
  /** Connections that may wait to be accepted. */
  readonly backlog: number;
}
