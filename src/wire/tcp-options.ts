// SPDX-License-Identifier: MIT
// TCP options (RFC 9293 §3.2): end of list, no-operation, maximum segment size, window scale and
// timestamps (RFC 7323), SACK-permitted (RFC 2018, told but not offered). Unknown kinds are
// stepped over by their length (MUST-6). Left out: SACK blocks.
//
// What a hostile list does (hostile-input C4 to C9):
//   - a length of 0, 1 or past the header ends the list; what was read before it counts (MUST-7)
//   - a known kind with another length than its own is stepped over
//   - MSS, window scale and SACK-permitted outside a SYN are ignored
//   - of two options of one kind, the last counts

import { read16, read32, write16, write32 } from "./big-endian.ts";

export const OPTION_END = 0;
export const OPTION_NOP = 1;
export const OPTION_MSS = 2;
export const OPTION_WINDOW_SCALE = 3;
export const OPTION_SACK_PERMITTED = 4;
export const OPTION_SACK = 5;
export const OPTION_TIMESTAMPS = 8;

/**
 * Smallest MSS believed, in bytes. Lower ones count as this: a segment must have room for data
 * beside 40 bytes of options, and a peer must not make us cut data into crumbs (CVE-2019-11479).
 * Source: the value is Linux's first TCP_MIN_MSS, 88.
 */
export const MSS_MIN = 88;
/** Largest shift of a window; larger ones count as this (RFC 7323 §2.3). */
export const WINDOW_SCALE_MAX = 14;

const MSS_BYTES = 4;
const WINDOW_SCALE_BYTES = 3;
const SACK_PERMITTED_BYTES = 2;
const TIMESTAMPS_BYTES = 10;
/** NOP NOP timestamps-kind length: what every stack sends in data segments (RFC 7323 app. A). */
const TIMESTAMPS_ALIGNED = 0x0101080a;
const TIMESTAMPS_ALIGNED_BYTES = 12;

/** What the options of one segment said. */
export interface TcpOptions {
  /** Bytes, MSS_MIN to 65,535; 0: no such option, or it said 0. */
  mss: number;
  /** 0 to 14; -1: no such option. */
  windowScale: number;
  sackPermitted: boolean;
  hasTimestamps: boolean;
  /** int32, 0 without timestamps. */
  tsVal: number;
  /** int32, 0 without timestamps. */
  tsEcr: number;
}

/**
 * Reads the options of a segment. Never fails: what cannot be read is as if it were not there.
 *
 * @param offset - first byte after the 20-byte header
 * @param length - bytes of options, all present
 * @param isSyn - whether options that belong into SYN segments count
 * @param out - every field is set
 */
export function parseTcpOptions(
  bytes: Uint8Array,
  offset: number,
  length: number,
  isSyn: boolean,
  out: TcpOptions,
): void {
  out.mss = 0;
  out.windowScale = -1;
  out.sackPermitted = false;
  out.hasTimestamps = false;
  out.tsVal = 0;
  out.tsEcr = 0;
  if (length === 0) return;
  if (length === TIMESTAMPS_ALIGNED_BYTES && read32(bytes, offset) === TIMESTAMPS_ALIGNED) {
    out.hasTimestamps = true;
    out.tsVal = read32(bytes, offset + 4);
    out.tsEcr = read32(bytes, offset + 8);
    return;
  }
  const end = offset + length;
  let at = offset;
  while (at < end) {
    const kind = bytes[at] as number;
    if (kind === OPTION_END) return;
    if (kind === OPTION_NOP) {
      at++;
      continue;
    }
    if (at + 1 >= end) return;
    const optionBytes = bytes[at + 1] as number;
    if (optionBytes < 2 || at + optionBytes > end) return;
    readOption(bytes, at, kind, optionBytes, isSyn, out);
    at += optionBytes;
  }
}

function readOption(
  bytes: Uint8Array,
  at: number,
  kind: number,
  optionBytes: number,
  isSyn: boolean,
  out: TcpOptions,
): void {
  if (kind === OPTION_TIMESTAMPS) {
    if (optionBytes !== TIMESTAMPS_BYTES) return;
    out.hasTimestamps = true;
    out.tsVal = read32(bytes, at + 2);
    out.tsEcr = read32(bytes, at + 6);
    return;
  }
  if (!isSyn) return;
  if (kind === OPTION_MSS && optionBytes === MSS_BYTES) {
    const mss = read16(bytes, at + 2);
    out.mss = mss === 0 || mss >= MSS_MIN ? mss : MSS_MIN;
  } else if (kind === OPTION_WINDOW_SCALE && optionBytes === WINDOW_SCALE_BYTES) {
    out.windowScale = Math.min(bytes[at + 2] as number, WINDOW_SCALE_MAX);
  } else if (kind === OPTION_SACK_PERMITTED && optionBytes === SACK_PERMITTED_BYTES) {
    out.sackPermitted = true;
  }
}

/**
 * Tells how many bytes `writeTcpOptions` would write.
 *
 * @param mss - bytes, 0: no such option
 * @param windowScale - shift, -1: no such option
 * @returns a multiple of 4, at most 20
 */
export function tcpOptionsBytes(mss: number, windowScale: number, hasTimestamps: boolean): number {
  return (
    (mss === 0 ? 0 : MSS_BYTES) +
    (windowScale < 0 ? 0 : WINDOW_SCALE_BYTES + 1) +
    (hasTimestamps ? TIMESTAMPS_ALIGNED_BYTES : 0)
  );
}

/**
 * Writes options, each padded with NOPs in front so that its values lie on words of 4 bytes.
 *
 * @param offset - first byte after the 20-byte header
 * @param mss - bytes, 0: no such option. Only in a SYN (MUST-65)
 * @param windowScale - shift, -1: no such option. Only in a SYN
 * @returns bytes written: `tcpOptionsBytes` of the same arguments
 */
export function writeTcpOptions(
  bytes: Uint8Array,
  offset: number,
  mss: number,
  windowScale: number,
  hasTimestamps: boolean,
  tsVal: number,
  tsEcr: number,
): number {
  let at = offset;
  if (mss !== 0) {
    bytes[at] = OPTION_MSS;
    bytes[at + 1] = MSS_BYTES;
    write16(bytes, at + 2, mss);
    at += MSS_BYTES;
  }
  if (windowScale >= 0) {
    bytes[at] = OPTION_NOP;
    bytes[at + 1] = OPTION_WINDOW_SCALE;
    bytes[at + 2] = WINDOW_SCALE_BYTES;
    bytes[at + 3] = windowScale;
    at += WINDOW_SCALE_BYTES + 1;
  }
  if (hasTimestamps) {
    write32(bytes, at, TIMESTAMPS_ALIGNED);
    write32(bytes, at + 4, tsVal);
    write32(bytes, at + 8, tsEcr);
    at += TIMESTAMPS_ALIGNED_BYTES;
  }
  return at - offset;
}
