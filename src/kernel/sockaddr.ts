// SPDX-License-Identifier: MIT
// `struct sockaddr` as bytes: ip(7), ipv6(7), unix(7). Ports and addresses are in network byte
// order, the family in that of the host, which is little-endian wherever Node runs on Linux but
// on s390x; the flow label and the scope of IPv6 are left 0.

import { IpAddress } from "../ip/address.ts";
import type { Endpoint } from "../transport/stream.ts";
import { AF_INET, AF_INET6, AF_UNIX } from "./native-sockets.ts";

/** Bytes of `sun_path`: a path and its terminator, or the zero byte and an abstract name. */
export const UNIX_PATH_BYTES = 108;

/** Words in memory shared with C++ are in the order of the host. */
export const IS_LITTLE: boolean = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const INET_BYTES = 16;
const INET6_BYTES = 28;
const PATH_OFFSET = 2;

/** The address of an IP socket. @param family - of the socket: IPv6 takes IPv4 as v4-mapped */
export function inetSockaddr(family: number, address: IpAddress, port: number): Uint8Array {
  const bytes = new Uint8Array(family === AF_INET ? INET_BYTES : INET6_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, family, IS_LITTLE);
  view.setUint16(2, port);
  if (family === AF_INET) {
    view.setInt32(4, address.w3);
  } else {
    view.setInt32(8, address.w0);
    view.setInt32(12, address.w1);
    view.setInt32(16, address.w2);
    view.setInt32(20, address.w3);
  }
  return bytes;
}

/** The address of a local socket: a path, or `"@"` and an abstract name. */
export function unixSockaddr(path: string): Uint8Array {
  const text = new TextEncoder().encode(path);
  const isAbstract = path.startsWith("@");
  // unix(7): an abstract name is one whose first byte is zero.
  if (isAbstract) text[0] = 0;
  const bytes = new Uint8Array(PATH_OFFSET + text.length + (isAbstract ? 0 : 1));
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, IS_LITTLE);
  bytes.set(text, PATH_OFFSET);
  return bytes;
}

/** Reads an address. @param length - bytes of it; an unnamed local socket has but a family */
export function readSockaddr(bytes: Uint8Array, offset: number, length: number): Endpoint {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
  const family = length < PATH_OFFSET ? 0 : view.getUint16(0, IS_LITTLE);
  if (family === AF_INET && length >= INET_BYTES) {
    return { host: IpAddress.v4(view.getInt32(4)).toString(), port: view.getUint16(2) };
  }
  if (family === AF_INET6 && length >= INET6_BYTES) {
    const word = (at: number): number => view.getInt32(at);
    const address = new IpAddress(word(8), word(12), word(16), word(20));
    return { host: address.toString(), port: view.getUint16(2) };
  }
  if (family === AF_UNIX) {
    const path = bytes.subarray(offset + PATH_OFFSET, offset + length);
    // A path ends at its terminator; an abstract name may hold zero bytes anywhere.
    if (path[0] === 0) return { host: `@${new TextDecoder().decode(path.subarray(1))}`, port: 0 };
    const end = path.indexOf(0);
    return { host: new TextDecoder().decode(end < 0 ? path : path.subarray(0, end)), port: 0 };
  }
  return { host: "", port: 0 };
}
