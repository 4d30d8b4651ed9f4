// A veth pair in a namespace of its own, for tests: a driver at each end, opened anew for every
// test.

import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import type {
  AfPacketOptions,
  AfXdpOptions,
  NativeDriver,
} from "../../../src/link/native-driver.ts";
import { commitFrame, pollUntil, type ReceivedFrame } from "../../support/driver-io.ts";
import { NetNs } from "../../support/netns.ts";
import { udpFrame } from "../../support/udp-frame.ts";

/** What a test may choose, if its driver knows it. */
export type Extra = Partial<Omit<AfPacketOptions, "driver"> & Omit<AfXdpOptions, "driver">>;

/** Where a driver is to be opened. */
export interface Place {
  readonly interface: string;
  readonly netns: string;
}

/** A payload that tells its number and its length. */
export function numbered(number: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (number * 31 + i * 7) & 255);
}

/** The two ends, for the tests of a `describe`. */
export class VethPair {
  netns!: NetNs;
  one!: NativeDriver;
  other!: NativeDriver;
  readonly #open: (place: Place, extra: Extra) => NativeDriver;

  constructor(open: (place: Place, extra: Extra) => NativeDriver) {
    this.#open = open;
    beforeAll(async () => {
      this.netns = await NetNs.create();
      this.netns.addVeth("one", "other");
    });
    afterAll(() => this.netns.remove());
    beforeEach(() => {
      this.one = this.open("one");
      this.other = this.open("other");
    });
    afterEach(() => {
      this.one.close();
      this.other.close();
    });
  }

  /** Opens a further driver at an end; the caller closes it. */
  open(end: "one" | "other", extra: Extra = {}): NativeDriver {
    return this.#open({ interface: end, netns: this.netns.path }, extra);
  }

  /** Opens an end anew, with other options. */
  reopen(end: "one" | "other", extra: Extra = {}): void {
    this[end].close();
    this[end] = this.open(end, extra);
  }

  /** A datagram from one to the other. */
  frame(payload: Uint8Array): Uint8Array {
    return udpFrame(this.other.macAddress, this.one.macAddress, payload);
  }

  /** Sends a frame from one to the other. @returns what came first */
  carry(bytes: Uint8Array, flags = 0, checksum = 0): ReceivedFrame | undefined {
    commitFrame(this.one, bytes, flags, checksum);
    this.one.poll(0);
    return pollUntil(this.other, (frames) => frames.length > 0)[0];
  }
}
