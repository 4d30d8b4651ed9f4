// SPDX-License-Identifier: MIT
// A listening TCP socket of the kernel's. Connections stay in the kernel's queue until somebody
// takes them, so its backlog is what was asked for.

import type { Endpoint, ListenerSink, StreamFlow, StreamListener } from "../transport/stream.ts";
import { EAGAIN } from "./errno.ts";
import { type FlowSettings, KernelFlow } from "./kernel-flow.ts";
import type { KernelSocket, KernelSockets } from "./kernel-sockets.ts";
import { EVENT_ACCEPTABLE, EVENT_ERROR, INFO_UNACKED } from "./native-sockets.ts";
import { ANY_V4, ANY_V6 } from "./wildcards.ts";

const WILDCARDS: readonly string[] = [ANY_V4.toString(), ANY_V6.toString()];

/** One listening socket. */
export class KernelListener implements StreamListener, KernelSocket {
  readonly id: number;
  readonly localEnd: Endpoint;
  readonly isListener = true;
  readonly isReleased = false;
  readonly bufferedBytes = 0;
  readonly hasTimer = false;
  readonly opening = 0;
  error = 0;
  readonly #sockets: KernelSockets;
  readonly #settings: FlowSettings;
  readonly #sink: ListenerSink;
  readonly #onClose: (listener: KernelListener) => void;
  /** Our end of every connection; null: as the connection came, for we listen on every address. */
  readonly #acceptedEnd: Endpoint | null;
  #isOpen = true;
  /** The kernel may have a connection. */
  #mayHave = true;
  #dropsSeen = 0;

  /** @param onClose - told once it is closed */
  constructor(
    sockets: KernelSockets,
    id: number,
    settings: FlowSettings,
    sink: ListenerSink,
    onClose: (listener: KernelListener) => void,
  ) {
    this.#sockets = sockets;
    this.id = id;
    this.#settings = settings;
    this.#sink = sink;
    this.#onClose = onClose;
    this.localEnd = sockets.native.name(id, false);
    this.#acceptedEnd = WILDCARDS.includes(this.localEnd.host) ? null : this.localEnd;
    sockets.add(this);
  }

  get waiting(): number {
    if (!this.#isOpen || !this.#mayHave) return 0;
    return this.#sockets.native.info(this.id)[INFO_UNACKED] as number;
  }

  take(): StreamFlow | number | null {
    const id = this.#sockets.native.accept(this.id);
    if (id === EAGAIN) {
      this.#mayHave = false;
      return null;
    }
    if (id < 0) return id;
    const { acceptedFrom } = this.#sockets.native;
    return new KernelFlow(this.#sockets, id, this.#settings, true, acceptedFrom, this.#acceptedEnd);
  }

  close(_nowMs: number): void {
    if (!this.#isOpen) return;
    this.countDrops();
    this.#isOpen = false;
    this.#sockets.close(this, false);
    this.#onClose(this);
  }

  /** Adds what the kernel has dropped since the last time to the counters. */
  countDrops(): void {
    if (!this.#isOpen) return;
    const drops = this.#sockets.native.drops(this.id);
    this.#sockets.count("tcp.backlogFull", drops - this.#dropsSeen);
    this.#dropsSeen = drops;
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
