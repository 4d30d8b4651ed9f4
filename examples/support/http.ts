// SPDX-License-Identifier: MIT
// As much of HTTP/1.1 (RFC 9112) as a server needs that has nothing but documents: reading a
// request head within a size and a deadline, and writing an answer. Bodies of requests are not
// read: a connection ends after a request that has one.

import { isNetError, now, type Operation, type TcpConnection } from "../../src/index.ts";

/** What a server puts up with. */
export interface HttpLimits {
  /** Longest request head, bytes. */
  readonly headBytes: number;
  /** A head that has begun must be complete by then, ms. */
  readonly headMs: number;
  /** How long a connection may be idle between requests, ms. */
  readonly idleMs: number;
}

/** The head of a request. */
export interface HttpRequest {
  readonly method: string;
  /** Path without the query: `"/hello"`. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** Whether a body follows, which stays unread. */
  readonly hasBody: boolean;
  /** Whether the connection may go on after the answer. */
  readonly keepAlive: boolean;
}

/** An answer to send. */
export interface HttpAnswer {
  readonly status: number;
  /** Default: the reason phrase as text. */
  readonly body?: Uint8Array | string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request that is answered with an error and the end of the connection. */
export class HttpError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  413: "Content Too Large",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  505: "HTTP Version Not Supported",
};

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const REQUEST_LINE = /^(\S+) (\S+) HTTP\/(\d)\.(\d)$/;

/** Reads the requests of one connection, one after the other, pipelined ones included. */
export class RequestReader {
  readonly #conn: TcpConnection;
  readonly #limits: HttpLimits;
  readonly #buf: Uint8Array;
  /** Bytes of `#buf` that are filled: the head being read, and what was sent after it. */
  #filled = 0;

  constructor(conn: TcpConnection, limits: HttpLimits) {
    this.#conn = conn;
    this.#limits = limits;
    this.#buf = new Uint8Array(limits.headBytes);
  }

  /**
   * Reads the next request.
   *
   * @returns null when the client has closed, or was idle for too long
   * @throws HttpError what to answer before closing; NetError ECANCELED, ECONNRESET
   */
  *next(): Operation<HttpRequest | null> {
    let end = endOfHead(this.#buf, this.#filled);
    if (this.#filled === 0 && !(yield* this.#readFirst())) return null;
    const deadline = now() + this.#limits.headMs;
    while ((end = endOfHead(this.#buf, this.#filled)) < 0) yield* this.#readMore(deadline);
    const head = Buffer.from(this.#buf.buffer, 0, end).toString("latin1");
    this.#buf.copyWithin(0, end, this.#filled);
    this.#filled -= end;
    return parseHead(head);
  }

  /** The first bytes of a request. False: there will be none. */
  *#readFirst(): Operation<boolean> {
    try {
      this.#filled = yield* this.#conn.recvSome(this.#buf, now() + this.#limits.idleMs);
      return this.#filled > 0;
    } catch (error) {
      if (isNetError(error, "ETIMEDOUT")) return false;
      throw error;
    }
  }

  *#readMore(deadline: number): Operation<void> {
    const room = this.#buf.subarray(this.#filled);
    if (room.length === 0) throw new HttpError(431, "the request head is too large");
    try {
      const n = yield* this.#conn.recvSome(room, deadline);
      if (n === 0) throw new HttpError(400, "the request ends within its head");
      this.#filled += n;
    } catch (error) {
      if (isNetError(error, "ETIMEDOUT")) throw new HttpError(408, "the request took too long");
      throw error;
    }
  }
}

/** Where the head ends that starts the buffer, after its empty line; -1: it is not complete. */
function endOfHead(buf: Uint8Array, filled: number): number {
  const at = Buffer.from(buf.buffer, 0, filled).indexOf("\r\n\r\n");
  return at < 0 ? -1 : at + 4;
}

/** @throws HttpError 400, 505 */
function parseHead(head: string): HttpRequest {
  const [requestLine = "", ...fields] = head.slice(0, -4).split("\r\n");
  const match = REQUEST_LINE.exec(requestLine);
  if (match === null) throw new HttpError(400, "the request line is not HTTP");
  const [, method = "", target = "", major, minor] = match;
  if (!TOKEN.test(method)) throw new HttpError(400, "the method is no token");
  if (major !== "1") throw new HttpError(505, "this server speaks HTTP/1.1");
  const headers = parseFields(fields);
  // RFC 9112 §3.2: exactly one Host in HTTP/1.1; a second one has failed as a duplicate.
  if (minor !== "0" && !headers.has("host")) throw new HttpError(400, "there is no Host");
  const length = headers.get("content-length") ?? "0";
  if (!/^\d+$/.test(length)) throw new HttpError(400, "Content-Length is no number");
  const hasBody = headers.has("transfer-encoding") || Number(length) > 0;
  const url = parseTarget(target);
  const { pathname: path, searchParams: query } = url;
  const connection = (headers.get("connection") ?? "").toLowerCase().split(/[ ,]+/);
  const wantsMore =
    minor === "0" ? connection.includes("keep-alive") : !connection.includes("close");
  // What follows a body that nobody read would be taken for a request (RFC 9112 §11.2).
  return { method, path, query, headers, hasBody, keepAlive: wantsMore && !hasBody };
}

function parseFields(fields: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (const field of fields) {
    const colon = field.indexOf(":");
    const name = field.slice(0, Math.max(0, colon)).toLowerCase();
    // Neither folded lines nor a space before the colon (RFC 9112 §5.1, §5.2).
    if (!TOKEN.test(name)) throw new HttpError(400, "a header field is malformed");
    const value = field.slice(colon + 1).trim();
    const before = headers.get(name);
    const isSingle = name === "host" || name === "content-length";
    if (before !== undefined && isSingle) throw new HttpError(400, `${name} is there twice`);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return headers;
}

function parseTarget(target: string): URL {
  try {
    if (target.startsWith("/")) return new URL(`http://server${target}`);
    if (/^https?:\/\//i.test(target)) return new URL(target);
  } catch {
    // Falls through.
  }
  throw new HttpError(400, "the target is no path");
}

/** Writes an answer; `isHead`: its header only (RFC 9110 §9.3.2). */
export function writeAnswer(answer: HttpAnswer, keepAlive: boolean, isHead: boolean): Uint8Array {
  const { status, headers = {} } = answer;
  const reason = REASONS[status] ?? "Unknown";
  const body = Buffer.from(answer.body ?? `${status} ${reason}\n`);
  const lines = [
    `HTTP/1.1 ${status} ${reason}`,
    ...Object.entries({ "Content-Type": "text/plain; charset=utf-8", ...headers }).map(
      ([name, value]) => `${name}: ${value}`,
    ),
    `Content-Length: ${body.length}`,
    `Connection: ${keepAlive ? "keep-alive" : "close"}`,
  ];
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  return isHead ? head : Buffer.concat([head, body]);
}
