// SPDX-License-Identifier: MIT
// The TCP header (RFC 9293 §3.1). The checksum is verified by the caller, which knows the
// addresses of the pseudo-header and whether the driver has verified it already.

import { read16, read32, write16, write32 } from "./big-endian.ts";
import { OK, TCP_DATA_OFFSET, TCP_PORT_ZERO, TCP_TRUNCATED } from "./reasons.ts";
import { parseTcpOptions, type TcpOptions } from "./tcp-options.ts";

/** Header without options. */
export const TCP_HEADER_BYTES = 20;
/** Largest header, with 40 bytes of options. */
export const TCP_MAX_HEADER_BYTES = 60;
/** Where the checksum lies in the header. */
export const TCP_CHECKSUM_OFFSET = 16;

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;
export const URG = 32;
export const ECE = 64;
export const CWR = 128;

const NO_BYTES = new Uint8Array(0);

/** One arrived segment; reused for segment after segment. */
export class TcpSegment implements TcpOptions {
  srcPort = 0;
  dstPort = 0;
  /** SEG.SEQ, int32. */
  seq = 0;
  /** SEG.ACK, int32; means something only with the ACK flag. */
  ack = 0;
  /** FIN SYN RST PSH ACK URG ECE CWR; the reserved bits are not shown. */
  flags = 0;
  /** SEG.WND as it came, 0 to 65,535, not scaled. */
  window = 0;
  /** SEG.UP, 0 to 65,535; means something only with the URG flag. */
  urgentPointer = 0;
  headerBytes = 0;
  checksum = 0;
  mss = 0;
  windowScale = -1;
  sackPermitted = false;
  hasTimestamps = false;
  tsVal = 0;
  tsEcr = 0;
  /** The memory that holds the payload; valid only as long as the frame is. */
  bytes: Uint8Array = NO_BYTES;
  payloadOffset = 0;
  payloadBytes = 0;
}

/**
 * Parses a TCP header and its options.
 *
 * @param offset - first byte of the segment
 * @param length - bytes of the segment by the IP length, all present
 * @param out - filled in; its content is unspecified after a refusal
 * @returns 0, or TCP_TRUNCATED, TCP_DATA_OFFSET, TCP_PORT_ZERO
 * @remarks Source: RFC 9293 §3.1; bad option lengths end the options, not the segment (MUST-7).
 */
export function parseTcp(
  bytes: Uint8Array,
  offset: number,
  length: number,
  out: TcpSegment,
): number {
  if (length < TCP_HEADER_BYTES) return TCP_TRUNCATED;
  const headerBytes = ((bytes[offset + 12] as number) >>> 4) << 2;
  if (headerBytes < TCP_HEADER_BYTES || headerBytes > length) return TCP_DATA_OFFSET;
  const srcPort = read16(bytes, offset);
  const dstPort = read16(bytes, offset + 2);
  // Port 0 is reserved (RFC 6335 §6): nobody listens there, and an answer could not be delivered.
  if (srcPort === 0 || dstPort === 0) return TCP_PORT_ZERO;
  const flags = bytes[offset + 13] as number;
  out.srcPort = srcPort;
  out.dstPort = dstPort;
  out.seq = read32(bytes, offset + 4);
  out.ack = read32(bytes, offset + 8);
  out.flags = flags;
  out.window = read16(bytes, offset + 14);
  out.checksum = read16(bytes, offset + TCP_CHECKSUM_OFFSET);
  out.urgentPointer = read16(bytes, offset + 18);
  out.headerBytes = headerBytes;
  out.bytes = bytes;
  out.payloadOffset = offset + headerBytes;
  out.payloadBytes = length - headerBytes;
  parseTcpOptions(
    bytes,
    offset + TCP_HEADER_BYTES,
    headerBytes - TCP_HEADER_BYTES,
    (flags & SYN) !== 0,
    out,
  );
  return OK;
}

/**
 * Writes the fixed 20 bytes of a TCP header; the checksum field is set to 0.
 *
 * @param seq - int32 or uint32
 * @param ack - int32 or uint32
 * @param window - as it goes on the wire, scaled already, at most 65,535
 * @param headerBytes - 20 and the bytes of options that follow, a multiple of 4
 */
export function writeTcpHeader(
  bytes: Uint8Array,
  offset: number,
  srcPort: number,
  dstPort: number,
  seq: number,
  ack: number,
  flags: number,
  window: number,
  urgentPointer: number,
  headerBytes: number,
): void {
  write16(bytes, offset, srcPort);
  write16(bytes, offset + 2, dstPort);
  write32(bytes, offset + 4, seq);
  write32(bytes, offset + 8, ack);
  bytes[offset + 12] = headerBytes << 2;
  bytes[offset + 13] = flags;
  write16(bytes, offset + 14, window);
  write16(bytes, offset + TCP_CHECKSUM_OFFSET, 0);
  write16(bytes, offset + 18, urgentPointer);
}
