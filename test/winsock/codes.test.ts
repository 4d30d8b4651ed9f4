// SPDX-License-Identifier: MIT
// The numbers of winsock2.h, written down once more, and what the numbers of the layers below
// become.

import { describe, expect, it } from "vitest";
import { ERRNO, type ErrorCode } from "../../scheduler/internal.ts";
import * as winsock from "../../src/winsock/index.ts";
import { codeOfErrno, codeOfError } from "../../src/winsock/last-error.ts";

describe("numbers", () => {
  it("are those of winsock2.h and winerror.h", () => {
    expect(winsock).toMatchObject({
      WSA_IO_INCOMPLETE: 996,
      WSA_IO_PENDING: 997,
      WSA_OPERATION_ABORTED: 995,
      WSAEINTR: 10_004,
      WSAEACCES: 10_013,
      WSAEFAULT: 10_014,
      WSAEINVAL: 10_022,
      WSAEMFILE: 10_024,
      WSAEWOULDBLOCK: 10_035,
      WSAEINPROGRESS: 10_036,
      WSAEALREADY: 10_037,
      WSAENOTSOCK: 10_038,
      WSAENOPROTOOPT: 10_042,
      WSAEPROTONOSUPPORT: 10_043,
      WSAESOCKTNOSUPPORT: 10_044,
      WSAEOPNOTSUPP: 10_045,
      WSAEAFNOSUPPORT: 10_047,
      WSAEADDRINUSE: 10_048,
      WSAEADDRNOTAVAIL: 10_049,
      WSAENETDOWN: 10_050,
      WSAENETUNREACH: 10_051,
      WSAECONNABORTED: 10_053,
      WSAECONNRESET: 10_054,
      WSAENOBUFS: 10_055,
      WSAEISCONN: 10_056,
      WSAENOTCONN: 10_057,
      WSAESHUTDOWN: 10_058,
      WSAETIMEDOUT: 10_060,
      WSAECONNREFUSED: 10_061,
      WSAEHOSTUNREACH: 10_065,
      WSASYSNOTREADY: 10_091,
      WSAVERNOTSUPPORTED: 10_092,
      WSANOTINITIALISED: 10_093,
      SOL_SOCKET: 0xffff,
      SO_ACCEPTCONN: 0x0002,
      SO_LINGER: 0x0080,
      SO_DONTLINGER: ~0x0080,
      SO_SNDTIMEO: 0x1005,
      SO_RCVTIMEO: 0x1006,
      SO_ERROR: 0x1007,
      SO_TYPE: 0x1008,
      FIONREAD: 0x4004_667f,
      FIONBIO: 0x8004_667e,
      SD_RECEIVE: 0,
      SD_SEND: 1,
      SD_BOTH: 2,
      INVALID_SOCKET: -1,
      SOCKET_ERROR: -1,
    });
  });

  it.each<[ErrorCode, number]>([
    ["EACCES", winsock.WSAEACCES],
    ["EPERM", winsock.WSAEACCES],
    ["EMFILE", winsock.WSAEMFILE],
    ["ENFILE", winsock.WSAEMFILE],
    ["ENOBUFS", winsock.WSAENOBUFS],
    ["ENOMEM", winsock.WSAENOBUFS],
    ["ENOSYS", winsock.WSASYSNOTREADY],
    ["ECONNABORTED", winsock.WSAECONNABORTED],
    ["EPIPE", winsock.WSAESHUTDOWN],
    ["ECANCELED", winsock.WSAEINTR],
    ["EBADF", winsock.WSAENOTSOCK],
    ["EIO", winsock.WSAENETDOWN],
    ["EPROTO", winsock.WSAENETDOWN],
  ])("%s of the network is %d", (name, code) => {
    expect(codeOfErrno(-ERRNO[name])).toBe(code);
  });

  it("leave errors of programs to whoever has made them", () => {
    const bug = new RangeError("a bug");
    expect(() => codeOfError(bug)).toThrow(bug);
  });
});
