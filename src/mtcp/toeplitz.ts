// SPDX-License-Identifier: MIT
// The Toeplitz hash, by which a NIC chooses the queue of a packet (receive-side scaling): for each
// bit of the input that is set, the 32 bits of the key that begin there are added (exclusive or).
// Input of TCP over IPv4: source address, destination address, source port, destination port.

/** Bytes of key beyond those of the input: the last bit of the input meets 32 bits of the key. */
const KEY_MARGIN_BYTES = 4;
/** Bytes that are hashed of TCP over IPv4. */
export const TCP_V4_BYTES = 12;
const KEY_BYTES = 40;
/** What mTCP and mOS give the NIC. */
const SYMMETRIC_BYTE = 0x05;

/**
 * A key that repeats every 16 bits, and so gives both directions of a connection one hash: source
 * and destination change places by 32 and by 16 bits.
 */
export const SYMMETRIC_KEY: Uint8Array = new Uint8Array(KEY_BYTES).fill(SYMMETRIC_BYTE);

/**
 * Hashes bytes.
 *
 * @param key - at least 4 bytes longer than the input
 * @param input - addresses and ports in network byte order
 * @returns uint32
 */
export function toeplitzHash(key: Uint8Array, input: Uint8Array): number {
  let window = 0;
  for (let i = 0; i < KEY_MARGIN_BYTES; i++) window = (window << 8) | (key[i] as number);
  let hash = 0;
  for (let i = 0; i < input.length; i++) {
    const byte = input[i] as number;
    const next = key[i + KEY_MARGIN_BYTES] as number;
    for (let bit = 7; bit >= 0; bit--) {
      if (((byte >>> bit) & 1) !== 0) hash ^= window;
      window = (window << 1) | ((next >>> bit) & 1);
    }
  }
  return hash >>> 0;
}

/** Lays out what is hashed of TCP over IPv4. Addresses are int32 or uint32, ports host order. */
export function tcpV4Input(
  source: number,
  destination: number,
  sourcePort: number,
  destinationPort: number,
): Uint8Array {
  const input = new Uint8Array(TCP_V4_BYTES);
  const view = new DataView(input.buffer);
  view.setInt32(0, source | 0);
  view.setInt32(4, destination | 0);
  view.setUint16(8, sourcePort);
  view.setUint16(10, destinationPort);
  return input;
}
