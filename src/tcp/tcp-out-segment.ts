// SPDX-License-Identifier: MIT
// Writes one segment into the host's transmit memory and commits it. Every segment of a
// connection, RST included, leaves through `transmit`.

import { ACK, RST, SYN, TCP_HEADER_BYTES, writeTcpHeader } from "../wire/tcp.ts";
import { writeTcpOptions } from "../wire/tcp-options.ts";
import { TIMESTAMPS_BYTES } from "./negotiate.ts";
import { SYN_SENT } from "./state.ts";
import { NEVER, type Tcb } from "./tcb.ts";
import { timestampNow } from "./timestamps.ts";
import { advertise, advertiseOnSyn, windowShift } from "./window.ts";

/**
 * Sends one segment, acknowledging what has been received if `flags` has ACK. One with more than
 * SND.MSS of payload is cut up below: what `superPayloadBytes` says there is room for.
 *
 * @param tcb - the connection
 * @param seq - SEG.SEQ, int32
 * @param flags - of src/wire/tcp.ts
 * @param payloadAt - first payload byte, counted from the front of the send buffer
 * @param payloadBytes - how many
 * @param nowMs - time of this round, ms
 * @returns false when the host has no room: nothing was sent and nothing has changed
 */
export function transmit(
  tcb: Tcb,
  seq: number,
  flags: number,
  payloadAt: number,
  payloadBytes: number,
  nowMs: number,
): boolean {
  const { host, rcv } = tcb;
  if (!host.reserve(tcb)) return false;
  const bytes = host.txBytes;
  const at = host.txOffset;
  const hasAck = (flags & ACK) !== 0;
  const isSyn = (flags & SYN) !== 0;

  let headerBytes = TCP_HEADER_BYTES;
  if (isSyn) headerBytes += writeSynOptions(tcb, bytes, at + TCP_HEADER_BYTES, nowMs);
  else if (tcb.hasTimestamps) {
    const echo = hasAck ? tcb.tsRecent : 0;
    const clock = timestampNow(tcb, nowMs);
    headerBytes += writeTcpOptions(bytes, at + TCP_HEADER_BYTES, 0, -1, true, clock, echo);
  }
  writeTcpHeader(
    bytes,
    at,
    tcb.localPort,
    tcb.remotePort,
    seq,
    hasAck ? rcv.nxt : 0,
    flags,
    windowField(tcb, flags),
    0,
    headerBytes,
  );
  if (payloadBytes > 0) tcb.sendBuffer.copyTo(payloadAt, bytes, at + headerBytes, payloadBytes);
  const segments = segmentCount(tcb, payloadBytes);
  host.commit(tcb, headerBytes + payloadBytes, segments > 1 ? tcb.snd.mss : 0);
  tcb.segmentsOut += segments;
  if (hasAck) {
    rcv.lastAckSent = rcv.nxt;
    rcv.segmentsSinceAck = 0;
    tcb.ackNow = false;
    tcb.delayedAckAtMs = NEVER;
  }
  return true;
}

/** Segments that so much payload makes on the wire. */
export function segmentCount(tcb: Tcb, payloadBytes: number): number {
  const { mss } = tcb.snd;
  return payloadBytes <= mss ? 1 : Math.ceil(payloadBytes / mss);
}

/** Payload of the longest segment that is cut up below, 0: nobody does that. */
export function superPayloadBytes(tcb: Tcb): number {
  const headerBytes = TCP_HEADER_BYTES + (tcb.hasTimestamps ? TIMESTAMPS_BYTES : 0);
  return Math.max(0, tcb.host.superSegmentBytes(tcb) - headerBytes);
}

function windowField(tcb: Tcb, flags: number): number {
  if ((flags & SYN) !== 0) return advertiseOnSyn(tcb);
  // A RST promises nothing.
  if ((flags & RST) !== 0) return 0;
  return advertise(tcb);
}

/** In SYN-SENT we offer what we can, afterwards we agree to what the peer has offered. */
function writeSynOptions(tcb: Tcb, bytes: Uint8Array, at: number, nowMs: number): number {
  const { config, rcv } = tcb;
  const isOffer = tcb.state === SYN_SENT;
  const hasScale = isOffer ? config.windowScale : rcv.hasWindowScale;
  return writeTcpOptions(
    bytes,
    at,
    rcv.mss,
    hasScale ? windowShift(config.receiveBufferBytes) : -1,
    isOffer ? config.timestamps : tcb.hasTimestamps,
    timestampNow(tcb, nowMs),
    isOffer ? 0 : tcb.tsRecent,
  );
}
