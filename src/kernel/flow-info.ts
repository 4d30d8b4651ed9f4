// SPDX-License-Identifier: MIT
// What the kernel knows of a connection (tcp_info), in the terms of our own TCP.

import type { TcpInfo } from "../transport/stream.ts";
import {
  INFO_BYTES_ACKED,
  INFO_CONGESTION_WINDOW,
  INFO_OPTIONS,
  INFO_RECEIVE_WINDOW,
  INFO_RECEIVE_WINDOW_SCALE,
  INFO_RETRANSMITS,
  INFO_RTO_US,
  INFO_RTT_US,
  INFO_RTT_VARIANCE_US,
  INFO_SEGMENTS_IN,
  INFO_SEGMENTS_OUT,
  INFO_SEND_MSS,
  INFO_SEND_QUEUE,
  INFO_SEND_WINDOW,
  INFO_SEND_WINDOW_SCALE,
  INFO_SLOW_START_THRESHOLD,
  INFO_STATE,
  INFO_TOTAL_RETRANSMITS,
  type NativeSockets,
} from "./native-sockets.ts";

/** By the kernel's number (`include/net/tcp_states.h`), as RFC 9293 writes them. */
const STATES = [
  "CLOSED",
  "ESTABLISHED",
  "SYN-SENT",
  "SYN-RECEIVED",
  "FIN-WAIT-1",
  "FIN-WAIT-2",
  "TIME-WAIT",
  "CLOSED",
  "CLOSE-WAIT",
  "LAST-ACK",
  "LISTEN",
  "CLOSING",
];
const TIMESTAMPS_BIT = 1;
const NOTHING = new Float64Array(32);

/** What a connection itself knows. */
interface Described {
  readonly id: number;
  readonly failure: number;
  readonly bytesReceived: number;
  readonly unsentBytes: number;
  readonly receivedBytes: number;
}

/**
 * Describes a connection now. Of a local stream only the byte counts mean anything.
 *
 * @param native - null: it is closed
 */
export function flowInfo(flow: Described, native: NativeSockets | null): TcpInfo {
  const raw = native === null ? NOTHING : native.info(flow.id);
  const at = (index: number): number => raw[index] as number;
  const mss = at(INFO_SEND_MSS);
  return {
    state: STATES[at(INFO_STATE)] ?? "CLOSED",
    error: flow.failure,
    softError: 0,
    mss,
    hasTimestamps: (at(INFO_OPTIONS) & TIMESTAMPS_BIT) !== 0,
    receiveWindowShift: at(INFO_RECEIVE_WINDOW_SCALE),
    sendWindowShift: at(INFO_SEND_WINDOW_SCALE),
    sendWindow: at(INFO_SEND_WINDOW),
    receiveWindow: at(INFO_RECEIVE_WINDOW),
    congestionWindow: at(INFO_CONGESTION_WINDOW) * mss,
    slowStartThreshold: at(INFO_SLOW_START_THRESHOLD) * mss,
    srttMs: at(INFO_RTT_US) / 1_000,
    rttvarMs: at(INFO_RTT_VARIANCE_US) / 1_000,
    rtoMs: at(INFO_RTO_US) / 1_000,
    retries: at(INFO_RETRANSMITS),
    retransmits: at(INFO_TOTAL_RETRANSMITS),
    segmentsIn: at(INFO_SEGMENTS_IN),
    segmentsOut: at(INFO_SEGMENTS_OUT),
    bytesAcked: at(INFO_BYTES_ACKED),
    bytesReceived: flow.bytesReceived,
    bytesUnacknowledged: at(INFO_SEND_QUEUE) + flow.unsentBytes,
    bytesReadable: flow.receivedBytes,
    urgentBytes: 0,
  };
}
