/**
 * The one error class that users of Caraway see for operating errors, shaped like Node's system
 * errors so
 * that code written for `net` (`err.code === "ECONNRESET"`) works unchanged. Broken invariants are
 * assertions, never a NetError.
 */

import { ERRNO, ERROR_TEXT, type ErrorCode } from "./errno.ts";

/** What a {@link NetError} may say beyond its code and call. */
export interface NetErrorOptions {
  /** Says more precisely what went wrong; takes the place of the code's standard text. */
  readonly message?: string | undefined;
  /** The address concerned, as text: an IPv4 or IPv6 literal or a host name. */
  readonly address?: string | undefined;
  /** The port concerned, host byte order. */
  readonly port?: number | undefined;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/**
 * An operating error of a Caraway call.
 *
 * @example
 * ```ts
 * try {
 *   yield* sleep(-1);
 * } catch (e) {
 *   if (!isNetError(e, "ECANCELED")) throw e;
 *   console.log(`${e.syscall} was cancelled`);
 * }
 * ```
 */
export class NetError extends Error {
  /** The code, from the closed union. */
  readonly code: ErrorCode;
  /** The Linux number of the code, negative, as in Node's errors. */
  readonly errno: number;
  /** The Caraway operation that failed, such as `"tcp.connect"`. */
  readonly syscall: string;
  // `declare`: a field that was not given is absent, so it does not clutter what console.log
  // prints.
  /** The address concerned, where known. */
  declare address?: string;
  /** The port concerned, where known. */
  declare port?: number;
  /** How many bytes a failed `send` had taken; absent elsewhere. */
  declare bytesSent?: number;
  /** How many bytes a failed `recv` had put into the caller's buffer; absent elsewhere. */
  declare bytesReceived?: number;
  /** How long the datagram was that a `recv` had no room for; absent elsewhere. */
  declare datagramBytes?: number;

  /**
   * Makes an error; its message reads like `"ECONNREFUSED: connection refused, tcp.connect
   * 10.0.0.1:80"`.
   *
   * @param code - the code
   * @param syscall - the Caraway operation that failed
   * @param options - detail, address and cause
   */
  constructor(code: ErrorCode, syscall: string, options?: NetErrorOptions) {
    const where = options === undefined ? "" : place(options.address, options.port);
    const text = `${code}: ${options?.message ?? ERROR_TEXT[code]}, ${syscall}${where}`;
    // Error sets `cause` if the key is there at all, even when undefined, so it is passed only
    // when given.
    super(text, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.errno = -ERRNO[code];
    this.syscall = syscall;
    if (options?.address !== undefined) this.address = options.address;
    if (options?.port !== undefined) this.port = options.port;
  }
}

// On the prototype as for the built-in errors: an own `name` would be printed as a field of each
// error.
Object.defineProperty(NetError.prototype, "name", {
  value: "NetError",
  writable: true,
  configurable: true,
});

function place(address: string | undefined, port: number | undefined): string {
  if (port === undefined) return address === undefined ? "" : ` ${address}`;
  if (address === undefined) return ` :${port}`;
  return address.includes(":") ? ` [${address}]:${port}` : ` ${address}:${port}`;
}

/**
 * Tells whether a caught value is a {@link NetError}, and of one code if that is given.
 *
 * @param e - anything that was thrown
 * @param code - the code to look for; any code when omitted
 * @returns true when it is; narrows the type of `e`
 * @example
 * ```ts
 * try {
 *   yield* sleep(-1);
 * } catch (e) {
 *   if (isNetError(e, "ECANCELED")) throw e;
 * }
 * ```
 */
export function isNetError(e: unknown, code?: ErrorCode): e is NetError {
  return e instanceof NetError && (code === undefined || e.code === code);
}
