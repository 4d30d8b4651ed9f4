// SPDX-License-Identifier: MIT
// The second process of the demo over memif: a stack of our own that does what it is asked to.

import { isNetError, main, now, openDriver, sleep } from "../../src/index.ts";
import { StackPeer } from "./peer.ts";
import type { Answer, Request, SecondProcess } from "./process-peer.ts";

const { socket, address, prefixBits }: SecondProcess = JSON.parse(process.argv[2] ?? "");
const requests: Request[] = [];
process.on("message", (request: Request) => requests.push(request));
// Ctrl-C is for the first process; this one ends with it.
process.on("disconnect", () => process.exit());
process.on("SIGINT", () => {});

function answer(answered: Answer): void {
  process.send?.(answered);
}

await main(function* () {
  const driver = openDriver({ driver: "memif", role: "client", socket });
  const peer = new StackPeer(driver, address, prefixBits);
  while (!driver.isConnected) yield* sleep(now() + 1);
  for (;;) {
    const request = requests.shift();
    if (request === undefined) {
      yield* sleep(now() + 1);
      continue;
    }
    try {
      if ("serveEcho" in request) {
        yield* peer.serveEcho(request.serveEcho.port);
        answer({});
      } else {
        const { host, port, message } = request.call;
        answer({ received: yield* peer.call(host, port, message) });
      }
    } catch (error) {
      if (!isNetError(error)) throw error;
      answer({ error: error.message });
    }
  }
});
