// SPDX-License-Identifier: MIT
// The UDP header (RFC 768). The checksum is verified by the caller, which knows the addresses of
// the pseudo-header and whether the driver has verified it already. Left out: jumbograms.

import { read16, write16 } from "./big-endian.ts";
import { OK, UDP_LENGTH, UDP_PORT_ZERO, UDP_TRUNCATED } from "./reasons.ts";

/** Ports, length, checksum. */
export const UDP_HEADER_BYTES = 8;
/** Where the checksum lies in the header. */
export const UDP_CHECKSUM_OFFSET = 6;
/** What the checksum field holds when the sender made none; IPv4 alone allows that. */
export const UDP_NO_CHECKSUM = 0;

const NO_BYTES = new Uint8Array(0);

/** One arrived datagram; reused for datagram after datagram. */
export class UdpDatagram {
  /** 0: the sender wants no answer (RFC 768). */
  srcPort = 0;
  dstPort = 0;
  /** Header and payload by the length field, which the checksum covers. */
  totalBytes = 0;
  /** UDP_NO_CHECKSUM: none was made. */
  checksum = 0;
  /** The memory that holds the payload; valid only as long as the frame is. */
  bytes: Uint8Array = NO_BYTES;
  payloadOffset = 0;
  payloadBytes = 0;
}

/**
 * Parses a UDP header.
 *
 * What the IP packet holds beyond the length field is padding, and no part of the payload.
 *
 * @param offset - first byte of the datagram
 * @param length - bytes of it by the IP length, all present
 * @param out - filled in; untouched after a refusal
 * @returns 0, or UDP_TRUNCATED, UDP_LENGTH, UDP_PORT_ZERO
 * @remarks Source: RFC 768, RFC 1122 §4.1.
 */
export function parseUdp(
  bytes: Uint8Array,
  offset: number,
  length: number,
  out: UdpDatagram,
): number {
  if (length < UDP_HEADER_BYTES) return UDP_TRUNCATED;
  const totalBytes = read16(bytes, offset + 4);
  // 0 means a jumbogram in IPv6 (RFC 2675 §4), and nothing in IPv4.
  if (totalBytes < UDP_HEADER_BYTES || totalBytes > length) return UDP_LENGTH;
  const dstPort = read16(bytes, offset + 2);
  // Port 0 is reserved (RFC 6335 §6): nobody is there.
  if (dstPort === 0) return UDP_PORT_ZERO;
  out.srcPort = read16(bytes, offset);
  out.dstPort = dstPort;
  out.totalBytes = totalBytes;
  out.checksum = read16(bytes, offset + UDP_CHECKSUM_OFFSET);
  out.bytes = bytes;
  out.payloadOffset = offset + UDP_HEADER_BYTES;
  out.payloadBytes = totalBytes - UDP_HEADER_BYTES;
  return OK;
}

/**
 * Writes a UDP header; the checksum field is set to 0. A checksum that comes out as 0 must be sent
 * as 0xffff, its other form, since 0 says that there is none (RFC 768).
 *
 * @param payloadBytes - bytes that follow the header
 */
export function writeUdpHeader(
  bytes: Uint8Array,
  offset: number,
  srcPort: number,
  dstPort: number,
  payloadBytes: number,
): void {
  write16(bytes, offset, srcPort);
  write16(bytes, offset + 2, dstPort);
  write16(bytes, offset + 4, UDP_HEADER_BYTES + payloadBytes);
  write16(bytes, offset + UDP_CHECKSUM_OFFSET, 0);
}
