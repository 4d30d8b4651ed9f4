// SPDX-License-Identifier: MIT
// A span of time where a point in time belongs is a deadline of long ago: the error says so, and
// no other ETIMEDOUT does.

import { describe, expect, it } from "vitest";
import { channel, now, type Operation, sleep, withDeadline } from "../../scheduler/index.ts";
import { virtual } from "./support.ts";

const OF_A_SPAN =
  "the deadline had passed 711 ms before the call; deadlines are points in time: now() + ms";

function* errorOf(op: () => Operation<unknown>): Operation<Error> {
  try {
    yield* op();
  } catch (error) {
    return error as Error;
  }
  throw new Error("should have timed out");
}

describe("ETIMEDOUT of a deadline from before the loop began", () => {
  it("says how long ago, and what deadlines are", async () => {
    await virtual(function* () {
      const receiving = () => channel<number>().recv(289);
      const error = yield* errorOf(receiving);
      expect(error.message).toBe(`ETIMEDOUT: ${OF_A_SPAN}, channel.recv`);
      expect(error.stack).toContain(OF_A_SPAN);
    });
  });

  it("says so too if it is that of an enclosing scope", async () => {
    await virtual(function* () {
      const { message } = yield* errorOf(() => withDeadline(289, () => channel<number>().recv()));
      expect(message).toBe(`ETIMEDOUT: ${OF_A_SPAN}, channel.recv`);
    });
  });

  it("says nothing of it where the deadline is 0, later, or met while waiting", async () => {
    await virtual(function* () {
      const beganMs = now();
      yield* sleep(beganMs + 50);
      for (const deadline of [0, beganMs, now() - 1, now(), now() + 10]) {
        const { message } = yield* errorOf(() => channel<number>().recv(deadline));
        expect(message).toMatch(/^ETIMEDOUT: [a-z ]+, channel\.recv$/);
      }
    });
  });
});
