// SPDX-License-Identifier: MIT
// ARP for IPv4 over Ethernet (RFC 826): the only hardware and protocol types accepted. What an
// arrived packet means is judged in src/link/arp-in.ts.

import { read16, read32, write16, write32 } from "./big-endian.ts";
import { ETHERTYPE_IPV4, MAC_BYTES } from "./ethernet.ts";
import {
  ARP_ADDRESS_LENGTH,
  ARP_HARDWARE,
  ARP_OPERATION,
  ARP_PROTOCOL,
  ARP_TRUNCATED,
  OK,
} from "./reasons.ts";

/** Size of an ARP packet for IPv4 over Ethernet. */
export const ARP_BYTES = 28;
export const ARP_REQUEST = 1;
export const ARP_REPLY = 2;

const HARDWARE_ETHERNET = 1;
const IPV4_BYTES = 4;
/** `hlen` and `plen` as one 16-bit field. */
const ADDRESS_LENGTHS = (MAC_BYTES << 8) | IPV4_BYTES;

/** The fields of an ARP packet; reused for packet after packet. */
export class ArpPacket {
  /** ARP_REQUEST or ARP_REPLY. */
  op = 0;
  /** 6 bytes, a copy. */
  readonly senderMac: Uint8Array = new Uint8Array(MAC_BYTES);
  /** int32 */
  senderIp = 0;
  /** 6 bytes, a copy; means nothing in a request. */
  readonly targetMac: Uint8Array = new Uint8Array(MAC_BYTES);
  /** int32 */
  targetIp = 0;
}

/**
 * Parses an ARP packet.
 *
 * @param offset - first byte after the Ethernet header
 * @param length - bytes present from `offset` on, link padding included
 * @param out - filled in; untouched after a refusal
 * @returns 0, or an `ARP_*` reason
 */
export function parseArp(
  bytes: Uint8Array,
  offset: number,
  length: number,
  out: ArpPacket,
): number {
  if (length < ARP_BYTES) return ARP_TRUNCATED;
  if (read16(bytes, offset) !== HARDWARE_ETHERNET) return ARP_HARDWARE;
  if (read16(bytes, offset + 2) !== ETHERTYPE_IPV4) return ARP_PROTOCOL;
  if (read16(bytes, offset + 4) !== ADDRESS_LENGTHS) return ARP_ADDRESS_LENGTH;
  const op = read16(bytes, offset + 6);
  if (op !== ARP_REQUEST && op !== ARP_REPLY) return ARP_OPERATION;
  out.op = op;
  out.senderIp = read32(bytes, offset + 14);
  out.targetIp = read32(bytes, offset + 24);
  for (let i = 0; i < MAC_BYTES; i++) {
    out.senderMac[i] = bytes[offset + 8 + i] as number;
    out.targetMac[i] = bytes[offset + 18 + i] as number;
  }
  return OK;
}

/**
 * Writes an ARP packet of ARP_BYTES.
 *
 * @param offset - first byte after the Ethernet header
 * @param op - ARP_REQUEST or ARP_REPLY
 * @param senderMac - 6 bytes, copied
 * @param senderIp - int32; 0 in a probe (RFC 5227 §1.1)
 * @param targetMac - 6 bytes, copied; zeros in a request
 * @param targetIp - int32
 */
export function writeArp(
  bytes: Uint8Array,
  offset: number,
  op: number,
  senderMac: Uint8Array,
  senderIp: number,
  targetMac: Uint8Array,
  targetIp: number,
): void {
  write16(bytes, offset, HARDWARE_ETHERNET);
  write16(bytes, offset + 2, ETHERTYPE_IPV4);
  write16(bytes, offset + 4, ADDRESS_LENGTHS);
  write16(bytes, offset + 6, op);
  for (let i = 0; i < MAC_BYTES; i++) {
    bytes[offset + 8 + i] = senderMac[i] as number;
    bytes[offset + 18 + i] = targetMac[i] as number;
  }
  write32(bytes, offset + 14, senderIp);
  write32(bytes, offset + 24, targetIp);
}
