// SPDX-License-Identifier: MIT
// A lenient look at a frame, for rules, tests and printed traces: whatever can be read is read,
// and a frame that is cut short or wrong is shown as far as it goes. The strict parsers that
// decide what the stack accepts are in src/wire; tests want to see what those refuse, and a view
// that shared their code would share their mistakes.

/** What a frame carries, as far as the view understands it. */
export type FrameProtocol = "arp" | "tcp" | "udp" | "icmp" | "ipv4" | "ipv6" | "other";

const ETHERNET_BYTES = 14;
const VLAN = 0x8100;
const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const ARP = 0x0806;

/** A parsed view of one frame. It is reused: do not keep it. */
export class FrameView {
  bytes: Uint8Array = new Uint8Array(0);
  /** Bytes of the frame, which may be more than `bytes` holds (a cut-off capture). */
  length = 0;
  /** Whether `bytes` holds the whole frame. */
  isWhole = false;
  etherType = 0;
  protocol: FrameProtocol = "other";
  /** Offset of the network header. */
  networkOffset = 0;
  /** IPv4 and ARP: addresses as int32. */
  sourceIp = 0;
  destinationIp = 0;
  /** Protocol number of the IP header, next header of IPv6; -1 without. */
  ipProtocol = -1;
  ipHeaderBytes = 0;
  /** Total length the IP header claims. */
  ipTotalBytes = 0;
  ttl = 0;
  id = 0;
  dontFragment = false;
  moreFragments = false;
  /** In bytes. */
  fragmentOffset = 0;
  /** ARP operation: 1 request, 2 reply. */
  arpOperation = 0;
  /** TCP, UDP: ports. */
  sourcePort = 0;
  destinationPort = 0;
  /** Offset of the TCP, UDP or ICMP header. */
  transportOffset = 0;
  /** TCP sequence numbers, 0 to 2^32 - 1. */
  seq = 0;
  ack = 0;
  /** TCP flags: FIN 1 SYN 2 RST 4 PSH 8 ACK 16 URG 32 ECE 64 CWR 128. */
  flags = 0;
  window = 0;
  urgentPointer = 0;
  /** ICMP. */
  icmpType = -1;
  icmpCode = 0;
  /** Where the TCP, UDP or ICMP payload starts, and how much of it the IP length claims. */
  payloadOffset = 0;
  payloadLength = 0;

  /**
   * Reads a frame; `length` may exceed what `bytes` holds from `offset` 0.
   *
   * @param bytes - the frame from its Ethernet header on, or the beginning of it; not copied
   * @param length - its true length in bytes
   * @returns this view
   */
  parse(bytes: Uint8Array, length: number = bytes.length): this {
    this.bytes = bytes;
    this.length = length;
    this.isWhole = bytes.length >= length;
    this.clear();
    if (this.held < ETHERNET_BYTES) return this;
    this.etherType = this.u16(12);
    this.networkOffset = ETHERNET_BYTES;
    if (this.etherType === VLAN && this.held >= ETHERNET_BYTES + 4) {
      this.etherType = this.u16(16);
      this.networkOffset += 4;
    }
    if (this.etherType === IPV4) this.parseIpv4();
    else if (this.etherType === IPV6) this.parseIpv6();
    else if (this.etherType === ARP) this.parseArp();
    return this;
  }

  get isTcp(): boolean {
    return this.protocol === "tcp";
  }
  get isArp(): boolean {
    return this.protocol === "arp";
  }
  get isIcmp(): boolean {
    return this.protocol === "icmp";
  }
  get isUdp(): boolean {
    return this.protocol === "udp";
  }
  get fin(): boolean {
    return (this.flags & 1) !== 0;
  }
  get syn(): boolean {
    return (this.flags & 2) !== 0;
  }
  get rst(): boolean {
    return (this.flags & 4) !== 0;
  }
  get psh(): boolean {
    return (this.flags & 8) !== 0;
  }
  get hasAck(): boolean {
    return (this.flags & 16) !== 0;
  }
  get urg(): boolean {
    return (this.flags & 32) !== 0;
  }
  /** `"10.0.0.1"`; `""` when the frame has no such address. */
  get source(): string {
    return this.addressText(this.sourceIp, 8);
  }
  get destination(): string {
    return this.addressText(this.destinationIp, 24);
  }
  get sourceMac(): string {
    return macText(this.bytes, 6);
  }
  get destinationMac(): string {
    return macText(this.bytes, 0);
  }
  /** The bytes of the payload that are there; a view of the frame. */
  get payload(): Uint8Array {
    return this.bytes.subarray(this.payloadOffset, this.payloadOffset + this.payloadLength);
  }
  /** Bytes that can be read. */
  get held(): number {
    return Math.min(this.bytes.length, this.length);
  }

  /**
   * Reads a byte; 0 past the end.
   *
   * @param at - offset in the frame
   * @returns the byte
   */
  u8(at: number): number {
    return this.bytes[at] ?? 0;
  }
  /**
   * Reads a big-endian 16-bit number; 0 past the end.
   *
   * @param at - offset in the frame
   * @returns 0 to 65,535
   */
  u16(at: number): number {
    return (this.u8(at) << 8) | this.u8(at + 1);
  }
  /**
   * Reads an unsigned 32-bit number.
   *
   * @param at - offset in the frame
   * @returns 0 to 2^32 - 1
   */
  u32(at: number): number {
    return ((this.u16(at) << 16) | this.u16(at + 2)) >>> 0;
  }

