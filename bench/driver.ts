// SPDX-License-Identifier: MIT
// Raw frame echo over the native drivers: 64-byte frames, 1 and 64 in flight, and 1,514-byte
// frames. The echo runs in a process of its own, pinned apart, and turns the addresses round in
// JavaScript; so this is the upper bound for any stack on these drivers.
//
//   npx tsx bench/driver.ts [--json]
//
// It starts itself again in a fresh user and network namespace and leaves nothing behind.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import {
  DESCRIPTOR_FIELDS,
  DESCRIPTOR_FLAGS,
  DESCRIPTOR_LENGTH,
  DESCRIPTOR_OFFSET,
  TX_HEAD,
  TX_TAIL,
} from "../src/link/driver.ts";
import { type NativeDriver, openNativeDriver } from "../src/link/native-driver.ts";

const SELF = fileURLToPath(import.meta.url);
/** IEEE 802 local experimental EtherType: nothing in the kernel answers to it. */
const ETHERTYPE = 0x88b5;
const WARM_UP_MS = 500;
const MEASURE_MS = 2000;
const SAMPLES_MAX = 2_000_000;
/** A frame that has not come back after this long is taken for lost and sent again. */
const LOST_MS = 200;

interface Result {
  readonly driver: string;
  readonly frameBytes: number;
  readonly inFlight: number;
  readonly framesPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly lost: number;
}

/** Turns every frame round until it is told to end. */
function echo(driver: NativeDriver): void {
  const { frames, rx, tx, control } = driver;
  for (;;) {
    const count = driver.poll(0);
    if (count < 0) return;
    for (let i = 0; i < count; i++) {
      const from = rx[i * DESCRIPTOR_FIELDS + DESCRIPTOR_OFFSET] as number;
      const length = rx[i * DESCRIPTOR_FIELDS + DESCRIPTOR_LENGTH] as number;
      if (((frames[from + 12] as number) << 8) + (frames[from + 13] as number) !== ETHERTYPE) {
        continue;
      }
      const tail = control[TX_TAIL] as number;
      if (((tail - (control[TX_HEAD] as number)) | 0) >= driver.txSlots) break;
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
  }
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

  constructor(driver: NativeDriver, to: Uint8Array, frameBytes: number) {
    this.driver = driver;
    this.frame = new Uint8Array(frameBytes);
    this.frame.set(to, 0);
    this.frame.set(driver.macAddress, 6);
    this.frame[12] = ETHERTYPE >> 8;
    this.frame[13] = ETHERTYPE & 255;
    this.view = new DataView(this.frame.buffer);
  }

  run(name: string, inFlight: number): Result {
    this.rounds(inFlight, WARM_UP_MS);
    this.samplesTaken = 0;
    const before = this.back;
    const started = performance.now();
    const lost = this.rounds(inFlight, MEASURE_MS);
    const seconds = (performance.now() - started) / 1000;
    const sorted = this.samples.subarray(0, this.samplesTaken).sort();
    const microseconds = (share: number) =>
      Math.round((sorted[Math.floor(sorted.length * share)] ?? Number.NaN) * 10_000) / 10;
    return {
      driver: name,
      frameBytes: this.frame.length,
      inFlight,
      framesPerSecond: Math.round((this.back - before) / seconds),
      p50Us: microseconds(0.5),
      p99Us: microseconds(0.99),
      lost,
    };
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

/** Starts the echo on the second processor and waits until it runs. */
async function startEcho(kind: string, device: string): Promise<ChildProcess> {
  const command = [process.execPath, ...process.execArgv, SELF, "--echo", kind, device];
  const child = spawn("taskset", ["-c", "1", ...command], { stdio: ["pipe", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return child;
}

async function measure(kind: "af_packet" | "tap"): Promise<Result[]> {
  const device = kind === "af_packet" ? "echo1" : "echo2";
  const server = await startEcho(kind, device);
  // The other end of the veth pair; or the kernel's end of the TAP device, where a frame that is
  // sent comes out of the cable.
  const driver = openNativeDriver({
    driver: "af_packet",
    interface: kind === "af_packet" ? "echo0" : device,
  });
  const to = Uint8Array.of(2, 0, 0, 0, 0, 1);
  const results = [
    new Client(driver, to, 64).run(kind, 1),
    new Client(driver, to, 64).run(kind, 64),
    new Client(driver, to, 1514).run(kind, 64),
  ];
  driver.close();
  server.kill("SIGKILL");
  await once(server, "exit");
  return results;
}

async function inside(isJson: boolean): Promise<void> {
  const setUp =
    "ip link add echo0 type veth peer name echo1 && ip link set echo0 up && ip link set echo1 up";
  spawnSync("sh", ["-c", setUp], { stdio: "inherit" });
  spawnSync("taskset", ["-a", "-cp", "0", String(process.pid)]);
  const results = [...(await measure("af_packet")), ...(await measure("tap"))];
  if (isJson) console.log(JSON.stringify({ suite: "driver", results }, null, 2));
  else console.table(results);
}

function main(args: readonly string[]): void {
  if (args[0] === "--echo") {
    const [, kind, device = ""] = args;
    const driver =
      kind === "tap"
        ? openNativeDriver({ driver: "tap", interface: device })
        : openNativeDriver({ driver: "af_packet", interface: device });
    process.stdout.write("ready\n", () => echo(driver));
  } else if (args[0] === "--inside") {
    void inside(args.includes("--json"));
  } else {
    const again = [process.execPath, ...process.execArgv, SELF, "--inside", ...args];
    const environment = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
    const child = spawnSync("unshare", ["-Urn", ...again], { stdio: "inherit", env: environment });
    process.exitCode = child.status ?? 1;
  }
}

main(process.argv.slice(2));
