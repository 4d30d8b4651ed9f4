// SPDX-License-Identifier: MIT
// The network in scope: what `tcp`, `udp` and the others use when a call names no context. It is
// the kernel's unless a coroutine, or one that started it, has chosen another.

import type { Operation, OperationLike } from "../../scheduler/index.ts";
import { type Coroutine, currentCoroutine, currentLoop } from "../../scheduler/internal.ts";
import { type Context, isContext } from "./context.ts";
import { invalid, netError } from "./errors.ts";
import { defaultKernelContext } from "./kernel-context.ts";

const NETWORK = Symbol("caraway/network");

/** A context; or "kernel": the kernel's sockets, as a program finds them. */
export type Network = Context | "kernel";

/**
 * Chooses the network for this coroutine and for all that it starts from now on.
 *
 * @param network - an open context, or "kernel"
 * @throws NetError EINVAL (in a plain Effection task); TypeError
 * @example
 * ```ts
 * const driver = openDriver({ driver: "tap", interface: "tap0" });
 * yield* useNetwork(createContext({ driver, address: "10.0.0.2/24" }));
 * const listener = yield* tcp.listen({ port: 80 });
 * ```
 */
export function* useNetwork(network: Network): Operation<void> {
  coroutineFor("useNetwork", network).setLocal(NETWORK, network);
}

/**
 * Runs an operation on a network, with the coroutines that it starts.
 *
 * @param network - an open context, or "kernel"
 * @param op - an operation or a generator function
 * @returns what `op` returns
 * @throws NetError EINVAL (in a plain Effection task); TypeError; or what `op` throws
 * @example
 * ```ts
 * const [a, b] = createCable();
 * const server = createContext({ driver: a, address: "10.0.0.1/24" });
 * const client = createContext({ driver: b, address: "10.0.0.2/24" });
 * const listener = yield* withNetwork(server, () => tcp.listen({ port: 80 }));
 * const conn = yield* withNetwork(client, () => tcp.connect({ host: "10.0.0.1", port: 80 }));
 * ```
 */
export function* withNetwork<T>(network: Network, op: OperationLike<T>): Operation<T> {
  const coroutine = coroutineFor("withNetwork", network);
  const before = coroutine.locals;
  coroutine.setLocal(NETWORK, network);
  try {
    return yield* typeof op === "function" ? op() : op;
  } finally {
    coroutine.locals = before;
  }
}

function coroutineFor(syscall: string, network: Network): Coroutine {
  if (network !== "kernel" && !isContext(network)) {
    throw new TypeError(`${syscall}: network must be a context or "kernel"`);
  }
  const coroutine = currentCoroutine();
  if (coroutine === null) {
    invalid(syscall, "in a plain Effection task pass the context to each call instead");
  }
  return coroutine;
}

/** @returns the context given, or the one in scope, or the kernel */
export function contextFor(syscall: string, given: Context | undefined): Context {
  const context = given ?? (currentCoroutine()?.local(NETWORK) as Network | undefined) ?? "kernel";
  if (context !== "kernel") return context;
  const loop = currentLoop();
  if (loop.clock.isVirtual) {
    throw netError(
      "ENETDOWN",
      syscall,
      "no context in scope, and on the virtual clock there is no kernel: make a context with " +
        "createContext and yield* useNetwork(it), or pass it",
    );
  }
  return defaultKernelContext(loop, syscall);
}