  private addressText(ip: number, ipv6At: number): string {
    if (this.etherType === IPV4 || this.etherType === ARP) return ipText(ip);
    if (this.etherType === IPV6) return ipv6Text(this, this.networkOffset + ipv6At);
    return "";
  }

  private clear(): void {
    this.etherType = 0;
    this.protocol = "other";
    this.networkOffset = 0;
    this.sourceIp = this.destinationIp = 0;
    this.ipProtocol = -1;
    this.ipHeaderBytes = this.ipTotalBytes = this.ttl = this.id = 0;
    this.dontFragment = this.moreFragments = false;
    this.fragmentOffset = this.arpOperation = 0;
    this.sourcePort = this.destinationPort = this.transportOffset = 0;
    this.seq = this.ack = this.flags = this.window = this.urgentPointer = 0;
    this.icmpType = -1;
    this.icmpCode = this.payloadOffset = this.payloadLength = 0;
  }

  private parseArp(): void {
    const at = this.networkOffset;
    if (this.held < at + 28) return;
    this.protocol = "arp";
    this.arpOperation = this.u16(at + 6);
    this.sourceIp = this.u32(at + 14) | 0;
    this.destinationIp = this.u32(at + 24) | 0;
  }

  private parseIpv4(): void {
    const at = this.networkOffset;
    if (this.held < at + 20) return;
    this.protocol = "ipv4";
    this.ipHeaderBytes = (this.u8(at) & 15) * 4;
    this.ipTotalBytes = this.u16(at + 2);
    this.id = this.u16(at + 4);
    const fragment = this.u16(at + 6);
    this.dontFragment = (fragment & 0x4000) !== 0;
    this.moreFragments = (fragment & 0x2000) !== 0;
    this.fragmentOffset = (fragment & 0x1fff) * 8;
    this.ttl = this.u8(at + 8);
    this.ipProtocol = this.u8(at + 9);
    this.sourceIp = this.u32(at + 12) | 0;
    this.destinationIp = this.u32(at + 16) | 0;
    if (this.ipHeaderBytes < 20) return;
    this.payloadOffset = at + this.ipHeaderBytes;
    const claimed = Math.min(this.ipTotalBytes, this.length - at);
    this.payloadLength = Math.max(0, claimed - this.ipHeaderBytes);
    if (this.fragmentOffset === 0) this.parseTransport();
  }

  private parseIpv6(): void {
    const at = this.networkOffset;
    if (this.held < at + 40) return;
    this.protocol = "ipv6";
    this.ipHeaderBytes = 40;
    this.ipTotalBytes = 40 + this.u16(at + 4);
    this.ipProtocol = this.u8(at + 6);
    this.ttl = this.u8(at + 7);
    this.payloadOffset = at + 40;
    this.payloadLength = Math.min(this.u16(at + 4), this.length - at - 40);
    this.parseTransport();
  }

  private parseTransport(): void {
    const at = this.payloadOffset;
    const room = Math.min(this.payloadLength, this.held - at);
    this.transportOffset = at;
    if (this.ipProtocol === 6 && room >= 20) {
      const headerBytes = (this.u8(at + 12) >> 4) * 4;
      this.protocol = "tcp";
      this.sourcePort = this.u16(at);
      this.destinationPort = this.u16(at + 2);
      this.seq = this.u32(at + 4);
      this.ack = this.u32(at + 8);
      this.flags = this.u8(at + 13);
      this.window = this.u16(at + 14);
      this.urgentPointer = this.u16(at + 18);
      this.skipHeader(Math.max(20, headerBytes));
    } else if (this.ipProtocol === 17 && room >= 8) {
      this.protocol = "udp";
      this.sourcePort = this.u16(at);
      this.destinationPort = this.u16(at + 2);
      this.skipHeader(8);
    } else if ((this.ipProtocol === 1 || this.ipProtocol === 58) && room >= 4) {
      this.protocol = this.ipProtocol === 1 ? "icmp" : "ipv6";
      this.icmpType = this.u8(at);
      this.icmpCode = this.u8(at + 1);
      this.skipHeader(8);
    }
  }

  private skipHeader(headerBytes: number): void {
    this.payloadOffset += headerBytes;
    this.payloadLength = Math.max(0, this.payloadLength - headerBytes);
  }
}

/** Prints an IPv4 address held as int32. */
export function ipText(ip: number): string {
  return `${(ip >>> 24) & 255}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}`;
}

/** Prints six bytes as `02:00:00:00:00:01`. */
export function macText(bytes: Uint8Array, at: number): string {
  const parts: string[] = [];
  for (let i = 0; i < 6; i++) parts.push((bytes[at + i] ?? 0).toString(16).padStart(2, "0"));
  return parts.join(":");
}

// RFC 5952 without the finer points: the longest run of zero groups becomes "::".
function ipv6Text(view: FrameView, at: number): string {
  const groups: string[] = [];
  for (let i = 0; i < 8; i++) groups.push(view.u16(at + 2 * i).toString(16));
  const text = groups.join(":");
  let longest = "";
  for (const run of text.match(/(^|:)0(:0)+(?=:|$)/g) ?? []) {
    if (run.length > longest.length) longest = run;
  }
  if (longest === "") return text;
  const [before, after] = [
    text.slice(0, text.indexOf(longest)),
    text.slice(text.indexOf(longest) + longest.length),
  ];
  return `${before}::${after.replace(/^:/, "")}`;
}
