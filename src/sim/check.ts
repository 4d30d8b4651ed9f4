// SPDX-License-Identifier: MIT
// Checks of arguments of the simulation's public calls: EINVAL naming the argument.

import { NetError } from "../../scheduler/net-error.ts";

/** Makes the error for a wrong argument. */
export function wrong(syscall: string, name: string, rule: string, value: unknown): NetError {
  return new NetError("EINVAL", syscall, { message: `${name} ${rule}, got ${show(value)}` });
}

/** Returns `value` if it is an integer from `low` to `high`. */
export function integerIn(
  syscall: string,
  name: string,
  value: number,
  low: number,
  high: number,
): number {
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw wrong(syscall, name, `must be an integer from ${low} to ${high}`, value);
}

/** Returns `value` if it is a number from `low` to `high`. */
export function numberIn(
  syscall: string,
  name: string,
  value: number,
  low: number,
  high: number,
): number {
  if (typeof value === "number" && value >= low && value <= high) return value;
  throw wrong(syscall, name, `must be a number from ${low} to ${high}`, value);
}

/** Returns `value` if it is a power of two from 1 to `high`. */
export function powerOfTwoIn(syscall: string, name: string, value: number, high: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= high && (value & (value - 1)) === 0) {
    return value;
  }
  throw wrong(syscall, name, `must be a power of two from 1 to ${high}`, value);
}

/** Returns `value` if it is a function. */
export function functionArgument<T>(syscall: string, name: string, value: T): T {
  if (typeof value === "function") return value;
  throw wrong(syscall, name, "must be a function", value);
}

/** Returns `value` if it is a Uint8Array. */
export function bytesArgument(syscall: string, name: string, value: Uint8Array): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw wrong(syscall, name, "must be a Uint8Array", value);
}

/** Throws unless every key of `options` is one of `known`: a misspelt option is a silent bug. */
export function knownKeys(
  syscall: string,
  name: string,
  options: object,
  known: readonly string[],
): void {
  if (typeof options !== "object" || options === null) {
    throw wrong(syscall, name, "must be an object", options);
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw wrong(syscall, `${name}.${key}`, `is not known; there are ${known.join(", ")}`, key);
    }
  }
}

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80));
  if (typeof value === "function") return "a function";
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  return String(value).slice(0, 80);
}
