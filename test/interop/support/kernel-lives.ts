// SPDX-License-Identifier: MIT
// Runs the life of a call between two contexts of the kernel, on loopback: cancelled at a sample of
// its waits, ended by deadlines spread over the time it takes. Real time, so that no two runs have
// quite the same waits; what must hold after the end holds in any case.

import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  createKernelContext,
  go,
  type KernelContext,
  now,
  type Operation,
  run,
  sleep,
} from "../../../src/index.ts";
import { settled, soon } from "../../socket/support/helpers.ts";
import { type CancelWatch, sweepCancellations } from "../../support/cancel-watch.ts";

/** Waits at which each life is cancelled, and deadlines that end it: spread over all it has. */
const SAMPLE = 8;
/** Small buffers, so that a peer that does not read is felt. */
const BUFFERS = { sendBufferBytes: 65_536, receiveBufferBytes: 65_536 };

/** The server's network and the client's. */
export interface KernelEnds {
  readonly server: KernelContext;
  readonly client: KernelContext;
}

/** A life on a stage that is set for it. */
export interface KernelLife {
  readonly title: string;
  /**
   * Sets the stage, plays, and checks what must hold after the end.
   *
   * @param play - runs the life to its end; the argument runs with a deadline, -1 for none
   */
  readonly stage: (
    net: KernelEnds,
    play: (life: (deadline: number) => Operation<unknown>) => Operation<void>,
  ) => Operation<void>;
}

/** Makes the tests of a life. */
export function describeLife(each: KernelLife): void {
  describe(`${each.title}, over the kernel`, () => {
    it("leaves nothing when it is cancelled", () =>
      withoutDescriptors(() =>
        sweepCancellations(async (watch) => {
          await played(each, (life) => cancelled(life, watch));
        }, SAMPLE),
      ));

    it("leaves nothing when a deadline ends it", () =>
      withoutDescriptors(async () => {
        let tookMs = 0;
        await played(each, function* (life) {
          const beginMs = now();
          yield* (yield* go(() => life(-1))).join(soon());
          tookMs = now() - beginMs;
        });
        for (let i = -1; i < SAMPLE; i++) {
          await played(each, function* (life) {
            const deadline = now() + (tookMs * i) / SAMPLE;
            yield* (yield* go(() => life(deadline))).join(soon());
          });
        }
      }));
  });
}

function* cancelled(
  life: (deadline: number) => Operation<unknown>,
  watch: CancelWatch,
): Operation<void> {
  const living = yield* go(() => life(-1));
  watch.handle = living;
  const endMs = soon();
  while (!living.isEnded && now() < endMs) yield* sleep(now() + 1);
  expect(living.isEnded).toBe(true);
}

async function played(
  { stage }: KernelLife,
  play: (life: (deadline: number) => Operation<unknown>) => Operation<void>,
): Promise<void> {
  await run(function* () {
    const server = createKernelContext({ address: "127.0.0.1", ...BUFFERS });
    const client = createKernelContext({ address: "127.0.0.2", ...BUFFERS });
    yield* (yield* go(() => stage({ server, client }, play))).join(-1);
    yield* settled({ server, client });
  });
}

/** No file descriptor may be left. */
async function withoutDescriptors(op: () => Promise<unknown>): Promise<void> {
  // The first run opens what the process keeps.
  await run(() => sleep(0));
  const count = (): number => readdirSync("/proc/self/fd").length;
  const before = count();
  await op();
  expect(count()).toBe(before);
}
