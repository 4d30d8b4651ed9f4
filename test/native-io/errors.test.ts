// Each error of opening a driver: its code, and a message that names the thing and the remedy.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DriverError, openNativeDriver } from "../../src/link/native-driver.ts";
import { TestFolder } from "../support/folder.ts";
import { describeWithNic, NetNs } from "../support/netns.ts";

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "..");

/** The error of opening with these options, which may be of any shape. */
function errorOf(options: object): DriverError {
  try {
    openNativeDriver(options as Parameters<typeof openNativeDriver>[0]).close();
  } catch (error) {
    return error as DriverError;
  }
  throw new Error("opened");
}

/** Opens in a process of its own, and returns "code: message". */
function openElsewhere(
  options: object,
  env: NodeJS.ProcessEnv,
  prefix: readonly string[] = [],
): string {
  const program = `
    import { openNativeDriver } from ${JSON.stringify(path.join(ROOT, "src/link/native-driver.ts"))};
    try { openNativeDriver(${JSON.stringify(options)}); console.log("opened"); }
    catch (error) { console.log(error.code, error.errno, error.syscall, error.message); }
    process.exit();`;
  const command = [...prefix, process.execPath, "--import", "tsx", "--input-type=module"];
  const result = spawnSync(command[0] as string, [...command.slice(1), "-e", program], {
    cwd: ROOT,
    // Node leaves memory of its own behind when it exits at once; the sanitizer would tell.
    env: { ...process.env, ASAN_OPTIONS: "detect_leaks=0", ...env },
    encoding: "utf8",
  });
  return `${result.stdout}${result.stderr}`;
}

