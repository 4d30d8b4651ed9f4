// SPDX-License-Identifier: MIT
// Segments as text, after packetdrill: `P. 1:101(100) ack 1 win 65535 <mss 1460,ws 7,ts 5 0>`.
// `seq:end(length)` may be left out of a pure ACK that a `>` line expects: then it is not compared.

import { ACK, FIN, PSH, RST, SYN, TcpSegment, URG } from "../../../src/wire/tcp.ts";
import { pattern } from "./pattern.ts";

const FLAG_LETTERS: readonly (readonly [string, number])[] = [
  ["S", SYN],
  ["F", FIN],
  ["R", RST],
  ["P", PSH],
  [".", ACK],
  ["U", URG],
];
const LINE =
  /^([SFRP.U0]+)(?:\s+(-?\d+):(-?\d+)\((\d+)\))?(?:\s+ack\s+(-?\d+))?(?:\s+win\s+(\d+))?(?:\s+urg\s+(\d+))?(?:\s+<([^>]*)>)?$/;
/** What the peer offers unless a line says otherwise. */
const DEFAULT_WINDOW = 65_535;

/** A parsed line; numbers are relative. */
export class SegmentText {
  text = "";
  flags = 0;
  hasRange = false;
  seq = 0;
  length = 0;
  ack: number | null = null;
  win: number | null = null;
  urg: number | null = null;
  options: string | null = null;

  /** @returns the segment with `seqBase` and `ackBase` added, payload from the pattern */
  toSegment(seqBase: number, ackBase: number, srcPort: number, dstPort: number): TcpSegment {
    const seg = new TcpSegment();
    seg.srcPort = srcPort;
    seg.dstPort = dstPort;
    seg.seq = (seqBase + this.seq) | 0;
    seg.ack = this.ack === null ? 0 : (ackBase + this.ack) | 0;
    seg.flags = this.flags;
    seg.window = this.win ?? DEFAULT_WINDOW;
    seg.urgentPointer = this.urg ?? 0;
    const isSyn = (this.flags & SYN) !== 0;
    seg.bytes = pattern(isSyn ? this.seq : this.seq - 1, this.length);
    seg.payloadOffset = 0;
    seg.payloadBytes = this.length;
    seg.headerBytes = 20;
    for (const option of (this.options ?? "").split(",")) {
      const [name, a, b] = option.trim().split(/\s+/);
      if (name === "mss") seg.mss = Number(a);
      else if (name === "ws") seg.windowScale = Number(a);
      else if (name === "ts") {
        seg.hasTimestamps = true;
        seg.tsVal = Number(a) | 0;
        seg.tsEcr = Number(b) | 0;
      } else if (name !== "") throw new Error(`no such option: ${option}`);
    }
    return seg;
  }
}

/** @throws Error if the line is not understood */
export function parseSegment(line: string): SegmentText {
  const match = LINE.exec(line.trim());
  if (match === null) throw new Error(`no segment: ${line}`);
  const out = new SegmentText();
  out.text = line.trim().replace(/\s+/g, " ");
  for (const [letter, bit] of FLAG_LETTERS) {
    if ((match[1] as string).includes(letter)) out.flags |= bit;
  }
  out.hasRange = match[2] !== undefined;
  out.seq = Number(match[2] ?? 0);
  out.length = Number(match[4] ?? 0);
  if (out.hasRange && Number(match[3]) !== out.seq + out.length) {
    throw new Error(`range and length do not agree: ${line}`);
  }
  if (match[5] !== undefined) out.ack = Number(match[5]);
  if (match[6] !== undefined) out.win = Number(match[6]);
  if (match[7] !== undefined) out.urg = Number(match[7]);
  if (match[8] !== undefined) out.options = match[8];
  return out;
}

/**
 * Writes a segment like a line of a script.
 *
 * @param shape - which parts to write; null: all of them
 */
export function formatSegment(
  seg: TcpSegment,
  seqBase: number,
  ackBase: number,
  shape: SegmentText | null,
): string {
  let text = "";
  for (const [letter, bit] of FLAG_LETTERS) if ((seg.flags & bit) !== 0) text += letter;
  if (text === "") text = "0";
  const seq = (seg.seq - seqBase) | 0;
  if (shape === null || shape.hasRange || seg.payloadBytes > 0) {
    text += ` ${seq}:${seq + seg.payloadBytes}(${seg.payloadBytes})`;
  }
  if (shape === null || shape.ack !== null) {
    text += (seg.flags & ACK) !== 0 ? ` ack ${(seg.ack - ackBase) | 0}` : "";
  }
  if (shape === null || shape.win !== null) text += ` win ${seg.window}`;
  if (shape?.urg) text += ` urg ${seg.urgentPointer}`;
  if (shape === null || shape.options !== null) {
    const options: string[] = [];
    if (seg.mss !== 0) options.push(`mss ${seg.mss}`);
    if (seg.windowScale >= 0) options.push(`ws ${seg.windowScale}`);
    if (seg.hasTimestamps) options.push(`ts ${seg.tsVal} ${seg.tsEcr}`);
    if (options.length > 0 || shape !== null) text += ` <${options.join(",")}>`;
  }
  return text;
}
