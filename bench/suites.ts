// SPDX-License-Identifier: MIT
// All suites, by name, in the order in which they run.

import type { Suite } from "./support/suite.ts";

interface Entry {
  readonly about: string;
  /** Suites are loaded when they run: each has the process to itself as far as it can. */
  readonly load: () => Promise<{ readonly suite: Suite }>;
}

/** The table. */
export const SUITES: Readonly<Record<string, Entry>> = {
  scheduler: {
    about: "switches, go, channels, deadlines, beside Effection, async/await, bare generators",
    load: () => import("./scheduler.ts"),
  },
  stack: {
    about: "the stack in this process: the server's own cost of a request, and of its pieces",
    load: () => import("./stack.ts"),
  },
  echo: {
    about: "64-byte requests over a veth pair and over tap, 1 to 256 connections",
    load: () => import("./echo.ts"),
  },
  kernel: {
    about: "servers on the kernel's sockets over loopback: requests, connections, bulk data",
    load: () => import("./kernel.ts"),
  },
  connect: {
    about: "connect, one request, orderly close, per second",
    load: () => import("./connect.ts"),
  },
  bulk: {
    about: "one stream, one way and both ways, beside iperf3",
    load: () => import("./bulk.ts"),
  },
  memif: {
    about: "two processes that share memory: requests, connections, bulk data; UNIX sockets",
    load: () => import("./memif.ts"),
  },
  scale: {
    about: "1 to 100,000 connections of which 1 % are active; two contexts on two processors",
    load: () => import("./scale.ts"),
  },
  memory: {
    about: "bytes of a parked coroutine, an idle connection, a listening port",
    load: () => import("./memory.ts"),
  },
};

/** What suites were called once. */
export const ALIASES: Readonly<Record<string, string>> = {
  tcp: "stack",
  wire: "stack",
  veth: "echo",
};