describe("options of native drivers", () => {
  const folder = new TestFolder();
  const nic = { driver: "af_packet", interface: "nosuch0" } as const;
  const xdp = { driver: "af_xdp", interface: "nosuch0", addresses: ["10.0.0.2"] } as const;
  const cases: readonly (readonly [object, string, RegExp])[] = [
    [{ driver: "dpdk" }, "EINVAL", /driver must be .*"tap", got "dpdk"/],
    [{ driver: 7 }, "EINVAL", /driver must be .*, got 7/],
    [{ ...nic, interface: "" }, "EINVAL", /interface/],
    [{ ...nic, interface: "a".repeat(16) }, "EINVAL", /interface must be 1 to 15/],
    [{ ...nic, interface: "a/b" }, "EINVAL", /interface/],
    [{ ...nic, rxSlots: 1000 }, "EINVAL", /rxSlots must be a power of two/],
    [{ ...nic, rxSlots: 8 }, "EINVAL", /rxSlots/],
    [{ ...nic, txSlots: 131_072 }, "EINVAL", /txSlots/],
    [{ ...nic, txSlots: Number.NaN }, "EINVAL", /txSlots/],
    [{ ...nic, rxFrameBytes: 10 }, "EINVAL", /rxFrameBytes/],
    [{ ...nic, receiveBufferBytes: 1.5 }, "EINVAL", /receiveBufferBytes/],
    [{ ...nic, macAddress: "01:00:5e:00:00:01" }, "EINVAL", /macAddress/],
    [{ ...nic, macAddress: "2:0:0:0:0:1" }, "EINVAL", /macAddress/],
    [{ ...nic, macAddress: new Uint8Array(6) }, "EINVAL", /macAddress/],
    [{ ...nic, fanout: { id: 70_000, mode: "hash" } }, "EINVAL", /fanout\.id/],
    [{ ...nic, fanout: { id: 1, mode: "toString" } }, "EINVAL", /fanout\.mode/],
    [{ ...nic, rxSlot: 64 }, "EINVAL", /rxSlot is no option/],
    [{ ...nic, netns: "a\0b" }, "EINVAL", /netns/],
    [{ driver: "af_xdp", interface: "nosuch0" }, "EINVAL", /addresses must name the stack's own/],
    [{ ...xdp, addresses: [] }, "EINVAL", /addresses must be 1 to 16/],
    [{ ...xdp, addresses: ["10.0.0.2/24"] }, "EINVAL", /addresses must be like "10\.0\.0\.2"/],
    [{ ...xdp, addresses: ["10.0.0.256"] }, "EINVAL", /addresses/],
    [{ ...xdp, addresses: ["10.0.0.02"] }, "EINVAL", /addresses/],
    [{ ...xdp, ports: [0] }, "EINVAL", /ports/],
    [{ ...xdp, ports: new Array(65).fill(80) }, "EINVAL", /ports must be at most 64/],
    [{ ...xdp, queue: -1 }, "EINVAL", /queue/],
    [{ ...xdp, mode: "driver" }, "EINVAL", /mode must be one of auto, native, generic/],
    [{ ...xdp, frameBytes: 1024 }, "EINVAL", /frameBytes must be 2048 or 4096/],
    [{ ...xdp, rxFrameBytes: 2048 }, "EINVAL", /rxFrameBytes is no option/],
    [{ driver: "tap", kernelAddress: "10.9.0.1" }, "EINVAL", /kernelAddress/],
    [{ driver: "tap", kernelAddress: "10.9.0.256/24" }, "EINVAL", /kernelAddress/],
    [{ driver: "tap", mtu: 60 }, "EINVAL", /mtu/],
    [
      { driver: "memif", socket: "@x", role: "client", ringSlots: 32_768 },
      "EINVAL",
      /ringSlots must be a power of two from 16 to 16384, got 32768/,
    ],
    [{ driver: "tap", rxSlots: 64 }, "EINVAL", /rxSlots is no option/],
  ];
  for (const [options, code, message] of cases) {
    it(`${JSON.stringify(options)} is ${code}`, () => {
      const error = errorOf(options);
      expect(error).toMatchObject({ code, errno: -22, syscall: "driver.open" });
      expect(error.message).toMatch(message);
    });
  }

  it("a value of the wrong type is a TypeError naming the option", () => {
    for (const wrong of [{ rxSlots: "64" }, { promiscuous: 1 }, { netns: 5 }, { fanout: 5 }]) {
      const error = errorOf({ ...nic, ...wrong });
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toContain(Object.keys(wrong)[0]);
    }
    for (const wrong of [{ addresses: "10.0.0.2" }, { ports: 80 }, { frameBytes: "2048" }]) {
      const error = errorOf({ ...xdp, ...wrong });
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toContain(Object.keys(wrong)[0]);
    }
    expect(errorOf({ ...xdp, addresses: [7] })).toBeInstanceOf(TypeError);
    expect(() => openNativeDriver(null as never)).toThrow(TypeError);
  });

  it("without the addon it is ENOSYS with the reason", () => {
    const output = openElsewhere(nic, { CARAWAY_NATIVE_IO: "/nonexistent/addon.node" });
    expect(output).toMatch(/^ENOSYS -38 driver\.open ENOSYS: .*nonexistent.*\n$/);
  });

  it("an addon that does not load is ENOSYS with the reason", () => {
    const file = folder.file("not-an-addon.node");
    writeFileSync(file, "not an addon");
    expect(openElsewhere(nic, { CARAWAY_NATIVE_IO: file })).toMatch(/^ENOSYS .*does not load/);
  });
});

describeWithNic("errors of the kernel", () => {
  let netns: NetNs;
  beforeAll(async () => {
    netns = await NetNs.create();
    netns.addVeth("up0", "up1");
    netns.ip("link add down0 type veth peer name tun0");
  });
  afterAll(() => netns.remove());

  it("no such interface is ENODEV naming it", () => {
    const error = errorOf({ driver: "af_packet", interface: "nosuch0", netns: netns.path });
    expect(error).toMatchObject({ code: "ENODEV", errno: -19, syscall: "driver.open" });
    expect(error.message).toMatch(/^ENODEV: .*nosuch0.*ip link/);
  });

  it("an interface that is down is ENETDOWN with the command that brings it up", () => {
    const error = errorOf({ driver: "af_packet", interface: "down0", netns: netns.path });
    expect(error.code).toBe("ENETDOWN");
    expect(error.message).toMatch(/ip link set down0 up/);
  });

  it("a TAP device that stays down is ENETDOWN", () => {
    const error = errorOf({ driver: "tap", netns: netns.path, linkUp: false });
    expect(error.code).toBe("ENETDOWN");
    expect(error.message).toMatch(/linkUp/);
  });

  it("a device that is no TAP device is EINVAL naming it", () => {
    const error = errorOf({ driver: "tap", interface: "tun0", netns: netns.path });
    expect(error.code).toBe("EINVAL");
    expect(error.message).toMatch(/tun0 .*not a TAP device/);
  });

  it("a TAP device in use is EBUSY", () => {
    const options = { driver: "tap", interface: "busy0", netns: netns.path } as const;
    const first = openNativeDriver(options);
    expect(errorOf(options)).toMatchObject({ code: "EBUSY" });
    first.close();
  });

  it("rings that are too large are EINVAL naming the options", () => {
    const error = errorOf({
      driver: "af_packet",
      interface: "up0",
      netns: netns.path,
      rxSlots: 65_536,
      rxFrameBytes: 131_072,
    });
    expect(error.code).toBe("EINVAL");
    expect(error.message).toMatch(/rxSlots, rxFrameBytes, txSlots: .*512 MiB/);
  });

  it("more frame memory than offsets reach is ENOMEM, and leaves no device", () => {
    const options = { driver: "tap", interface: "huge0", netns: netns.path } as const;
    const error = errorOf({ ...options, mtu: 65_521, txSlots: 65_536 });
    expect(error.message).toMatch(/^ENOMEM: .*fewer txSlots need less/);
    expect(netns.ip("link show")).not.toContain("huge0");
  });

  it("no such network namespace is ENOENT naming it", () => {
    const options = { driver: "af_packet", interface: "lo" } as const;
    const error = errorOf({ ...options, netns: "caraway-nowhere" });
    expect(error.code).toBe("ENOENT");
    expect(error.message).toMatch(/\/run\/netns\/caraway-nowhere.*ip netns add/);
    expect(errorOf({ ...options, netns: "/proc/self/ns/uts" }).code).toBe("EINVAL");
  });

  it("without privileges it is EPERM naming the capability", () => {
    const powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
    const packet = openElsewhere({ driver: "af_packet", interface: "lo" }, {}, powerless);
    expect(packet).toMatch(/^EPERM -1 driver\.open EPERM: .*CAP_NET_RAW/);
    const tap = openElsewhere({ driver: "tap" }, {}, powerless);
    expect(tap).toMatch(/^EPERM .*CAP_NET_ADMIN/);
    const elsewhere = { driver: "af_packet", interface: "lo", netns: netns.path };
    expect(openElsewhere(elsewhere, {}, powerless)).toMatch(/^EPERM .*CAP_SYS_ADMIN/);
  });

  it("more than 64 drivers in one thread are EMFILE, and closing one helps", () => {
    const options = {
      driver: "af_packet",
      interface: "up0",
      netns: netns.path,
      rxSlots: 16,
      txSlots: 16,
    } as const;
    const drivers = Array.from({ length: 64 }, () => openNativeDriver(options));
    expect(errorOf(options)).toMatchObject({ code: "EMFILE" });
    drivers.pop()?.close();
    drivers.push(openNativeDriver(options));
    for (const driver of drivers) driver.close();
  });
});
