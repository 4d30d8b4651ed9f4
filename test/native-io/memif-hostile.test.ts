// Peers of a memif that say or write what they must not: a DISCONNECT that tells why, or a counted
// drop; never a crash, and the next peer is served as if nothing had been.
// R1: the peers are real, and so is the time that they take.

import { describe, expect, it } from "vitest";
import { DESCRIPTOR_FIELDS, DESCRIPTOR_LENGTH, DESCRIPTOR_OFFSET } from "../../src/link/driver.ts";
import type { NativeDriver } from "../../src/link/native-driver.ts";
import { commitFrame, pollFrames, pollUntil } from "../support/driver-io.ts";
import { MemifBench, numbered, pass, until, untilLater } from "./support/memif-pair.ts";
import {
  asClient,
  asServer,
  COOKIE,
  LOG2,
  type MemifPeer,
  memifPeersForTests,
  REGION_BYTES,
  TO_CLIENT,
  TO_SERVER,
  VERSION,
} from "./support/memif-peer.ts";

const HEAD = 6;
const TAIL = 64;
const FLAGS = 4;

/** A descriptor of a ring. */
function desc(
  ring: number,
  slot: number,
  flags: number,
  region: number,
  length: number,
  offset: number,
): string {
  return `desc ${ring + 128 + slot * 16} ${flags} ${region} ${length} ${offset}`;
}

