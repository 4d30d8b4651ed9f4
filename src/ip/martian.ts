// SPDX-License-Identifier: MIT
// Addresses that make no sense in an arrived IPv4 packet (RFC 1122 §3.2.1.3, hostile-input B4,
// B5): classified on bare int32, because every packet is asked.

import { maskOf } from "./address.ts";

/** How a source address looks. */
export const SOURCE_OK = 0;
export const SOURCE_UNSPECIFIED = 1;
export const SOURCE_LOOPBACK = 2;
export const SOURCE_MULTICAST = 3;
export const SOURCE_BROADCAST = 4;
export const SOURCE_RESERVED = 5;
/** Our own address, from outside: LAND. */
export const SOURCE_OURS = 6;

/** Names by `SOURCE_*`, for counters. */
export const SOURCE_NAMES: readonly string[] = [
  "ok",
  "unspecified",
  "loopback",
  "multicast",
  "broadcast",
  "reserved",
  "ours",
];

/** Whom a packet is for. */
export const DESTINATION_OURS = 0;
export const DESTINATION_BROADCAST = 1;
export const DESTINATION_MULTICAST = 2;
export const DESTINATION_OTHER = 3;

/**
 * Classifies the source of a packet that came in over a link.
 *
 * @param src - int32
 * @param own - our address on that link, int32
 * @param prefixBits - of our network, 0 to 32
 * @returns SOURCE_OK, or why the packet must be dropped without any answer
 */
export function classifySource(src: number, own: number, prefixBits: number): number {
  const top = src >>> 24;
  if (top === 0) return SOURCE_UNSPECIFIED;
  if (top === 127) return SOURCE_LOOPBACK;
  if (src === -1) return SOURCE_BROADCAST;
  if (top >= 240) return SOURCE_RESERVED;
  if (top >= 224) return SOURCE_MULTICAST;
  if (src === own) return SOURCE_OURS;
  if (isSubnetBroadcast(src, own, prefixBits)) return SOURCE_BROADCAST;
  return SOURCE_OK;
}

/**
 * Classifies the destination of a packet that came in over a link.
 *
 * @param dst - int32
 * @param own - our address on that link, int32
 * @param prefixBits - of our network, 0 to 32
 * @returns DESTINATION_OURS, _BROADCAST, _MULTICAST or _OTHER
 */
export function classifyDestination(dst: number, own: number, prefixBits: number): number {
  if (dst === own) return DESTINATION_OURS;
  if (dst === -1 || isSubnetBroadcast(dst, own, prefixBits)) return DESTINATION_BROADCAST;
  return dst >>> 28 === 0xe ? DESTINATION_MULTICAST : DESTINATION_OTHER;
}

/** All host bits one, or, as old stacks had it, all zero (RFC 1122 §3.3.6). */
function isSubnetBroadcast(address: number, own: number, prefixBits: number): boolean {
  // RFC 3021: the two addresses of a /31 are both hosts.
  if (prefixBits > 30) return false;
  const mask = maskOf(prefixBits);
  if (((address ^ own) & mask) !== 0) return false;
  const host = address & ~mask;
  return host === 0 || host === ~mask;
}
