// SPDX-License-Identifier: MIT
// A process of ours that was given a connected local stream as descriptor 3: sends back in capital
// letters what comes, and closes in order.

import { ipc, main, now } from "../../../src/index.ts";

await main(function* () {
  const parent = yield* ipc.fromFd(3);
  const buf = new Uint8Array(1_000);
  for (let n = 0; (n = yield* parent.recvSome(buf, now() + 8_000)) > 0; ) {
    const text = new TextDecoder().decode(buf.subarray(0, n)).toUpperCase();
    yield* parent.send(new TextEncoder().encode(text), now() + 8_000);
  }
  yield* parent.close(now() + 8_000);
});
