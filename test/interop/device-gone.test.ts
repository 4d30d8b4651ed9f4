// The device is deleted under open connections: every call fails with ENETDOWN, nothing hangs.

import { afterEach, describe, expect, it } from "vitest";
import {
  createContext,
  go,
  type Handle,
  now,
  type Operation,
  run,
  sleep,
  tcp,
  useNetwork,
} from "../../src/index.ts";
import { describeWithNic } from "../support/netns.ts";
import { BITS, codeOf, DEVICE, DRIVERS, KERNEL, Machine, OURS } from "./support/machine.ts";

function soon(): number {
  return now() + 10_000;
}

/** Starts what will wait, and turns its error into a code. */
function failing(op: () => Operation<unknown>): Operation<Handle<string>> {
  return go(() => codeOf(op));
}

describeWithNic("a device that is deleted", () => {
  describe.each(DRIVERS)("%s", (driver) => {
    let machine: Machine | undefined;

    afterEach(() => machine?.remove());

    it("is ENETDOWN for whatever waits, and for every later call", async () => {
      machine = await Machine.create(driver);
      const { kernel, netns } = machine;
      const device = machine.open();
      await run(function* () {
        const mctx = createContext({ driver: device, address: `${OURS}/${BITS}` });
        yield* useNetwork(mctx);
        yield* kernel.call("listen", KERNEL, 80, false);
        const connect = () => tcp.connect({ host: KERNEL, port: 80 }, soon());
        const [reader, sender, closer] = [yield* connect(), yield* connect(), yield* connect()];
        const listener = yield* tcp.listen({ port: 81 });
        const waiting = [
          yield* failing(() => reader.recvSome(new Uint8Array(1), soon())),
          // More than both ends hold: the kernel's side does not read it.
          yield* failing(() => sender.send(new Uint8Array(50_000_000), soon())),
          yield* failing(() => closer.close(soon())),
          yield* failing(() => listener.accept(soon())),
          yield* failing(() => tcp.connect({ host: "10.77.0.99", port: 80 }, soon())),
        ];
        yield* sleep(now() + 50);
        expect(waiting.map((each) => each.isEnded)).toEqual(waiting.map(() => false));
        netns.ip(`link del ${DEVICE}`);
        const codes: string[] = [];
        for (const each of waiting) codes.push(yield* each.join(soon()));
        expect(codes).toEqual(waiting.map(() => "ENETDOWN"));
        expect(mctx.isOpen).toBe(false);
        expect(yield* codeOf(connect)).toBe("ENETDOWN");
        expect(yield* codeOf(() => tcp.listen({ port: 82 }))).toBe("ENETDOWN");
        expect(yield* codeOf(() => reader.close(soon()))).toBe("ENETDOWN");
        expect(mctx.leftovers()).toMatchObject({ sockets: 0, bufferedBytes: 0, timers: 0 });
      });
    });
  });
});
