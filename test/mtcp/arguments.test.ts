// SPDX-License-Identifier: MIT
// Arguments of a wrong type: TypeError that names the argument, from the call itself, also of a
// twin that nobody has waited for.

import { afterEach, describe, expect, it } from "vitest";
import * as mtcp from "../../src/mtcp/index.ts";

afterEach(() => mtcp.destroy());

const { blocking } = mtcp;
const addr = mtcp.sockaddrIn("10.0.0.1", 80);
const buf = new Uint8Array(4);
const ref = { value: 16 };
/** Of no type that any argument has. */
const WRONG = Symbol("wrong") as never;

const CALLS: Record<string, (() => unknown)[]> = {
  "mtcp.accept: sockid": [
    () => mtcp.accept(null, WRONG, null, null),
    () => blocking.accept(null, WRONG, null, null),
  ],
  "mtcp.accept: addr": [
    () => mtcp.accept(null, 1, WRONG, null),
    () => blocking.accept(null, 1, WRONG, null),
  ],
  "mtcp.accept: addrlen": [() => mtcp.accept(null, 1, addr, WRONG)],
  "mtcp.bind: sockid": [() => mtcp.bind(null, WRONG, addr, 16)],
  "mtcp.bind: addr": [
    () => mtcp.bind(null, 1, WRONG, 16),
    () => mtcp.bind(null, 1, { ...addr, port: "80" as never }, 16),
  ],
  "mtcp.bind: addrlen": [() => mtcp.bind(null, 1, addr, WRONG)],
  "mtcp.connect: sockid": [
    () => mtcp.connect(null, WRONG, addr, 16),
    () => blocking.connect(null, WRONG, addr, 16),
  ],
  "mtcp.connect: addr": [
    () => mtcp.connect(null, 1, { ...addr, address: 1 as never }, 16),
    () => blocking.connect(null, 1, "10.0.0.1:80" as never, 16),
  ],
  "mtcp.connect: addrlen": [() => mtcp.connect(null, 1, addr, WRONG)],
  "mtcp.listen: sockid": [() => mtcp.listen(null, WRONG, 1)],
  "mtcp.shutdown: sockid": [() => mtcp.shutdown(null, WRONG, 0)],
  "mtcp.setNonblock: sockid": [() => mtcp.setNonblock(null, WRONG)],
  "mtcp.close: sockid": [() => mtcp.close(null, WRONG), () => blocking.close(null, WRONG)],
  "mtcp.abort: sockid": [() => mtcp.abort(null, WRONG)],
  "mtcp.read: sockid": [
    () => mtcp.read(null, WRONG, buf, 4),
    () => blocking.read(null, WRONG, buf, 4),
  ],
  "mtcp.read: buf": [
    () => mtcp.read(null, 1, "text" as never, 4),
    () => blocking.read(null, 1, WRONG, 4),
  ],
  "mtcp.read: len": [() => mtcp.read(null, 1, buf, WRONG)],
  "mtcp.recv: buf": [
    () => mtcp.recv(null, 1, WRONG, 4, 0),
    () => blocking.recv(null, 1, WRONG, 4, 0),
  ],
  "mtcp.readv: iov": [
    () => mtcp.readv(null, 1, WRONG, 1),
    () => mtcp.readv(null, 1, [WRONG], 1),
    () => blocking.readv(null, 1, buf as never, 1),
  ],
  "mtcp.readv: numIOV": [() => mtcp.readv(null, 1, [buf], WRONG)],
  "mtcp.write: buf": [
    () => mtcp.write(null, 1, "text" as never, 4),
    () => blocking.write(null, 1, WRONG, 4),
  ],
  "mtcp.writev: iov": [
    () => mtcp.writev(null, 1, ["text"] as never, 1),
    () => blocking.writev(null, 1, [WRONG], 1),
  ],
  "mtcp.ioctl: argp": [() => mtcp.ioctl(null, 1, mtcp.FIONREAD, WRONG)],
  "mtcp.getsockopt: optval": [() => mtcp.getsockopt(null, 1, 1, 4, WRONG, ref)],
  "mtcp.getsockopt: optlen": [() => mtcp.getsockopt(null, 1, 1, 4, ref, WRONG)],
  "mtcp.setsockopt: optval": [() => mtcp.setsockopt(null, 1, 1, 2, WRONG, 4)],
  "mtcp.setsockopt: optlen": [() => mtcp.setsockopt(null, 1, 1, 2, 1, WRONG)],
  "mtcp.getsockname: addr": [() => mtcp.getsockname(null, 1, WRONG, ref)],
  "mtcp.getpeername: addrlen": [() => mtcp.getpeername(null, 1, addr, WRONG)],
  "mtcp.pipe: pipeid": [() => mtcp.pipe(null, WRONG)],
  "mtcp.initRss: saddrBase": [() => mtcp.initRss(null, WRONG, 1, "10.0.0.1", 80)],
  "mtcp.initRss: numAddr": [() => mtcp.initRss(null, "10.0.0.1", WRONG, "10.0.0.1", 80)],
  "mtcp.initRss: daddr": [() => mtcp.initRss(null, "10.0.0.1", 1, WRONG, 80)],
  "mtcp.initRss: dport": [() => mtcp.initRss(null, "10.0.0.1", 1, "10.0.0.1", WRONG)],
  "mtcp.epollCreate: size": [() => mtcp.epollCreate(null, WRONG)],
  "mtcp.epollCreate1: flags": [() => mtcp.epollCreate1(null, WRONG)],
  "mtcp.epollCtl: epid": [() => mtcp.epollCtl(null, WRONG, 1, 1, null)],
  "mtcp.epollCtl: sockid": [() => mtcp.epollCtl(null, 1, 1, WRONG, null)],
  "mtcp.epollCtl: event": [() => mtcp.epollCtl(null, 1, 1, 1, WRONG)],
  "mtcp.epollWait: epid": [() => mtcp.epollWait(null, WRONG, [], 1, 0)],
  "mtcp.epollWait: events": [
    () => mtcp.epollWait(null, 1, WRONG, 1, 0),
    () => blocking.epollWait(null, 1, WRONG, 1),
  ],
  "mtcp.epollWait: maxevents": [() => mtcp.epollWait(null, 1, [], WRONG, 0)],
  "mtcp.epollWait: timeout": [() => mtcp.epollWait(null, 1, [], 1, WRONG)],
  "mtcp.createContext: cpu": [() => mtcp.createContext(WRONG)],
  "mtcp.init: conf": [() => mtcp.init("mtcp.conf" as never)],
  "mtcp.init: maxConcurrency": [() => mtcp.init({ maxConcurrency: "10" as never })],
  "mtcp.init: network": [() => mtcp.init({ network: "eth0" as never })],
  "mtcp.init: max_concurrency": [() => mtcp.init({ max_concurrency: 10 } as never)],
  "mtcp.setconf: rcvbuf": [() => mtcp.setconf({ rcvbuf: WRONG })],
  "mtcp.getconf: into": [() => mtcp.getconf("x" as never)],
  "mtcp.read: deadline": [() => blocking.read(null, 1, buf, 4, WRONG)],
};

describe("a wrong type is a TypeError that names the argument", () => {
  for (const [start, calls] of Object.entries(CALLS)) {
    it(start, () => {
      for (const call of calls) {
        expect(call).toThrow(TypeError);
        expect(call).toThrow(new RegExp(`^${start}\\b`));
      }
    });
  }
});
