// AF_XDP shares an interface with the kernel: what its program takes, what it leaves, that it goes
// with the driver, and what opening says when it cannot be had.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createContext, openDriver, run } from "../../src/index.ts";
import {
  type AfXdpOptions,
  type NativeDriver,
  openNativeDriver,
} from "../../src/link/native-driver.ts";
import { commitFrame, ethernetFrame, pollUntil, type ReceivedFrame } from "../support/driver-io.ts";
import { describeWithNic, NetNs } from "../support/netns.ts";
import { ROOT } from "../support/program.ts";
import { udpFrame } from "../support/udp-frame.ts";

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_ARP = 0x0806;
const ICMP = 1;
const UDP = 17;

/** Opens in a process of its own, and prints `opened` or the error; then waits to be killed. */
const OPEN_ELSEWHERE = `
  import { openNativeDriver } from "./src/link/native-driver.ts";
  try { openNativeDriver(JSON.parse(process.argv[1])); console.log("opened"); }
  catch (error) { console.log(error.message); process.exit(); }
  setInterval(() => {}, 1000);`;
const NODE = ["--import", "tsx", "--input-type=module", "-e", OPEN_ELSEWHERE];

function etherType(frame: ReceivedFrame): number {
  return ((frame.bytes[12] as number) << 8) | (frame.bytes[13] as number);
}

