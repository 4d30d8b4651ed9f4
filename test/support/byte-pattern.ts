// Bytes that anybody can make and check at any position of a stream, fast: a block whose length
// is a prime repeats for ever, so that a shift or a swap shows.

/** A prime a little above 1,000,000. */
const BLOCK_BYTES = 1_000_003;

const block: Uint8Array = new Uint8Array(BLOCK_BYTES);
for (let i = 0, x = 0x2545f491; i < BLOCK_BYTES; i++) {
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  block[i] = x;
}

/** The longest run of the stream that starts at `position`, at most `most` bytes; a view. */
export function patternAt(position: number, most: number): Uint8Array {
  const at = position % BLOCK_BYTES;
  return block.subarray(at, Math.min(at + most, BLOCK_BYTES));
}

/** Where `bytes`, which lie at `position` of the stream, are wrong first; -1: they are right. */
export function patternMismatch(bytes: Uint8Array, position: number): number {
  for (let at = 0; at < bytes.length; ) {
    const expected = patternAt(position + at, bytes.length - at);
    const actual = bytes.subarray(at, at + expected.length);
    if (Buffer.compare(actual, expected) !== 0) {
      return position + at + actual.findIndex((byte, i) => byte !== expected[i]);
    }
    at += expected.length;
  }
  return -1;
}
