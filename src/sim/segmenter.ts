// SPDX-License-Identifier: MIT
// TCP segmentation offload as a NIC does it: one super-segment in, segments of the MTU out. The
// headers are the same in all of them but for what counts: lengths, sequence number, FIN and PSH
// on the last alone, checksums.

import { fold, pseudoHeaderIpv4, sum16 } from "../wire/checksum.ts";
import { ETHERNET_HEADER_BYTES } from "../wire/ethernet.ts";
import { PROTOCOL_TCP } from "../wire/ipv4.ts";
import { FIN, PSH, TCP_CHECKSUM_OFFSET } from "../wire/tcp.ts";

const IP_TOTAL_LENGTH = 2;
const IP_CHECKSUM = 10;
const IP_SOURCE = 12;
const IP_DESTINATION = 16;
const TCP_SEQUENCE = 4;
const TCP_DATA_OFFSET = 12;
const TCP_FLAGS = 13;

/**
 * Cuts a frame into segments.
 *
 * @param frame - Ethernet, IPv4 and TCP; its checksums are not looked at
 * @param cutBytes - payload of each segment but the last, at least 1
 * @returns the frames, finished
 */
export function* cutSegments(frame: Uint8Array, cutBytes: number): Generator<Uint8Array> {
  const ip = ETHERNET_HEADER_BYTES;
  const tcp = ip + ((frame[ip] as number) & 0x0f) * 4;
  const headers = tcp + ((frame[tcp + TCP_DATA_OFFSET] as number) >>> 4) * 4;
  for (let at = headers; at < frame.length; at += cutBytes) {
    const end = Math.min(at + cutBytes, frame.length);
    const segment = new Uint8Array(headers + end - at);
    segment.set(frame.subarray(0, headers));
    segment.set(frame.subarray(at, end), headers);
    const view = new DataView(segment.buffer);
    view.setUint16(ip + IP_TOTAL_LENGTH, segment.length - ip);
    view.setUint16(ip + IP_CHECKSUM, 0);
    view.setUint16(ip + IP_CHECKSUM, ~fold(sum16(segment, ip, tcp - ip)) & 0xffff);
    view.setUint32(tcp + TCP_SEQUENCE, view.getUint32(tcp + TCP_SEQUENCE) + at - headers);
    if (end < frame.length)
      segment[tcp + TCP_FLAGS] = (frame[tcp + TCP_FLAGS] as number) & ~(FIN | PSH);
    const bytes = segment.length - tcp;
    const from = view.getInt32(ip + IP_SOURCE);
    const to = view.getInt32(ip + IP_DESTINATION);
    view.setUint16(tcp + TCP_CHECKSUM_OFFSET, 0);
    const sum = sum16(segment, tcp, bytes, pseudoHeaderIpv4(from, to, PROTOCOL_TCP, bytes));
    view.setUint16(tcp + TCP_CHECKSUM_OFFSET, ~fold(sum) & 0xffff);
    yield segment;
  }
}
