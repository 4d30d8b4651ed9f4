// SPDX-License-Identifier: MIT
// What an arrived ARP packet means for us (RFC 826, RFC 5227, hostile-input A4):
//   - a sender that cannot be a station (group, zero or our own MAC) is ignored
//   - a sender that uses our address is a conflict; we defend at most once in ten seconds
//   - any packet updates an entry that exists; one is made only for who asks us and is on our link
//   - probes (sender 0.0.0.0) are answered, and never learnt from

import { ARP_REQUEST, type ArpPacket } from "../wire/arp.ts";
import { equalsMac, isMulticastMac, isZeroMac } from "../wire/ethernet.ts";

/** Bits of a verdict: update the sender's entry if there is one. */
export const ARP_UPDATE = 1;
/** Make an entry for the sender if there is none. */
export const ARP_CREATE = 2;
/** Answer with our MAC address. */
export const ARP_ANSWER = 4;
/** Another station uses our address. */
export const ARP_CONFLICT = 8;

/** RFC 5227 §1.1: DEFEND_INTERVAL. */
export const DEFEND_INTERVAL_MS = 10_000;

/** Judges the ARP packets that reach one interface. */
export class ArpJudge {
  readonly #mac: Uint8Array;
  readonly #ip: number;
  readonly #mask: number;
  #defendedMs = Number.NEGATIVE_INFINITY;

  /**
   * @param mac - our 6-byte address
   * @param ip - our address, int32
   * @param prefixBits - of our network, 0 to 32
   */
  constructor(mac: Uint8Array, ip: number, prefixBits: number) {
    this.#mac = mac;
    this.#ip = ip;
    // A shift by 32 shifts by 0 in JavaScript.
    this.#mask = prefixBits === 0 ? 0 : -1 << (32 - prefixBits);
  }

  /** @returns ARP_* bits, 0: ignore the packet */
  judge(packet: ArpPacket): number {
    const { senderMac, senderIp, targetIp } = packet;
    if (isMulticastMac(senderMac, 0) || isZeroMac(senderMac, 0)) return 0;
    if (equalsMac(senderMac, 0, this.#mac, 0)) return 0;
    if (senderIp === this.#ip) return ARP_CONFLICT;
    const isForUs = packet.op === ARP_REQUEST && targetIp === this.#ip;
    if (senderIp === 0) return isForUs ? ARP_ANSWER : 0;
    if (!this.#isHostOnLink(senderIp)) return 0;
    return isForUs ? ARP_UPDATE | ARP_CREATE | ARP_ANSWER : ARP_UPDATE;
  }

  /**
   * Asks whether to announce our address again after a conflict.
   *
   * @returns true at most once in DEFEND_INTERVAL_MS
   * @remarks Source: RFC 5227 §2.4 (b).
   */
  shouldDefend(nowMs: number): boolean {
    if (nowMs - this.#defendedMs < DEFEND_INTERVAL_MS) return false;
    this.#defendedMs = nowMs;
    return true;
  }

  #isHostOnLink(ip: number): boolean {
    if (((ip ^ this.#ip) & this.#mask) !== 0) return false;
    // RFC 3021: a /31 has no broadcast address, and a /32 has no host part.
    const hosts = ~this.#mask;
    if (hosts >>> 0 <= 1) return true;
    const host = ip & hosts;
    return host !== 0 && host !== hosts;
  }
}
