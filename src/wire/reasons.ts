// SPDX-License-Identifier: MIT
// Why a parser refused its input. Every parser in src/wire returns 0 or one of these negative
// codes. They are unique over all layers, so that one array of counters serves them all (R5).

/** The input was accepted. */
export const OK = 0;

export const ETHERNET_TRUNCATED = -1;
export const ETHERNET_VLAN = -2;
export const ETHERNET_LENGTH_FIELD = -3;
export const ARP_TRUNCATED = -4;
export const ARP_HARDWARE = -5;
export const ARP_PROTOCOL = -6;
export const ARP_ADDRESS_LENGTH = -7;
export const ARP_OPERATION = -8;
export const IPV4_TRUNCATED = -9;
export const IPV4_VERSION = -10;
export const IPV4_HEADER_LENGTH = -11;
export const IPV4_TOTAL_LENGTH = -12;
export const IPV4_CHECKSUM = -13;
export const IPV4_TTL_ZERO = -14;
export const IPV4_FRAGMENT_EMPTY = -15;
export const IPV4_FRAGMENT_RANGE = -16;
export const IPV4_FRAGMENT_ALIGNMENT = -17;
export const ICMP_TRUNCATED = -18;
export const ICMP_CHECKSUM = -19;
export const ICMP_QUOTE_TRUNCATED = -20;
export const ICMP_QUOTE_VERSION = -21;
export const ICMP_QUOTE_FRAGMENT = -22;
export const TCP_TRUNCATED = -23;
export const TCP_DATA_OFFSET = -24;
export const TCP_PORT_ZERO = -25;
export const UDP_TRUNCATED = -26;
export const UDP_LENGTH = -27;
export const UDP_PORT_ZERO = -28;

/** Names by `-code`, for counters and traces: `"ipv4.checksum"`. */
export const REASON_NAMES: readonly string[] = [
  "ok",
  "ethernet.truncated",
  "ethernet.vlan",
  "ethernet.lengthField",
  "arp.truncated",
  "arp.hardware",
  "arp.protocol",
  "arp.addressLength",
  "arp.operation",
  "ipv4.truncated",
  "ipv4.version",
  "ipv4.headerLength",
  "ipv4.totalLength",
  "ipv4.checksum",
  "ipv4.ttlZero",
  "ipv4.fragmentEmpty",
  "ipv4.fragmentRange",
  "ipv4.fragmentAlignment",
  "icmp.truncated",
  "icmp.checksum",
  "icmp.quoteTruncated",
  "icmp.quoteVersion",
  "icmp.quoteFragment",
  "tcp.truncated",
  "tcp.dataOffset",
  "tcp.portZero",
  "udp.truncated",
  "udp.length",
  "udp.portZero",
];

/**
 * Names a parser's reason code.
 *
 * @param code - 0 or negative, as a parser returned it
 * @returns the name, `"unknown"` for a code that no parser returns
 */
export function reasonName(code: number): string {
  return REASON_NAMES[-code] ?? "unknown";
}
