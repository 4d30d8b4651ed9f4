// SPDX-License-Identifier: MIT
// What callers may pass: TypeError for a wrong type, EINVAL for a wrong value, both naming it.

import { IpAddress } from "../ip/address.ts";
import type { TcpConfig } from "../tcp/config.ts";
import { invalid } from "./errors.ts";

/** Refuses what is no Uint8Array. */
export function checkBytes(syscall: string, name: string, value: unknown): void {
  if (!(value instanceof Uint8Array)) {
    throw new TypeError(`${syscall}: ${name} must be a Uint8Array, got ${typeof value}`);
  }
}

/**
 * Refuses what is no options object, or has an option that there is not: a mistyped `host` would
 * listen everywhere, and nobody would know.
 *
 * @param known - every option that there is; null: whoever reads them checks that
 */
export function checkOptions(
  syscall: string,
  value: unknown,
  known: readonly string[] | null,
): void {
  if (typeof value !== "object" || value === null) {
    throw new TypeError(`${syscall}: options must be an object, got ${String(value)}`);
  }
  if (known === null) return;
  for (const name of Object.keys(value)) {
    if (known.includes(name)) continue;
    invalid(syscall, `options.${name} is not known; there are ${known.join(", ")}`);
  }
}

/** @returns the port, an integer from `least` to 65,535 */
export function checkPort(syscall: string, name: string, value: unknown, least: number): number {
  if (typeof value !== "number") {
    throw new TypeError(`${syscall}: ${name} must be a number, got ${typeof value}`);
  }
  if (!Number.isInteger(value) || value < least || value > 65_535) {
    invalid(syscall, `${name} must be an integer from ${least} to 65535, got ${value}`);
  }
  return value;
}

/** @returns an integer from `least` to `most` */
export function checkInteger(
  syscall: string,
  name: string,
  value: unknown,
  least: number,
  most: number,
): number {
  if (typeof value !== "number") {
    throw new TypeError(`${syscall}: ${name} must be a number, got ${typeof value}`);
  }
  if (!Number.isInteger(value) || value < least || value > most) {
    invalid(syscall, `${name} must be an integer from ${least} to ${most}, got ${value}`);
  }
  return value;
}

/** @returns the address that `value` names; only IPv4 literals */
export function checkAddress(syscall: string, name: string, value: unknown): IpAddress {
  if (typeof value !== "string") {
    throw new TypeError(`${syscall}: ${name} must be a string, got ${typeof value}`);
  }
  const address = IpAddress.parse(value);
  if (address === null) {
    invalid(syscall, `${name} must be an IP address such as "10.0.0.1", got "${value}"`);
  }
  if (address.family !== 4) invalid(syscall, `${name}: IPv6 is not supported yet, got "${value}"`);
  return address;
}

