// SPDX-License-Identifier: MIT
// IP addresses of both families in one shape: four int32 words, IPv4 as the v4-mapped
// ::ffff:a.b.c.d (RFC 4291 §2.5.5.2). Two addresses are equal if their words are. Text is read
// and written as in RFC 5952; zone identifiers (%eth0) are not supported.

const V4_MAPPED = 0xffff;
const GROUPS = 8;

/** An immutable IPv4 or IPv6 address. */
export class IpAddress {
  /** 4 or 6. */
  readonly family: 4 | 6;
  /** Most significant word, int32. */
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  /** Least significant word, int32: the whole address in IPv4. */
  readonly w3: number;

  /** Words are int32 or uint32, most significant first; v4-mapped ones make an IPv4 address. */
  constructor(w0: number, w1: number, w2: number, w3: number) {
    this.w0 = w0 | 0;
    this.w1 = w1 | 0;
    this.w2 = w2 | 0;
    this.w3 = w3 | 0;
    this.family = this.w0 === 0 && this.w1 === 0 && this.w2 === V4_MAPPED ? 4 : 6;
  }

  /**
   * Makes an IPv4 address.
   *
   * @param address - int32 or uint32, most significant byte first
   */
  static v4(address: number): IpAddress {
    return new IpAddress(0, 0, V4_MAPPED, address);
  }

  /**
   * Reads an address: `10.0.0.1`, `fe80::1`, `::ffff:10.0.0.1`.
   *
   * @returns null if `text` is not an address; IPv4 numbers with leading zeros are not
   */
  static parse(text: string): IpAddress | null {
    if (!text.includes(":")) {
      const address = parseV4(text);
      return address === null ? null : IpAddress.v4(address);
    }
    return parseV6(text);
  }

  /** Tells whether the other address is the same one. */
  equals(other: IpAddress): boolean {
    return (
      this.w3 === other.w3 && this.w2 === other.w2 && this.w1 === other.w1 && this.w0 === other.w0
    );
  }

  /** Prints it as RFC 5952 says. */
  toString(): string {
    return this.family === 4 ? formatV4(this.w3) : formatV6(this);
  }

  /** `0.0.0.0` or `::`. */
  get isUnspecified(): boolean {
    if (this.family === 4) return this.w3 === 0;
    return (this.w0 | this.w1 | this.w2 | this.w3) === 0;
  }

  /** 127.0.0.0/8 or `::1`. */
  get isLoopback(): boolean {
    if (this.family === 4) return this.w3 >>> 24 === 127;
    return (this.w0 | this.w1 | this.w2) === 0 && this.w3 === 1;
  }

  /** 224.0.0.0/4 or ff00::/8. */
  get isMulticast(): boolean {
    return this.family === 4 ? this.w3 >>> 28 === 0xe : this.w0 >>> 24 === 0xff;
  }

  /** 255.255.255.255. For the broadcast address of a prefix see `isBroadcastOf`. */
  get isLimitedBroadcast(): boolean {
    return this.family === 4 && this.w3 === -1;
  }
}

/** The addresses that share their first `bits` bits with `address`. */
export interface Prefix {
  /** Any address of it; `10.0.0.1/24` keeps the host's own. */
  readonly address: IpAddress;
  /** 0 to 32 for IPv4, 0 to 128 for IPv6. */
  readonly bits: number;
}

/**
 * Reads an address with a prefix length: `10.0.0.1/24`. Without one it is a single host.
 *
 * @returns null if it is not one
 */
export function parsePrefix(text: string): Prefix | null {
  const slash = text.indexOf("/");
  const address = IpAddress.parse(slash < 0 ? text : text.slice(0, slash));
  if (address === null) return null;
  const most = address.family === 4 ? 32 : 128;
  if (slash < 0) return { address, bits: most };
  const digits = text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(digits)) return null;
  const bits = Number(digits);
  return bits > most ? null : { address, bits };
}

/** Tells whether `address` lies in `prefix`. */
export function contains(prefix: Prefix, address: IpAddress): boolean {
  const base = prefix.address;
  if (base.family !== address.family) return false;
  if (base.family === 4) return ((base.w3 ^ address.w3) & maskOf(prefix.bits)) === 0;
  return (
    ((base.w0 ^ address.w0) & maskOf(prefix.bits)) === 0 &&
    ((base.w1 ^ address.w1) & maskOf(prefix.bits - 32)) === 0 &&
    ((base.w2 ^ address.w2) & maskOf(prefix.bits - 64)) === 0 &&
    ((base.w3 ^ address.w3) & maskOf(prefix.bits - 96)) === 0
  );
}

/** Tells whether `address` is the broadcast address of `prefix`; a /31 and a /32 have none. */
export function isBroadcastOf(prefix: Prefix, address: IpAddress): boolean {
  if (address.family !== 4 || prefix.bits > 30 || !contains(prefix, address)) return false;
  return (address.w3 | maskOf(prefix.bits)) === -1;
}

/** The int32 mask of the first `bits` bits of a word; any `bits` below 0 is 0, above 32 is 32. */
export function maskOf(bits: number): number {
  // A shift by 32 shifts by 0 in JavaScript.
  if (bits <= 0) return 0;
  return bits >= 32 ? -1 : -1 << (32 - bits);
}

function parseV4(text: string): number | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  let address = 0;
  for (const part of parts) {
    // Leading zeros mean octal to some readers: refused, as inet_pton does.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    address = (address << 8) | Number(part);
  }
  return address;
}

function formatV4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 0xff}.${(address >>> 8) & 0xff}.${address & 0xff}`;
}

function parseV6(text: string): IpAddress | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0] as string, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] as string, true) : [];
  if (head === null || tail === null) return null;
  const missing = GROUPS - head.length - tail.length;
  // "::" stands for at least one group of zeros.
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  const word = (i: number): number => ((groups[i] as number) << 16) | (groups[i + 1] as number);
  return new IpAddress(word(0), word(2), word(4), word(6));
}

/** @param mayEndInV4 - whether the last group may be a dotted IPv4 address */
function parseGroups(text: string, mayEndInV4: boolean): number[] | null {
  if (text === "") return [];
  const parts = text.split(":");
  const groups: number[] = [];
  for (const [i, part] of parts.entries()) {
    if (mayEndInV4 && i === parts.length - 1 && part.includes(".")) {
      const address = parseV4(part);
      if (address === null) return null;
      groups.push(address >>> 16, address & 0xffff);
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      return null;
    }
  }
  return groups;
}

function formatV6(address: IpAddress): string {
  const groups: number[] = [];
  for (const word of [address.w0, address.w1, address.w2, address.w3]) {
    groups.push(word >>> 16, word & 0xffff);
  }
  // RFC 5952 §4.2: the longest run of at least two zero groups, the first of equals, becomes "::".
  let start = -1;
  let length = 1;
  for (let i = 0; i < GROUPS; i++) {
    let end = i;
    while (end < GROUPS && groups[end] === 0) end++;
    if (end - i > length) {
      start = i;
      length = end - i;
    }
  }
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(":");
  if (start < 0) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}
