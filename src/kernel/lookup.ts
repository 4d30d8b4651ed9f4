// SPDX-License-Identifier: MIT
// Names to addresses by the resolver of the system (getaddrinfo), as every other program here has
// it: /etc/hosts, DNS, whatever nsswitch.conf says. It runs on a thread of Node's pool and cannot
// be stopped: when nobody wants the result any more it ends by the resolver's own timeout.

import { type LookupAddress, lookup } from "node:dns";
import { codeOf, ERRNO, type Loop, WaitQueue } from "../../scheduler/internal.ts";
import { IpAddress } from "../ip/address.ts";

/** Lookups under way at once: Node's pool has four threads, and more would only queue. */
const MAX_LOOKUPS = 1_024;
let underWay = 0;

/** What getaddrinfo says beyond errno(3), as one of our codes. Source: gai_strerror(3). */
const CODES: Readonly<Record<string, number>> = {
  ENOTFOUND: ERRNO.ENOENT,
  EAI_NONAME: ERRNO.ENOENT,
  EAI_NODATA: ERRNO.ENOENT,
  EAI_AGAIN: ERRNO.EAGAIN,
  EAI_MEMORY: ERRNO.ENOMEM,
  ENODATA: ERRNO.ENOENT,
};

/** One lookup. */
export class NameLookup {
  addresses: readonly IpAddress[] | null = null;
  errno = 0;
  readonly waiting: WaitQueue = new WaitQueue();
  #isAbandoned = false;

  constructor(host: string, loop: Loop) {
    if (underWay >= MAX_LOOKUPS) {
      this.addresses = [];
      this.errno = -ERRNO.ENOBUFS;
      return;
    }
    underWay++;
    lookup(host, { all: true }, (error, found) => {
      underWay--;
      if (this.#isAbandoned) return;
      if (error === null) this.addresses = addressesOf(found);
      else this.#failed(error);
      this.waiting.wakeAll();
      loop.kick();
    });
  }

  /** Nobody wants the result any more. */
  abandon(): void {
    this.#isAbandoned = true;
  }

  #failed(error: NodeJS.ErrnoException): void {
    this.addresses = [];
    const { code = "", errno = 0 } = error;
    this.errno = -(CODES[code] ?? ERRNO[codeOf(errno)]);
  }
}

function addressesOf(found: readonly LookupAddress[]): IpAddress[] {
  return found.map(({ address }) => IpAddress.parse(address)).filter((address) => address !== null);
}