/** RFC 1123 §2.1, with the underscore that real names have, and the length of RFC 1035 §2.3.4. */
const HOST_NAME =
  /^(?=.{1,253}\.?$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/i;

/** @returns the address that `value` is, or the name that it may be */
export function checkHost(syscall: string, name: string, value: unknown): IpAddress | string {
  if (typeof value !== "string") {
    throw new TypeError(`${syscall}: ${name} must be a string, got ${typeof value}`);
  }
  const address = IpAddress.parse(value);
  if (address !== null) return address;
  if (!HOST_NAME.test(value) || /^[\d.]+$/.test(value)) {
    const rule = 'must be an IP address such as "10.0.0.1" or a host name';
    invalid(syscall, `${name} ${rule}, got "${value}"`);
  }
  return value;
}

/** @returns the address of either family that `value` is */
export function checkLiteral(syscall: string, name: string, value: unknown): IpAddress {
  if (typeof value !== "string") {
    throw new TypeError(`${syscall}: ${name} must be a string, got ${typeof value}`);
  }
  const address = IpAddress.parse(value);
  if (address === null) {
    invalid(syscall, `${name} must be an IP address such as "10.0.0.1", got "${value}"`);
  }
  return address;
}

/** A host and a port as callers write them. */
export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads what says whom to talk to: an options object, or text such as `"host:port"`.
 *
 * @param name - of the argument; `"options"` of text is its address
 * @returns the parts, unchecked
 */
export function peerOf<T extends object>(
  syscall: string,
  name: string,
  value: T | string,
): T | HostAndPort {
  return endpointOf(syscall, name, value, '"host:80", "10.0.0.1:80" or "[::1]:80"');
}

/**
 * Reads what says where to be reached: an options object, or text such as `":80"`.
 *
 * @returns the parts, unchecked
 */
export function placeOf<T extends object>(syscall: string, value: T | string): T | HostAndPort {
  return endpointOf(syscall, "options", value, '"10.0.0.1:80", "[::1]:80" or ":80"');
}

function endpointOf<T extends object>(
  syscall: string,
  name: string,
  value: T | string,
  forms: string,
): T | HostAndPort {
  if (typeof value === "string") {
    return splitEndpoint(syscall, name === "options" ? "address" : name, value, forms);
  }
  if (typeof value !== "object" || value === null) {
    throw new TypeError(`${syscall}: ${name} must be an object or text, got ${String(value)}`);
  }
  return value;
}

/** Reads `"host:port"` or `"[v6]:port"`; the host is empty in `":port"`. */
function splitEndpoint(syscall: string, name: string, text: string, forms: string): HostAndPort {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  if (match === null) invalid(syscall, `${name} must be like ${forms}, got "${text}"`);
  return { host: match[1] ?? match[2] ?? "", port: Number(match[3]) };
}

/**
 * Refuses settings that the defaults do not have, or that are no sensible size or time.
 *
 * @param name - of the option that holds them: `"limits"`
 * @param given - what the caller passed; undefined is fine
 * @param defaults - every setting there is, each with a value of its type
 */
export function checkSettings(
  syscall: string,
  name: string,
  given: unknown,
  defaults: object,
): void {
  if (given === undefined) return;
  if (typeof given !== "object" || given === null) {
    throw new TypeError(`${syscall}: ${name} must be an object, got ${String(given)}`);
  }
  for (const [key, value] of Object.entries(given)) {
    const usual: unknown = (defaults as Record<string, unknown>)[key];
    const path = `${name}.${key}`;
    if (usual === undefined || !Object.hasOwn(defaults, key)) {
      invalid(syscall, `${path} is not known; there are ${Object.keys(defaults).join(", ")}`);
    }
    if (typeof value !== typeof usual) {
      throw new TypeError(`${syscall}: ${path} must be a ${typeof usual}, got ${typeof value}`);
    }
    if (typeof value !== "number") continue;
    // Times may be 0 and fractions; whatever is counted is whole, and at least one.
    const isTime = key.endsWith("Ms");
    const isFine = isTime
      ? value >= 0 && value < 2 ** 53
      : Number.isSafeInteger(value) && value > 0;
    if (!isFine) {
      const rule = isTime ? "a time in ms, 0 or more" : "an integer from 1";
      invalid(syscall, `${path} must be ${rule}, got ${value}`);
    }
  }
}

/** The largest window that RFC 7323 §2.3 can offer, 65,535 << 14, rounded up to a power of two. */
const MAX_BUFFER_BYTES = 2 ** 30;
/** An ACK must be delayed by less: RFC 9293 §3.8.6.3, MUST-40. */
const DELAYED_ACK_LIMIT_MS = 500;

/**
 * Refuses TCP settings that each are a size or a time, and yet make no sense.
 *
 * @param config - complete, as connections will use it
 */
export function checkTcpConfig(syscall: string, config: TcpConfig): void {
  checkInteger(syscall, "tcp.sendBufferBytes", config.sendBufferBytes, 1, MAX_BUFFER_BYTES);
  checkInteger(syscall, "tcp.receiveBufferBytes", config.receiveBufferBytes, 1, MAX_BUFFER_BYTES);
  const { delayedAckMs, rtoInitialMs, rtoMaxMs, rtoMinMs } = config;
  if (delayedAckMs >= DELAYED_ACK_LIMIT_MS) {
    invalid(syscall, `tcp.delayedAckMs must be less than 500, got ${delayedAckMs}`);
  }
  if (rtoMinMs > rtoInitialMs) {
    const most = `at most tcp.rtoInitialMs (${rtoInitialMs})`;
    invalid(syscall, `tcp.rtoMinMs must be ${most}, got ${rtoMinMs}`);
  }
  if (rtoInitialMs > rtoMaxMs) {
    const most = `at most tcp.rtoMaxMs (${rtoMaxMs})`;
    invalid(syscall, `tcp.rtoInitialMs must be ${most}, got ${rtoInitialMs}`);
  }
}
