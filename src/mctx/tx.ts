// SPDX-License-Identifier: MIT
// The way out, top to bottom: a transport segment written into a free tx slot gets its checksum,
// its IP header, its Ethernet header, and goes to the driver at the next poll. A frame whose next
// hop has no known MAC address yet is copied into the neighbour's bounded queue instead. A TCP
// segment longer than the path takes goes to a driver that cuts it up, if there is one.

import type { IpAddress } from "../ip/address.ts";
import {
  DESCRIPTOR_CHECKSUM,
  DESCRIPTOR_FIELDS,
  DESCRIPTOR_FLAGS,
  DESCRIPTOR_LENGTH,
  DESCRIPTOR_OFFSET,
  type Driver,
  TX_CHECKSUM,
  TX_HEAD,
  TX_SEGMENT,
  TX_TAIL,
} from "../link/driver.ts";
import { fold, pseudoHeaderIpv4, sum16 } from "../wire/checksum.ts";
import { ETHERNET_HEADER_BYTES, ETHERTYPE_IPV4, writeEthernet } from "../wire/ethernet.ts";
import { IPV4_HEADER_BYTES, writeIpv4 } from "../wire/ipv4.ts";

/** Where a transport header starts in a frame: after Ethernet and 20 bytes of IPv4. */
export const TRANSPORT_OFFSET: number = ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES;
/** RFC 1122 §3.2.1.7, today's usual default (RFC 1700). */
export const DEFAULT_TTL = 64;
/** For protocols whose checksum is not over the pseudo-header, or is written already. */
export const NO_CHECKSUM = -1;
/** For packets that leave as they are. */
export const NO_SEGMENTS = 0;

/** What a packet to `nextHop` does when the MAC address is not known yet. */
export interface NextHops {
  /** @returns the MAC address, or null */
  macOf(nextHop: IpAddress): Uint8Array | null;
  /** Keeps a copy of the frame (Ethernet header unset) until the address is known. */
  hold(nextHop: IpAddress, frame: Uint8Array, offset: number, lengthBytes: number): void;
  /** True for our own address: such packets never reach the driver. */
  isOwnAddress(address: IpAddress): boolean;
  /** Keeps a copy of a frame from us to us for the next round. */
  loop(frame: Uint8Array, offset: number, lengthBytes: number): void;
}

/** The tx ring of one driver, as the stack fills it. */
export class Transmitter {
  readonly #driver: Driver;
  readonly #macAddress: Uint8Array;
  readonly #nextHops: NextHops;
  readonly #mask: number;
  /** Largest transport segment of a packet that the driver cuts up; 0: it does not. */
  readonly #superBytes: number;
  /** Bytes from one slot's frame to the next. */
  readonly #strideBytes: number;
  /** All frame memory; a reserved transport header starts at `txOffset`. */
  readonly txBytes: Uint8Array;
  txOffset: number;
  /** Frames committed since the driver last looked. */
  hasCommitted: boolean;
  #slot: number;
  #frameOffset: number;

  constructor(driver: Driver, macAddress: Uint8Array, nextHops: NextHops) {
    this.#driver = driver;
    this.#macAddress = macAddress;
    this.#nextHops = nextHops;
    this.#mask = driver.txSlots - 1;
    this.#superBytes = Math.max(0, driver.capabilities.tsoMaxBytes - IPV4_HEADER_BYTES);
    this.#strideBytes =
      (driver.tx[DESCRIPTOR_FIELDS + DESCRIPTOR_OFFSET] as number) -
      (driver.tx[DESCRIPTOR_OFFSET] as number);
    this.txBytes = driver.frames;
    this.txOffset = 0;
    this.hasCommitted = false;
    this.#slot = 0;
    this.#frameOffset = 0;
  }

  /** Slots that are free. */
  get free(): number {
    const { control, txSlots } = this.#driver;
    return txSlots - (((control[TX_TAIL] as number) - (control[TX_HEAD] as number)) | 0);
  }

