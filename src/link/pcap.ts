// SPDX-License-Identifier: MIT
// Capture files that Wireshark and tcpdump open: the classic pcap format with nanosecond times
// (draft-ietf-opsawg-pcap §4, §5), Ethernet frames, little-endian.

const MAGIC_NANOSECONDS = 0xa1b23c4d;
const VERSION_MAJOR = 2;
const VERSION_MINOR = 4;
const LINKTYPE_ETHERNET = 1;
const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
/** Largest frame kept whole; what tcpdump takes by default. */
const DEFAULT_SNAP_BYTES = 262_144;
const NS_PER_MS = 1_000_000;
const NS_PER_S = 1_000_000_000;

/** Writes frames to a capture, piece by piece. */
export class PcapWriter {
  readonly #sink: (bytes: Uint8Array) => void;
  readonly #snapBytes: number;
  #frames = 0;

  /**
   * Writes the file header.
   *
   * @param sink - takes each piece in turn and owns it, for instance to append it to a file
   * @param snapBytes - longer frames are cut to this
   */
  constructor(sink: (bytes: Uint8Array) => void, snapBytes: number = DEFAULT_SNAP_BYTES) {
    this.#sink = sink;
    this.#snapBytes = snapBytes;
    const header = new DataView(new ArrayBuffer(FILE_HEADER_BYTES));
    header.setUint32(0, MAGIC_NANOSECONDS, true);
    header.setUint16(4, VERSION_MAJOR, true);
    header.setUint16(6, VERSION_MINOR, true);
    header.setUint32(16, snapBytes, true);
    header.setUint32(20, LINKTYPE_ETHERNET, true);
    sink(new Uint8Array(header.buffer));
  }

  /** Frames written. */
  get frames(): number {
    return this.#frames;
  }

  /**
   * Writes one frame.
   *
   * @param bytes - memory that holds it, copied
   * @param offset - first byte, its Ethernet header
   * @param length - bytes, without the frame check sequence
   * @param nowMs - time of the frame, ms since 1970 or since the start of a virtual clock, >= 0
   */
  write(bytes: Uint8Array, offset: number, length: number, nowMs: number): void {
    const captured = Math.min(length, this.#snapBytes);
    const record = new Uint8Array(RECORD_HEADER_BYTES + captured);
    const header = new DataView(record.buffer);
    // Seconds apart first: a double has no room for nanoseconds since 1970.
    const seconds = Math.floor(nowMs / 1_000);
    const nanoseconds = Math.round((nowMs - seconds * 1_000) * NS_PER_MS);
    const carry = nanoseconds >= NS_PER_S ? 1 : 0;
    header.setUint32(0, seconds + carry, true);
    header.setUint32(4, nanoseconds - carry * NS_PER_S, true);
    header.setUint32(8, captured, true);
    header.setUint32(12, length, true);
    record.set(bytes.subarray(offset, offset + captured), RECORD_HEADER_BYTES);
    this.#frames++;
    this.#sink(record);
  }
}
