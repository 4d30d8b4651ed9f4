// SPDX-License-Identifier: MIT
// Whose a handle is: the bundle of the coroutine that opened it, which aborts it when it ends. A
// handle opened in a plain Effection task has no owner but its context.

import { Bundle, type Resource } from "../../scheduler/index.ts";
import { currentCoroutine, Owned } from "../../scheduler/internal.ts";
import { EBADF } from "./errors.ts";

const OWNER_ENDED = "handle is closed: its owner has ended; moveTo hands it on before that";

/** The tie between one handle and its bundle. */
export class Ownership extends Owned {
  readonly #resource: Resource;
  #hasOwnerEnded = false;

  /** Gives `resource` to the running coroutine. */
  constructor(resource: Resource) {
    super();
    this.#resource = resource;
    currentCoroutine()?.bundleForOwn().own(this);
  }

  /** Gives it to another bundle; if that is closed already, the handle is aborted: EBADF. */
  moveTo(syscall: string, bundle: Bundle): void {
    if (!(bundle instanceof Bundle)) throw new TypeError(`${syscall}: bundle must be a Bundle`);
    this.release();
    bundle.own(this);
  }

  /** The handle has ended by itself. */
  release(): void {
    this.inList?.remove(this);
  }

  /** The owner has ended, and the handle with it. */
  override abort(): void {
    this.#hasOwnerEnded = true;
    this.#resource.abort();
  }

  /** @returns what an error on the handle says beyond its code; undefined: no more */
  detailOf(errno: number): string | undefined {
    return this.#hasOwnerEnded && Math.abs(errno) === EBADF ? OWNER_ENDED : undefined;
  }
}
