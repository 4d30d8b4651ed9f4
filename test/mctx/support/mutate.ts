// SPDX-License-Identifier: MIT
// Structure-aware mutation of TCP, UDP and IP in frames (hostile input J): fields at their edges,
// options, lengths, fragments, and plain byte noise; checksums are mostly made right again.

import { checksumOf } from "../../../src/testing.ts";
import type { Random } from "../../tcp/support/random.ts";

const IP = 14;
const EDGES = [0, 1, -1, 2, 0x7fff_ffff, -0x8000_0000, 1_448, 65_535, 65_536, 262_144] as const;
const OPTION_KINDS = [0, 1, 2, 3, 4, 5, 8, 19, 28, 29, 30, 34, 69, 253, 254, 255] as const;
const LENGTHS = [0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 34, 40, 255] as const;

/** @returns a mutated copy; sometimes of another length */
export function mutate(frame: Uint8Array, random: Random): Uint8Array {
  let out: Uint8Array = frame.slice();
  const rounds = 1 + random.below(3);
  for (let i = 0; i < rounds; i++) out = mutateOnce(out, random);
  if (out.length >= IP + 20 && random.chance(0.92)) fixChecksums(out);
  return out;
}

function mutateOnce(frame: Uint8Array, random: Random): Uint8Array {
  if (frame.length < IP + 20) return noise(frame, random);
  const tcp = IP + ((frame[IP] as number) & 15) * 4;
  const kind = random.below(20);
  if (frame[IP + 9] === 17 && kind <= 6 && frame.length >= tcp + 8) {
    return mutateUdp(frame, tcp, random);
  }
  if (kind <= 12 && frame.length >= tcp + 20) return mutateTcp(frame, tcp, kind, random);
  switch (kind) {
    case 13:
      return frame.slice(0, random.below(frame.length + 1));
    case 14:
      return grow(frame, random);
    case 15: // fragment field
      put16(
        frame,
        IP + 6,
        random.pick([0x2000, 1, 0x2001, 0x1fff, 0x4000, 0x8000, random.int32()]),
      );
      return frame;
    case 16: // lengths of IP
      if (random.chance(0.5)) put16(frame, IP + 2, random.pick([0, 19, 20, 28, 40, 65_535]));
      else frame[IP] = random.pick([0x40, 0x44, 0x45, 0x46, 0x4f, 0x65, 0x55]);
      return frame;
    case 17: // protocol, TTL, addresses
      frame[IP + random.pick([8, 9, 12, 13, 14, 15, 16, 17, 18, 19])] = random.int32();
      return frame;
    case 18: // Ethernet
      frame[random.below(IP)] = random.int32();
      return frame;
    default:
      return noise(frame, random);
  }
}

function mutateTcp(frame: Uint8Array, tcp: number, kind: number, random: Random): Uint8Array {
  if (kind <= 3) frame[tcp + 13] = kind === 0 ? random.int32() : 1 << random.below(6);
  else if (kind <= 5) add32(frame, tcp + 4, edge(random));
  else if (kind <= 7) add32(frame, tcp + 8, edge(random));
  else if (kind === 8) put16(frame, tcp + 14, random.pick([0, 1, 65_535, random.int32()]));
  else if (kind === 9) frame[tcp + 12] = random.int32();
  else if (kind === 10) frame[tcp + random.below(4)] = random.int32();
  else if (kind === 11) put16(frame, tcp + 18, random.int32());
  else return withOptions(frame, tcp, random);
  return frame;
}

function mutateUdp(frame: Uint8Array, udp: number, random: Random): Uint8Array {
  const length = frame.length - udp;
  const lengths = [0, 7, 8, 9, length - 1, length + 1, 65_535, random.int32()];
  if (random.chance(0.5)) put16(frame, udp + 4, random.pick(lengths));
  else put16(frame, udp + random.pick([0, 2, 6]), random.pick([0, 53, 65_535, random.int32()]));
  return frame;
}

/** A value near an edge: a field is moved by it. */
function edge(random: Random): number {
  return (random.pick(EDGES) + (random.chance(0.3) ? random.below(5) - 2 : 0)) | 0;
}

function withOptions(frame: Uint8Array, tcp: number, random: Random): Uint8Array {
  const headerBytes = Math.min(((frame[tcp + 12] as number) >>> 4) * 4, frame.length - tcp);
  for (let at = tcp + 20; at + 1 < tcp + headerBytes; at += 1 + random.below(6)) {
    if (random.chance(0.5)) frame[at] = random.pick(OPTION_KINDS);
    if (random.chance(0.5)) frame[at + 1] = random.pick(LENGTHS);
    if (random.chance(0.2)) frame[at + 1] = random.int32();
  }
  return frame;
}

function grow(frame: Uint8Array, random: Random): Uint8Array {
  const more = random.below(Math.min(1_400, 1_514 - frame.length) + 1);
  const out = new Uint8Array(frame.length + more);
  out.set(frame);
  for (let i = frame.length; i < out.length; i += 7) out[i] = random.int32();
  if (random.chance(0.8)) put16(out, IP + 2, out.length - IP);
  return out;
}

function noise(frame: Uint8Array, random: Random): Uint8Array {
  if (frame.length === 0) return frame;
  const count = 1 + random.below(8);
  for (let i = 0; i < count; i++) frame[random.below(frame.length)] = random.int32();
  return frame;
}

/** Makes the checksums of IPv4, TCP and UDP right for whatever the frame says now. */
export function fixChecksums(frame: Uint8Array): void {
  const headerBytes = ((frame[IP] as number) & 15) * 4;
  const totalBytes = ((frame[IP + 2] as number) << 8) | (frame[IP + 3] as number);
  const end = Math.min(frame.length, IP + totalBytes);
  if (headerBytes < 20 || IP + headerBytes > frame.length) return;
  put16(frame, IP + 10, 0);
  put16(frame, IP + 10, checksumOf(frame.subarray(IP, IP + headerBytes), 0));
  const at = IP + headerBytes;
  const protocol = frame[IP + 9] as number;
  if (protocol === 6 && end >= at + 20) fixTransport(frame, at, end, at + 16);
  // What UDP covers is what its length says.
  if (protocol === 17 && end >= at + 8) {
    const length = ((frame[at + 4] as number) << 8) | (frame[at + 5] as number);
    fixTransport(frame, at, Math.min(end, at + Math.max(length, 8)), at + 6);
  }
}

function fixTransport(frame: Uint8Array, start: number, end: number, field: number): void {
  put16(frame, field, 0);
  let pseudo = (frame[IP + 9] as number) + (end - start);
  for (let i = 12; i < 20; i += 2) {
    pseudo += ((frame[IP + i] as number) << 8) | (frame[IP + i + 1] as number);
  }
  put16(frame, field, checksumOf(frame.subarray(start, end), pseudo) || 0xffff);
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

function add32(bytes: Uint8Array, at: number, delta: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setInt32(at, (view.getInt32(at) + delta) | 0);
}
