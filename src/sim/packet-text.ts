// SPDX-License-Identifier: MIT
// Frames as lines that people read, in the manner of tcpdump:
//
//   10.0.0.1:49152 > 10.0.0.2:80 [SYN] seq 0 win 65535 <mss 1460,sackOK,TS 7/0,wscale 7>
//
// Sequence numbers are relative to the first one seen of each direction. It takes frames from
// anywhere: a simulated link, a capture, a real NIC.

import { FrameView, ipText, macText } from "./frame-view.ts";

const FLAG_NAMES = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"] as const;
/** The order in which flags are named: SYN before ACK, as everyone says it. */
const FLAG_ORDER = [1, 0, 2, 3, 4, 5, 6, 7] as const;
/** Flows with remembered first sequence numbers; beyond it the oldest is forgotten. */
const FLOWS_MAX = 4096;
const UNREACHABLE = ["net", "host", "protocol", "port", "fragmentation needed"] as const;

/** How {@link PacketText} prints. */
export interface PacketTextOptions {
  /** Print sequence numbers as they are on the wire; default false. */
  readonly absoluteNumbers?: boolean;
  /**
   * Check the checksums and say so when one is wrong; default false, because frames of a local
   * kernel may carry unfinished ones.
   */
  readonly verifyChecksums?: boolean;
}

/**
 * Prints frames, remembering where each TCP flow began.
 *
 * @example
 * ```ts
 * import { PacketText } from "caraway/testing";
 * const text = new PacketText();
 * console.log(text.format(new Uint8Array(60))); // "ethernet 0x0000 60 bytes ..."
 * ```
 */
export class PacketText {
  private readonly view: FrameView = new FrameView();
  private readonly firstSeq: Map<string, number> = new Map();
  private readonly absoluteNumbers: boolean;
  private readonly verifyChecksums: boolean;

  constructor(options: PacketTextOptions = {}) {
    this.absoluteNumbers = options.absoluteNumbers ?? false;
    this.verifyChecksums = options.verifyChecksums ?? false;
  }

  /**
   * Prints one frame without a line end.
   *
   * @param bytes - The frame from its Ethernet header on, or the beginning of it.
   * @param length - Its true length in bytes, if `bytes` holds only the beginning.
   * @returns one line
   */
  format(bytes: Uint8Array, length: number = bytes.length): string {
    const view = this.view.parse(bytes, length);
    switch (view.protocol) {
      case "arp":
        return arpText(view);
      case "tcp":
        return this.tcpText(view) + this.checksumText(view);
      case "udp":
        return `${endpoints(view)} udp len ${view.payloadLength}${this.checksumText(view)}`;
      case "icmp":
        return `${view.source} > ${view.destination} ${icmpText(view)}${this.checksumText(view)}`;
      case "ipv4":
        return `${view.source} > ${view.destination} ${ipOnlyText(view)}`;
      case "ipv6":
        return `${view.source} > ${view.destination} ${ipv6OnlyText(view)}`;
      default:
        return (
          `ethernet 0x${view.etherType.toString(16).padStart(4, "0")} ${length} bytes` +
          ` ${macText(bytes, 6)} > ${macText(bytes, 0)}`
        );
    }
  }

  private tcpText(view: FrameView): string {
    const there = `${view.source}:${view.sourcePort}>${view.destination}:${view.destinationPort}`;
    const back = `${view.destination}:${view.destinationPort}>${view.source}:${view.sourcePort}`;
    const seq = this.relative(there, view.seq, view.syn);
    const parts = [`${endpoints(view)} [${flagText(view.flags)}]`];
    const length = view.payloadLength;
    parts.push(length > 0 ? `seq ${seq}:${seq + length}` : `seq ${seq}`);
    if (view.hasAck) parts.push(`ack ${this.relative(back, view.ack, false)}`);
    parts.push(`win ${view.window}`);
    if (view.urg) parts.push(`urg ${view.urgentPointer}`);
    const options = optionsText(view, this.absoluteNumbers ? 0 : (this.firstSeq.get(back) ?? 0));
    if (options !== "") parts.push(`<${options}>`);
    if (length > 0) parts.push(`len ${length}`);
    if (view.ipTotalBytes > view.length - view.networkOffset) parts.push("(cut short)");
    return parts.join(" ");
  }

