// SPDX-License-Identifier: MIT
// The Internet checksum (RFC 1071): one's complement sum of 16-bit big-endian words.
// A sum is carried unfolded: `sum16` may be called again with the result of the last call as
// `initial`, as long as every piece but the last has an even length.

/** Folded sum of correct data, its checksum field included (RFC 1071 §1). */
export const SUM_OF_VALID = 0xffff;

/**
 * Sums bytes as 16-bit big-endian words; an odd last byte counts as its word's high half.
 *
 * High and low halves are summed apart: both stay far below 2^31, so no carry is ever lost and
 * the engine keeps them in integer registers.
 *
 * @param bytes - memory that holds the data
 * @param offset - first byte
 * @param length - bytes to sum, at most 65,535
 * @param initial - sum to go on from, below 2^32
 * @returns the sum, below 2^25; `fold` makes it 16 bits
 * @remarks Source: RFC 1071 §2.
 */
export function sum16(bytes: Uint8Array, offset: number, length: number, initial = 0): number {
  let high = 0;
  let low = 0;
  let i = offset | 0;
  const end = (i + length) | 0;
  const end8 = (end - 8) | 0;
  for (; i <= end8; i = (i + 8) | 0) {
    high +=
      (bytes[i] as number) +
      (bytes[i + 2] as number) +
      (bytes[i + 4] as number) +
      (bytes[i + 6] as number);
    low +=
      (bytes[i + 1] as number) +
      (bytes[i + 3] as number) +
      (bytes[i + 5] as number) +
      (bytes[i + 7] as number);
  }
  for (; i < end - 1; i = (i + 2) | 0) {
    high += bytes[i] as number;
    low += bytes[i + 1] as number;
  }
  if (i < end) high += bytes[i] as number;
  // high < 2^23: high << 8 fits an int32; low is added after the first fold.
  const sum = high << 8;
  return (sum & 0xffff) + (sum >>> 16) + low + (initial & 0xffff) + (initial >>> 16);
}

/**
 * Folds a sum to 16 bits by adding the carries back in.
 *
 * @returns 0 to 0xffff; 0xffff over data with a correct checksum field
 */
export function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/**
 * Sums the IPv4 pseudo-header that TCP and UDP checksums cover.
 *
 * @param src - source address, int32
 * @param dst - destination address, int32
 * @param length - bytes of transport header and payload
 * @returns an unfolded sum to pass to `sum16` as `initial`
 * @remarks Source: RFC 9293 §3.1.
 */
export function pseudoHeaderIpv4(
  src: number,
  dst: number,
  protocol: number,
  length: number,
): number {
  return (src >>> 16) + (src & 0xffff) + (dst >>> 16) + (dst & 0xffff) + protocol + length;
}

/**
 * Computes the value of a checksum field that is 0 in the data.
 *
 * @param initial - sum to go on from, for instance of the pseudo-header
 * @returns the field, 0 to 0xffff
 */
export function checksum(bytes: Uint8Array, offset: number, length: number, initial = 0): number {
  return ~fold(sum16(bytes, offset, length, initial)) & 0xffff;
}

/**
 * Tells whether data that includes its checksum field sums up right (RFC 1071 §1).
 *
 * @param initial - sum to go on from, for instance of the pseudo-header
 */
export function isChecksumValid(
  bytes: Uint8Array,
  offset: number,
  length: number,
  initial = 0,
): boolean {
  return fold(sum16(bytes, offset, length, initial)) === SUM_OF_VALID;
}
