// SPDX-License-Identifier: MIT
// What a packet costs in src/wire, in nanoseconds. A part of the suite `stack`.
//
// Frames lie 2,048 bytes apart in one block, as a driver lays them out, and are visited in turn.

import { fold, pseudoHeaderIpv4, sum16 } from "../src/wire/checksum.ts";
import { ETHERTYPE_IPV4, readEtherType, writeEthernet } from "../src/wire/ethernet.ts";
import { Ipv4Header, parseIpv4, writeIpv4 } from "../src/wire/ipv4.ts";
import { ACK, PSH, parseTcp, SYN, TcpSegment, writeTcpHeader } from "../src/wire/tcp.ts";
import { writeTcpOptions } from "../src/wire/tcp-options.ts";
import { costFigure, type Figure } from "./support/figure.ts";
import { measureNs } from "./support/measure.ts";
import type { Pace } from "./support/pace.ts";

const SLOT_BYTES = 2_048;
const SLOTS = 256;
const MAC_A = Uint8Array.of(2, 0, 0, 0, 0, 1);
const MAC_B = Uint8Array.of(2, 0, 0, 0, 0, 2);
const SRC = 0x0a000002;
const DST = 0x0a000001;

/** Writes a whole frame with its checksum. @returns its length */
function emit(bytes: Uint8Array, at: number, flags: number, payloadBytes: number): number {
  const isSyn = (flags & SYN) !== 0;
  const options = writeTcpOptions(bytes, at + 54, isSyn ? 1_460 : 0, isSyn ? 7 : -1, true, 1, 2);
  const segmentBytes = 20 + options + payloadBytes;
  writeTcpHeader(bytes, at + 34, 40_000, 80, 1, 2, flags, 500, 0, 20 + options);
  const pseudo = pseudoHeaderIpv4(SRC, DST, 6, segmentBytes);
  const sum = ~fold(sum16(bytes, at + 34, segmentBytes, pseudo));
  bytes[at + 50] = sum >>> 8;
  bytes[at + 51] = sum;
  writeIpv4(bytes, at + 14, 20 + segmentBytes, 64, 6, SRC, DST);
  writeEthernet(bytes, at, MAC_A, MAC_B, ETHERTYPE_IPV4);
  return 34 + segmentBytes;
}

const ip = new Ipv4Header();
const segment = new TcpSegment();

/** Reads a whole frame and verifies its checksums. @returns payload bytes, or a negative reason */
function receive(bytes: Uint8Array, at: number, length: number): number {
  const etherType = readEtherType(bytes, at, length);
  if (etherType !== ETHERTYPE_IPV4) return -1;
  const reason = parseIpv4(bytes, at + 14, length - 14, ip);
  if (reason !== 0) return reason;
  const start = at + 14 + ip.headerBytes;
  const pseudo = pseudoHeaderIpv4(ip.src, ip.dst, ip.protocol, ip.payloadBytes);
  if (fold(sum16(bytes, start, ip.payloadBytes, pseudo)) !== 0xffff) return -2;
  const refused = parseTcp(bytes, start, ip.payloadBytes, segment);
  return refused === 0 ? segment.payloadBytes : refused;
}

/** What everybody writes first. */
function sumByWords(bytes: Uint8Array, offset: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i += 2) {
    sum += ((bytes[offset + i] as number) << 8) | (bytes[offset + i + 1] as number);
  }
  return sum;
}

function checksumFigures(pace: Pace, block: Uint8Array): Figure[] {
  return [20, 64, 1_460].map((length) =>
    costFigure(
      `checksum of ${length} bytes`,
      "ns",
      measureNs(pace, (i) => sum16(block, (i & (SLOTS - 1)) * SLOT_BYTES + 34, length)),
      {
        peers: {
          "16-bit byte loop": measureNs(pace, (i) =>
            sumByWords(block, (i & (SLOTS - 1)) * SLOT_BYTES + 34, length),
          ),
        },
      },
    ),
  );
}

function frameFigures(pace: Pace, block: Uint8Array): Figure[] {
  const shapes: [string, number, number][] = [
    ["SYN with options", SYN, 0],
    ["ACK without payload", ACK, 0],
    ["segment of 64 bytes", ACK | PSH, 64],
    ["segment of 1,448 bytes", ACK | PSH, 1_448],
  ];
  const figures: Figure[] = [];
  for (const [name, flags, payloadBytes] of shapes) {
    const emitNs = measureNs(pace, (i) =>
      emit(block, (i & (SLOTS - 1)) * SLOT_BYTES, flags, payloadBytes),
    );
    const length = emit(block, 0, flags, payloadBytes);
    for (let slot = 0; slot < SLOTS; slot++) emit(block, slot * SLOT_BYTES, flags, payloadBytes);
    if (receive(block, 0, length) !== payloadBytes) throw new Error(`cannot read a ${name}`);
    const parseNs = measureNs(pace, (i) => receive(block, (i & (SLOTS - 1)) * SLOT_BYTES, length));
    figures.push(costFigure(`parse and verify: ${name}`, "ns", parseNs));
    figures.push(costFigure(`emit with checksums: ${name}`, "ns", emitNs));
  }
  return figures;
}

/** Measures src/wire. */
export function wireFigures(pace: Pace): Figure[] {
  const block = new Uint8Array(SLOTS * SLOT_BYTES);
  for (let i = 0; i < block.length; i++) block[i] = Math.imul(i, 0x9e3779b1) >>> 24;
  return [...checksumFigures(pace, block), ...frameFigures(pace, block)];
}
