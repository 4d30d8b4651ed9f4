// SPDX-License-Identifier: MIT
// What an arrived ICMP message asks of us, and when we may send an error ourselves (RFC 1122
// §3.2.2, RFC 5927). Source quench, redirects, router discovery, timestamp and mask requests are
// ignored (hostile-input G3).

import {
  ICMP_ECHO_REQUEST,
  ICMP_PARAMETER_PROBLEM,
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  type IcmpMessage,
  isIcmpError,
  parseQuotedPacket,
  QuotedPacket,
  UNREACHABLE_FRAGMENTATION_NEEDED,
  UNREACHABLE_PORT,
  UNREACHABLE_PROTOCOL,
} from "../wire/icmp.ts";
import { IPV4_HEADER_BYTES, type Ipv4Header, PROTOCOL_ICMP } from "../wire/ipv4.ts";
import { DESTINATION_OURS } from "./martian.ts";

/** Nothing to do. */
export const ICMP_IGNORE = 0;
/** Send the message back with ICMP_ECHO_REPLY, if the limiter allows it. */
export const ICMP_ECHO = 1;
/** An error about a packet of ours: see the fields of IcmpVerdict. */
export const ICMP_ERROR = 2;

/** Linux errno numbers; src/ip imports no table of them. */
const ECONNREFUSED = 111;
const ENETUNREACH = 101;
const EHOSTUNREACH = 113;
const EMSGSIZE = 90;

/** Errors sent per second, and at once after a pause (RFC 1812 §4.3.2.8 asks for a limit). */
export const ICMP_ERRORS_PER_SECOND = 100;
export const ICMP_ERROR_BURST = 20;
/** Echo replies per second, and at once after a pause. */
export const ICMP_ECHOES_PER_SECOND = 10_000;
export const ICMP_ECHO_BURST = 1_000;

/**
 * -errno by code of a destination unreachable message (RFC 1122 §3.2.2.1): about the network,
 * the host, or what runs on it. Codes past the end are treated as 1.
 */
const UNREACHABLE_ERRNO: readonly number[] = [
  -ENETUNREACH,
  -EHOSTUNREACH,
  -ECONNREFUSED,
  -ECONNREFUSED,
  -EMSGSIZE,
  -EHOSTUNREACH,
  -ENETUNREACH,
  -EHOSTUNREACH,
  -EHOSTUNREACH,
  -ENETUNREACH,
  -EHOSTUNREACH,
  -ENETUNREACH,
  -EHOSTUNREACH,
];

/** What `judgeIcmp` found; reused for message after message. */
export class IcmpVerdict {
  /** The packet of ours the error is about. The caller must find a connection for it. */
  readonly quoted: QuotedPacket = new QuotedPacket();
  /** -errno for the connection. */
  errno = 0;
  /** Whether RFC 1122 calls the error hard; RFC 5927 lets it be hard only before ESTABLISHED. */
  isHard = false;
  /** Next-hop MTU of a "fragmentation needed" (RFC 1191 §4), 0 if it told none; else -1. */
  mtu = -1;
  /** Why the quoted packet was not understood: an `ICMP_QUOTE_*` reason, else 0. */
  reason = 0;
}

/**
 * Judges an ICMP message whose checksum is right.
 *
 * @param bytes - the memory it was parsed from
 * @param destination - DESTINATION_* of the packet that carried it
 * @param verdict - filled in for ICMP_ERROR
 * @returns ICMP_IGNORE, ICMP_ECHO or ICMP_ERROR
 * @remarks Source: RFC 1122 §3.2.2, RFC 5927.
 */
export function judgeIcmp(
  bytes: Uint8Array,
  message: IcmpMessage,
  destination: number,
  verdict: IcmpVerdict,
): number {
  verdict.reason = 0;
  // RFC 1122 §3.2.2.6: a host may ignore an echo to a broadcast address (smurf); errors have no
  // business there at all.
  if (destination !== DESTINATION_OURS) return ICMP_IGNORE;
  const { type, code } = message;
  if (type === ICMP_ECHO_REQUEST) return code === 0 ? ICMP_ECHO : ICMP_IGNORE;
  verdict.mtu = -1;
  verdict.isHard = false;
  if (type === ICMP_UNREACHABLE) {
    verdict.errno = UNREACHABLE_ERRNO[code] ?? -EHOSTUNREACH;
    verdict.isHard = code === UNREACHABLE_PROTOCOL || code === UNREACHABLE_PORT;
    if (code === UNREACHABLE_FRAGMENTATION_NEEDED) verdict.mtu = message.rest & 0xffff;
  } else if (type === ICMP_TIME_EXCEEDED || type === ICMP_PARAMETER_PROBLEM) {
    verdict.errno = -EHOSTUNREACH;
  } else {
    return ICMP_IGNORE;
  }
  verdict.reason = parseQuotedPacket(bytes, message.bodyOffset, message.bodyBytes, verdict.quoted);
  return verdict.reason === 0 ? ICMP_ERROR : ICMP_IGNORE;
}

/**
 * Tells whether an ICMP error may be sent about a packet. The rate is for a TokenBucket to limit.
 *
 * @param offset - first byte of the packet, whose header has been parsed and whose payload is
 *   present
 * @param destination - DESTINATION_* of the packet
 * @param wasLinkBroadcast - the frame was addressed to more stations than us
 * @remarks Source: RFC 1122 §3.2.2: never about an ICMP error, a broadcast, a multicast, or a
 *   fragment but the first; the source has been found not to be a martian before. Departs from it
 *   for packets with IP options: those would have to be quoted (hostile-input B3).
 */
export function mayAnswerWithError(
  bytes: Uint8Array,
  offset: number,
  header: Ipv4Header,
  destination: number,
  wasLinkBroadcast: boolean,
): boolean {
  if (destination !== DESTINATION_OURS || wasLinkBroadcast) return false;
  if (header.fragmentOffset !== 0 || header.headerBytes !== IPV4_HEADER_BYTES) return false;
  if (header.protocol !== PROTOCOL_ICMP) return true;
  if (header.payloadBytes === 0) return false;
  return !isIcmpError(bytes[offset + header.headerBytes] as number);
}

/** Allows events at a rate, and a burst of them after a pause. Time is an argument. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  readonly #random: (() => number) | null;
  #tokens: number;
  #updatedMs = -1;

  /**
   * @param perSecond - events allowed in the long run
   * @param burst - events allowed at once
   * @param random - returns 0 to 1, 1 excluded: each event then costs 0, 1 or 2 tokens, so that
   *   nobody can count by its silence what others have made us send (CVE-2020-25705, SAD DNS);
   *   null: each costs 1
   */
  constructor(perSecond: number, burst: number, random: (() => number) | null = null) {
    this.#perMs = perSecond / 1_000;
    this.#burst = burst;
    this.#random = random;
    this.#tokens = burst;
  }

  /** Takes a token. @returns false if none is left */
  take(nowMs: number): boolean {
    if (this.#updatedMs >= 0 && nowMs > this.#updatedMs) {
      const earned = (nowMs - this.#updatedMs) * this.#perMs;
      this.#tokens = Math.min(this.#tokens + earned, this.#burst);
    }
    this.#updatedMs = nowMs;
    if (this.#tokens < 1) return false;
    const cost = this.#random === null ? 1 : Math.floor(this.#random() * 3);
    this.#tokens = Math.max(this.#tokens - cost, 0);
    return true;
  }
}
