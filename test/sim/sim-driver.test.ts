// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import {
  DESCRIPTOR_CHECKSUM,
  DESCRIPTOR_FIELDS,
  DESCRIPTOR_FLAGS,
  DESCRIPTOR_LENGTH,
  DESCRIPTOR_OFFSET,
  type Driver,
  TX_CHECKSUM,
  TX_HEAD,
  TX_TAIL,
} from "../../src/link/driver.ts";
import { createCable } from "../../src/sim/cable.ts";
import { craftTcp } from "../../src/sim/craft.ts";
import { PacketText } from "../../src/sim/packet-text.ts";
import { SimDriver } from "../../src/sim/sim-driver.ts";

/** Writes a frame to the tx ring as the stack does. */
function transmit(driver: Driver, frame: Uint8Array, flags = 0, checksum = 0): boolean {
  const tail = driver.control[TX_TAIL] as number;
  if (((tail - (driver.control[TX_HEAD] as number)) | 0) >= driver.txSlots) return false;
  const at = (tail & (driver.txSlots - 1)) * DESCRIPTOR_FIELDS;
  driver.frames.set(frame, driver.tx[at + DESCRIPTOR_OFFSET] as number);
  driver.tx[at + DESCRIPTOR_LENGTH] = frame.length;
  driver.tx[at + DESCRIPTOR_FLAGS] = flags;
  driver.tx[at + DESCRIPTOR_CHECKSUM] = checksum;
  driver.control[TX_TAIL] = (tail + 1) | 0;
  return true;
}

function received(driver: Driver, count: number): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const offset = driver.rx[i * DESCRIPTOR_FIELDS + DESCRIPTOR_OFFSET] as number;
    const length = driver.rx[i * DESCRIPTOR_FIELDS + DESCRIPTOR_LENGTH] as number;
    frames.push(driver.frames.slice(offset, offset + length));
  }
  return frames;
}

function frameOf(value: number, length = 60): Uint8Array {
  return new Uint8Array(length).fill(value);
}

describe("an in-process link", () => {
  it("carries frames both ways, in order, and gives tx slots back", () => {
    const [a, b] = createCable();
    transmit(a, frameOf(1));
    transmit(a, frameOf(2, 1514));
    transmit(b, frameOf(3));
    expect(a.poll(0)).toBe(0);
    expect(b.poll(0)).toBe(2);
    expect(received(b, 2)).toEqual([frameOf(1), frameOf(2, 1514)]);
    expect(a.poll(0)).toBe(1);
    expect(received(a, 1)).toEqual([frameOf(3)]);
    expect(a.control[TX_HEAD]).toBe(2);
    expect(b.poll(0)).toBe(0);
    expect(a.statistics()).toMatchObject({ txFrames: 2, txBytes: 1574, rxFrames: 1 });
  });

  it("keeps received frames until the next poll, whatever arrives meanwhile", () => {
    const [a, b] = createCable({ driver: { rxSlots: 4, txSlots: 4 } });
    for (let i = 1; i <= 3; i++) transmit(a, frameOf(i));
    a.poll(0);
    expect(b.poll(0)).toBe(3);
    for (let i = 4; i <= 6; i++) transmit(a, frameOf(i));
    a.poll(0);
    expect(received(b, 3)).toEqual([frameOf(1), frameOf(2), frameOf(3)]);
    expect(b.poll(0)).toBe(1);
    expect(received(b, 1)).toEqual([frameOf(4)]);
    expect(b.statistics().rxDropped).toBe(2);
  });

  it("survives the wrap of the ring counters", () => {
    const [a, b] = createCable();
    a.control[TX_HEAD] = 0x7fffffff;
    a.control[TX_TAIL] = 0x7fffffff;
    for (let i = 0; i < 1000; i++) {
      expect(transmit(a, frameOf(i & 255))).toBe(true);
      a.poll(0);
      expect(b.poll(0)).toBe(1);
      expect(received(b, 1)[0]?.[0]).toBe(i & 255);
    }
    expect(a.control[TX_TAIL]).toBe((0x7fffffff + 1000) | 0);
  });

  it("drops frames that are too long, sent or received", () => {
    const small = new SimDriver({ mtu: 100 });
    transmit(small, frameOf(1, 119));
    small.poll(0);
    expect(small.statistics().txDropped).toBe(1);
    small.receive(frameOf(1, 1514), 0, 1514, 0);
    expect(small.statistics().rxDropped).toBe(1);
    expect(small.poll(0)).toBe(0);
  });

  it("wakes a sleeper once, and refuses to let it sleep when there is work", () => {
    const [a, b] = createCable();
    let wakes = 0;
    expect(b.armWake(() => wakes++)).toBe(true);
    transmit(a, frameOf(1));
    transmit(a, frameOf(2));
    expect(a.armWake(() => {})).toBe(false);
    a.poll(0);
    expect(wakes).toBe(1);
    expect(b.armWake(() => wakes++)).toBe(false);
    b.poll(0);
    expect(b.armWake(() => wakes++)).toBe(true);
    b.disarmWake();
    transmit(a, frameOf(3));
    a.poll(0);
    expect(wakes).toBe(1);
  });

  it("finishes the transport checksum when it has said that it does", () => {
    const [a, b] = createCable({ driver: { checksumTx: true } });
    const fields = {
      source: "10.0.0.1",
      destination: "10.0.0.2",
      sourcePort: 1,
      destinationPort: 2,
      payload: "odd",
    };
    const right = craftTcp(fields);
    // The field holds the folded sum of the pseudo-header, as a stack leaves it.
    const pseudo = 0x0a00 + 0x0001 + 0x0a00 + 0x0002 + 6 + 23;
    const unfinished = craftTcp({ ...fields, checksum: pseudo });
    transmit(a, unfinished, TX_CHECKSUM, (34 << 16) | 16);
    a.poll(0);
    b.poll(0);
    expect(received(b, 1)[0]).toEqual(right);
    expect(new PacketText({ verifyChecksums: true }).format(right)).not.toContain("bad");
  });

  it("says ENETDOWN after it has failed or was closed, and closes twice", () => {
    const [a, b] = createCable();
    let woken = 0;
    b.armWake(() => woken++);
    b.fail();
    expect(woken).toBe(1);
    expect(b.poll(0)).toBe(-100);
    expect(b.poll(0)).toBe(-100);
    transmit(a, frameOf(1));
    a.poll(0);
    a.close();
    a.close();
    expect(a.poll(0)).toBe(-100);
  });

  it("refuses wrong options, naming them", () => {
    expect(() => new SimDriver({ mtu: 10 })).toThrow(/mtu/);
    expect(() => new SimDriver({ rxSlots: 3 })).toThrow(/rxSlots/);
    expect(() => new SimDriver({ txSlots: 0 })).toThrow(/txSlots/);
    expect(() => new SimDriver({ macAddress: new Uint8Array(5) })).toThrow(/macAddress/);
    expect(() => new SimDriver({ macAddress: new Uint8Array(6).fill(1) })).toThrow(/macAddress/);
    const mac = new Uint8Array(6);
    expect(() => createCable({ macAddresses: [mac, mac] })).toThrow(/macAddresses/);
  });
});
