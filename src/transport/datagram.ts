// SPDX-License-Identifier: MIT
// What the socket layer asks of whoever carries its datagrams. See stream.ts.

import type { IpAddress } from "../ip/address.ts";
import type { Endpoint, FlowSink } from "./stream.ts";

/** Where a datagram goes or comes from. */
export interface DatagramEnd {
  readonly address: IpAddress;
  readonly port: number;
}

/** A datagram that was received; the next `receive` overwrites it. */
export interface ReceivedDatagram {
  /** Bytes that it carried, also those that had no room. */
  lengthBytes: number;
  /** Who sent it; text, since a local socket has a path. */
  from: Endpoint;
}

/** One open place to send datagrams from and to receive them at. */
export interface DatagramFlow {
  /**
   * Who is told: EVENT_READABLE (a datagram has come, or an error about one sent earlier),
   * EVENT_WRITABLE (after -EAGAIN), EVENT_STATE (it has failed).
   */
  sink: FlowSink | null;
  /** Where it is bound. */
  readonly localEnd: Endpoint;
  /** 0, or -errno once it can no longer serve. */
  readonly failure: number;
  /** True if `receive` has a datagram, or an error about one sent earlier. */
  readonly hasReceived: boolean;
  /** Largest payload that can be sent, bytes. */
  readonly sendLimitBytes: number;
  /**
   * Sends one datagram.
   *
   * @param to - null: to the remote end given at open, which must then have been given
   * @returns 0: it is on its way; -EAGAIN: no room now, EVENT_WRITABLE tells; or -errno, which may
   *   be about a datagram sent earlier (told once, by this or by `receive`): this one was not sent
   */
  send(to: DatagramEnd | null, bytes: Uint8Array, offset: number, length: number): number;
  /**
   * Takes the datagram that has waited longest; what has no room in `into` is lost.
   *
   * @param about - filled: its true length, its sender
   * @returns bytes written to `into`; -EAGAIN: none; or -errno: about a datagram sent earlier, told
   *   once, or what `failure` says
   */
  receive(into: Uint8Array, about: ReceivedDatagram): number;
  /** Ends it; nothing is sent any more. Idempotent. */
  close(nowMs: number): void;
}

/** Where to open. */
export interface DatagramPlace {
  /** Null: every address. */
  readonly address: IpAddress | null;
  /** 0: any free one. */
  readonly port: number;
  /** The only peer; null: anybody. */
  readonly remote: DatagramEnd | null;
}