  /**
   * Bytes that a transport segment for the driver to cut up may have now, header included: what
   * lies free in one piece, up to the end of the ring. 0: the driver cuts nothing up.
   */
  get superSegmentBytes(): number {
    if (this.#superBytes === 0) return 0;
    const { control, txSlots, txFrameBytes } = this.#driver;
    const toEnd = txSlots - ((control[TX_TAIL] as number) & this.#mask);
    const slots = Math.min(this.free, toEnd);
    const room = (slots - 1) * this.#strideBytes + txFrameBytes - TRANSPORT_OFFSET;
    return Math.min(room, this.#superBytes);
  }

  /** Finds a free slot and points `txOffset` into it. @returns false: the ring is full */
  reserve(): boolean {
    const { control, tx, txSlots } = this.#driver;
    const tail = control[TX_TAIL] as number;
    if (((tail - (control[TX_HEAD] as number)) | 0) >= txSlots) return false;
    this.#slot = (tail & this.#mask) * DESCRIPTOR_FIELDS;
    this.#frameOffset = tx[this.#slot + DESCRIPTOR_OFFSET] as number;
    this.txOffset = this.#frameOffset + TRANSPORT_OFFSET;
    return true;
  }

  /**
   * Sends the `lengthBytes` of transport header and payload at `txOffset` as one IPv4 packet.
   *
   * @param checksumOffset - where the 16-bit checksum lies in the transport header (its field
   *   holds 0), or NO_CHECKSUM
   * @param segmentBytes - payload of each segment that the driver cuts it into, or NO_SEGMENTS
   * @returns false: it waits until the MAC address of the next hop is known
   */
  commitIpv4(
    local: IpAddress,
    remote: IpAddress,
    nextHop: IpAddress,
    protocol: number,
    checksumOffset: number,
    lengthBytes: number,
    segmentBytes: number = NO_SEGMENTS,
  ): boolean {
    const bytes = this.txBytes;
    const frame = this.#frameOffset;
    const start = this.txOffset;
    const isLoop = this.#nextHops.isOwnAddress(remote);
    const mac = isLoop ? null : this.#nextHops.macOf(nextHop);
    let flags = 0;
    if (checksumOffset !== NO_CHECKSUM) {
      const pseudo = pseudoHeaderIpv4(local.w3, remote.w3, protocol, lengthBytes);
      // A held frame is sent much later and by another way: it carries its checksum finished.
      if (this.#driver.capabilities.checksumTx && mac !== null) {
        put16(bytes, start + checksumOffset, fold(pseudo));
        flags =
          segmentBytes === NO_SEGMENTS
            ? TX_CHECKSUM
            : (segmentBytes << 16) | TX_SEGMENT | TX_CHECKSUM;
      } else {
        const sum = ~fold(sum16(bytes, start, lengthBytes, pseudo)) & 0xffff;
        // Zero would mean "no checksum" in UDP (RFC 768); in TCP both forms verify.
        put16(bytes, start + checksumOffset, sum || 0xffff);
      }
    }
    writeIpv4(
      bytes,
      frame + ETHERNET_HEADER_BYTES,
      IPV4_HEADER_BYTES + lengthBytes,
      DEFAULT_TTL,
      protocol,
      local.w3,
      remote.w3,
    );
    if (isLoop) {
      writeEthernet(bytes, frame, this.#macAddress, this.#macAddress, ETHERTYPE_IPV4);
      this.#nextHops.loop(bytes, frame, TRANSPORT_OFFSET + lengthBytes);
      return true;
    }
    if (mac === null) {
      this.#nextHops.hold(nextHop, bytes, frame, TRANSPORT_OFFSET + lengthBytes);
      return false;
    }
    writeEthernet(bytes, frame, mac, this.#macAddress, ETHERTYPE_IPV4);
    this.#commit(TRANSPORT_OFFSET + lengthBytes, flags, checksumOffset);
    return true;
  }

  /** Sends a frame kept by `NextHops.hold`. @returns false: the ring is full, nothing was sent */
  sendHeld(mac: Uint8Array, frame: Uint8Array): boolean {
    if (!this.reserve()) return false;
    this.txBytes.set(frame, this.#frameOffset);
    writeEthernet(this.txBytes, this.#frameOffset, mac, this.#macAddress, ETHERTYPE_IPV4);
    this.#commit(frame.length, 0, NO_CHECKSUM);
    return true;
  }

  /** Where a whole frame goes after `reserve` (ARP). */
  get frameOffset(): number {
    return this.#frameOffset;
  }

  /** Sends the whole frame written at `frameOffset`. */
  commitFrame(lengthBytes: number): void {
    this.#commit(lengthBytes, 0, NO_CHECKSUM);
  }

  #commit(lengthBytes: number, flags: number, checksumOffset: number): void {
    const { control, tx, txFrameBytes } = this.#driver;
    tx[this.#slot + DESCRIPTOR_LENGTH] = lengthBytes;
    tx[this.#slot + DESCRIPTOR_FLAGS] = flags;
    tx[this.#slot + DESCRIPTOR_CHECKSUM] =
      flags === 0 ? 0 : (TRANSPORT_OFFSET << 16) | checksumOffset;
    let tail = ((control[TX_TAIL] as number) + 1) | 0;
    // The frame goes on over the memory of these slots.
    for (let left = lengthBytes - txFrameBytes; left > 0; left -= this.#strideBytes) {
      tx[(tail & this.#mask) * DESCRIPTOR_FIELDS + DESCRIPTOR_LENGTH] = 0;
      tail = (tail + 1) | 0;
    }
    control[TX_TAIL] = tail;
    this.hasCommitted = true;
  }
}

function put16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 8;
  bytes[offset + 1] = value & 0xff;
}
