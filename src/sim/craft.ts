// SPDX-License-Identifier: MIT
// Frames made by hand, right or wrong on purpose, for hostile tests. Every field can be set,
// lengths and checksums included; what is not set is made right. It is written apart from src/wire
// so that a mistake there is not repeated here.

import { wrong } from "./check.ts";

const PROTOCOL_ICMP = 1;
const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const BROADCAST = "ff:ff:ff:ff:ff:ff";

/** TCP flags for {@link craftTcp}. */
export const TCP_FLAGS = {
  FIN: 1,
  SYN: 2,
  RST: 4,
  PSH: 8,
  ACK: 16,
  URG: 32,
  ECE: 64,
  CWR: 128,
} as const;

/** Who sends to whom. Addresses are text: `"02:00:00:00:00:01"`, `"10.0.0.1"`. */
export interface CraftEthernet {
  readonly sourceMac?: string | Uint8Array;
  readonly destinationMac?: string | Uint8Array;
}

/** Fields of an IPv4 packet. */
export interface CraftIpv4 extends CraftEthernet {
  readonly source: string;
  readonly destination: string;
  readonly protocol?: number;
  readonly version?: number;
  /** Header length in bytes as claimed; default: what it is. */
  readonly headerBytes?: number;
  readonly totalBytes?: number;
  readonly tos?: number;
  readonly id?: number;
  /** The whole 16-bit field: flags and offset in units of 8 bytes; default 0x4000. */
  readonly fragment?: number;
  readonly ttl?: number;
  readonly ipChecksum?: number;
  /** Raw option bytes, padded to a multiple of 4. */
  readonly ipOptions?: readonly number[] | Uint8Array;
}

/** Fields of a TCP segment. */
export interface CraftTcp extends CraftIpv4 {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly seq?: number;
  readonly ack?: number;
  /** Bits of {@link TCP_FLAGS}; default ACK. */
  readonly flags?: number;
  readonly window?: number;
  readonly urgentPointer?: number;
  /** Header length in bytes as claimed; default: what it is. */
  readonly dataOffsetBytes?: number;
  readonly checksum?: number;
  /** Raw option bytes, padded to a multiple of 4 with zeros. */
  readonly options?: readonly number[] | Uint8Array;
  readonly payload?: Uint8Array | string;
}

/** Fields of a UDP datagram. */
export interface CraftUdp extends CraftIpv4 {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly lengthBytes?: number;
  readonly checksum?: number;
  readonly payload?: Uint8Array | string;
}

/** Fields of an ICMP message. */
export interface CraftIcmp extends CraftIpv4 {
  readonly type: number;
  readonly code?: number;
  /** The four bytes after the checksum. */
  readonly rest?: number;
  readonly checksum?: number;
  readonly payload?: Uint8Array | string;
}

/** Fields of an ARP packet. */
export interface CraftArp extends CraftEthernet {
  readonly operation?: number;
  readonly senderMac: string | Uint8Array;
  readonly senderIp: string;
  readonly targetMac?: string | Uint8Array;
  readonly targetIp: string;
  readonly hardwareType?: number;
  readonly protocolType?: number;
}

/**
 * Makes a frame of any type with any payload.
 *
 * @param addresses - who sends to whom; default: to everybody
 * @param etherType - the 16-bit type
 * @param payload - what follows the Ethernet header
 * @returns the frame; it belongs to the caller
 * @throws NetError EINVAL: an address is malformed.
 * @example
 * ```ts
 * import { craftEthernet } from "caraway/testing";
 * const lldp = craftEthernet({}, 0x88cc, new Uint8Array(46));
 * console.log(lldp.length); // 60
 * ```
 */
export function craftEthernet(
  addresses: CraftEthernet,
  etherType: number,
  payload: Uint8Array,
): Uint8Array {
  const frame = new Uint8Array(14 + payload.length);
  frame.set(macBytes(addresses.destinationMac ?? BROADCAST), 0);
  frame.set(macBytes(addresses.sourceMac ?? "02:00:00:00:00:fe"), 6);
  put16(frame, 12, etherType);
  frame.set(payload, 14);
  return frame;
}

/**
 * Makes an ARP frame; a request unless `operation` says otherwise.
 *
 * @param fields - what it says
 * @returns the frame; it belongs to the caller
 * @throws NetError EINVAL: an address is malformed.
 * @example
 * ```ts
 * import { craftArp } from "caraway/testing";
 * const who = craftArp({
 *   senderMac: "02:00:00:00:00:01",
 *   senderIp: "10.0.0.1",
 *   targetIp: "10.0.0.2",
 * });
 * console.log(who.length); // 42
 * ```
 */
