// SPDX-License-Identifier: MIT
// Stream content that names its position, so that any byte out of place shows.

/** The content repeats after so many bytes: 7 * 2^16 and 13 * 2^8 are multiples of 2^8. */
const PERIOD = 0x10000;

/** @returns the byte at `position` of every test stream, counted from 0 */
export function patternByte(position: number): number {
  return (position * 7 + (position >>> 8) * 13 + 3) & 0xff;
}

const TABLE: Uint8Array = Uint8Array.from({ length: 2 * PERIOD }, (_, i) => patternByte(i));

/** @returns `length` bytes of the stream from `position` on */
export function pattern(position: number, length: number): Uint8Array {
  const from = position & (PERIOD - 1);
  if (from + length <= TABLE.length) return TABLE.slice(from, from + length);
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = patternByte(position + i);
  return bytes;
}

/** @returns the first index at which `bytes` is not the stream from `position` on, or -1 */
export function patternBreak(bytes: Uint8Array, position: number): number {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] !== TABLE[(position + i) & (PERIOD - 1)]) return i;
  }
  return -1;
}