  // A SYN starts the numbering of its direction anew: the ports may be in use a second time.
  private relative(flow: string, seq: number, isSyn: boolean): number {
    if (this.absoluteNumbers) return seq;
    let first = this.firstSeq.get(flow);
    if (first === undefined || isSyn) {
      first = seq;
      if (this.firstSeq.size >= FLOWS_MAX) {
        for (const oldest of this.firstSeq.keys()) {
          this.firstSeq.delete(oldest);
          break;
        }
      }
      this.firstSeq.set(flow, first);
    }
    const distance = (seq - first) >>> 0;
    // Just before the first: a keep-alive or a stray; "-1" says more than 4294967295.
    return distance > 0xffff0000 ? distance - 4294967296 : distance;
  }

  private checksumText(view: FrameView): string {
    if (!this.verifyChecksums || !view.isWhole || view.etherType !== 0x0800) return "";
    const at = view.networkOffset;
    if (fold(sumOf(view, at, view.ipHeaderBytes, 0)) !== 0xffff) return " (bad ip checksum)";
    if (view.moreFragments || view.fragmentOffset > 0) return "";
    const length = view.ipTotalBytes - view.ipHeaderBytes;
    if (length > view.held - view.transportOffset) return "";
    if (view.isUdp && view.u16(view.transportOffset + 6) === 0) return "";
    let pseudo = 0;
    if (!view.isIcmp) pseudo = sumOf(view, at + 12, 8, view.ipProtocol + length);
    const sum = sumOf(view, view.transportOffset, length, pseudo);
    return fold(sum) === 0xffff ? "" : ` (bad ${view.protocol} checksum)`;
  }
}

/**
 * Prints a whole trace line: `   12.034 a > b  10.0.0.1:49152 > ...`.
 *
 * @param timeMs - Time in milliseconds, printed with three decimals.
 * @param where - Which link or direction: `"a > b"`.
 * @param packet - what {@link PacketText.format} gave
 * @returns the line, without a line end
 * @example
 * ```ts
 * import { traceLine } from "caraway/testing";
 * console.log(traceLine(12.034, "a > b", "arp who has 10.0.0.2? tell 10.0.0.1"));
 * ```
 */
export function traceLine(timeMs: number, where: string, packet: string): string {
  return `${timeMs.toFixed(3).padStart(10)} ${where}  ${packet}`;
}

/**
 * Names TCP flags: `"SYN,ACK"`; `"none"` without any.
 *
 * @param flags - the TCP flag bits
 * @returns names joined by commas
 * @example
 * ```ts
 * import { flagText } from "caraway/testing";
 * console.log(flagText(18)); // "SYN,ACK"
 * ```
 */
export function flagText(flags: number): string {
  const names: string[] = [];
  for (const bit of FLAG_ORDER) {
    if ((flags & (1 << bit)) !== 0) names.push(FLAG_NAMES[bit]);
  }
  return names.length === 0 ? "none" : names.join(",");
}

function endpoints(view: FrameView): string {
  const isIpv6 = view.etherType === 0x86dd;
  const source = isIpv6 ? `[${view.source}]` : view.source;
  const destination = isIpv6 ? `[${view.destination}]` : view.destination;
  return `${source}:${view.sourcePort} > ${destination}:${view.destinationPort}`;
}

function arpText(view: FrameView): string {
  const senderMac = macText(view.bytes, view.networkOffset + 8);
  if (view.arpOperation === 1) {
    if (view.source === "0.0.0.0") return `arp who has ${view.destination}? (probe)`;
    if (view.source === view.destination) return `arp announce ${view.source} is at ${senderMac}`;
    return `arp who has ${view.destination}? tell ${view.source}`;
  }
  if (view.arpOperation === 2) return `arp ${view.source} is at ${senderMac}`;
  return `arp operation ${view.arpOperation}`;
}