export function craftArp(fields: CraftArp): Uint8Array {
  const packet = new Uint8Array(28);
  put16(packet, 0, fields.hardwareType ?? 1);
  put16(packet, 2, fields.protocolType ?? 0x0800);
  packet[4] = 6;
  packet[5] = 4;
  put16(packet, 6, fields.operation ?? 1);
  packet.set(macBytes(fields.senderMac), 8);
  put32(packet, 14, ipNumber(fields.senderIp));
  packet.set(macBytes(fields.targetMac ?? "00:00:00:00:00:00"), 18);
  put32(packet, 24, ipNumber(fields.targetIp));
  return craftEthernet({ sourceMac: fields.senderMac, ...fields }, 0x0806, packet);
}

/**
 * Makes an IPv4 frame with any payload.
 *
 * @param fields - of the IPv4 header
 * @param payload - what follows it
 * @returns the frame; it belongs to the caller
 * @throws NetError EINVAL: an address is malformed.
 * @example
 * ```ts
 * import { craftIpv4 } from "caraway/testing";
 * const tooLong = craftIpv4(
 *   { source: "10.0.0.1", destination: "10.0.0.2", totalBytes: 65_535 },
 *   new Uint8Array(8),
 * );
 * console.log(tooLong.length); // 42
 * ```
 */
export function craftIpv4(fields: CraftIpv4, payload: Uint8Array): Uint8Array {
  const options = padded(fields.ipOptions ?? []);
  const headerBytes = 20 + options.length;
  const packet = new Uint8Array(headerBytes + payload.length);
  const claimed = (fields.headerBytes ?? headerBytes) / 4;
  packet[0] = ((fields.version ?? 4) << 4) | (claimed & 15);
  packet[1] = fields.tos ?? 0;
  put16(packet, 2, fields.totalBytes ?? packet.length);
  put16(packet, 4, fields.id ?? 0);
  put16(packet, 6, fields.fragment ?? 0x4000);
  packet[8] = fields.ttl ?? 64;
  packet[9] = fields.protocol ?? PROTOCOL_TCP;
  put32(packet, 12, ipNumber(fields.source));
  put32(packet, 16, ipNumber(fields.destination));
  packet.set(options, 20);
  put16(packet, 10, fields.ipChecksum ?? checksumOf(packet.subarray(0, headerBytes), 0));
  packet.set(payload, headerBytes);
  return craftEthernet(fields, 0x0800, packet);
}

/**
 * Makes a TCP frame.
 *
 * @param fields - of the headers, and the payload
 * @returns the frame; it belongs to the caller
 * @throws NetError EINVAL: an address is malformed.
 * @example
 * ```ts
 * import { craftTcp, TCP_FLAGS } from "caraway/testing";
 * const syn = craftTcp({
 *   source: "10.0.0.1",
 *   destination: "10.0.0.2",
 *   sourcePort: 49152,
 *   destinationPort: 80,
 *   flags: TCP_FLAGS.SYN,
 * });
 * console.log(syn.length); // 54
 * ```
 */
export function craftTcp(fields: CraftTcp): Uint8Array {
  const options = padded(fields.options ?? []);
  const payload = payloadBytes(fields.payload);
  const headerBytes = 20 + options.length;
  const segment = new Uint8Array(headerBytes + payload.length);
  put16(segment, 0, fields.sourcePort);
  put16(segment, 2, fields.destinationPort);
  put32(segment, 4, fields.seq ?? 0);
  put32(segment, 8, fields.ack ?? 0);
  segment[12] = (((fields.dataOffsetBytes ?? headerBytes) / 4) & 15) << 4;
  segment[13] = fields.flags ?? TCP_FLAGS.ACK;
  put16(segment, 14, fields.window ?? 65_535);
  put16(segment, 18, fields.urgentPointer ?? 0);
  segment.set(options, 20);
  segment.set(payload, headerBytes);
  put16(segment, 16, fields.checksum ?? transportChecksum(fields, PROTOCOL_TCP, segment));
  return craftIpv4({ protocol: PROTOCOL_TCP, ...fields }, segment);
}

/**
 * Makes a UDP frame.
 *
 * @param fields - of the headers, and the payload
 * @returns the frame; it belongs to the caller
 * @throws NetError EINVAL: an address is malformed.
 * @example
 * ```ts
 * import { craftUdp } from "caraway/testing";
 * const query = craftUdp({
 *   source: "10.0.0.1",
 *   destination: "10.0.0.2",
 *   sourcePort: 49152,
 *   destinationPort: 53,
 *   payload: "?",
 * });
 * console.log(query.length); // 43
 * ```
 */
