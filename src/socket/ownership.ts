// SPDX-License-Identifier: MIT
// Whose a handle is: the bundle of the coroutine that opened it, which aborts it when it ends. A
// handle opened in a plain Effection task has no owner but its context.

import { Bundle, type Resource } from "../../scheduler/index.ts";
import { currentCoroutine } from "../../scheduler/internal.ts";
import { EBADF } from "./errors.ts";

const OWNER_ENDED = "handle is closed: its owner has ended; moveTo hands it on before that";

/** The tie between one handle and its bundle. */
export class Ownership implements Resource {
  readonly #resource: Resource;
  #bundle: Bundle | null;
  #hasOwnerEnded = false;

  /** Gives `resource` to the running coroutine. */
  constructor(resource: Resource) {
    this.#resource = resource;
    this.#bundle = currentCoroutine()?.bundleForOwn() ?? null;
    this.#bundle?.own(this);
  }

  /** Gives it to another bundle; if that is closed already, the handle is aborted: EBADF. */
  moveTo(syscall: string, bundle: Bundle): void {
    if (!(bundle instanceof Bundle)) throw new TypeError(`${syscall}: bundle must be a Bundle`);
    this.#bundle?.disown(this);
    this.#bundle = null;
    bundle.own(this);
    this.#bundle = bundle;
  }

  /** The handle has ended by itself. */
  release(): void {
    this.#bundle?.disown(this);
    this.#bundle = null;
  }

  /** The owner has ended, and the handle with it. */
  abort(): void {
    this.#hasOwnerEnded = true;
    this.#resource.abort();
  }

  /** @returns what an error on the handle says beyond its code; undefined: no more */
  detailOf(errno: number): string | undefined {
    return this.#hasOwnerEnded && Math.abs(errno) === EBADF ? OWNER_ENDED : undefined;
  }
}
