// SPDX-License-Identifier: MIT
// The IPv4 header (RFC 791). Every length is checked against the bytes present before anything is
// subtracted from it (hostile-input B1). Options are stepped over, never read and never sent.

import { read16, read32, write16, write32 } from "./big-endian.ts";
import { checksum, isChecksumValid } from "./checksum.ts";
import {
  IPV4_CHECKSUM,
  IPV4_FRAGMENT_ALIGNMENT,
  IPV4_FRAGMENT_EMPTY,
  IPV4_FRAGMENT_RANGE,
  IPV4_HEADER_LENGTH,
  IPV4_TOTAL_LENGTH,
  IPV4_TRUNCATED,
  IPV4_TTL_ZERO,
  IPV4_VERSION,
  OK,
} from "./reasons.ts";

/** Header without options. */
export const IPV4_HEADER_BYTES = 20;
/** Largest header, with 40 bytes of options. */
export const IPV4_MAX_HEADER_BYTES = 60;
/** Largest packet: the total length is a 16-bit field. */
export const IPV4_MAX_BYTES = 65_535;
export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;

const DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;
const FRAGMENT_OFFSET_MASK = 0x1fff;
/** Fragment offsets count in units of 8 bytes (RFC 791 §3.1). */
const FRAGMENT_UNIT_BYTES = 8;

/** The fields of an IPv4 header; reused for packet after packet. */
export class Ipv4Header {
  /** Header length with options: where the payload starts, relative to the packet. */
  headerBytes = 0;
  /** Header and payload. What the frame holds beyond it is padding. */
  totalBytes = 0;
  /** Differentiated services and ECN bits. */
  tos = 0;
  id = 0;
  dontFragment = false;
  moreFragments = false;
  /** Where this payload belongs in the datagram, in bytes. */
  fragmentOffset = 0;
  ttl = 0;
  protocol = 0;
  /** Source address, int32. */
  src = 0;
  /** Destination address, int32. */
  dst = 0;

  /** Bytes after the header. */
  get payloadBytes(): number {
    return this.totalBytes - this.headerBytes;
  }

  /** True if this is a part of a datagram and not the whole. */
  get isFragment(): boolean {
    return this.moreFragments || this.fragmentOffset !== 0;
  }
}

/**
 * Parses and verifies an IPv4 header.
 *
 * @param offset - first byte of the packet
 * @param length - bytes present from `offset` on, link padding included
 * @param out - filled in; its content is unspecified after a refusal
 * @returns 0, or an `IPV4_*` reason
 * @remarks Source: RFC 791 §3.1, RFC 1122 §3.2.1.
 */
export function parseIpv4(
  bytes: Uint8Array,
  offset: number,
  length: number,
  out: Ipv4Header,
): number {
  if (length < IPV4_HEADER_BYTES) return IPV4_TRUNCATED;
  const versionAndLength = bytes[offset] as number;
  if (versionAndLength >>> 4 !== 4) return IPV4_VERSION;
  const headerBytes = (versionAndLength & 0x0f) << 2;
  if (headerBytes < IPV4_HEADER_BYTES || headerBytes > length) return IPV4_HEADER_LENGTH;
  const totalBytes = read16(bytes, offset + 2);
  if (totalBytes < headerBytes || totalBytes > length) return IPV4_TOTAL_LENGTH;
  if (!isChecksumValid(bytes, offset, headerBytes)) return IPV4_CHECKSUM;
  const ttl = bytes[offset + 8] as number;
  // RFC 1122 §3.2.1.7: a host drops nothing for its TTL, but 0 must never have been sent.
  if (ttl === 0) return IPV4_TTL_ZERO;
  out.headerBytes = headerBytes;
  out.totalBytes = totalBytes;
  out.tos = bytes[offset + 1] as number;
  out.id = read16(bytes, offset + 4);
  out.ttl = ttl;
  out.protocol = bytes[offset + 9] as number;
  out.src = read32(bytes, offset + 12);
  out.dst = read32(bytes, offset + 16);
  const fragment = read16(bytes, offset + 6);
  out.dontFragment = (fragment & DONT_FRAGMENT) !== 0;
  out.moreFragments = (fragment & MORE_FRAGMENTS) !== 0;
  out.fragmentOffset = (fragment & FRAGMENT_OFFSET_MASK) * FRAGMENT_UNIT_BYTES;
  return out.isFragment ? checkFragment(out) : OK;
}

/** Refuses fragments that no sender makes (hostile-input B7). */
function checkFragment(header: Ipv4Header): number {
  const payloadBytes = header.payloadBytes;
  if (payloadBytes === 0) return IPV4_FRAGMENT_EMPTY;
  // "Ping of death": the reassembled packet would not fit its own length field.
  if (IPV4_HEADER_BYTES + header.fragmentOffset + payloadBytes > IPV4_MAX_BYTES) {
    return IPV4_FRAGMENT_RANGE;
  }
  if (header.moreFragments && payloadBytes % FRAGMENT_UNIT_BYTES !== 0) {
    return IPV4_FRAGMENT_ALIGNMENT;
  }
  return OK;
}

/**
 * Writes a 20-byte IPv4 header of an unfragmented packet, with its checksum.
 *
 * @param totalBytes - header and payload, at most 65,535
 * @param src - int32
 * @param dst - int32
 * @param id - 0 is right for packets that must not be fragmented (RFC 6864 §4.1)
 * @param dontFragment - routers may not fragment it; needed for path MTU discovery
 * @param tos - differentiated services and ECN bits
 */
export function writeIpv4(
  bytes: Uint8Array,
  offset: number,
  totalBytes: number,
  ttl: number,
  protocol: number,
  src: number,
  dst: number,
  id = 0,
  dontFragment = true,
  tos = 0,
): void {
  bytes[offset] = 0x45;
  bytes[offset + 1] = tos;
  write16(bytes, offset + 2, totalBytes);
  write16(bytes, offset + 4, id);
  write16(bytes, offset + 6, dontFragment ? DONT_FRAGMENT : 0);
  bytes[offset + 8] = ttl;
  bytes[offset + 9] = protocol;
  write16(bytes, offset + 10, 0);
  write32(bytes, offset + 12, src);
  write32(bytes, offset + 16, dst);
  write16(bytes, offset + 10, checksum(bytes, offset, IPV4_HEADER_BYTES));
}

/**
 * Turns a header that `writeIpv4` wrote into that of a fragment, and renews its checksum.
 *
 * @param fragmentOffset - bytes, a multiple of 8
 */
export function markFragment(
  bytes: Uint8Array,
  offset: number,
  fragmentOffset: number,
  moreFragments: boolean,
): void {
  const field = (fragmentOffset / FRAGMENT_UNIT_BYTES) | (moreFragments ? MORE_FRAGMENTS : 0);
  write16(bytes, offset + 6, field);
  write16(bytes, offset + 10, 0);
  write16(bytes, offset + 10, checksum(bytes, offset, IPV4_HEADER_BYTES));
}