function icmpText(view: FrameView): string {
  const at = view.transportOffset;
  const type = view.icmpType;
  if (type === 0 || type === 8) {
    const name = type === 8 ? "request" : "reply";
    const id = view.u16(at + 4);
    return `icmp echo ${name} id ${id} seq ${view.u16(at + 6)} len ${view.payloadLength}`;
  }
  let name = `type ${type} code ${view.icmpCode}`;
  if (type === 3) {
    name = `unreachable (${UNREACHABLE[view.icmpCode] ?? `code ${view.icmpCode}`})`;
    if (view.icmpCode === 4) name += ` mtu ${view.u16(at + 6)}`;
  } else if (type === 11) name = "time exceeded";
  else if (type === 12) name = "parameter problem";
  else if (type === 4) name = "source quench";
  else if (type === 5) name = `redirect to ${ipText(view.u32(at + 4))}`;
  else return `icmp ${name} len ${view.payloadLength}`;
  return `icmp ${name}${quotedText(view, view.payloadOffset)}`;
}

function quotedText(view: FrameView, at: number): string {
  if (view.held < at + 24) return "";
  const transport = at + (view.u8(at) & 15) * 4;
  const source = `${ipText(view.u32(at + 12))}:${view.u16(transport)}`;
  return ` for ${source} > ${ipText(view.u32(at + 16))}:${view.u16(transport + 2)}`;
}

function ipOnlyText(view: FrameView): string {
  const length = view.payloadLength;
  if (view.fragmentOffset > 0 || view.moreFragments) {
    const more = view.moreFragments ? "+" : "";
    return `fragment id ${view.id} ${view.fragmentOffset}:${view.fragmentOffset + length}${more}`;
  }
  const version = view.u8(view.networkOffset) >> 4;
  if (version !== 4) return `ip version ${version}`;
  if (view.ipHeaderBytes < 20) return `ip header of ${view.ipHeaderBytes} bytes`;
  return `ip protocol ${view.ipProtocol} len ${length}`;
}

function ipv6OnlyText(view: FrameView): string {
  if (view.icmpType < 0) return `ip protocol ${view.ipProtocol} len ${view.payloadLength}`;
  const names: Record<number, string> = {
    128: "echo request",
    129: "echo reply",
    133: "router solicitation",
    134: "router advertisement",
    135: "neighbour solicitation",
    136: "neighbour advertisement",
    143: "multicast listener report",
  };
  return `icmp6 ${names[view.icmpType] ?? `type ${view.icmpType} code ${view.icmpCode}`}`;
}

function optionsText(view: FrameView, sackBase: number): string {
  const end = Math.min(view.payloadOffset, view.held);
  const parts: string[] = [];
  for (let at = view.transportOffset + 20; at < end; ) {
    const kind = view.u8(at);
    if (kind === 0) break;
    if (kind === 1) {
      at++;
      continue;
    }
    const length = view.u8(at + 1);
    if (length < 2 || at + length > end) {
      parts.push(`option ${kind} of bad length ${length}`);
      break;
    }
    parts.push(optionText(view, at, kind, length, sackBase));
    at += length;
  }
  return parts.join(",");
}

function optionText(
  view: FrameView,
  at: number,
  kind: number,
  length: number,
  sackBase: number,
): string {
  if (kind === 2 && length === 4) return `mss ${view.u16(at + 2)}`;
  if (kind === 3 && length === 3) return `wscale ${view.u8(at + 2)}`;
  if (kind === 4 && length === 2) return "sackOK";
  if (kind === 8 && length === 10) return `TS ${view.u32(at + 2)}/${view.u32(at + 6)}`;
  if (kind !== 5 || (length - 2) % 8 !== 0) return `option ${kind}`;
  const blocks: string[] = [];
  for (let block = at + 2; block < at + length; block += 8) {
    const left = (view.u32(block) - sackBase) >>> 0;
    blocks.push(`${left}:${(view.u32(block + 4) - sackBase) >>> 0}`);
  }
  return `sack ${blocks.join(" ")}`;
}

function sumOf(view: FrameView, at: number, length: number, initial: number): number {
  let sum = initial;
  for (let i = 0; i < length; i += 2) {
    sum += (view.u8(at + i) << 8) | (i + 1 < length ? view.u8(at + i + 1) : 0);
  }
  return sum;
}

function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 65_536);
  return folded;
}
