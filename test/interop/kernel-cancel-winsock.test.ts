// SPDX-License-Identifier: MIT
// A sample of the sweep of Winsock's blocking calls over the kernel's sockets on loopback. Nothing
// may be left, no file descriptor either.

import { afterEach, beforeEach } from "vitest";
import { withDeadline } from "../../src/index.ts";
import * as winsock from "../../src/winsock/index.ts";
import { LIVES, played } from "../winsock/cancel-lives.ts";
import { describeLife } from "./support/kernel-lives.ts";

beforeEach(() => void winsock.startup(0x0202));
afterEach(() => void winsock.cleanup());

for (const each of LIVES) {
  describeLife({
    title: `Winsock: ${each.title}`,
    stage: (net, play) =>
      played(net, each, (life) => play((deadline) => withDeadline(deadline, life))),
  });
}
