// SPDX-License-Identifier: MIT
// How the socket layer's numbers become the errors that users see.

import { NetError } from "../../scheduler/index.ts";
import { codeOf, ERRNO, type ErrorCode } from "../../scheduler/internal.ts";

export const EADDRINUSE: number = ERRNO.EADDRINUSE;
export const EAGAIN: number = ERRNO.EAGAIN;
export const EADDRNOTAVAIL: number = ERRNO.EADDRNOTAVAIL;
export const EAFNOSUPPORT: number = ERRNO.EAFNOSUPPORT;
export const EBADF: number = ERRNO.EBADF;
export const EBUSY: number = ERRNO.EBUSY;
export const ECANCELED: number = ERRNO.ECANCELED;
export const EEXIST: number = ERRNO.EEXIST;
export const EMSGSIZE: number = ERRNO.EMSGSIZE;
export const ENOENT: number = ERRNO.ENOENT;
export const ENETDOWN: number = ERRNO.ENETDOWN;
export const EINVAL: number = ERRNO.EINVAL;
export const ENOTCONN: number = ERRNO.ENOTCONN;
export const ENOTSOCK: number = ERRNO.ENOTSOCK;
export const EPIPE: number = ERRNO.EPIPE;
export const EPROTO: number = ERRNO.EPROTO;

/** Of the kernel's; ip(7), ip_unprivileged_port_start, which few systems change. */
const FIRST_FREE_PORT = 1_024;

/** @returns the error of a call, with a detail where the code alone says too little */
export function netError(code: ErrorCode, syscall: string, message?: string): NetError {
  return new NetError(code, syscall, { message });
}

/**
 * @param message - says more than the code
 * @returns the error for a number of the core, positive or negative, about an endpoint
 */
export function errnoError(
  errno: number,
  syscall: string,
  address: string,
  port: number,
  message?: string,
): NetError {
  return new NetError(codeOf(errno), syscall, { address, port, message });
}

/**
 * @param message - says more than the code
 * @returns the error about an end that may be a local socket, which has no port
 */
export function endpointError(
  errno: number,
  syscall: string,
  { host, port }: { readonly host: string; readonly port: number },
  message?: string,
): NetError {
  return new NetError(codeOf(errno), syscall, {
    address: host === "" ? undefined : host,
    port: port === 0 ? undefined : port,
    message,
  });
}

/**
 * @param context - where it was to be opened; null: it did not come to that
 * @param port - ours; 0: any free one
 * @returns what the error of opening something says beyond its code; undefined: no more
 */
export function openDetail(
  errno: number,
  context: { readonly isOpen: boolean } | null,
  port: number,
): string | undefined {
  if (errno === -ENETDOWN && context?.isOpen === false) {
    return "the context is closed, or its device is gone";
  }
  if (errno !== -ERRNO.EACCES || port === 0 || port >= FIRST_FREE_PORT) return undefined;
  return `ports below ${FIRST_FREE_PORT} need CAP_NET_BIND_SERVICE`;
}

/** Throws EINVAL that names the argument. */
export function invalid(syscall: string, message: string): never {
  throw netError("EINVAL", syscall, message);
}
