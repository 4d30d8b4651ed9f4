// SPDX-License-Identifier: MIT
// A receiver whose queue is full: who sends to it waits, and whatever ends that has sent nothing.

import { expect, it } from "vitest";
import {
  choose,
  currentLoop,
  go,
  type IpcSocket,
  ipc,
  isNetError,
  now,
  type Operation,
  sleep,
  yieldNow,
} from "../../src/index.ts";
import { describeWithSockets } from "../native-io/socket-poller.ts";
import { fails, soon } from "../socket/support/helpers.ts";
import { goFailing } from "./support/codes.ts";
import { type Scene, scene } from "./support/scene.ts";

/** A datagram with a number in it. */
function numbered(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

/** Receives a datagram. @returns its number */
function* receive(socket: IpcSocket, deadline = soon()): Operation<number> {
  const word = new Uint32Array(1);
  yield* socket.recv(new Uint8Array(word.buffer), deadline);
  return word[0] as number;
}

/** Receives until nothing comes any more. @returns the numbers */
function* drain(socket: IpcSocket): Operation<number[]> {
  const numbers: number[] = [];
  try {
    for (;;) numbers.push(yield* receive(socket, now() + 100));
  } catch (error) {
    if (!isNetError(error, "ETIMEDOUT")) throw error;
    return numbers;
  }
}

/** Sends numbers from 0 until there is no room. @returns how many went out */
function* fill(sender: IpcSocket, to?: string): Operation<number> {
  for (let count = 0; ; count++) {
    try {
      yield* sender.send(numbered(count), to, now() + 20);
    } catch (error) {
      if (!isNetError(error, "ETIMEDOUT")) throw error;
      return count;
    }
  }
}

/** The numbers below `count`. */
function below(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

interface Full {
  readonly receiver: IpcSocket;
  readonly sender: IpcSocket;
  /** What `send` takes besides the data. */
  readonly to: string | undefined;
  /** Datagrams that wait for the receiver. */
  readonly count: number;
}

function* full({ path }: Scene, hasRemote: boolean): Operation<Full> {
  const receiver = yield* ipc.open({ path });
  const sender = yield* ipc.open(hasRemote ? { remote: path } : {});
  const to = hasRemote ? undefined : path;
  const count = yield* fill(sender, to);
  expect(count).toBeGreaterThan(1);
  return { receiver, sender, to, count };
}

/** What holds with a `remote` and without one. */
function keepsWaiting(hasRemote: boolean): void {
  it("keeps it waiting until there is room, and then has all in order", () =>
    scene(function* (its) {
      const { receiver, sender, to, count } = yield* full(its, hasRemote);
      const more = 200;
      const sending = yield* go(function* () {
        for (let i = 0; i < more; i++) yield* sender.send(numbered(count + i), to, soon());
      });
      yield* sleep(now() + 20);
      expect(sending.isEnded).toBe(false);
      expect(yield* drain(receiver)).toEqual(below(count + more));
      yield* sending.join(soon());
    }));

  it("lets it end by its deadline, with nothing sent and no timer left", () =>
    scene(function* (its) {
      const { receiver, sender, to, count } = yield* full(its, hasRemote);
      const { timers } = currentLoop().statistics();
      for (const ms of [0, 0.5, 3, 30]) {
        const deadline = ms === 0 ? 0 : now() + ms;
        yield* fails("ETIMEDOUT", () => sender.send(numbered(1_000), to, deadline));
        expect(currentLoop().statistics().timers).toBe(timers);
      }
      expect(yield* drain(receiver)).toEqual(below(count));
    }));

  it("lets it be cancelled, with nothing sent and no timer left", () =>
    scene(function* (its) {
      const { receiver, sender, to, count } = yield* full(its, hasRemote);
      const { timers } = currentLoop().statistics();
      const sending = yield* goFailing(() => sender.send(numbered(1_000), to));
      yield* sleep(now() + 5);
      sending.cancel();
      while (!sending.isEnded) yield* yieldNow();
      expect(currentLoop().statistics().timers).toBe(timers);
      expect(yield* drain(receiver)).toEqual(below(count));
    }));

  it("lets another clause win, with nothing sent and no timer left", () =>
    scene(function* (its) {
      const { receiver, sender, to, count } = yield* full(its, hasRemote);
      const { timers } = currentLoop().statistics();
      const won = yield* choose([sender.send(numbered(1_000), to), sleep(now() + 5)]);
      expect(won.index).toBe(1);
      expect(currentLoop().statistics().timers).toBe(timers);
      expect(yield* drain(receiver)).toEqual(below(count));
    }));

  it("is ECONNREFUSED for who waits, once it closes", () =>
    scene(function* (its) {
      const { receiver, sender, to } = yield* full(its, hasRemote);
      const sending = yield* goFailing(() => sender.send(numbered(1_000), to, soon()));
      yield* sleep(now() + 5);
      receiver.close();
      // Its file is gone with it, which matters to who has to find it.
      expect(yield* sending.join(soon())).toBe(hasRemote ? "ECONNREFUSED" : "ENOENT");
    }));

  it("is EBADF for who waits, once the sender closes", () =>
    scene(function* (its) {
      const { sender, to } = yield* full(its, hasRemote);
      const sending = yield* goFailing(() => sender.send(numbered(1_000), to, soon()));
      yield* sleep(now() + 5);
      sender.close();
      expect(yield* sending.join(soon())).toBe("EBADF");
    }));
}

describeWithSockets("a full receiver, of a sender with a remote,", () => keepsWaiting(true));
describeWithSockets("a full receiver, of a sender without one,", () => keepsWaiting(false));

describeWithSockets("a full receiver", () => {
  it("keeps nobody from sending to others by the same socket", () =>
    scene(function* (its) {
      const { sender, to } = yield* full(its, false);
      const waiting = yield* goFailing(() => sender.send(numbered(1_000), to));
      const other = yield* ipc.open({ path: `${its.path}-2` });
      yield* sender.send(numbered(7), other.path, 0);
      expect(yield* receive(other)).toBe(7);
      waiting.cancel();
    }));

  it("that others have filled lets in who waits, though no event tells of room", () =>
    scene(function* (its) {
      const { receiver, to, count } = yield* full(its, false);
      const late = yield* ipc.open();
      const sending = yield* go(() => late.send(numbered(1_000), to, soon()));
      yield* sleep(now() + 5);
      expect(sending.isEnded).toBe(false);
      expect(yield* drain(receiver)).toEqual([...below(count), 1_000]);
      yield* sending.join(soon());
    }));
});
