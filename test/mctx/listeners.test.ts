// SPDX-License-Identifier: MIT
// Ports that are listened on: who else may use them, and how they are found.

import { describe, expect, it } from "vitest";
import { benchStack, ip, listenOn, open } from "./support/bench-stack.ts";

const PORT = 80;
const EADDRINUSE = -98;

describe("connect from a port of one's own", () => {
  it("fails with EADDRINUSE while somebody listens there", () => {
    const { stack, address } = benchStack(1);
    const server = { address: ip("10.0.0.2") } as never;
    const sink = { flowEvents: () => {} };
    const connect = (port: number) =>
      stack.connect(ip("10.0.0.2"), PORT, port, stack.tcpConfig, sink, 0);
    const any = listenOn({ stack } as never, 4_000);
    const own = stack.listen(address, 4_001, 1, { listenerReady: () => {} });
    expect(connect(4_000)).toBe(EADDRINUSE);
    expect(connect(4_001)).toBe(EADDRINUSE);
    expect(stack.socketCount).toBe(0);
    expect(open({ stack } as never, server, PORT, 0, 4_002).localPort).toBe(4_002);
    stack.unlisten(any, 0);
    stack.unlisten(own as never, 0);
    expect(typeof connect(4_000)).toBe("object");
    expect(typeof connect(4_001)).toBe("object");
  });
});