export function craftUdp(fields: CraftUdp): Uint8Array {
  const payload = payloadBytes(fields.payload);
  const datagram = new Uint8Array(8 + payload.length);
  put16(datagram, 0, fields.sourcePort);
  put16(datagram, 2, fields.destinationPort);
  put16(datagram, 4, fields.lengthBytes ?? datagram.length);
  datagram.set(payload, 8);
  const sum = transportChecksum(fields, PROTOCOL_UDP, datagram);
  put16(datagram, 6, fields.checksum ?? (sum === 0 ? 0xffff : sum));
  return craftIpv4({ protocol: PROTOCOL_UDP, ...fields }, datagram);
}

/**
 * Makes an ICMP frame.
 *
 * @param fields - of the headers, and the payload
 * @returns the frame; it belongs to the caller
 * @throws NetError EINVAL: an address is malformed.
 * @example
 * ```ts
 * import { craftIcmp } from "caraway/testing";
 * const ping = craftIcmp({ source: "10.0.0.1", destination: "10.0.0.2", type: 8 });
 * console.log(ping.length); // 42
 * ```
 */
export function craftIcmp(fields: CraftIcmp): Uint8Array {
  const payload = payloadBytes(fields.payload);
  const message = new Uint8Array(8 + payload.length);
  message[0] = fields.type;
  message[1] = fields.code ?? 0;
  put32(message, 4, fields.rest ?? 0);
  message.set(payload, 8);
  put16(message, 2, fields.checksum ?? checksumOf(message, 0));
  return craftIpv4({ protocol: PROTOCOL_ICMP, ...fields }, message);
}

/**
 * Makes the ones' complement checksum of bytes (RFC 1071), to be stored in a field that is 0.
 *
 * @param bytes - to be summed, as big-endian 16-bit words
 * @param initial - a sum to start from: that of a pseudo-header
 * @returns the 16-bit checksum
 * @example
 * ```ts
 * import { checksumOf } from "caraway/testing";
 * console.log(checksumOf(Uint8Array.of(0xff, 0xfe), 0)); // 1
 * ```
 */
export function checksumOf(bytes: Uint8Array, initial: number): number {
  let sum = initial;
  for (let i = 0; i < bytes.length; i++) {
    sum += (i & 1) === 0 ? (bytes[i] as number) * 256 : (bytes[i] as number);
  }
  while (sum > 0xffff) sum = (sum % 65_536) + Math.floor(sum / 65_536);
  return 0xffff - sum;
}

/**
 * Reads `"02:00:00:00:00:01"`; bytes are returned as they are.
 *
 * @throws NetError EINVAL: `mac` is not an Ethernet address.
 */
export function macBytes(mac: string | Uint8Array): Uint8Array {
  if (mac instanceof Uint8Array && mac.length === 6) return mac;
  if (typeof mac !== "string" || !/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac)) {
    throw wrong("sim.craft", "mac", "must be six bytes or text like 02:00:00:00:00:01", mac);
  }
  return Uint8Array.from(mac.split(":"), (part) => Number.parseInt(part, 16));
}

/**
 * Reads `"10.0.0.1"` into an int32.
 *
 * @throws NetError EINVAL: `text` is not an IPv4 address.
 */
export function ipNumber(text: string): number {
  let value = 0;
  const isAddress =
    typeof text === "string" &&
    /^\d{1,3}(\.\d{1,3}){3}$/.test(text) &&
    text.split(".").every((part) => Number(part) <= 255);
  if (!isAddress) throw wrong("sim.craft", "address", "must be like 10.0.0.1", text);
  for (const part of text.split(".")) value = (value << 8) | (Number(part) & 255);
  return value;
}

function transportChecksum(fields: CraftIpv4, protocol: number, bytes: Uint8Array): number {
  const pseudo = new Uint8Array(12);
  put32(pseudo, 0, ipNumber(fields.source));
  put32(pseudo, 4, ipNumber(fields.destination));
  pseudo[9] = fields.protocol ?? protocol;
  put16(pseudo, 10, bytes.length);
  return checksumOf(bytes, 0xffff - checksumOf(pseudo, 0));
}

function padded(options: readonly number[] | Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(options.length / 4) * 4);
  bytes.set(options);
  return bytes;
}

function payloadBytes(payload: Uint8Array | string | undefined): Uint8Array {
  if (payload === undefined) return new Uint8Array(0);
  return typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

function put32(bytes: Uint8Array, at: number, value: number): void {
  put16(bytes, at, value >>> 16);
  put16(bytes, at + 2, value & 0xffff);
}
