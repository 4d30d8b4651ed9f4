// SPDX-License-Identifier: MIT
// Addresses for simulated hosts: MAC addresses 02:00:00:00:xx:xx in order of creation, and per
// segment or link a prefix 10.0.k.0/24 whose hosts count from 1.

import { wrong } from "./check.ts";
import { ipNumber } from "./craft.ts";
import { ipText } from "./frame-view.ts";

/** 10.0.0.0 as int32. */
const FIRST_PREFIX = 0x0a000000;
const DEFAULT_PREFIX_BITS = 24;

interface Prefix {
  readonly base: number;
  readonly bits: number;
  used: number;
}

/** Hands out addresses. */
export class AddressPlan {
  private readonly prefixes: Map<string, Prefix> = new Map();
  private readonly reserved: Set<string> = new Set();
  private macs = 0;

  /**
   * Adds a prefix under a name.
   *
   * @param text - `"10.1.0.0/24"`; omitted: the next 10.0.k.0/24.
   * @throws NetError EINVAL: `text` is not an IPv4 prefix of 8 to 30 bits.
   */
  addPrefix(name: string, text: string | undefined): void {
    if (text === undefined) {
      const base = (FIRST_PREFIX + this.prefixes.size * 256) | 0;
      this.prefixes.set(name, { base, bits: DEFAULT_PREFIX_BITS, used: 0 });
      return;
    }
    const [address, bits, rest] = String(text).split("/");
    const bitCount = Number(bits);
    if (rest !== undefined || !Number.isInteger(bitCount) || bitCount < 8 || bitCount > 30) {
      throw wrong("sim.lan", "prefix", "must be like 10.1.0.0/24", text);
    }
    const base = ipNumber(address as string) & (-1 << (32 - bitCount));
    this.prefixes.set(name, { base, bits: bitCount, used: 0 });
  }

  /**
   * Gives the next free address of a prefix with its length: `"10.0.0.1/24"`.
   *
   * @throws NetError EINVAL: the prefix is used up.
   */
  next(name: string): string {
    const prefix = this.prefixes.get(name) as Prefix;
    const last = 2 ** (32 - prefix.bits) - 2;
    for (;;) {
      if (prefix.used >= last) throw wrong("sim.host", "lan", "has no address left", name);
      prefix.used++;
      const address = ipText((prefix.base + prefix.used) | 0);
      if (this.reserved.has(address)) continue;
      this.reserved.add(address);
      return `${address}/${prefix.bits}`;
    }
  }

  /**
   * Takes an address that a test has chosen out of the plan, and completes it.
   *
   * @param text - `"10.0.0.7/24"` or `"10.0.0.7"`, which gets the length of the prefix.
   * @throws NetError EINVAL: malformed, or in use.
   */
  reserve(name: string, text: string): string {
    const [address = "", bits, rest] = String(text).split("/");
    const isPrefix = bits === undefined || (Number(bits) >= 1 && Number(bits) <= 32);
    if (rest !== undefined || !isPrefix) {
      throw wrong("sim.host", "address", "must be like 10.0.0.1 or 10.0.0.1/24", text);
    }
    ipNumber(address);
    if (this.reserved.has(address)) throw wrong("sim.host", "address", "is in use", text);
    this.reserved.add(address);
    return `${address}/${bits ?? (this.prefixes.get(name) as Prefix).bits}`;
  }

  /** Gives the next MAC address. */
  mac(): Uint8Array {
    this.macs++;
    return Uint8Array.of(2, 0, 0, 0, this.macs >>> 8, this.macs & 255);
  }
}
