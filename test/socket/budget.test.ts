// Operations that begin when a coroutine's budget is used up, clauses of a choose that lose, and
// ends that come in the round of the last FIN.

import { describe, expect, it } from "vitest";
import {
  type Bundle,
  bundle,
  channel,
  choose,
  createContext,
  go,
  isNetError,
  now,
  type Operation,
  run,
  sleep,
  tcp,
  useNetwork,
  yieldNow,
} from "../../src/index.ts";
import { createCable, simulate } from "../../src/testing.ts";

/** Does so many operations that need not wait that the next one is put off. */
function* useUpBudget(): Operation<void> {
  const sink = channel<number>(1_000);
  yield* yieldNow();
  for (let i = 0; i < 128; i++) yield* sink.send(i);
}

describe("an operation that the budget puts off", () => {
  it("finds the context in scope, and what it opens has an owner", async () => {
    await run(
      function* () {
        const [a, b] = createCable();
        const server = createContext({ driver: a, address: "10.0.0.1/24" });
        yield* useNetwork(server);
        const opener = yield* go(function* () {
          yield* useUpBudget();
          const listener = yield* tcp.listen({ port: 80 });
          expect(server.leftovers().listeners).toBe(1);
          return listener;
        });
        yield* opener.join();
        expect(server.leftovers().listeners).toBe(0);
        b.close();
      },
      { clock: "virtual" },
    );
  });

  it("throws into the coroutine what its first try throws", async () => {
    await run(
      function* () {
        yield* useUpBudget();
        let code = "";
        try {
          yield* tcp.listen({ port: 80 });
        } catch (error) {
          if (isNetError(error)) code = error.code;
        }
        expect(code).toBe("ENETDOWN");
      },
      { clock: "virtual" },
    );
  });

  it("is not done by a coroutine that was cancelled meanwhile", async () => {
    const sent = channel<number>(1_000);
    await run(
      function* () {
        const group: Bundle = yield* bundle();
        yield* group.go(function* () {
          for (let i = 0; ; i++) yield* sent.send(i);
        });
        yield* yieldNow();
        yield* group.close();
      },
      { clock: "virtual" },
    );
    expect(sent.length % 128).toBe(0);
    expect(sent.length).toBeGreaterThan(0);
  });
});

describe("recv and send as clauses of a choose", () => {
  it("take nothing when another clause wins", async () => {
    const { result } = await simulate(1, function* (net) {
      const server = net.host("server");
      const client = net.host("client");
      const serving = yield* server.go(function* () {
        const conn = yield* (yield* tcp.listen({ port: 80 })).accept();
        yield* conn.send(Uint8Array.of(1, 2, 3));
        yield* sleep(now() + 100);
        yield* conn.send(Uint8Array.of(4));
        yield* conn.close(now() + 1_000);
      });
      return yield* client.run(function* () {
        const conn = yield* tcp.connect({ host: server.address, port: 80 });
        const { index } = yield* choose([conn.recv(new Uint8Array(4)), sleep(now() + 50)]);
        const buf = new Uint8Array(4);
        yield* conn.recv(buf);
        yield* conn.close(now() + 1_000);
        yield* serving.join();
        return { index, bytes: [...buf] };
      });
    });
    expect(result).toEqual({ index: 1, bytes: [1, 2, 3, 4] });
  });

  it("give what is there once all of it is there, and the end of the stream", async () => {
    const { result } = await simulate(1, function* (net) {
      const server = net.host("server");
      const client = net.host("client");
      const serving = yield* server.go(function* () {
        const conn = yield* (yield* tcp.listen({ port: 80 })).accept();
        for (const byte of [1, 2, 3, 4, 5]) {
          yield* conn.send(Uint8Array.of(byte));
          yield* sleep(now() + 10);
        }
        yield* conn.close(now() + 1_000);
      });
      return yield* client.run(function* () {
        const conn = yield* tcp.connect({ host: server.address, port: 80 });
        const buf = new Uint8Array(4);
        const { index } = yield* choose([conn.recv(buf), sleep(now() + 1_000)]);
        let code = "";
        try {
          yield* choose([conn.recv(buf), sleep(now() + 1_000)]);
        } catch (error) {
          if (isNetError(error)) code = `${error.code} ${error.bytesReceived}`;
        }
        yield* conn.close(now() + 1_000);
        yield* serving.join();
        return { index, code };
      });
    });
    expect(result).toEqual({ index: 0, code: "EPIPE 1" });
  });

  it("refuse more than the buffer could ever hold: EINVAL", async () => {
    const { result } = await simulate(1, function* (net) {
      const server = net.host("server");
      const client = net.host("client", { context: { tcp: { receiveBufferBytes: 4_096 } } });
      yield* server.go(function* () {
        yield* (yield* tcp.listen({ port: 80 })).serve(() => sleep(-1));
      });
      return yield* client.run(function* () {
        const conn = yield* tcp.connect({ host: server.address, port: 80 });
        try {
          yield* choose([conn.recv(new Uint8Array(4_097)), sleep(now() + 1_000)]);
        } catch (error) {
          return isNetError(error, "EINVAL");
        } finally {
          conn.abort();
          yield* sleep(now() + 10);
        }
        return false;
      });
    });
    expect(result).toBe(true);
  });
});

describe("an owner that ends in the round of the last FIN", () => {
  it("still has it acknowledged: the peer's close is orderly (RFC 9293 §3.10.7.4)", async () => {
    const { result } = await simulate(1, function* (net) {
      const server = net.host("server");
      const client = net.host("client");
      const serving = yield* server.go(function* () {
        const conn = yield* (yield* tcp.listen({ port: 80 })).accept();
        yield* sleep(now() + 10);
        yield* conn.close(now() + 5_000);
        return "closed";
      });
      yield* client.run(function* () {
        const conn = yield* tcp.connect({ host: server.address, port: 80 });
        conn.done();
        expect(yield* conn.recvSome(new Uint8Array(1))).toBe(0);
      });
      return yield* serving.join();
    });
    expect(result).toBe("closed");
  });
});
