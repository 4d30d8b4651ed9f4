// A kernel TCP peer with its default settings sends up to 64 KB per frame and leaves checksums
// unfinished. Both drivers take that whole, byte for byte.

import type { ChildProcess } from "node:child_process";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type NativeDriver, openNativeDriver } from "../../src/link/native-driver.ts";
import { describeWithNic, NetNs } from "../support/netns.ts";
import { streamByte, streamSender, TcpSink } from "../support/tcp-sink.ts";

const STREAM_BYTES = 20_000_000;

/** Receives the stream over a driver; returns the sink and the number of wrong bytes. */
async function receiveStream(driver: NativeDriver, sender: ChildProcess) {
  let wrong = 0;
  const sink = new TcpSink(driver, (bytes, at) => {
    for (let i = 0; i < bytes.length; i++) if (bytes[i] !== streamByte(at + i)) wrong++;
  });
  const end = Date.now() + 30_000;
  while (!sink.isFinished && Date.now() < end) {
    for (let rounds = 0; rounds < 100; rounds++) if (sink.round() < 0) return { sink, wrong: -1 };
    await new Promise((resolve) => setImmediate(resolve));
  }
  sink.round();
  sender.kill();
  return { sink, wrong };
}

describeWithNic("super-frames", () => {
  let netns: NetNs;
  beforeAll(async () => {
    netns = await NetNs.create();
  });
  afterAll(() => netns.remove());

  /** Tells the kernel where 10.8.x.2 is, so that no ARP is needed. */
  function addPeer(address: string, driver: NativeDriver, device: string): void {
    const mac = Buffer.from(driver.macAddress)
      .toString("hex")
      .replace(/..(?!$)/g, "$&:");
    netns.ip(`neigh add ${address} lladdr ${mac} dev ${device}`);
  }

  it("af_packet: takes 20 MB from kernel TCP with default offloads byte for byte", async () => {
    netns.addVeth("kernel0", "ours0");
    netns.ip("addr add 10.8.0.1/24 dev kernel0");
    const driver = openNativeDriver({
      driver: "af_packet",
      interface: "ours0",
      netns: netns.path,
    });
    addPeer("10.8.0.2", driver, "kernel0");
    const script = streamSender("10.8.0.2", 7, STREAM_BYTES);
    const { sink, wrong } = await receiveStream(
      driver,
      netns.spawn(process.execPath, "-e", script),
    );
    const statistics = driver.statistics();
    driver.close();
    expect({ bytes: sink.receivedBytes, wrong }).toEqual({ bytes: STREAM_BYTES, wrong: 0 });
    expect(sink.largestPayload).toBeGreaterThan(20_000);
    expect(statistics.rxSuperFrames).toBeGreaterThan(0);
  });

  it.each(["native", "generic"] as const)(
    "af_xdp, %s: takes 20 MB from kernel TCP",
    async (mode) => {
      netns.addVeth("kernel1", "ours1");
      netns.ip("addr add 10.8.3.1/24 dev kernel1");
      const driver = openNativeDriver({
        driver: "af_xdp",
        interface: "ours1",
        netns: netns.path,
        addresses: ["10.8.3.2"],
        mode,
      });
      addPeer("10.8.3.2", driver, "kernel1");
      const script = streamSender("10.8.3.2", 7, STREAM_BYTES);
      const { sink, wrong } = await receiveStream(
        driver,
        netns.spawn(process.execPath, "-e", script),
      );
      const { rxSuperFrames, rxTooLarge } = driver.statistics();
      driver.close();
      netns.ip("link del kernel1");
      expect({ bytes: sink.receivedBytes, wrong }).toEqual({ bytes: STREAM_BYTES, wrong: 0 });
      expect(rxTooLarge).toBe(0);
      // A program in the device's driver makes the peer cut its segments up itself.
      if (mode === "native") expect(sink.largestPayload).toBe(1460);
      else expect(rxSuperFrames).toBeGreaterThan(0);
    },
  );

  it("tap: takes 20 MB from kernel TCP with default offloads byte for byte", async () => {
    const driver = openNativeDriver({
      driver: "tap",
      netns: netns.path,
      kernelAddress: "10.8.1.1/24",
    });
    addPeer("10.8.1.2", driver, driver.interfaceName);
    const script = streamSender("10.8.1.2", 7, STREAM_BYTES);
    const { sink, wrong } = await receiveStream(
      driver,
      netns.spawn(process.execPath, "-e", script),
    );
    const statistics = driver.statistics();
    driver.close();
    expect({ bytes: sink.receivedBytes, wrong }).toEqual({ bytes: STREAM_BYTES, wrong: 0 });
    expect(sink.largestPayload).toBeGreaterThan(20_000);
    expect(statistics.rxSuperFrames).toBeGreaterThan(0);
  });

  it("tap: gets frames of the MTU at most when receiveOffload is off", async () => {
    const driver = openNativeDriver({
      driver: "tap",
      netns: netns.path,
      kernelAddress: "10.8.2.1/24",
      receiveOffload: false,
    });
    addPeer("10.8.2.2", driver, driver.interfaceName);
    const script = streamSender("10.8.2.2", 7, 1_000_000);
    const { sink, wrong } = await receiveStream(
      driver,
      netns.spawn(process.execPath, "-e", script),
    );
    driver.close();
    expect({ bytes: sink.receivedBytes, wrong }).toEqual({ bytes: 1_000_000, wrong: 0 });
    expect(sink.largestPayload).toBeLessThanOrEqual(1460);
  });
});
