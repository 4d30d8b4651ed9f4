// SPDX-License-Identifier: MIT
// A listening local socket. Connections stay in the kernel's queue until somebody takes them.

import type { Endpoint, ListenerSink, StreamListener } from "../transport/stream.ts";
import { EAGAIN } from "./errno.ts";
import type { KernelSocket, KernelSockets } from "./kernel-sockets.ts";
import { LocalFlow } from "./local-flow.ts";
import { EVENT_ACCEPTABLE, EVENT_ERROR } from "./native-sockets.ts";

/** One listening local socket. */
export class LocalListener implements StreamListener, KernelSocket {
  readonly id: number;
  readonly localEnd: Endpoint;
  readonly isListener = true;
  readonly isReleased = false;
  readonly bufferedBytes = 0;
  readonly hasTimer = false;
  readonly opening = 0;
  error = 0;
  readonly #sockets: KernelSockets;
  readonly #sink: ListenerSink;
  readonly #onClosing: () => void;
  #isOpen = true;
  /** The kernel may have a connection. */
  #mayHave = true;

  /** @param onClosing - told once, while the socket is still open */
  constructor(
    sockets: KernelSockets,
    id: number,
    path: string,
    sink: ListenerSink,
    onClosing: () => void,
  ) {
    this.#sockets = sockets;
    this.id = id;
    this.localEnd = { host: path, port: 0 };
    this.#sink = sink;
    this.#onClosing = onClosing;
    sockets.add(this);
  }

  /** 1 if any waits: the kernel does not tell how many. */
  get waiting(): number {
    const mayHave = this.#isOpen && this.#mayHave;
    return mayHave && this.#sockets.native.isReadable(this.id) ? 1 : 0;
  }

  take(): LocalFlow | number | null {
    if (!this.#mayHave) return null;
    const { native } = this.#sockets;
    const id = native.accept(this.id);
    if (id === EAGAIN) {
      this.#mayHave = false;
      return null;
    }
    if (id < 0) return id;
    const path = this.localEnd.host;
    const remote = native.name(id, true).host;
    return new LocalFlow(this.#sockets, id, { path, local: path, remote });
  }

  close(_nowMs: number): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#onClosing();
    this.#sockets.close(this, false);
  }

  event(kind: number, _offset: number, length: number): void {
    if (kind === EVENT_ACCEPTABLE) this.#mayHave = true;
    else if (kind === EVENT_ERROR) this.error = length;
    else return;
    this.#sink.listenerReady();
  }

  fail(errno: number, nowMs: number): void {
    this.error = errno;
    this.#sink.listenerReady();
    this.close(nowMs);
  }

  keepReceived(): void {}

  flush(): void {}
}
