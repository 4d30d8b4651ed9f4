// SPDX-License-Identifier: MIT
// A second stack of ours in a process of its own, at the other end of a memif. Here is its remote
// control; second-process.ts is that process.

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { abortable, type Operation } from "../../src/index.ts";
import type { Peer } from "./peer.ts";

/** What the second process needs to know. */
export interface SecondProcess {
  readonly socket: string;
  readonly address: string;
  readonly prefixBits: number;
}

/** What is asked of it. */
export type Request =
  | {
      readonly call: { readonly host: string; readonly port: number; readonly message: Uint8Array };
    }
  | { readonly serveEcho: { readonly port: number } };

/** Its answer: what `call` received, or the error. */
export interface Answer {
  readonly received?: Uint8Array;
  readonly error?: string;
}

const PROGRAM = fileURLToPath(new URL("./second-process.ts", import.meta.url));

/** The second process. It ends when this one does. */
export class ProcessPeer implements Peer {
  readonly name = "the second process";
  readonly address: string;
  readonly #child: ChildProcess;

  constructor(socket: string, address: string, prefixBits: number) {
    this.address = address;
    const settings: SecondProcess = { socket, address, prefixBits };
    this.#child = fork(PROGRAM, [JSON.stringify(settings)], { serialization: "advanced" });
    this.#rest();
  }

  *call(host: string, port: number, message: Uint8Array): Operation<Uint8Array> {
    const { received } = yield* this.#ask({ call: { host, port, message } });
    return received ?? new Uint8Array();
  }

  *serveEcho(port: number): Operation<void> {
    yield* this.#ask({ serveEcho: { port } });
  }

  /** One question at a time. */
  #ask(request: Request): Operation<Answer> {
    return abortable(
      (signal) =>
        new Promise((resolve, reject) => {
          const child = this.#child;
          const ended = (): void => reject(new Error(`${this.name} has ended`));
          const settle = (answer: Answer): void => {
            child.off("exit", ended);
            this.#rest();
            if (answer.error === undefined) resolve(answer);
            else reject(new Error(`${this.name}: ${answer.error}`));
          };
          child.ref();
          child.channel?.ref();
          child.once("message", settle as (message: unknown) => void);
          child.once("exit", ended);
          signal.addEventListener("abort", () => reject(signal.reason));
          child.send(request);
        }),
    );
  }

  /** While nothing is asked, it does not keep this process alive. */
  #rest(): void {
    this.#child.unref();
    this.#child.channel?.unref();
  }
}
