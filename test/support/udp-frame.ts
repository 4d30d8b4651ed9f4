// UDP over IPv4 frames for tests of checksums, made without the code under test.

import { ethernetFrame } from "./driver-io.ts";

const UDP_AT = 34;
const CHECKSUM_AT = 40;

function sum(bytes: Uint8Array, from: number, to: number, initial: number): number {
  let total = initial;
  for (let i = from; i < to; i++) {
    total += (i - from) % 2 === 0 ? (bytes[i] as number) << 8 : (bytes[i] as number);
  }
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

function pseudoHeaderSum(frame: Uint8Array): number {
  return sum(frame, 26, 34, 17 + frame.length - UDP_AT);
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value & 255;
}

/** A frame whose UDP checksum is the folded pseudo-header sum, and the descriptor's field. */
export function udpFrameToFinish(
  to: Uint8Array,
  from: Uint8Array,
  payload: Uint8Array,
): { readonly bytes: Uint8Array; readonly field: number } {
  const packet = new Uint8Array(28 + payload.length);
  packet.set([0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
  put16(packet, 2, packet.length);
  put16(packet, 10, ~sum(packet, 0, 20, 0) & 0xffff);
  put16(packet, 20, 1000);
  put16(packet, 22, 2000);
  put16(packet, 24, 8 + payload.length);
  packet.set(payload, 28);
  const bytes = ethernetFrame(to, from, packet, 0x0800);
  put16(bytes, CHECKSUM_AT, pseudoHeaderSum(bytes));
  return { bytes, field: (UDP_AT << 16) | (CHECKSUM_AT - UDP_AT) };
}

/** A copy of the frame with the UDP checksum it ought to have. */
export function finishUdpChecksum(frame: Uint8Array): Uint8Array {
  const copy = frame.slice();
  put16(copy, CHECKSUM_AT, 0);
  const total = sum(copy, UDP_AT, copy.length, pseudoHeaderSum(copy));
  put16(copy, CHECKSUM_AT, ~total & 0xffff || 0xffff);
  return copy;
}

/** A frame with a good UDP checksum. */
export function udpFrame(to: Uint8Array, from: Uint8Array, payload: Uint8Array): Uint8Array {
  return finishUdpChecksum(udpFrameToFinish(to, from, payload).bytes);
}
