// SPDX-License-Identifier: MIT
// Arithmetic on sequence numbers (RFC 9293 §3.4): modulo 2^32, held as int32. "Before" means at
// most 2^31 - 1 before; two numbers 2^31 apart are each before the other, as everywhere.
//
//   add       (a + n) | 0
//   distance  (b - a) | 0      negative when b is before a

const INT32_MIN = -0x80000000;

/** `a < b` in sequence space. */
export function lt(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

/** `a <= b` in sequence space. */
export function leq(a: number, b: number): boolean {
  return ((b - a) | 0) >= 0;
}

/** `a > b` in sequence space. */
export function gt(a: number, b: number): boolean {
  return ((b - a) | 0) < 0;
}

/** `a >= b` in sequence space. */
export function geq(a: number, b: number): boolean {
  return ((a - b) | 0) >= 0;
}

/**
 * Tells whether `left <= seq < right`, going up from `left`; false if `left` equals `right`.
 * Right for distances up to 2^32 - 1.
 */
export function between(seq: number, left: number, right: number): boolean {
  // Unsigned comparison by flipping the sign bits: no number leaves the int32 range.
  return (((seq - left) | 0) ^ INT32_MIN) < (((right - left) | 0) ^ INT32_MIN);
}

/** The later of two sequence numbers. */
export function max(a: number, b: number): number {
  return lt(a, b) ? b : a;
}

/** The earlier of two sequence numbers. */
export function min(a: number, b: number): number {
  return lt(a, b) ? a : b;
}
