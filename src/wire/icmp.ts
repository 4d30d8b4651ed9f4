// SPDX-License-Identifier: MIT
// ICMP for IPv4 (RFC 792): the common header, echo, and errors with the packet they quote. What an
// arrived message means is judged in src/ip/icmp.ts.

import { read16, read32, write16, write32 } from "./big-endian.ts";
import { checksum, isChecksumValid } from "./checksum.ts";
import { IPV4_HEADER_BYTES } from "./ipv4.ts";
import {
  ICMP_CHECKSUM,
  ICMP_QUOTE_FRAGMENT,
  ICMP_QUOTE_TRUNCATED,
  ICMP_QUOTE_VERSION,
  ICMP_TRUNCATED,
  OK,
} from "./reasons.ts";

/** Type, code, checksum and four bytes that depend on the type. */
export const ICMP_HEADER_BYTES = 8;
export const ICMP_ECHO_REPLY = 0;
export const ICMP_UNREACHABLE = 3;
export const ICMP_SOURCE_QUENCH = 4;
export const ICMP_REDIRECT = 5;
export const ICMP_ECHO_REQUEST = 8;
export const ICMP_TIME_EXCEEDED = 11;
export const ICMP_PARAMETER_PROBLEM = 12;
/** Codes of ICMP_UNREACHABLE. */
export const UNREACHABLE_NETWORK = 0;
export const UNREACHABLE_HOST = 1;
export const UNREACHABLE_PROTOCOL = 2;
export const UNREACHABLE_PORT = 3;
export const UNREACHABLE_FRAGMENTATION_NEEDED = 4;
/** Transport bytes that every error quotes at least: ports and sequence number (RFC 792). */
export const QUOTED_TRANSPORT_BYTES = 8;
/** An error is at most a packet of 576 bytes (RFC 1812 §4.3.2.3). */
export const ICMP_ERROR_MAX_QUOTE_BYTES: number = 576 - IPV4_HEADER_BYTES - ICMP_HEADER_BYTES;

/** One arrived message; reused for message after message. */
export class IcmpMessage {
  type = 0;
  code = 0;
  /** The four bytes after the checksum, int32: id and sequence number, or the next-hop MTU. */
  rest = 0;
  /** First byte after the 8-byte header. */
  bodyOffset = 0;
  /** Bytes from there on, all present. */
  bodyBytes = 0;
}

/**
 * Parses and verifies an ICMP message.
 *
 * @param length - bytes of the message by the IP length, all present
 * @param out - filled in; untouched after a refusal
 * @returns 0, ICMP_TRUNCATED or ICMP_CHECKSUM
 */
export function parseIcmp(
  bytes: Uint8Array,
  offset: number,
  length: number,
  out: IcmpMessage,
): number {
  if (length < ICMP_HEADER_BYTES) return ICMP_TRUNCATED;
  if (!isChecksumValid(bytes, offset, length)) return ICMP_CHECKSUM;
  out.type = bytes[offset] as number;
  out.code = bytes[offset + 1] as number;
  out.rest = read32(bytes, offset + 4);
  out.bodyOffset = offset + ICMP_HEADER_BYTES;
  out.bodyBytes = length - ICMP_HEADER_BYTES;
  return OK;
}

/** Tells whether a message of this type is an error, about which no error may be sent. */
export function isIcmpError(type: number): boolean {
  return (
    type === ICMP_UNREACHABLE ||
    type === ICMP_SOURCE_QUENCH ||
    type === ICMP_REDIRECT ||
    type === ICMP_TIME_EXCEEDED ||
    type === ICMP_PARAMETER_PROBLEM
  );
}

/** The packet that an ICMP error is about, as far as it is quoted. */
export class QuotedPacket {
  protocol = 0;
  /** Source, int32: ours, if the error is really about a packet of ours. */
  src = 0;
  /** Destination, int32. */
  dst = 0;
  /** First two transport fields: ports of TCP and UDP. */
  srcPort = 0;
  dstPort = 0;
  /** Transport bytes 4 to 7, int32: SEG.SEQ of TCP. */
  seq = 0;
}

