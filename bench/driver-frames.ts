// SPDX-License-Identifier: MIT
// Raw frame echo over a native driver, both sides in JavaScript: the bound for any stack on it.
//
//   driver-frames.js echo DRIVER                     turns every frame round; says "ready"
//   driver-frames.js load DRIVER HOST PORT COUNT ACTIVE WARM_UP SECONDS BYTES MODE
//
// DRIVER is JSON, as openDriver takes it. `load` keeps COUNT frames of BYTES under way, and prints
// what programs/load.c prints; HOST, PORT, ACTIVE and MODE mean nothing to it.

import { type NativeDriver, openDriver } from "../src/index.ts";
import {
  DESCRIPTOR_FIELDS,
  DESCRIPTOR_FLAGS,
  DESCRIPTOR_LENGTH,
  DESCRIPTOR_OFFSET,
  TX_HEAD,
  TX_TAIL,
} from "../src/link/driver.ts";
import type { LoadResult } from "./support/load.ts";
import { leaveWithInput } from "./support/place.ts";

/** IEEE 802 local experimental EtherType: nothing in the kernel answers to it. */
const ETHERTYPE = 0x88b5;
/** A frame that has not come back after this long is taken for lost and sent again. */
const LOST_MS = 200;
/** The other side may still be on its way. */
const LINK_MS = 5_000;
const SAMPLES_MAX = 4_000_000;
const POLLS_PER_TURN = 2_000;
const TO = Uint8Array.of(2, 0, 0, 0, 0, 1);

/** Turns every frame round, until standard input ends: Node looks at it now and then. */
function echo(driver: NativeDriver): void {
  for (let polls = 0; polls < POLLS_PER_TURN; polls++) {
    const count = driver.poll(0);
    // A side without its other side yet is down, and comes up by being polled.
    for (let i = 0; i < count; i++) turnRound(driver, i);
  }
  setImmediate(echo, driver);
}

function turnRound(driver: NativeDriver, i: number): void {
  const { frames, rx, tx, control } = driver;
  const from = rx[i * DESCRIPTOR_FIELDS + DESCRIPTOR_OFFSET] as number;
  const length = rx[i * DESCRIPTOR_FIELDS + DESCRIPTOR_LENGTH] as number;
  if (((frames[from + 12] as number) << 8) + (frames[from + 13] as number) !== ETHERTYPE) return;
  const tail = control[TX_TAIL] as number;
  if (((tail - (control[TX_HEAD] as number)) | 0) >= driver.txSlots) return;
  const at = (tail & (driver.txSlots - 1)) * DESCRIPTOR_FIELDS;
  const to = tx[at + DESCRIPTOR_OFFSET] as number;
  for (let b = 0; b < 6; b++) {
    frames[to + b] = frames[from + 6 + b] as number;
    frames[to + 6 + b] = frames[from + b] as number;
  }
  frames.copyWithin(to + 12, from + 12, from + length);
  tx[at + DESCRIPTOR_LENGTH] = length;
  tx[at + DESCRIPTOR_FLAGS] = 0;
  control[TX_TAIL] = (tail + 1) | 0;
}

/** Sends frames, keeps `inFlight` of them under way and takes the time of each. */
class Client {
  private readonly driver: NativeDriver;
  private readonly view: DataView;
  private readonly frame: Uint8Array;
  private readonly sentAt = new Float64Array(65_536);
  private readonly samples = new Float64Array(SAMPLES_MAX);
  private sent = 0;
  private back = 0;
  private samplesTaken = 0;

  constructor(driver: NativeDriver, frameBytes: number) {
    this.driver = driver;
    this.frame = new Uint8Array(frameBytes);
    this.frame.set(TO, 0);
    this.frame.set(driver.macAddress, 6);
    this.frame[12] = ETHERTYPE >> 8;
    this.frame[13] = ETHERTYPE & 255;
    this.view = new DataView(this.frame.buffer);
  }

