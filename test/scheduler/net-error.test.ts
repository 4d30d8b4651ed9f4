import { constants } from "node:os";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { codeOf, ERRNO, ERROR_TEXT, type ErrorCode } from "../../scheduler/errno.ts";
import { isNetError, NetError } from "../../scheduler/net-error.ts";

describe("errno", () => {
  const codes = Object.keys(ERRNO) as ErrorCode[];

  it("has the numbers of this Linux, all different", () => {
    const known = constants.errno as Record<string, number>;
    for (const code of codes) if (known[code] !== undefined) expect(ERRNO[code]).toBe(known[code]);
    expect(new Set(Object.values(ERRNO)).size).toBe(codes.length);
  });

  it("names a code from its number, positive or negative", () => {
    for (const code of codes) {
      expect(codeOf(ERRNO[code])).toBe(code);
      expect(codeOf(-ERRNO[code])).toBe(code);
    }
  });

  it("says EIO for a number it does not know", () => {
    expect(codeOf(0)).toBe("EIO");
    expect(codeOf(-4095)).toBe("EIO");
    expect(codeOf(Number.NaN)).toBe("EIO");
  });

  it("has one line of text for every code", () => {
    for (const code of codes) expect(ERROR_TEXT[code]).toMatch(/^[a-z].*[^.]$/);
    expect(Object.keys(ERROR_TEXT)).toEqual(codes);
  });
});

describe("NetError", () => {
  it("is shaped like Node's system errors", () => {
    const e = new NetError("ETIMEDOUT", "tcp.connect", { address: "10.0.0.1", port: 80 });
    expect(e).toBeInstanceOf(Error);
    expect(e.name).toBe("NetError");
    expect(e.message).toBe("ETIMEDOUT: connection timed out, tcp.connect 10.0.0.1:80");
    expect(e).toMatchObject({ code: "ETIMEDOUT", errno: -110, syscall: "tcp.connect" });
    expect(e).toMatchObject({ address: "10.0.0.1", port: 80 });
    expect(e.stack).toContain("net-error.test.ts");
    expect(inspect(e)).toMatch(/^NetError: ETIMEDOUT: connection timed out/);
  });

  it.each([
    [{}, "EPIPE: the stream was ended, s"],
    [{ address: "a.example" }, "EPIPE: the stream was ended, s a.example"],
    [{ address: "fe80::1", port: 7 }, "EPIPE: the stream was ended, s [fe80::1]:7"],
    [{ port: 7 }, "EPIPE: the stream was ended, s :7"],
    [{ message: "done was called" }, "EPIPE: done was called, s"],
  ])("words its message from %j", (options, message) => {
    expect(new NetError("EPIPE", "s", options).message).toBe(message);
  });

  it("has no fields for what is not known", () => {
    const e = new NetError("EPIPE", "tcp.send", { address: undefined, cause: undefined });
    expect(Object.keys(e)).toEqual(["code", "errno", "syscall"]);
    expect("cause" in e).toBe(false);
    e.bytesSent = 3;
    expect(e.bytesSent).toBe(3);
  });

  it("keeps its cause", () => {
    const cause = new Error("below");
    expect(new NetError("EIO", "s", { cause }).cause).toBe(cause);
  });

  it("is told from other errors, and by its code", () => {
    const e: unknown = new NetError("ECANCELED", "sleep");
    expect(isNetError(e)).toBe(true);
    expect(isNetError(e, "ECANCELED")).toBe(true);
    expect(isNetError(e, "EPIPE")).toBe(false);
    expect(isNetError(new Error("ECANCELED"))).toBe(false);
    expect(isNetError(undefined)).toBe(false);
  });
});
