// A TAP device, with the kernel at the other end of the cable.

import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { RX_CHECKSUM_VALID, TX_CHECKSUM } from "../../src/link/driver.ts";
import {
  type NativeDriver,
  openNativeDriver,
  type TapOptions,
} from "../../src/link/native-driver.ts";
import { commitFrame, ethernetFrame, pollUntil, type ReceivedFrame } from "../support/driver-io.ts";
import { describeWithNic, NetNs } from "../support/netns.ts";
import { finishUdpChecksum, udpFrameToFinish } from "../support/udp-frame.ts";

const BROADCAST = new Uint8Array(6).fill(255);

function etherTypeOf(frame: ReceivedFrame): number {
  return ((frame.bytes[12] as number) << 8) | (frame.bytes[13] as number);
}

/** The first frame of a kind that comes. */
function wait(driver: NativeDriver, isWanted: (frame: ReceivedFrame) => boolean): Uint8Array {
  const frame = pollUntil(driver, (frames) => frames.some(isWanted)).find(isWanted);
  if (frame === undefined) throw new Error("no such frame came");
  return frame.bytes;
}

describeWithNic("tap", () => {
  let netns: NetNs;
  const opened: NativeDriver[] = [];

  beforeAll(async () => {
    netns = await NetNs.create();
  });
  afterAll(() => netns.remove());
  afterEach(() => {
    for (const driver of opened.splice(0)) driver.close();
  });

  function open(options: Omit<TapOptions, "driver" | "netns"> = {}): NativeDriver {
    const driver = openNativeDriver({ driver: "tap", netns: netns.path, ...options });
    opened.push(driver);
    return driver;
  }

  /** The kernel's end: its MAC address. */
  function kernelMac(device: string): Uint8Array {
    const shown = /ether ([0-9a-f:]{17})/.exec(netns.ip(`link show ${device}`))?.[1] ?? "";
    return Uint8Array.from(shown.split(":"), (digits) => Number.parseInt(digits, 16));
  }

  it("makes a device that is up, has the address asked for, and goes with the driver", () => {
    const driver = open({ interface: "cable%d", kernelAddress: "10.9.0.1/20" });
    expect(driver.interfaceName).toMatch(/^cable\d+$/);
    expect(driver.name).toBe(`tap(${driver.interfaceName})`);
    const shown = netns.ip(`addr show ${driver.interfaceName}`);
    expect(shown).toMatch(/inet 10\.9\.0\.1\/20/);
    expect(shown).toMatch(/<[^>]*\bUP\b/);
    driver.close();
    expect(() => netns.ip(`link show ${driver.interfaceName}`)).toThrow(/does not exist/);
  });

  it("has a station address of its own, random or as given", () => {
    const driver = open();
    expect((driver.macAddress[0] as number) & 3).toBe(2);
    expect(driver.macAddress).not.toEqual(kernelMac(driver.interfaceName));
    const given = open({ macAddress: "02:aa:bb:cc:dd:ee" });
    expect([...given.macAddress]).toEqual([2, 0xaa, 0xbb, 0xcc, 0xdd, 0xee]);
  });

  it("keeps a persistent device, and attaches to it again", () => {
    const first = open({ interface: "keep0", persist: true });
    first.close();
    expect(netns.ip("link show keep0")).toMatch(/keep0/);
    const again = open({ interface: "keep0" });
    expect(again.interfaceName).toBe("keep0");
    again.close();
    netns.ip("link del keep0");
  });

  it("sets the MTU", () => {
    const driver = open({ mtu: 9000 });
    expect(driver.capabilities.mtu).toBe(9000);
    expect(driver.txFrameBytes).toBeGreaterThanOrEqual(9014);
    expect(netns.ip(`link show ${driver.interfaceName}`)).toMatch(/mtu 9000/);
  });

  it("sees the kernel ask by ARP, answers, and sees the ping that follows", async () => {
    const driver = open({ kernelAddress: "10.9.1.1/24" });
    const ping = netns.spawn("ping", "-c", "1", "-W", "2", "10.9.1.2");
    let transcript = "";
    ping.stdout?.on("data", (text) => {
      transcript += text;
    });
    const isArp = (frame: ReceivedFrame) => etherTypeOf(frame) === 0x0806;
    const asked = wait(driver, isArp);
    expect([...asked.subarray(38, 42)]).toEqual([10, 9, 1, 2]);
    const reply = asked.slice();
    reply.set(asked.subarray(6, 12), 0);
    reply.set(driver.macAddress, 6);
    reply[21] = 2;
    reply.set(driver.macAddress, 22);
    reply.set(asked.subarray(38, 42), 28);
    reply.set(asked.subarray(22, 32), 32);
    commitFrame(driver, reply);
    const isEcho = (frame: ReceivedFrame) =>
      etherTypeOf(frame) === 0x0800 && frame.bytes[23] === 1 && frame.bytes[34] === 8;
    const echo = wait(driver, isEcho);
    const answer = echo.slice();
    answer.set(asked.subarray(6, 12), 0);
    answer.set(driver.macAddress, 6);
    answer.set(echo.subarray(30, 34), 26);
    answer.set(echo.subarray(26, 30), 30);
    // Type 8 becomes 0: the sum falls by 0x0800, so its complement grows by that (RFC 1624).
    answer[34] = 0;
    const checksum = (((answer[36] as number) << 8) | (answer[37] as number)) + 0x0800;
    const folded = (checksum & 0xffff) + (checksum >> 16);
    answer[36] = folded >> 8;
    answer[37] = folded & 255;
    commitFrame(driver, answer);
    driver.poll(0);
    await new Promise((resolve) => ping.on("close", resolve));
    expect(transcript).toMatch(/1 received/);
  });

  describe("checksums", () => {
    it("accepts the unfinished checksum of the kernel", () => {
      const driver = open({ kernelAddress: "10.9.2.1/24" });
      netns.ip(`neigh add 10.9.2.2 lladdr 02:00:00:00:00:02 dev ${driver.interfaceName}`);
      netns.run("bash", "-c", "echo hello > /dev/udp/10.9.2.2/9");
      const [got] = pollUntil(driver, (frames) => frames.length > 0);
      expect(got?.flags).toBe(RX_CHECKSUM_VALID);
      expect(got?.bytes).not.toEqual(finishUdpChecksum(got?.bytes ?? new Uint8Array(64)));
    });

    it("verifies a finished one when the kernel was not offered to leave it", () => {
      const driver = open({ kernelAddress: "10.9.3.1/24", receiveOffload: false });
      netns.ip(`neigh add 10.9.3.2 lladdr 02:00:00:00:00:02 dev ${driver.interfaceName}`);
      netns.run("bash", "-c", "echo hello > /dev/udp/10.9.3.2/9");
      const [got] = pollUntil(driver, (frames) => frames.length > 0);
      expect(got?.flags).toBe(RX_CHECKSUM_VALID);
      expect(got?.bytes).toEqual(finishUdpChecksum(got?.bytes ?? new Uint8Array(64)));
    });

    it("the kernel takes a datagram whose checksum the stack left to the driver", async () => {
      const driver = open({ kernelAddress: "10.0.0.2/24" });
      const script = `
        const socket = require("node:dgram").createSocket("udp4");
        socket.on("message", (text) => { console.log("got " + text); process.exit(); });
        socket.bind(2000, () => console.log("ready"));
        setTimeout(() => process.exit(1), 5000);`;
      const receiver = netns.spawn(process.execPath, "-e", script);
      let output = "";
      receiver.stdout?.on("data", (text) => {
        output += text;
      });
      while (!output.includes("ready")) await new Promise((resolve) => setTimeout(resolve, 5));
      const payload = new TextEncoder().encode("datagram");
      const device = kernelMac(driver.interfaceName);
      const { bytes, field } = udpFrameToFinish(device, driver.macAddress, payload);
      commitFrame(driver, bytes, TX_CHECKSUM, field);
      driver.poll(0);
      await new Promise((resolve) => receiver.on("close", resolve));
      expect(output).toMatch(/got datagram/);
    });
  });

  it("counts, and drops frames that are too large or have no header", () => {
    const driver = open();
    const payload = new Uint8Array(50);
    commitFrame(driver, ethernetFrame(BROADCAST, driver.macAddress, payload));
    commitFrame(driver, ethernetFrame(BROADCAST, driver.macAddress, new Uint8Array(1501)));
    commitFrame(driver, new Uint8Array(13));
    commitFrame(driver, ethernetFrame(BROADCAST, driver.macAddress, payload));
    driver.poll(0);
    expect(driver.statistics()).toMatchObject({ txFrames: 2, txBytes: 128, txDropped: 2 });
    expect(driver.control[1]).toBe(4);
  });

  it("takes a burst larger than one poll gives, in order", () => {
    const driver = open({ kernelAddress: "10.9.4.1/24" });
    netns.ip(`neigh add 10.9.4.2 lladdr 02:00:00:00:00:02 dev ${driver.interfaceName}`);
    const script = `
      const socket = require("node:dgram").createSocket("udp4");
      for (let i = 0; i < 400; i++) socket.send(String(i), 9, "10.9.4.2");
      setTimeout(() => socket.close(), 50);`;
    netns.run(process.execPath, "-e", script);
    const frames = pollUntil(driver, (got) => got.length >= 400, 500);
    const texts = frames.map((each) => new TextDecoder().decode(each.bytes.subarray(42)));
    expect(texts).toEqual(Array.from({ length: 400 }, (_, i) => String(i)));
  });
});
