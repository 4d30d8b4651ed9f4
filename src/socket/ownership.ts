// SPDX-License-Identifier: MIT
// Whose a handle is: the bundle of the coroutine that opened it, which aborts it when it ends. A
// handle opened in a plain Effection task has no owner but its context.

import { Bundle, type Resource } from "../../scheduler/index.ts";
import { currentCoroutine } from "../../scheduler/internal.ts";

/** The tie between one handle and its bundle. */
export class Ownership {
  readonly #resource: Resource;
  #bundle: Bundle | null;

  /** Gives `resource` to the running coroutine. */
  constructor(resource: Resource) {
    this.#resource = resource;
    this.#bundle = currentCoroutine()?.bundleForOwn() ?? null;
    this.#bundle?.own(resource);
  }

  /** Gives it to another bundle; if that is closed already, the handle is aborted: EBADF. */
  moveTo(syscall: string, bundle: Bundle): void {
    if (!(bundle instanceof Bundle)) throw new TypeError(`${syscall}: bundle must be a Bundle`);
    this.#bundle?.disown(this.#resource);
    this.#bundle = null;
    bundle.own(this.#resource);
    this.#bundle = bundle;
  }

  /** The handle has ended by itself. */
  release(): void {
    this.#bundle?.disown(this.#resource);
    this.#bundle = null;
  }
}
