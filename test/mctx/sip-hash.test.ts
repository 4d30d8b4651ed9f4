import { describe, expect, it } from "vitest";
import { SipHash } from "../../src/mctx/sip-hash.ts";

describe("SipHash", () => {
  // vectors_sip64 of the authors' reference implementation: key 00..0f, message 00, 01, 02, ...
  it.each([
    [0, "310e0edd47db6f72"],
    [4, "b7877127e09427cf"],
    [8, "6224939a79f5f593"],
    [12, "fbe50e86bc8f1e75"],
  ])("digests %i bytes as the reference does", (lengthBytes, expected) => {
    const key = Uint8Array.from({ length: 16 }, (_, i) => i);
    const message = new Int32Array(Uint8Array.from({ length: 16 }, (_, i) => i).buffer);
    const hash = new SipHash(key);
    hash.digest(message, lengthBytes / 4);
    const digest = Buffer.alloc(8);
    digest.writeInt32LE(hash.low, 0);
    digest.writeInt32LE(hash.high, 4);
    expect(digest.toString("hex")).toBe(expected);
  });
});
