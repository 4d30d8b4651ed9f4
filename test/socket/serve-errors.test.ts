// SPDX-License-Identifier: MIT
// What `serve` does with errors: of handlers, of its own `onError`, and of its listener.

import { afterEach, describe, expect, it, vi } from "vitest";
import {
  createContext,
  go,
  NetError,
  now,
  type Operation,
  run,
  sleep,
  tcp,
} from "../../src/index.ts";
import { createCable } from "../../src/testing.ts";
import { failure, soon } from "./support/helpers.ts";
import { scene } from "./support/sim.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

describe("errors of serve", () => {
  it("counts an onError that throws, and writes it to stderr once a second", async () => {
    const stderr = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    await scene(function* ({ server, client }) {
      const listener = yield* tcp.listen({ port: 80, context: server });
      const handler = function* (): Operation<void> {
        throw new Error("the handler is broken");
      };
      const onError = (): never => {
        throw new Error("the report is broken");
      };
      const serving = yield* go(() => listener.serve(handler, { onError }));
      for (let i = 0; i < 3; i++) {
        yield* tcp.connect({ host: "10.0.0.1", port: 80, context: client }, soon());
      }
      yield* sleep(now() + 100);
      expect(listener.statistics()).toMatchObject({ accepted: 3, failed: 3, failedReports: 3 });
      expect(serving.isEnded).toBe(false);
      serving.cancel();
    });
    const lines = stderr.mock.calls.map(([text]) => String(text));
    expect(lines.filter((text) => text.includes("the report is broken"))).toHaveLength(1);
    expect(lines[0]).toContain("tcp.serve :80");
  });

  it("reports an ECANCELED that is not the end of the handler itself", async () => {
    await scene(function* ({ server, client }) {
      const listener = yield* tcp.listen({ port: 80, context: server });
      const errors: unknown[] = [];
      let started = 0;
      const handler = function* (): Operation<void> {
        if (++started === 1) throw new NetError("ECANCELED", "handle.join");
        yield* sleep(-1);
      };
      const onError = (error: unknown): void => {
        errors.push(error);
      };
      const serving = yield* go(() => listener.serve(handler, { onError }));
      for (let i = 0; i < 2; i++) {
        yield* tcp.connect({ host: "10.0.0.1", port: 80, context: client }, soon());
      }
      yield* sleep(now() + 100);
      serving.cancel();
      yield* sleep(now() + 100);
      // The second handler ended with an ECANCELED too, and that one is nobody's error.
      expect(started).toBe(2);
      expect(errors).toMatchObject([{ code: "ECANCELED", syscall: "handle.join" }]);
      expect(listener.statistics().failed).toBe(1);
    });
  });

  it("resets the connection of a handler that ends in no way", async () => {
    vi.spyOn(process.stderr, "write").mockReturnValue(true);
    await scene(function* ({ server, client }) {
      const listener = yield* tcp.listen({ port: 80, context: server });
      const handler = function* (): Operation<void> {
        for (;;) {
          try {
            yield* sleep(-1);
          } finally {
          }
        }
      };
      const serving = yield* go(() => listener.serve(handler));
      const peer = yield* tcp.connect({ host: "10.0.0.1", port: 80, context: client }, soon());
      yield* sleep(now() + 100);
      serving.cancel();
      const error = yield* failure(() => peer.recvSome(new Uint8Array(1), soon()));
      expect(error.code).toBe("ECONNRESET");
    });
  });

  it.each(["EBADF", "ENETDOWN"])("ends with %s also while it serves all it may", async (code) => {
    const [a, b] = createCable();
    await run(
      function* () {
        const server = createContext({ driver: a, address: "10.0.0.1/24" });
        const client = createContext({ driver: b, address: "10.0.0.2/24" });
        const listener = yield* tcp.listen({ port: 80, context: server });
        const handler = (): Operation<void> => sleep(-1);
        let seen: NetError | undefined;
        yield* go(function* () {
          seen = yield* failure(() => listener.serve(handler, { maxConnections: 1 }));
        });
        yield* tcp.connect({ host: "10.0.0.1", port: 80, context: client }, soon());
        yield* sleep(now() + 5);
        expect(listener.statistics().accepted).toBe(1);
        if (code === "EBADF") listener.close();
        else a.fail();
        yield* sleep(now() + 5);
        expect(seen).toMatchObject({ code, syscall: "tcp.serve", port: 80 });
      },
      { clock: "virtual" },
    );
  });
});
