// Sending and receiving single frames over a driver, for tests: what src/mctx does for real.
// R1: the devices are real, and so is the time that a frame takes to come.

import {
  DESCRIPTOR_CHECKSUM,
  DESCRIPTOR_FIELDS,
  DESCRIPTOR_FLAGS,
  DESCRIPTOR_LENGTH,
  DESCRIPTOR_OFFSET,
  type Driver,
  TX_HEAD,
  TX_TAIL,
} from "../../src/link/driver.ts";

/** IEEE 802 local experimental EtherType: nothing in the kernel answers to it. */
export const ETHERTYPE_TEST = 0x88b5;

/** A received frame, copied out. */
export interface ReceivedFrame {
  readonly bytes: Uint8Array;
  readonly flags: number;
}

/** Makes an Ethernet frame around a payload. */
export function ethernetFrame(
  to: Uint8Array,
  from: Uint8Array,
  payload: Uint8Array,
  etherType: number = ETHERTYPE_TEST,
): Uint8Array {
  const frame = new Uint8Array(14 + payload.length);
  frame.set(to, 0);
  frame.set(from, 6);
  frame[12] = etherType >> 8;
  frame[13] = etherType & 255;
  frame.set(payload, 14);
  return frame;
}

/** Puts a frame into the tx ring; the next poll sends it. False when the ring is full. */
export function commitFrame(driver: Driver, bytes: Uint8Array, flags = 0, checksum = 0): boolean {
  const tail = driver.control[TX_TAIL] as number;
  if (((tail - (driver.control[TX_HEAD] as number)) | 0) >= driver.txSlots) return false;
  const at = (tail & (driver.txSlots - 1)) * DESCRIPTOR_FIELDS;
  driver.frames.set(
    bytes.subarray(0, driver.txFrameBytes),
    driver.tx[at + DESCRIPTOR_OFFSET] as number,
  );
  driver.tx[at + DESCRIPTOR_LENGTH] = bytes.length;
  driver.tx[at + DESCRIPTOR_FLAGS] = flags;
  driver.tx[at + DESCRIPTOR_CHECKSUM] = checksum;
  driver.control[TX_TAIL] = (tail + 1) | 0;
  return true;
}

/** Entry `index` of the rx table as a view: valid until the next poll. */
export function frameAt(driver: Driver, index: number): Uint8Array {
  const at = index * DESCRIPTOR_FIELDS;
  const offset = driver.rx[at + DESCRIPTOR_OFFSET] as number;
  return driver.frames.subarray(offset, offset + (driver.rx[at + DESCRIPTOR_LENGTH] as number));
}

/** Polls once and copies the frames out. Throws when the driver reports an error. */
export function pollFrames(driver: Driver): ReceivedFrame[] {
  const count = driver.poll(0);
  if (count < 0) throw new Error(`${driver.name}: poll returned ${count}`);
  return Array.from({ length: count }, (_, index) => ({
    bytes: frameAt(driver, index).slice(),
    flags: driver.rx[index * DESCRIPTOR_FIELDS + DESCRIPTOR_FLAGS] as number,
  }));
}

/** Polls until `enough(frames)`, for at most `limitMs` of real time; returns what came. */
export function pollUntil(
  driver: Driver,
  enough: (frames: readonly ReceivedFrame[]) => boolean,
  limitMs = 2000,
): ReceivedFrame[] {
  const frames: ReceivedFrame[] = [];
  const end = Date.now() + limitMs;
  while (!enough(frames) && Date.now() < end) frames.push(...pollFrames(driver));
  return frames;
}

/** Polls until poll reports an error, for at most `limitMs`; returns it, or 0. */
export function pollUntilError(driver: Driver, limitMs = 1000): number {
  const end = Date.now() + limitMs;
  while (Date.now() < end) {
    const result = driver.poll(0);
    if (result < 0) return result;
  }
  return 0;
}