/**
 * Parses the packet quoted in an ICMP error: its IPv4 header and 8 bytes more.
 *
 * The quoted lengths and checksum are not looked at: routers on the way have changed them, and
 * some return them in host order. Only bytes that are present are read (hostile-input G1).
 *
 * @param offset - `bodyOffset` of the message
 * @param length - `bodyBytes` of the message
 * @param out - filled in; untouched after a refusal
 * @returns 0, ICMP_QUOTE_TRUNCATED, ICMP_QUOTE_VERSION or ICMP_QUOTE_FRAGMENT
 */
export function parseQuotedPacket(
  bytes: Uint8Array,
  offset: number,
  length: number,
  out: QuotedPacket,
): number {
  if (length < IPV4_HEADER_BYTES + QUOTED_TRANSPORT_BYTES) return ICMP_QUOTE_TRUNCATED;
  const versionAndLength = bytes[offset] as number;
  if (versionAndLength >>> 4 !== 4) return ICMP_QUOTE_VERSION;
  const headerBytes = (versionAndLength & 0x0f) << 2;
  if (headerBytes < IPV4_HEADER_BYTES || headerBytes + QUOTED_TRANSPORT_BYTES > length) {
    return ICMP_QUOTE_TRUNCATED;
  }
  // A later fragment has no transport header to quote.
  if ((read16(bytes, offset + 6) & 0x1fff) !== 0) return ICMP_QUOTE_FRAGMENT;
  const transport = offset + headerBytes;
  out.protocol = bytes[offset + 9] as number;
  out.src = read32(bytes, offset + 12);
  out.dst = read32(bytes, offset + 16);
  out.srcPort = read16(bytes, transport);
  out.dstPort = read16(bytes, transport + 2);
  out.seq = read32(bytes, transport + 4);
  return OK;
}

/**
 * Writes an echo message.
 *
 * @param type - ICMP_ECHO_REQUEST or ICMP_ECHO_REPLY
 * @param rest - identifier and sequence number, int32
 * @param data - copied as the body
 * @returns bytes written
 */
export function writeIcmpEcho(
  into: Uint8Array,
  intoOffset: number,
  type: number,
  rest: number,
  data: Uint8Array,
  dataOffset: number,
  dataBytes: number,
): number {
  return writeIcmp(into, intoOffset, type, 0, rest, data, dataOffset, dataBytes);
}

/**
 * Writes an error that quotes as much of a packet as fits 576 bytes.
 *
 * @param type - ICMP_UNREACHABLE for instance
 * @param rest - the four bytes after the checksum, int32: 0, or the next-hop MTU
 * @param packet - memory of the packet the error is about
 * @param packetOffset - first byte of its IPv4 header
 * @param packetBytes - its total length
 * @returns bytes written, at most 556
 * @remarks Source: RFC 792, RFC 1812 §4.3.2.3.
 */
export function writeIcmpError(
  into: Uint8Array,
  intoOffset: number,
  type: number,
  code: number,
  rest: number,
  packet: Uint8Array,
  packetOffset: number,
  packetBytes: number,
): number {
  const quoted = Math.min(packetBytes, ICMP_ERROR_MAX_QUOTE_BYTES);
  return writeIcmp(into, intoOffset, type, code, rest, packet, packetOffset, quoted);
}

function writeIcmp(
  into: Uint8Array,
  intoOffset: number,
  type: number,
  code: number,
  rest: number,
  body: Uint8Array,
  bodyOffset: number,
  bodyBytes: number,
): number {
  into[intoOffset] = type;
  into[intoOffset + 1] = code;
  write16(into, intoOffset + 2, 0);
  write32(into, intoOffset + 4, rest);
  into.set(body.subarray(bodyOffset, bodyOffset + bodyBytes), intoOffset + ICMP_HEADER_BYTES);
  const length = ICMP_HEADER_BYTES + bodyBytes;
  write16(into, intoOffset + 2, checksum(into, intoOffset, length));
  return length;
}
