// SPDX-License-Identifier: MIT
// The end of a context: what TCP still owes the peers goes out before the driver closes.

import { expect, it } from "vitest";
import { createContext, go, now, run, sleep, tcp, useNetwork } from "../../src/index.ts";
import { createCable } from "../../src/testing.ts";

it("acknowledges the peer's FIN though the program ends with its close", async () => {
  const [a, b] = createCable();
  await run(
    function* () {
      const server = createContext({ driver: a, address: "10.0.0.1/24" });
      const listener = yield* tcp.listen({ port: 80, context: server });
      const client = yield* go(function* () {
        yield* useNetwork(createContext({ driver: b, address: "10.0.0.2/24" }));
        const conn = yield* tcp.connect({ host: "10.0.0.1", port: 80 }, now() + 1_000);
        yield* conn.close(now() + 1_000);
        // Here the context ends, in the round in which the FIN came.
      });
      const conn = yield* listener.accept(now() + 1_000);
      expect(yield* conn.recvSome(new Uint8Array(1), now() + 1_000)).toBe(0);
      yield* sleep(now() + 10);
      yield* conn.close(now() + 100);
      yield* client.join();
      expect(server.leftovers().sockets).toBe(0);
    },
    { clock: "virtual" },
  );
});