  run(inFlight: number, warmUpSeconds: number, seconds: number): LoadResult {
    this.awaitEcho();
    this.rounds(inFlight, warmUpSeconds * 1_000);
    this.samplesTaken = 0;
    const before = this.back;
    const startedMs = performance.now();
    const failed = this.rounds(inFlight, seconds * 1_000);
    const took = (performance.now() - startedMs) / 1_000;
    const sorted = this.samples.subarray(0, this.samplesTaken).sort();
    const us = (share: number): number =>
      Math.round((sorted[Math.floor(sorted.length * share)] ?? Number.NaN) * 10_000) / 10;
    const requests = this.back - before;
    const { user, system } = process.cpuUsage();
    return {
      perSecond: requests / took,
      bytesPerSecond: (requests * this.frame.length) / took,
      p50Us: us(0.5),
      p99Us: us(0.99),
      p999Us: us(0.999),
      requests,
      total: this.back,
      failed,
      openSeconds: 0,
      loadSeconds: (user + system) / 1e6,
    };
  }

  /** Sends until something has come back. */
  private awaitEcho(): void {
    const endMs = performance.now() + LINK_MS;
    while (this.back === 0) {
      if (performance.now() > endMs) throw new Error("no frame comes back");
      this.rounds(1, 1);
    }
  }

  private rounds(inFlight: number, lengthMs: number): number {
    let lost = 0;
    let underWay = 0;
    let now = performance.now();
    let lastBack = now;
    const end = now + lengthMs;
    while (now < end) {
      for (; underWay < inFlight; underWay++) this.send(now);
      const count = this.driver.poll(now);
      now = performance.now();
      const got = this.receive(count, now);
      underWay -= got;
      if (got > 0) lastBack = now;
      if (now - lastBack > LOST_MS) {
        lost += underWay;
        underWay = 0;
        lastBack = now;
      }
    }
    // What is still under way must not count as the answer to a later frame.
    while (underWay > 0 && performance.now() < end + LOST_MS) {
      underWay -= this.receive(this.driver.poll(now), performance.now());
    }
    return lost;
  }

  private send(now: number): void {
    const { control, tx, frames, txSlots } = this.driver;
    const tail = control[TX_TAIL] as number;
    const at = (tail & (txSlots - 1)) * DESCRIPTOR_FIELDS;
    this.view.setUint32(14, this.sent);
    this.sentAt[this.sent & 0xffff] = now;
    this.sent++;
    frames.set(this.frame, tx[at + DESCRIPTOR_OFFSET] as number);
    tx[at + DESCRIPTOR_LENGTH] = this.frame.length;
    tx[at + DESCRIPTOR_FLAGS] = 0;
    control[TX_TAIL] = (tail + 1) | 0;
  }

  private receive(count: number, now: number): number {
    const { rx, frames } = this.driver;
    let got = 0;
    for (let i = 0; i < count; i++) {
      const from = rx[i * DESCRIPTOR_FIELDS + DESCRIPTOR_OFFSET] as number;
      if (((frames[from + 12] as number) << 8) + (frames[from + 13] as number) !== ETHERTYPE) {
        continue;
      }
      const low = ((frames[from + 16] as number) << 8) + (frames[from + 17] as number);
      if (this.samplesTaken < SAMPLES_MAX) {
        this.samples[this.samplesTaken++] = now - (this.sentAt[low] as number);
      }
      got++;
    }
    this.back += got;
    return got;
  }
}

leaveWithInput();
const [role, driverText = "{}", ...args] = process.argv.slice(2);
const driver = openDriver(JSON.parse(driverText));
if (role === "echo") {
  process.stdout.write("ready\n", () => echo(driver));
} else {
  const [inFlight = 0, , warmUp = 0, seconds = 0, bytes = 0] = args.slice(2).map(Number);
  const result = new Client(driver, bytes).run(inFlight, warmUp, seconds);
  driver.close();
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}
