// SPDX-License-Identifier: MIT
// The running hash over everything a simulated network carried: MurmurHash3 x86_128 over the time
// and place of each frame and over its bytes, which the lanes of xxHash32 condense to one block.
// Two runs with the same hash carried the same frames at the same virtual times. It guards against
// nobody; it only has to notice differences.

const C1 = 0x239b961b;
const C2 = 0xab0e9789 | 0;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93 | 0;
/** The primes of xxHash32. */
const P1 = 0x9e3779b1 | 0;
const P2 = 0x85ebca77 | 0;

const scratch = new DataView(new ArrayBuffer(16));

/** A 128-bit running hash. No allocation while it runs. */
export class TraceHash {
  private h1 = 0;
  private h2 = 0;
  private h3 = 0;
  private h4 = 0;
  private blocks = 0;

  /** Adds two times or other numbers, bit for bit. */
  addNumbers(first: number, second: number): void {
    scratch.setFloat64(0, first, true);
    scratch.setFloat64(8, second, true);
    this.addBlock(
      scratch.getInt32(0, true),
      scratch.getInt32(4, true),
      scratch.getInt32(8, true),
      scratch.getInt32(12, true),
    );
  }

  /**
   * Adds `length` bytes, given as little-endian words.
   *
   * @param words - Must hold whole blocks of four words; the bytes after `length` must be 0.
   */
  addWords(words: Int32Array, length: number): void {
    // Four lanes as in xxHash32, held in locals; one murmur block for the result.
    let a = length | 0;
    let b = P1;
    let c = P2;
    let d = P1 ^ P2;
    for (let i = 0; i << 2 < length; i += 4) {
      a = (a + Math.imul(words[i] as number, P2)) | 0;
      a = Math.imul((a << 13) | (a >>> 19), P1);
      b = (b + Math.imul(words[i + 1] as number, P2)) | 0;
      b = Math.imul((b << 13) | (b >>> 19), P1);
      c = (c + Math.imul(words[i + 2] as number, P2)) | 0;
      c = Math.imul((c << 13) | (c >>> 19), P1);
      d = (d + Math.imul(words[i + 3] as number, P2)) | 0;
      d = Math.imul((d << 13) | (d >>> 19), P1);
    }
    this.addBlock(a, b, c, d);
  }

  /** Adds one block of four words. */
  addBlock(k1: number, k2: number, k3: number, k4: number): void {
    let k = Math.imul(k1, C1);
    k = (k << 15) | (k >>> 17);
    let h1 = this.h1 ^ Math.imul(k, C2);
    h1 = ((h1 << 19) | (h1 >>> 13)) + this.h2;
    this.h1 = h1 = (Math.imul(h1, 5) + 0x561ccd1b) | 0;
    k = Math.imul(k2, C2);
    k = (k << 16) | (k >>> 16);
    let h2 = this.h2 ^ Math.imul(k, C3);
    h2 = ((h2 << 17) | (h2 >>> 15)) + this.h3;
    this.h2 = (Math.imul(h2, 5) + 0x0bcaa747) | 0;
    k = Math.imul(k3, C3);
    k = (k << 17) | (k >>> 15);
    let h3 = this.h3 ^ Math.imul(k, C4);
    h3 = ((h3 << 15) | (h3 >>> 17)) + this.h4;
    this.h3 = (Math.imul(h3, 5) + 0x96cd1c35) | 0;
    k = Math.imul(k4, C4);
    k = (k << 18) | (k >>> 14);
    let h4 = this.h4 ^ Math.imul(k, C1);
    h4 = ((h4 << 13) | (h4 >>> 19)) + h1;
    this.h4 = (Math.imul(h4, 5) + 0x32ac3b17) | 0;
    this.blocks = (this.blocks + 1) | 0;
  }

  /** Gives the hash so far as 32 hexadecimal digits; more can be added afterwards. */
  digest(): string {
    let h1 = this.h1 ^ this.blocks;
    let h2 = this.h2 ^ this.blocks;
    let h3 = this.h3 ^ this.blocks;
    let h4 = this.h4 ^ this.blocks;
    h1 = (h1 + h2 + h3 + h4) | 0;
    h2 = finish((h2 + h1) | 0);
    h3 = finish((h3 + h1) | 0);
    h4 = finish((h4 + h1) | 0);
    h1 = finish(h1);
    h1 = (h1 + h2 + h3 + h4) | 0;
    return hex(h1) + hex((h2 + h1) | 0) + hex((h3 + h1) | 0) + hex((h4 + h1) | 0);
  }
}

function finish(h: number): number {
  let x = Math.imul(h ^ (h >>> 16), 0x85ebca6b | 0);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35 | 0);
  return x ^ (x >>> 16);
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}
