// SPDX-License-Identifier: MIT
// Stream content that names its position, so that any byte out of place shows.

/** @returns the byte at `position` of every test stream, counted from 0 */
export function patternByte(position: number): number {
  return (position * 7 + (position >>> 8) * 13 + 3) & 0xff;
}

/** @returns `length` bytes of the stream from `position` on */
export function pattern(position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = patternByte(position + i);
  return bytes;
}

/** @returns the first index at which `bytes` is not the stream from `position` on, or -1 */
export function patternBreak(bytes: Uint8Array, position: number): number {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] !== patternByte(position + i)) return i;
  }
  return -1;
}
