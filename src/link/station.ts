// SPDX-License-Identifier: MIT
// The Ethernet address of a station, from text.

import { isMulticastMac, isZeroMac, parseMac } from "../wire/ethernet.ts";

/** @returns 6 bytes, or null if `text` is not the address of one station */
export function parseStationMac(text: string): Uint8Array | null {
  const mac = parseMac(text);
  return mac === null || isMulticastMac(mac, 0) || isZeroMac(mac, 0) ? null : mac;
}
