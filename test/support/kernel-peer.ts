// The kernel's TCP and UDP as a test uses them: a child process in a network namespace that is told
// what to do over a channel. It ends when the channel closes: with the test process, however that
// ends.

import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { abortable, type Operation } from "../../src/index.ts";
import type { KernelCalls, KernelReply } from "./kernel-peer-main.ts";
import type { NetNs } from "./netns.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const MAIN = path.join(import.meta.dirname, "kernel-peer-main.ts");

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** A process that speaks the kernel's TCP and UDP in a namespace. */
export class KernelPeer {
  readonly #child: ChildProcess;
  readonly #pending: Map<number, Pending> = new Map();
  #lastId = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", (reply: KernelReply) => this.#settle(reply));
    child.on("exit", (code, signal) => {
      for (const { reject } of this.#pending.values()) {
        reject(new Error(`the kernel's peer ended with ${code ?? signal}`));
      }
      this.#pending.clear();
    });
  }

  /** Starts it and waits until it can be told things. */
  static async start(netns: NetNs): Promise<KernelPeer> {
    const command = [`--net=${netns.path}`, process.execPath, "--import", "tsx", MAIN];
    const child = spawn("nsenter", command, {
      cwd: ROOT,
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const peer = new KernelPeer(child);
    await new Promise((resolve, reject) => {
      child.once("error", reject);
      peer.#pending.set(0, { resolve, reject });
    });
    return peer;
  }

  /** Tells it to do something, and waits for what came of it. An error has the kernel's `code`. */
  call<K extends keyof KernelCalls>(
    name: K,
    ...args: Parameters<KernelCalls[K]>
  ): Operation<Awaited<ReturnType<KernelCalls[K]>>> {
    return abortable(
      (signal) =>
        new Promise((resolve, reject) => {
          const id = ++this.#lastId;
          this.#pending.set(id, { resolve: resolve as (value: unknown) => void, reject });
          signal.addEventListener("abort", () => {
            this.#pending.delete(id);
            reject(signal.reason);
          });
          this.#child.send({ id, name, args });
        }),
    );
  }

  /** Ends it, with all of its sockets. Idempotent. */
  close(): void {
    if (this.#child.connected) this.#child.disconnect();
    this.#child.kill();
  }

  #settle({ id, value, error }: KernelReply): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) pending?.resolve(value);
    else pending?.reject(Object.assign(new Error(error.message), { code: error.code }));
  }
}
