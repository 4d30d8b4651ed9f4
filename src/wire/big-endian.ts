// SPDX-License-Identifier: MIT
// Big-endian fields in bytes. Byte reads are as fast as a DataView here and need no second object
// per block of memory. None of these checks its bounds: the caller has, against the bytes present.

/** Reads an unsigned 16-bit field. */
export function read16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] as number) << 8) | (bytes[offset + 1] as number);
}

/** Reads a 32-bit field as int32. */
export function read32(bytes: Uint8Array, offset: number): number {
  return (
    ((bytes[offset] as number) << 24) |
    ((bytes[offset + 1] as number) << 16) |
    ((bytes[offset + 2] as number) << 8) |
    (bytes[offset + 3] as number)
  );
}

/** Writes the low 16 bits of `value`. */
export function write16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 8;
  bytes[offset + 1] = value;
}

/** Writes the 32 bits of `value`, int32 or uint32. */
export function write32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}
