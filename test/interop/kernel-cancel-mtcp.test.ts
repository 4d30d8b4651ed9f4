// SPDX-License-Identifier: MIT
// A sample of the sweep of mtcp's twins over the kernel's sockets on loopback. Nothing may be left,
// no file descriptor either.

import { now } from "../../src/index.ts";
import { played, type Side, SMALL_BUFFERS } from "../mtcp/cancel-lives.ts";
import { withContexts } from "../mtcp/support/scene.ts";
import { describeLife } from "./support/kernel-lives.ts";

for (const side of ["client", "server"] satisfies Side[]) {
  describeLife({
    title: `the ${side} of mtcp's twins`,
    stage: (net, play) =>
      withContexts(net, { ...SMALL_BUFFERS, rcvbuf: 6_000 }, (it) =>
        played(it, side, (life) =>
          play((deadline) => life(() => (deadline < 0 ? now() + 1_000 : deadline))),
        ),
      ),
  });
}
