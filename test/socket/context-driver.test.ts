// SPDX-License-Identifier: MIT
// What a context is made of: TCP settings that fit together, and a driver of its own.

import { describe, expect, it, vi } from "vitest";
import { currentCoroutine } from "../../scheduler/internal.ts";
import {
  type ContextOptions,
  createContext,
  type Driver,
  go,
  type NativeDriver,
  now,
  openDriver,
  run,
  sleep,
} from "../../src/index.ts";
import { openNativeDriver } from "../../src/link/native-driver.ts";
import { SimDriver } from "../../src/testing.ts";

vi.mock("../../src/link/native-driver.ts", { spy: true });

const address = "10.0.0.1/24";

/** A driver as it is after `close`: its memory is gone, as that of a native one. */
class DetachingDriver extends SimDriver {
  closes = 0;

  override close(): void {
    this.closes++;
    super.close();
    structuredClone(this.frames.buffer, { transfer: [this.frames.buffer as ArrayBuffer] });
  }
}

describe("the driver of a context", () => {
  it("is closed with the coroutine that opened it, if no context takes it", async () => {
    const driver = new DetachingDriver();
    vi.mocked(openNativeDriver).mockReturnValueOnce(driver as Driver as NativeDriver);
    await run(function* () {
      const opening = yield* go(function* () {
        const opened = openDriver({ driver: "tap" });
        expect(() => createContext({ driver: opened, address: "nowhere" })).toThrow("address");
        yield* sleep(now() + 1);
        expect(driver.closes).toBe(0);
      });
      yield* opening.join();
      expect(driver.closes).toBe(1);
    });
  });

  it("is the context's alone once there is one", async () => {
    const driver = new DetachingDriver();
    vi.mocked(openNativeDriver).mockReturnValueOnce(driver as Driver as NativeDriver);
    await run(function* () {
      const opened = openDriver({ driver: "tap" });
      const bundle = currentCoroutine()?.bundleForOwn();
      expect(bundle?.resourceCount).toBe(1);
      createContext({ driver: opened, address }).close();
      expect(bundle?.resourceCount).toBe(0);
    });
    expect(driver.closes).toBe(1);
  });

  it("is EBUSY while another context uses it, and EBADF once it is closed", async () => {
    await run(function* () {
      const driver = new DetachingDriver({ name: "detaching" });
      const mctx = createContext({ driver, address });
      expect(() => createContext({ driver, address })).toThrow(
        expect.objectContaining({
          code: "EBUSY",
          message: expect.stringContaining("driver detaching"),
        }),
      );
      mctx.close();
      expect(() => createContext({ driver, address })).toThrow(
        expect.objectContaining({
          code: "EBADF",
          message: expect.stringContaining("driver detaching"),
        }),
      );
    });
  });
});

describe("TCP settings have bounds", () => {
  const make = (tcp: NonNullable<ContextOptions["tcp"]>) =>
    run(function* () {
      createContext({ driver: new SimDriver(), address, tcp });
    });

  it.each<[string, NonNullable<ContextOptions["tcp"]>]>([
    ["tcp.sendBufferBytes", { sendBufferBytes: 2 ** 30 + 1 }],
    ["tcp.receiveBufferBytes", { receiveBufferBytes: 2 ** 30 + 1 }],
    ["tcp.delayedAckMs", { delayedAckMs: 500 }],
    ["tcp.rtoMinMs", { rtoMinMs: 1_001 }],
    ["tcp.rtoInitialMs", { rtoInitialMs: 60_001 }],
    ["tcp.rtoInitialMs", { rtoMaxMs: 999 }],
  ])("%s: %o is EINVAL", async (name, tcp) => {
    await expect(make(tcp)).rejects.toMatchObject({
      code: "EINVAL",
      message: expect.stringContaining(`${name} must be`),
    });
  });

  it("takes each bound itself", async () => {
    const bytes = 2 ** 30;
    await make({ sendBufferBytes: bytes, receiveBufferBytes: bytes, delayedAckMs: 499.5 });
    await make({ rtoMinMs: 300, rtoInitialMs: 300, rtoMaxMs: 300 });
  });
});
