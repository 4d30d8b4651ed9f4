// SPDX-License-Identifier: MIT
// `closesocket`, row by row of its table. What graceful, lingering and hard mean is done by the
// socket layer (Stream: release, linger, abort); here it is chosen.

import type { Operation } from "../../scheduler/index.ts";
import { currentCoroutine } from "../../scheduler/internal.ts";
import type { Stream } from "../socket/stream.ts";
import { isInCallback } from "./callbacks.ts";
import {
  WSAEINPROGRESS,
  WSAEINTR,
  WSAENETDOWN,
  WSAENOTSOCK,
  WSAETIMEDOUT,
  WSAEWOULDBLOCK,
} from "./codes.ts";
import type { Descriptor } from "./descriptor.ts";
import { codeOfError, fail } from "./last-error.ts";
import type { SocketCore } from "./socket-core.ts";
import { findDescriptor } from "./table.ts";

/**
 * Closes a socket: any further use of the number is WSAENOTSOCK. Calls of other coroutines that
 * wait on it end with WSAEINTR, overlapped operations with WSA_OPERATION_ABORTED, without event or
 * completion routine. Unless this is the last descriptor of the socket that is all. With the last
 * one the connection ends:
 *
 * - SO_DONTLINGER (the default): in the background, in order; every byte that was sent arrives. It
 *   takes at most as long as the network lets a connection that nobody holds go on, and no longer
 *   than `run`: what is unsent when the program ends is reset.
 * - SO_LINGER, interval 0: it is reset at once, and what is not sent is lost.
 * - SO_LINGER, blocking socket: waits until the peer has acknowledged every byte and the end of the
 *   stream. When the interval ends first, the connection is reset before this returns 0.
 * - SO_LINGER, non-blocking socket: fails with WSAEWOULDBLOCK unless all of that has happened
 *   already (after `shutdown`). The socket stays as it is, nothing has begun, and that is so
 *   until SO_DONTLINGER is set.
 *
 * Data that has arrived and was not received is dropped. `shutdown` before, and `recv` until it
 * returns 0, make sure that everything was sent and received.
 *
 * @param s - a socket
 * @returns 0; SOCKET_ERROR: WSAEINPROGRESS (a completion routine of the socket is being processed,
 *   or it would have to wait in a completion routine; the socket stays open), WSAEINTR (cancelled
 *   while it waited: the connection was reset, the socket is closed), WSAENETDOWN (the device is
 *   gone; the socket is closed), WSAENOTSOCK, WSAETIMEDOUT (as WSAEINTR, by a deadline around it),
 *   WSAEWOULDBLOCK, WSANOTINITIALISED
 * @remarks Source: closesocket of Winsock 2.
 * @example
 * ```ts
 * const s = socket(AF_INET, SOCK_STREAM, 0);
 * setsockopt(s, SOL_SOCKET, SO_LINGER, { onOff: 1, linger: 5 });
 * yield* closesocket(s);
 * ```
 */
export function* closesocket(s: number): Operation<number> {
  const descriptor = findDescriptor(s);
  if (typeof descriptor === "number") return fail(descriptor);
  const { core } = descriptor;
  const { isLinger, isNonBlocking, lingerSeconds } = core.settings;
  if (core.callbacks > 0) return fail(WSAEINPROGRESS);
  core.settle();
  if (isLinger && lingerSeconds > 0 && mustWait(core)) {
    if (isNonBlocking) return fail(WSAEWOULDBLOCK);
    if (isInCallback()) return fail(WSAEINPROGRESS);
    return yield* lingering(descriptor, core.stream as Stream, lingerSeconds);
  }
  const isDown = core.isNetworkDown;
  descriptor.close(isLinger && lingerSeconds === 0);
  return isDown ? fail(WSAENETDOWN) : 0;
}

/** Whether a close that lingers cannot be complete at once. */
function mustWait({ references, stream }: SocketCore): boolean {
  if (references > 1 || stream === null) return false;
  return stream.flow.failure === 0 && !stream.flow.isAcknowledged;
}

function* lingering(descriptor: Descriptor, stream: Stream, seconds: number): Operation<number> {
  const { core } = descriptor;
  const endMs = core.loop.now() + seconds * 1_000;
  descriptor.retire();
  let code = 0;
  try {
    yield* stream.linger(endMs);
  } catch (error) {
    code = outcomeOf(codeOfError(error), endMs, core.loop.now());
  } finally {
    descriptor.close(true);
  }
  return code === 0 ? 0 : fail(code);
}

/** Which of the codes that `closesocket` has is meant. */
function outcomeOf(code: number, endMs: number, nowMs: number): number {
  switch (code) {
    case WSAEINTR:
    case WSAENETDOWN:
      return code;
    case WSAENOTSOCK:
      // The end of its owner, or `cleanup`, has overtaken it.
      return WSAEINTR;
    case WSAETIMEDOUT: {
      const enclosingMs = currentCoroutine()?.deadlineMs ?? endMs;
      return enclosingMs < endMs && enclosingMs <= nowMs ? WSAETIMEDOUT : 0;
    }
    default:
      // The peer, or the network, has ended the connection: there is nothing to wait for.
      return 0;
  }
}
