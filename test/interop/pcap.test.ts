// A capture of a simulated link, read back by a program that is not ours.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { now, tcp } from "../../src/index.ts";
import { simulate } from "../../src/testing.ts";

const isMissing = spawnSync("tcpdump", ["--version"]).status !== 0;
const mustRun = process.env["CARAWAY_REQUIRE_NIC"] === "1";

describe.skipIf(isMissing && !mustRun)("a capture of a simulated link", () => {
  it("is a pcap file that tcpdump reads, with every packet and sound checksums", async () => {
    const pieces: Uint8Array[] = [];
    await simulate(1, function* (net) {
      const server = net.host("server");
      const client = net.host("client", { link: { delayMs: 2 } });
      client.link.capture((bytes) => pieces.push(bytes.slice()));
      const serving = yield* server.go(function* () {
        const listener = yield* tcp.listen({ port: 80 });
        const conn = yield* listener.accept();
        yield* conn.recv(new Uint8Array(5));
        yield* conn.close(now() + 1_000);
      });
      yield* client.run(function* () {
        const conn = yield* tcp.connect({ host: server.address, port: 80 }, now() + 1_000);
        yield* conn.send(new TextEncoder().encode("hello"));
        yield* conn.close(now() + 1_000);
      });
      yield* serving.join();
    });
    const folder = mkdtempSync(path.join(tmpdir(), "caraway-pcap-"));
    try {
      const file = path.join(folder, "link.pcap");
      writeFileSync(file, Buffer.concat(pieces));
      const text = execFileSync("tcpdump", ["-nnvv", "-r", file], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });
      expect(text).toContain("ARP");
      expect(text.match(/Flags \[S\]/g)).toHaveLength(1);
      expect(text.match(/Flags \[S\.\]/g)).toHaveLength(1);
      expect(text.match(/Flags \[F\.\]|Flags \[FP\.\]/g)).toHaveLength(2);
      expect(text).not.toMatch(/incorrect|bad cksum|truncated/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
