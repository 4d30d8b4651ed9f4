// SPDX-License-Identifier: MIT
// What options of the native drivers have in common: each check returns the value, or throws
// EINVAL for a wrong value and a TypeError for a wrong type, naming the option.

import { driverError } from "./error.ts";

/** IFNAMSIZ less the terminating zero. */
const INTERFACE_NAME_MAX = 15;
const SLOTS_MIN = 16;
const SLOTS_MAX = 65_536;

/** EINVAL naming the option and the rule that it breaks. */
export function invalid(name: string, rule: string): Error {
  return driverError("EINVAL", `${name} ${rule}`);
}

/** TypeError naming the option. */
export function wrongType(name: string, wanted: string, value: unknown): TypeError {
  return new TypeError(`${name} must be ${wanted}, got ${value === null ? "null" : typeof value}`);
}

/** Refuses options that there are not. */
export function knownKeys(options: object, known: readonly string[]): void {
  for (const key of Object.keys(options)) {
    // A misspelt option would be a silent bug.
    if (!known.includes(key)) throw invalid(key, `is no option; there are ${known.join(", ")}`);
  }
}

/** An integer from `low` to `high`. */
export function integer(name: string, value: number, low: number, high: number): number {
  if (typeof value !== "number") throw wrongType(name, "a number", value);
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw invalid(name, `must be an integer from ${low} to ${high}, got ${value}`);
}

/** A depth of a ring: a power of two, at most `most`. */
export function slots(name: string, value: number, most: number = SLOTS_MAX): number {
  if (typeof value !== "number") throw wrongType(name, "a number", value);
  const isPowerOfTwo = Number.isInteger(value) && (value & (value - 1)) === 0;
  if (isPowerOfTwo && value >= SLOTS_MIN && value <= most) return value;
  throw invalid(name, `must be a power of two from ${SLOTS_MIN} to ${most}, got ${value}`);
}

/** True or false. */
export function flag(name: string, value: boolean): boolean {
  if (typeof value === "boolean") return value;
  throw wrongType(name, "a boolean", value);
}

/** A string that C can hold. */
export function text(name: string, value: string): string {
  if (typeof value !== "string") throw wrongType(name, "a string", value);
  if (!value.includes("\0")) return value;
  throw invalid(name, "must not contain a zero byte");
}

/** The name of a network interface. */
export function interfaceName(value: string): string {
  const name = text("interface", value);
  // What the kernel takes as a device name (dev_valid_name).
  if (/^[^\s/:]{1,15}$/.test(name) && name !== "." && name !== "..") return name;
  throw invalid(
    "interface",
    `must be 1 to ${INTERFACE_NAME_MAX} characters without space, "/" or ":", got ` +
      JSON.stringify(name.slice(0, 40)),
  );
}

/** Six bytes or text of a single station; null where none is given. */
export function macAddress(value: Uint8Array | string | undefined): Uint8Array | null {
  if (value === undefined) return null;
  if (typeof value !== "string" && !(value instanceof Uint8Array)) {
    throw wrongType("macAddress", "six bytes or text", value);
  }
  const bytes =
    typeof value !== "string"
      ? Uint8Array.from(value)
      : /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(value)
        ? Uint8Array.from(value.split(":"), (digits) => Number.parseInt(digits, 16))
        : new Uint8Array(0);
  const isStation = bytes.length === 6 && ((bytes[0] as number) & 1) === 0;
  if (isStation && bytes.some((byte) => byte !== 0)) return bytes;
  throw invalid("macAddress", 'must be a single station\'s, such as "02:00:00:00:00:01"');
}