describeWithNic("af_xdp beside the kernel", () => {
  let netns: NetNs;
  /** Has the other end of the cable, and the kernel's stack on it. */
  let peer: NetNs;
  const opened: NativeDriver[] = [];

  beforeAll(async () => {
    netns = await NetNs.create();
    peer = await NetNs.create();
    netns.addVeth("nic", "far");
    netns.ip(`link set far netns ${peer.pid}`);
    peer.ip("link set far up");
    peer.ip("addr add 10.0.0.1/24 dev far");
    netns.ip("addr add 10.0.0.3/24 dev nic");
    netns.ip("link add down0 type veth peer name down1");
  });
  afterAll(() => {
    netns.remove();
    peer.remove();
  });
  afterEach(() => {
    for (const driver of opened.splice(0)) driver.close();
  });

  function options(more: Partial<AfXdpOptions> = {}): AfXdpOptions {
    const own = { interface: "nic", netns: netns.path, addresses: ["10.0.0.2"] };
    return { driver: "af_xdp", ...own, ...more };
  }
  function open(more: Partial<AfXdpOptions> = {}): NativeDriver {
    const driver = openNativeDriver(options(more));
    opened.push(driver);
    return driver;
  }
  function errorOf(more: Partial<AfXdpOptions>): Error {
    try {
      open(more);
    } catch (error) {
      return error as Error;
    }
    throw new Error("it opened");
  }
  function hasProgram(): boolean {
    return netns.ip("link show nic").includes("xdp");
  }
  /** Text of a MAC address. */
  function station(driver: NativeDriver): string {
    return [...driver.macAddress].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
  }
  /** The far kernel sends a datagram; it knows where our address is. */
  function sendDatagram(driver: NativeDriver, to: string, port: number, bytes = 5): void {
    peer.ip(`neigh replace ${to} lladdr ${station(driver)} dev far nud reachable`);
    const payload = "x".repeat(bytes);
    peer.run("bash", "-c", `printf %s ${payload} > /dev/udp/${to}/${port}`);
  }
  /** What comes within a while, as `type protocol port`. */
  function arrivals(driver: NativeDriver): string[] {
    return pollUntil(driver, () => false, 100).map((frame) => {
      if (etherType(frame) === ETHERTYPE_ARP) return "arp";
      const protocol = frame.bytes[23] as number;
      if (protocol === ICMP) return "icmp";
      const port = ((frame.bytes[36] as number) << 8) | (frame.bytes[37] as number);
      return `${etherType(frame) === ETHERTYPE_IPV4 ? "ip" : "?"} ${protocol} ${port}`;
    });
  }

  describe.each(["native", "generic"] as const)("%s", (mode) => {
    it("takes ARP about its address and packets to it; the kernel keeps its own", () => {
      const driver = open({ mode });
      // The kernel has to be asked by ARP as well.
      peer.ip("neigh flush all");
      expect(peer.run("ping", "-n", "-c", "2", "-i", "0.05", "10.0.0.3")).toContain("2 received");
      expect(arrivals(driver)).toEqual([]);
      const ping = spawnSync("nsenter", [`--net=${peer.path}`, "ping", "-c1", "-W1", "10.0.0.2"]);
      expect(ping.status).not.toBe(0);
      expect(arrivals(driver)).toContain("arp");
      sendDatagram(driver, "10.0.0.2", 9);
      expect(arrivals(driver)).toContain(`ip ${UDP} 9`);
    });

    it("leaves broadcasts to the kernel, but those that it was asked for", () => {
      const broadcast = (driver: NativeDriver): string[] => {
        const script =
          'import("node:dgram").then(({createSocket}) => { const s = createSocket("udp4");' +
          's.bind(() => { s.setBroadcast(true); s.send("x", 9, "10.0.0.255", () => s.close()); }) })';
        peer.run(process.execPath, "-e", script);
        return arrivals(driver);
      };
      const driver = open({ mode });
      expect(broadcast(driver)).toEqual([]);
      driver.close();
      const asked = open({ mode, addresses: ["10.0.0.2", "10.0.0.255"] });
      expect(broadcast(asked)).toEqual([`ip ${UDP} 9`]);
    });

    it("takes the chosen ports and ICMP alone, and no fragments", () => {
      const driver = open({ mode, ports: [53, 7000] });
      for (const port of [7000, 7001, 53, 54]) sendDatagram(driver, "10.0.0.2", port);
      expect(arrivals(driver)).toEqual([`ip ${UDP} 7000`, `ip ${UDP} 53`]);
      // Fragmented by the kernel.
      sendDatagram(driver, "10.0.0.2", 7000, 3000);
      expect(arrivals(driver)).toEqual([]);
      spawnSync("nsenter", [`--net=${peer.path}`, "ping", "-c1", "-W1", "10.0.0.2"]);
      expect(arrivals(driver)).toEqual(["icmp"]);
    });

    it("shares an address with the kernel, which serves the other ports", async () => {
      const driver = open({ mode, ports: [7000] });
      netns.ip("addr add 10.0.0.2/32 dev lo");
      // The kernel asks for its neighbours in the name of its other address.
      netns.run("sh", "-c", "echo 2 > /proc/sys/net/ipv4/conf/nic/arp_announce");
      netns.ip("neigh flush all");
      const listener =
        'require("node:net").createServer((s) => s.end("kernel")).listen(7001, "10.0.0.2", () => console.log("up"))';
      const server = netns.spawn(process.execPath, "-e", listener);
      await once(server.stdout as NodeJS.ReadableStream, "data");
      sendDatagram(driver, "10.0.0.2", 7000);
      expect(peer.run("bash", "-c", "cat < /dev/tcp/10.0.0.2/7001")).toBe("kernel");
      expect(arrivals(driver)).toEqual([`ip ${UDP} 7000`]);
      server.kill();
      netns.ip("addr del 10.0.0.2/32 dev lo");
    });

    it("leaves frames with a VLAN tag in them to the kernel", () => {
      const driver = open({ mode });
      const sender = openNativeDriver({ driver: "af_packet", interface: "far", netns: peer.path });
      opened.push(sender);
      const frame = udpFrame(driver.macAddress, sender.macAddress, new Uint8Array(20));
      for (const tag of [0x8100, 0x88a8]) {
        const tagged = Uint8Array.of(...frame.slice(0, 12), tag >> 8, tag & 255, 0, 5);
        commitFrame(sender, Uint8Array.of(...tagged, ...frame.slice(12)));
      }
      commitFrame(sender, frame);
      sender.poll(0);
      expect(sender.statistics().txFrames).toBe(3);
      expect(pollUntil(driver, (got) => got.length > 0).map((each) => each.bytes)).toEqual([frame]);
    });

    it("passes what is cut short or hostile to the kernel, and goes on", () => {
      const sender = openNativeDriver({ driver: "af_packet", interface: "far", netns: peer.path });
      opened.push(sender);
      const driver = open({ mode, ports: [2000] });
      const whole = udpFrame(driver.macAddress, sender.macAddress, new Uint8Array(20));
      for (let length = 14; length < 38; length++) commitFrame(sender, whole.slice(0, length));
      const arp = ethernetFrame(driver.macAddress, sender.macAddress, new Uint8Array(28), 0x0806);
      arp.set([10, 0, 0, 2], 38);
      for (let length = 14; length < 42; length++) commitFrame(sender, arp.slice(0, length));
      // An IPv4 header of 60 bytes in a frame that ends before its port.
      const long = whole.slice(0, 60);
      long[14] = 0x4f;
      commitFrame(sender, long);
      commitFrame(sender, whole);
      sender.poll(0);
      // A veth pads nothing: what comes is what the verifier let the program read.
      expect(pollUntil(driver, (got) => got.length > 0).map((each) => each.bytes)).toEqual([whole]);
    });

    it("takes its program away when it is closed, and opens again at once", () => {
      for (let i = 0; i < 5; i++) {
        const driver = open({ mode });
        expect(hasProgram()).toBe(true);
        driver.close();
        expect(hasProgram()).toBe(false);
      }
    });

    it("leaves no program when the process is killed", async () => {
      const child = spawn(process.execPath, [...NODE, JSON.stringify(options({ mode }))], {
        cwd: ROOT,
        stdio: ["ignore", "pipe", "inherit"],
      });
      const [line] = await once(child.stdout, "data");
      expect(String(line)).toBe("opened\n");
      expect(hasProgram()).toBe(true);
      child.kill("SIGKILL");
      await once(child, "close");
      open({ mode }).close();
      expect(hasProgram()).toBe(false);
    });
  });

  it("refuses a context with an address or a station that it was not opened for", () =>
    run(function* () {
      const driver = openDriver(options());
      expect(() => createContext({ driver, address: "10.0.0.4/24" })).toThrow(
        /EINVAL.*address: af_xdp\(nic, native\) was opened for 10\.0\.0\.2 alone/,
      );
      const other = { driver, address: "10.0.0.2/24", macAddress: "02:00:00:00:00:09" };
      expect(() => createContext(other)).toThrow(
        /EINVAL.*macAddress: af_xdp.*open it with this one/,
      );
      createContext({ driver, address: "10.0.0.2/24" }).close();
    }));

  describe("what opening says", () => {
    it("no such interface, and one that is down", () => {
      const none = errorOf({ interface: "nosuch0" });
      expect(none).toMatchObject({ code: "ENODEV", syscall: "driver.open" });
      expect(none.message).toMatch(/nosuch0.*ip link/);
      const down = errorOf({ interface: "down0" });
      expect(down).toMatchObject({ code: "ENETDOWN" });
      expect(down.message).toMatch(/ip link set down0 up/);
      expect(errorOf({ interface: "lo", mode: "native" })).toMatchObject({ code: "EOPNOTSUPP" });
    });

    it("a second driver on the interface is EBUSY", () => {
      open();
      const error = errorOf({});
      expect(error).toMatchObject({ code: "EBUSY" });
      expect(error.message).toMatch(/nic has an XDP program already: of another af_xdp driver/);
    });

    it("an address that the kernel has there is EINVAL, unless ports are given", () => {
      netns.ip("addr add 10.0.0.4/32 dev nic label nic:1");
      for (const address of ["10.0.0.3", "10.0.0.4"]) {
        const error = errorOf({ addresses: ["10.0.0.2", address] });
        expect(error).toMatchObject({ code: "EINVAL", syscall: "driver.open" });
        expect(error.message).toContain(`addresses: ${address} is the kernel's on interface nic`);
        expect(error.message).toMatch(/give one that the kernel does not have, or name in ports/);
        expect(hasProgram()).toBe(false);
        open({ addresses: [address], ports: [80] }).close();
      }
      netns.ip("addr del 10.0.0.4/32 dev nic");
    });

    it("a queue that there is not is EINVAL naming the command that tells", () => {
      const error = errorOf({ queue: 63 });
      expect(error).toMatchObject({ code: "EINVAL" });
      expect(error.message).toMatch(/queue: there is no queue 63 .*ethtool -l nic/);
      expect(hasProgram()).toBe(false);
    });

    it("zero-copy that the device has not is EOPNOTSUPP", () => {
      const error = errorOf({ zeroCopy: true });
      expect(error).toMatchObject({ code: "EOPNOTSUPP" });
      expect(error.message).toMatch(/zeroCopy: .*zeroCopy: false/);
    });

    it("an MTU too large for native mode is EOPNOTSUPP, and auto becomes generic", () => {
      peer.ip("link set far mtu 9000");
      netns.ip("link set nic mtu 9000");
      const error = errorOf({ mode: "native" });
      expect(error).toMatchObject({ code: "EOPNOTSUPP" });
      expect(error.message).toMatch(/MTU .*mtu 1500.*generic/);
      const driver = open();
      expect(driver.name).toBe("af_xdp(nic, generic)");
      expect(driver.capabilities.mtu).toBe(4096 - 274);
      peer.ip("link set far mtu 1500");
      netns.ip("link set nic mtu 1500");
    });

    it("without capabilities it is EPERM naming them", () => {
      const failing = (...prefix: string[]): string =>
        spawnSync(
          prefix[0] as string,
          [...prefix.slice(1), process.execPath, ...NODE, JSON.stringify(options({ netns: "" }))],
          { cwd: ROOT, encoding: "utf8", timeout: 20_000 },
        ).stdout;
      const without = (set: string): string =>
        failing("setpriv", `--bounding-set=${set}`, "--inh-caps=-all");
      expect(without("-all")).toMatch(
        /^EPERM: AF_XDP needs CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF/,
      );
      const inside = ["nsenter", `--net=${netns.path}`, "setpriv", "--inh-caps=-all"];
      const noBpf = failing(...inside, "--bounding-set=-bpf,-sys_admin");
      expect(noBpf).toMatch(/^EPERM: .*CAP_BPF/);
      const locked = ["prlimit", "--memlock=65536", "setpriv", "--inh-caps=-all"];
      const noMemory = failing(
        "nsenter",
        `--net=${netns.path}`,
        ...locked,
        "--bounding-set=-ipc_lock",
      );
      expect(noMemory).toMatch(/^ENOMEM: .*ulimit -l.*CAP_IPC_LOCK/);
    }, 30_000);
  });
});