describe("a memif with a bad peer", () => {
  const bench = new MemifBench();
  const start = memifPeersForTests();

  /** The server goes on as if nothing had been. */
  function expectStillServes(server: NativeDriver): void {
    const client = bench.open("client", server.interfaceName);
    until(() => client.isConnected && server.isConnected, client, server);
    expect(pass(client, server, [numbered(60, 1)])).toEqual([numbered(60, 1)]);
  }

  describe("that says to a server", () => {
    const ring = `ring 1 0 0 ${TO_SERVER} ${LOG2} event`;
    const cases: readonly (readonly [string, Parameters<typeof asClient>[1], string])[] = [
      ["another version", { init: "init 768 0 0" }, "unsupported version"],
      ["an id that is not there", { init: `init ${VERSION} 7 0` }, "no interface with this id"],
      ["mode IP", { init: `init ${VERSION} 0 1` }, "unsupported mode: only Ethernet"],
      ["CONNECT first", { init: "send 6" }, "INIT must come first"],
      ["INIT twice", { region: `init ${VERSION} 0 0` }, "unexpected message"],
      ["a type that there is not", { region: "send 99" }, "unexpected message"],
      ["half a message", { region: "raw 64" }, "malformed message"],
      ["more than a message", { region: "raw 129" }, "malformed message"],
      [
        "a region with too high an index",
        { region: "region 16 4096 4096 sealed" },
        "too many regions",
      ],
      ["a region twice", { ring: `region 0 4096 4096 sealed` }, "region is there already"],
      [
        "a region without memory",
        { region: "region 0 4096 0 none" },
        "no descriptor came with the region",
      ],
      [
        "a region that can shrink",
        { region: "region 0 4096 4096 open" },
        "region is no memfd sealed against shrinking",
      ],
      [
        "a region in a file",
        { region: "region 0 4096 4096 file" },
        "region is no memfd sealed against shrinking",
      ],
      [
        "a region smaller than told",
        { region: "region 0 8192 4096 sealed" },
        "region is not as large as told",
      ],
      [
        "a region of no bytes",
        { region: "region 0 0 4096 sealed" },
        "region is not as large as told",
      ],
      [
        "a region of 2^64 - 1 bytes",
        { region: "region 0 -1 4096 sealed" },
        "region is not as large as told",
      ],
      [
        "regions of more than 2 GB",
        { ring: `region 1 ${2 ** 31 - REGION_BYTES + 1} ${2 ** 31} sealed` },
        "regions are larger than 2 GB together",
      ],
      [
        "a region of huge pages",
        { region: "region 0 2097152 2097152 huge" },
        "region is not of ordinary pages",
      ],
      [
        "a second ring",
        { ring: `ring 1 1 0 ${TO_SERVER} ${LOG2} event` },
        "too many rings: one each way",
      ],
      ["a ring twice", { connect: ring }, "ring is there already"],
      ["a ring that is too large", { ring: `ring 1 0 0 0 15 event` }, "ring is too large"],
      ["CONNECT without a ring", { ring: "send 6" }, "a ring is missing"],
      [
        "a ring in a region that is not there",
        { ring: `ring 1 0 3 0 ${LOG2} event` },
        "ring does not lie in a region",
      ],
      [
        "a ring in no region",
        { ring: `ring 1 0 65535 0 ${LOG2} event` },
        "ring does not lie in a region",
      ],
      [
        "a ring past the end of its region",
        { ring: `ring 1 0 0 ${REGION_BYTES - 383} ${LOG2} event` },
        "ring does not lie in a region",
      ],
      [
        "a ring at an odd place",
        { ring: `ring 1 0 0 2 ${LOG2} event` },
        "ring does not lie in a region",
      ],
      [
        "a ring with a wrong cookie",
        { connect: `u32 ${TO_CLIENT} 1 send 6` },
        "wrong cookie of a ring",
      ],
      [
        "a ring without an eventfd",
        { ring: `ring 1 0 0 0 ${LOG2} none` },
        "no eventfd came with the ring",
      ],
      [
        "a pipe for an eventfd",
        { ring: `ring 1 0 0 0 ${LOG2} pipe` },
        "no eventfd came with the ring",
      ],
      ["ACK when connected", { connect: "send 6 until 7 send 1" }, "unexpected message"],
    ];
    it.each(cases)("%s", async (_title, step, reason) => {
      const server = bench.open("server", bench.freshSocket());
      expect(await start(asClient(server.interfaceName, step)).ends(server)).toBe(
        `DISCONNECT ${reason}`,
      );
      await untilLater(() => server.linkText() === reason, server);
      expectStillServes(server);
    });

    it("too many descriptors at once: they are closed", async () => {
      const server = bench.open("server", bench.freshSocket());
      const region = `region 0 ${REGION_BYTES} ${REGION_BYTES} many`;
      const script = asClient(server.interfaceName, { region });
      expect(await start(script).ends(server)).toBe("done");
    });

    it("nothing at all: it is given up, and others wait so long", { timeout: 20_000 }, async () => {
      const server = bench.open("server", bench.freshSocket());
      const silent = start(`connect ${server.interfaceName} until 2 until 99`);
      await silent.prints("HELLO", server);
      const client = bench.open("client", server.interfaceName);
      client.poll(0);
      expect(await silent.ends(server)).toBe("DISCONNECT handshake timed out");
      until(() => client.isConnected, client, server);
    });
  });

  describe("that says to a client", () => {
    const cases: readonly (readonly [string, string, string])[] = [
      ["a later version", "hello 768 768 4", "unsupported version"],
      ["an earlier version", "hello 256 256 4", "unsupported version"],
      ["ACK first", "send 1", "unexpected message"],
      ["CONNECTED first", "send 7", "unexpected message"],
      [
        "HELLO twice",
        `hello ${VERSION} ${VERSION} 4 hello ${VERSION} ${VERSION} 4`,
        "unexpected message",
      ],
      ["CONNECTED too early", `hello ${VERSION} ${VERSION} 4 until 3 send 7`, "unexpected message"],
      ["what a client says", "send 3", "unexpected message"],
      ["half a message", "raw 1", "malformed message"],
    ];
    it.each(cases)("%s", async (_title, hello, reason) => {
      const client = bench.open("client", bench.freshSocket());
      const peer = start(`listen ${client.interfaceName} ${hello} until 99`);
      expect(await peer.ends(client)).toBe(`DISCONNECT ${reason}`);
      expect(client.isConnected).toBe(false);
    });

    it("a reason with control characters, which are not shown", async () => {
      const server = bench.open("server", bench.freshSocket());
      const peer = start(`${asClient(server.interfaceName)} line`);
      await peer.prints("ready", server);
      expect(server.linkText()).toBe("connected to peer??[2J");
    });

    it("the largest and the smallest rings", async () => {
      for (const log2 of [0, 255]) {
        const client = bench.open("client", bench.freshSocket());
        const script = asServer(client.interfaceName, `hello 0 65535 ${log2}`);
        const peer = start(`${script} line show ${HEAD}`);
        await peer.prints("ready", client);
        await untilLater(() => client.isConnected, client);
        commitFrame(client, numbered(60, 1));
        client.poll(0);
        peer.goOn();
        expect(await peer.ends(client)).toBe("done");
        expect(peer.output).toMatch(/\n1\ndone\n$/);
      }
    });
  });

  describe("that writes into the ring to a server", () => {
    const GOOD = desc(TO_SERVER, 0, 0, 0, 60, 4096);
    /** Puts descriptors, and tells of so many of them. */
    async function put(descriptors: string, count: number) {
      const server = bench.open("server", bench.freshSocket());
      const script = `${asClient(server.interfaceName)} ${descriptors} u16 ${HEAD} ${count}`;
      const peer = start(`${script} line show ${TO_SERVER + TAIL}`);
      await untilLater(() => server.isConnected, server);
      const frames = pollUntil(server, () => peer.output.includes("ready"));
      await peer.prints("ready", server);
      frames.push(...pollFrames(server));
      peer.goOn();
      return { server, frames, end: await peer.ends(server), output: peer.output };
    }

    it("a good frame, which is taken", async () => {
      const { server, end, output } = await put(GOOD, 1);
      expect(server.statistics()).toMatchObject({ rxFrames: 1, rxBytes: 60, rxDropped: 0 });
      expect([end, output]).toEqual(["done", expect.stringMatching(/\n1\ndone\n$/)]);
    });

    it.each([
      ["a region that is not there", desc(TO_SERVER, 0, 0, 5, 60, 0)],
      ["a region that there cannot be", desc(TO_SERVER, 0, 0, 0xffff, 60, 0)],
      ["an offset past the end", desc(TO_SERVER, 0, 0, 0, 60, REGION_BYTES)],
      ["a length past the end", desc(TO_SERVER, 0, 0, 0, 60, REGION_BYTES - 59)],
      ["a sum of 2^32", desc(TO_SERVER, 0, 0, 0, 60, 2 ** 32 - 60)],
      ["the greatest length", desc(TO_SERVER, 0, 0, 0, 2 ** 32 - 1, 0)],
      ["the greatest of both", desc(TO_SERVER, 0, 0, 0, 2 ** 32 - 1, 2 ** 32 - 1)],
      ["no length", desc(TO_SERVER, 0, 0, 0, 0, 4096)],
      ["less than a header", desc(TO_SERVER, 0, 0, 0, 13, 4096)],
    ])("%s: dropped, and what follows is taken", async (_title, bad) => {
      const { server, end } = await put(`${bad} ${desc(TO_SERVER, 1, 0, 0, 60, 4096)}`, 2);
      expect(server.statistics()).toMatchObject({ rxFrames: 1, rxDropped: 1 });
      expect(end).toBe("done");
    });

    it("a chain with a bad link: all of it is dropped, and what follows is taken", async () => {
      const chain = [
        desc(TO_SERVER, 0, 1, 0, 60, 4096),
        desc(TO_SERVER, 1, 1, 9, 60, 4096),
        desc(TO_SERVER, 2, 0, 0, 60, 4096),
        desc(TO_SERVER, 3, 0, 0, 60, 4096),
      ];
      const { server } = await put(chain.join(" "), 4);
      expect(server.statistics()).toMatchObject({ rxFrames: 1, rxBytes: 60, rxDropped: 1 });
    });

    it("a chain that is too long: dropped, and counted as such", async () => {
      const links = Array.from({ length: 16 }, (_, i) =>
        desc(TO_SERVER, i, i === 15 ? 0 : 1, 0, 8_192, 4_096),
      );
      const { server } = await put(links.join(" "), 16);
      expect(server.statistics()).toMatchObject({ rxFrames: 0, rxDropped: 1, rxTooLarge: 1 });
    });

    it("a chain without an end: dropped once it fills the ring", async () => {
      const links = Array.from({ length: 16 }, (_, i) => desc(TO_SERVER, i, 1, 0, 60, 4_096));
      const { server, output } = await put(links.join(" "), 16);
      expect(server.statistics()).toMatchObject({ rxFrames: 0, rxDropped: 1, rxTooLarge: 0 });
      expect(output).toMatch(/\n16\ndone\n$/);
    });

    it("a chain whose end is still to come: waited for", async () => {
      const server = bench.open("server", bench.freshSocket());
      const first = `${desc(TO_SERVER, 0, 1, 0, 60, 4096)} u16 ${HEAD} 1`;
      const second = `${desc(TO_SERVER, 1, 0, 0, 40, 4096)} u16 ${HEAD} 2`;
      const peer = start(`${asClient(server.interfaceName)} ${first} line ${second} line`);
      await peer.prints("ready", server);
      for (let i = 0; i < 10; i++) expect(server.poll(0)).toBe(0);
      // Nobody need stay awake for it.
      expect(server.armWake(() => {})).toBe(true);
      server.disarmWake();
      peer.goOn();
      const [frame] = pollUntil(server, (frames) => frames.length > 0);
      expect(frame?.bytes).toHaveLength(100);
    });

    it("a chain longer than a frame can be: dropped before it ends", async () => {
      const server = bench.open("server", bench.freshSocket(), { ringSlots: 2048 });
      const links = Array.from({ length: 1_100 }, (_, i) => desc(0, i, 1, 0, 0, 4096));
      const rings = `ring 1 0 0 0 11 event until 1 ring 0 0 0 65536 4 event`;
      const cookies = `u32 0 ${COOKIE} u32 65536 ${COOKIE}`;
      const peer = start(
        `connect ${server.interfaceName} until 2 init ${VERSION} 0 0 until 1 ` +
          `region 0 131072 131072 sealed until 1 ${rings} until 1 ${cookies} send 6 until 7 ` +
          `${links.join(" ")} u16 ${HEAD} 1100 line show ${TAIL}`,
      );
      await peer.prints("ready", server);
      await untilLater(() => server.statistics().rxDropped > 0, server);
      peer.goOn();
      await peer.ends(server);
      expect(server.statistics()).toMatchObject({ rxFrames: 0, rxDropped: 1 });
      expect(peer.output).toMatch(/\n1025\ndone\n$/);
    });

    it.each([17, 32_768, 65_535])("a head of %d: DISCONNECT", async (head) => {
      const server = bench.open("server", bench.freshSocket());
      const peer = start(`${asClient(server.interfaceName)} ${GOOD} u16 ${HEAD} ${head} until 99`);
      expect(await peer.ends(server)).toBe("DISCONNECT impossible counter of a ring");
      expectStillServes(server);
    });
  });

  describe("that gives a server buffers", () => {
    /** Sends a frame into these buffers. */
    async function fill(descriptors: string, count: number, then: string) {
      const server = bench.open("server", bench.freshSocket());
      const script = `${asClient(server.interfaceName)} ${descriptors} u16 ${TO_CLIENT + HEAD} ${count}`;
      const peer = start(`${script} line ${then}`);
      await peer.prints("ready", server);
      commitFrame(server, numbered(100, 1));
      pollUntil(server, () => server.statistics().txDropped + server.statistics().txFrames > 0);
      peer.goOn();
      return { server, peer };
    }

    it("that are bad: what is sent is dropped", async () => {
      const bad = [
        desc(TO_CLIENT, 0, 0, 9, 2048, 0),
        desc(TO_CLIENT, 1, 0, 0, 2048, REGION_BYTES - 2047),
        desc(TO_CLIENT, 2, 0, 0, 2 ** 32 - 1, 2 ** 32 - 1),
      ];
      const { server } = await fill(bad.join(" "), 3, "sleep 0");
      expect(server.statistics()).toMatchObject({ txFrames: 0, txDropped: 1 });
      expect(server.isConnected).toBe(true);
    });

    it("that are short: as many as the frame needs are chained", async () => {
      const short = [0, 1, 2].map((i) => desc(TO_CLIENT, i, 0, 0, 40, 8192 + i * 40));
      const at = TO_CLIENT + 128;
      const shown = `show ${at + 4} show ${at + 32 + 4} show ${at} show ${at + 32} show ${TO_CLIENT + TAIL}`;
      const { server, peer } = await fill(short.join(" "), 3, shown);
      expect(await peer.ends(server)).toBe("done");
      expect(peer.output).toMatch(/\n40\n20\n1\n0\n3\ndone\n$/);
    });

    it("by a head that cannot be: DISCONNECT", async () => {
      const server = bench.open("server", bench.freshSocket());
      const peer = start(
        `${asClient(server.interfaceName)} u16 ${TO_CLIENT + HEAD} 99 line until 99`,
      );
      await peer.prints("ready", server);
      commitFrame(server, numbered(60, 1));
      peer.goOn();
      expect(await peer.ends(server)).toBe("DISCONNECT impossible counter of a ring");
    });

    it("and has made its eventfd one that blocks: it is woken, and we go on", async () => {
      const server = bench.open("server", bench.freshSocket());
      const buffer = `${desc(TO_CLIENT, 0, 0, 0, 2048, 8192)} u16 ${TO_CLIENT + HEAD} 1`;
      const asleep = `u16 ${TO_CLIENT + FLAGS} 0`;
      const script = `${asClient(server.interfaceName)} ${buffer} ${asleep} saturate line event`;
      const peer = start(script);
      await peer.prints("ready", server);
      commitFrame(server, numbered(60, 1));
      server.poll(0);
      expect(server.statistics()).toMatchObject({ txFrames: 1 });
      peer.goOn();
      await peer.ends(server);
      // One more than a write could have made it.
      expect(peer.output).toContain(`\n${2n ** 64n - 1n}\n`);
    });
  });

  describe("that writes into the rings of a client", () => {
    it("a counter that cannot be: DISCONNECT", async () => {
      for (const tail of [17, 65_535]) {
        const client = bench.open("client", bench.freshSocket());
        const at = 128 + 16 * 2 ** LOG2 + TAIL;
        const peer = start(`${asServer(client.interfaceName)} u16 ${at} ${tail} until 99`);
        expect(await peer.ends(client)).toBe("DISCONNECT impossible counter of a ring");
      }
    });

    it("a length that its buffer does not have: dropped; where the buffer is, is not read", async () => {
      const client = bench.open("client", bench.freshSocket());
      const bad = desc(TO_CLIENT, 0, 0, 0, 2049, 0);
      const elsewhere = desc(TO_CLIENT, 1, 0, 77, 60, 2 ** 32 - 1);
      const script = `${asServer(client.interfaceName)} line ${bad} ${elsewhere}`;
      const peer = start(`${script} u16 ${TO_CLIENT + TAIL} 2 line show ${TO_CLIENT + HEAD}`);
      await peer.prints("ready", client);
      await untilLater(() => client.isConnected, client);
      peer.goOn();
      await untilLater(() => client.statistics().rxFrames > 0, client);
      expect(client.statistics()).toMatchObject({ rxFrames: 1, rxDropped: 1, rxBytes: 60 });
      peer.goOn();
      await peer.ends(client);
      expect(peer.output).toMatch(/\n18\ndone\n$/);
    });

    it("that takes the region away: it cannot", async () => {
      const client = bench.open("client", bench.freshSocket());
      const peer = start(`${asServer(client.interfaceName)} shrink 0`);
      await peer.ends(client);
      expect(peer.output).toContain("sealed");
    });
  });

  describe("that fills its rings with anything, while we send, receive and sleep", () => {
    /** It is killed when there has been enough of each. */
    const SCRIBBLE_MS = 30_000;
    const ENOUGH = 20;
    const FRAMES = [60, 1514, 14].map(numbered);

    /** Polls until enough has come and gone. Every frame lies where frames lie. */
    async function endure(driver: NativeDriver, peer: MemifPeer): Promise<void> {
      await untilLater(() => {
        for (let i = 0; i < 50; i++) {
          for (const frame of FRAMES) commitFrame(driver, frame);
          const count = driver.poll(0);
          expect(count).toBeGreaterThanOrEqual(0);
          for (let entry = 0; entry < count; entry++) {
            const at = entry * DESCRIPTOR_FIELDS;
            const offset = driver.rx[at + DESCRIPTOR_OFFSET] as number;
            const length = driver.rx[at + DESCRIPTOR_LENGTH] as number;
            if (length < 14 || offset < 0 || offset + length > driver.frames.length) {
              throw new Error(`frame at ${offset}, ${length} bytes`);
            }
          }
          driver.armWake(() => {});
        }
        const { rxFrames, rxDropped, txFrames } = driver.statistics();
        return Math.min(rxFrames, rxDropped, txFrames) >= ENOUGH;
      }, driver);
      expect(driver.statistics().connects).toBe(1);
      peer.child.kill("SIGKILL");
      await untilLater(() => !driver.isConnected, driver);
    }

    it.each([1, 2, 3])("to a server, seed %d", async (seed) => {
      const server = bench.open("server", bench.freshSocket());
      await endure(
        server,
        start(`${asClient(server.interfaceName)} scribble ${seed} ${SCRIBBLE_MS}`),
      );
      expectStillServes(server);
    });

    it.each([1, 2, 3])("to a client, seed %d", async (seed) => {
      const client = bench.open("client", bench.freshSocket());
      await endure(
        client,
        start(`${asServer(client.interfaceName)} scribble ${seed} ${SCRIBBLE_MS}`),
      );
      const server = bench.open("server", client.interfaceName);
      until(() => client.isConnected && server.isConnected, client, server);
    });
  });
});
