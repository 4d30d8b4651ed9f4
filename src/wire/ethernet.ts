// SPDX-License-Identifier: MIT
// Ethernet II frames (RFC 894). Left out: VLAN tags and IEEE 802.3 length fields, both refused
// with a reason, so that they are counted and dropped.

import { read16 } from "./big-endian.ts";
import { ETHERNET_LENGTH_FIELD, ETHERNET_TRUNCATED, ETHERNET_VLAN } from "./reasons.ts";

/** Destination, source and EtherType. */
export const ETHERNET_HEADER_BYTES = 14;
/** Bytes of a MAC address. */
export const MAC_BYTES = 6;
/** Smallest frame on a wire without its check sequence; shorter ones are padded (IEEE 802.3). */
export const ETHERNET_MIN_FRAME_BYTES = 60;
export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_IPV6 = 0x86dd;
/** IEEE 802.1Q customer tag. */
export const ETHERTYPE_VLAN = 0x8100;
/** IEEE 802.1ad service tag, and the older values used for nested tags. */
export const ETHERTYPE_SERVICE_VLAN = 0x88a8;
const ETHERTYPE_OLD_QINQ = 0x9100;
/** Values below are lengths of IEEE 802.3 frames (RFC 894 with IEEE 802.3 §3.2.6). */
const ETHERTYPE_MIN = 0x0600;

/** How a destination MAC address concerns us. */
export const MAC_OTHER = 0;
export const MAC_OURS = 1;
export const MAC_BROADCAST = 2;
export const MAC_MULTICAST = 3;

/**
 * Reads the EtherType of a frame.
 *
 * @param offset - first byte of the frame
 * @param length - bytes of the frame that are present
 * @returns the EtherType, or ETHERNET_TRUNCATED, ETHERNET_VLAN, ETHERNET_LENGTH_FIELD
 */
export function readEtherType(bytes: Uint8Array, offset: number, length: number): number {
  if (length < ETHERNET_HEADER_BYTES) return ETHERNET_TRUNCATED;
  const etherType = read16(bytes, offset + 12);
  if (etherType === ETHERTYPE_IPV4) return etherType;
  if (etherType < ETHERTYPE_MIN) return ETHERNET_LENGTH_FIELD;
  if (
    etherType === ETHERTYPE_VLAN ||
    etherType === ETHERTYPE_SERVICE_VLAN ||
    etherType === ETHERTYPE_OLD_QINQ
  ) {
    return ETHERNET_VLAN;
  }
  return etherType;
}

/**
 * Classifies the destination address of a frame whose header is present.
 *
 * @param offset - first byte of the frame
 * @param own - our 6-byte address
 * @returns MAC_OURS, MAC_BROADCAST, MAC_MULTICAST or MAC_OTHER
 */
export function classifyDestinationMac(bytes: Uint8Array, offset: number, own: Uint8Array): number {
  if (equalsMac(bytes, offset, own, 0)) return MAC_OURS;
  if (((bytes[offset] as number) & 1) === 0) return MAC_OTHER;
  return isBroadcastMac(bytes, offset) ? MAC_BROADCAST : MAC_MULTICAST;
}

/**
 * Writes an Ethernet II header.
 *
 * @param dst - 6 bytes, copied
 * @param src - 6 bytes, copied
 */
export function writeEthernet(
  bytes: Uint8Array,
  offset: number,
  dst: Uint8Array,
  src: Uint8Array,
  etherType: number,
): void {
  for (let i = 0; i < MAC_BYTES; i++) {
    bytes[offset + i] = dst[i] as number;
    bytes[offset + MAC_BYTES + i] = src[i] as number;
  }
  bytes[offset + 12] = etherType >>> 8;
  bytes[offset + 13] = etherType;
}

/** Tells whether the group bit is set: multicast or broadcast. */
export function isMulticastMac(bytes: Uint8Array, offset: number): boolean {
  return ((bytes[offset] as number) & 1) !== 0;
}

/** Tells whether all six bytes are 0xff. */
export function isBroadcastMac(bytes: Uint8Array, offset: number): boolean {
  for (let i = 0; i < MAC_BYTES; i++) if (bytes[offset + i] !== 0xff) return false;
  return true;
}

/** Tells whether all six bytes are zero: no station has this address. */
export function isZeroMac(bytes: Uint8Array, offset: number): boolean {
  for (let i = 0; i < MAC_BYTES; i++) if (bytes[offset + i] !== 0) return false;
  return true;
}

/** Compares two MAC addresses. */
export function equalsMac(a: Uint8Array, aOffset: number, b: Uint8Array, bOffset: number): boolean {
  for (let i = 0; i < MAC_BYTES; i++) {
    if (a[aOffset + i] !== b[bOffset + i]) return false;
  }
  return true;
}

/** Prints a MAC address as `02:00:00:00:00:01`. */
export function formatMac(bytes: Uint8Array, offset = 0): string {
  const parts: string[] = [];
  for (let i = 0; i < MAC_BYTES; i++) {
    parts.push((bytes[offset + i] as number).toString(16).padStart(2, "0"));
  }
  return parts.join(":");
}

/**
 * Reads a MAC address written with colons.
 *
 * @returns its 6 bytes, or null if `text` is not one
 */
export function parseMac(text: string): Uint8Array | null {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) return null;
  return Uint8Array.from(text.split(":"), (part) => Number.parseInt(part, 16));
}
