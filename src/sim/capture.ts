// SPDX-License-Identifier: MIT
// A capture of a link as a pcap file that Wireshark opens.
import type { Link } from "./link.ts";
export interface CaptureOptions {
  readonly at?: string;
}
export class Capture {
  stop(): void {}
}
export function startCapture(
  _link: Link,
  _sink: (bytes: Uint8Array) => void,
  _options: CaptureOptions,
): Capture {
  return new Capture();
}
