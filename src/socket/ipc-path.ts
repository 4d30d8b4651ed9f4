// SPDX-License-Identifier: MIT
// Where local sockets are, as callers write it: unix(7).

import type { LocalAddress } from "../kernel/local-open.ts";
import { UNIX_PATH_BYTES } from "../kernel/sockaddr.ts";
import { invalid, netError } from "./errors.ts";

/** A path needs room for its terminator, an abstract name for the zero byte before it. */
const MAX_BYTES = UNIX_PATH_BYTES - 1;

/**
 * @param name - of the argument
 * @param value - a path; an abstract name is written `"\0name"`, or `"@name"` as `ss` and systemd
 *   show it (a file of that name is `"./@name"`)
 * @returns where that is
 */
export function checkPath(syscall: string, value: unknown, name = "path"): LocalAddress {
  if (typeof value !== "string") {
    throw new TypeError(`${syscall}: ${name} must be a string, got ${typeof value}`);
  }
  const isAbstract = value.startsWith("\0") || value.startsWith("@");
  const text = isAbstract ? value.slice(1) : value;
  if (text === "") invalid(syscall, `${name} must not be empty`);
  if (!isAbstract && text.includes("\0")) invalid(syscall, `${name} must not hold a zero byte`);
  const length = new TextEncoder().encode(text).length;
  if (length > MAX_BYTES) {
    // connect(2) would say EINVAL.
    const rule = `${name} has ${length} bytes, and a local socket's at most ${MAX_BYTES}`;
    throw netError("ENAMETOOLONG", syscall, rule);
  }
  return { name: isAbstract ? `@${text}` : text, isAbstract };
}

/** @returns a descriptor's number as the system takes it; what can be none is EBADF */
export function checkDescriptor(syscall: string, value: unknown): number {
  if (typeof value !== "number") {
    throw new TypeError(`${syscall}: fd must be a number, got ${typeof value}`);
  }
  if (!Number.isInteger(value) || value < 0 || value > 2 ** 31 - 1) {
    throw netError("EBADF", syscall, `fd is ${value}, which is no descriptor`);
  }
  return value;
}
