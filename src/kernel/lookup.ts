// SPDX-License-Identifier: MIT
// Names to addresses by the resolver of the system (getaddrinfo), as every other program here has
// it: /etc/hosts, DNS, whatever nsswitch.conf says. It runs on a thread of Node's pool and cannot
// be stopped: when nobody wants the result any more it ends by the resolver's own timeout.

import { type LookupAddress, lookup } from "node:dns";
import { codeOf, ERRNO, type Loop, WaitQueue } from "../../scheduler/internal.ts";
import { IpAddress } from "../ip/address.ts";

/** Lookups under way at once, EAGAIN beyond: Node's pool has four threads, the rest queues. */
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

/** What finds the addresses of a name; calls back once. */
export type Resolve = (
  host: string,
  done: (error: NodeJS.ErrnoException | null, found: readonly LookupAddress[]) => void,
) => void;

const bySystem: Resolve = (host, done) => lookup(host, { all: true }, done);

/** One lookup. */
export class NameLookup {
  addresses: readonly IpAddress[] | null = null;
  errno = 0;
  readonly waiting: WaitQueue = new WaitQueue();
  /** Told when it has ended in any way, unless it ended at once. */
  onEnd: (() => void) | null = null;
  readonly #loop: Loop;

  /** @param resolve - how; tests have their own */
  constructor(host: string, loop: Loop, resolve: Resolve = bySystem) {
    this.#loop = loop;
    if (underWay >= MAX_LOOKUPS) {
      this.fail(-ERRNO.EAGAIN);
      return;
    }
    underWay++;
    resolve(host, (error, found) => {
      underWay--;
      if (error !== null) this.fail(errnoOf(error));
      else this.#end(addressesOf(found), 0);
    });
  }

  /** Nobody wants the result any more. */
  abandon(): void {
    this.fail(-ERRNO.ECANCELED);
  }

  /** Ends it without a result, unless it has ended. */
  fail(errno: number): void {
    this.#end([], errno);
  }

  #end(addresses: readonly IpAddress[], errno: number): void {
    if (this.addresses !== null) return;
    this.addresses = addresses;
    // A name may have addresses of kinds that we do not know.
    this.errno = errno === 0 && addresses.length === 0 ? -ERRNO.ENOENT : errno;
    this.onEnd?.();
    if (this.waiting.isEmpty) return;
    this.waiting.wakeAll();
    this.#loop.kick();
  }
}

function errnoOf({ code = "", errno = 0 }: NodeJS.ErrnoException): number {
  return -(CODES[code] ?? ERRNO[codeOf(errno)]);
}

function addressesOf(found: readonly LookupAddress[]): IpAddress[] {
  return found.map(({ address }) => IpAddress.parse(address)).filter((address) => address !== null);
}
