// The reference: what its pages say of a small module, and that a stale page is found.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { projectOfFiles, ROOT } from "../../tools/project.ts";
import { layOut, table, wrap } from "../../tools/reference/markdown.ts";
import { readThrows } from "../../tools/reference/throws.ts";
import {
  checkReference,
  REFERENCE,
  referencePages,
  writeReference,
} from "../../tools/reference.ts";
import { TestFolder } from "../support/folder.ts";

const ENTRY = "src/zz-entry.ts";

const HANDLE = `
  import type { ErrorCode } from "../scheduler/errno.ts";
  /** How to open. */
  export interface OpenOptions {
    /** 1 to 65535 | 0 for any. */
    readonly port?: number;
    readonly limits: Limits;
  }
  /** Bounds. */
  interface Limits { readonly code: ErrorCode }
  /** What can be ended. */
  interface Ends {
    /** Ends it. */
    end(): void;
  }
  /** A handle. */
  export class Handle implements Ends {
    /** @internal Made by \`open\`. */
    constructor() {}
    /** Where. */
    get local(): string { return ""; }
    #hidden = 1;
    /** @internal */
    step(): number { return this.#hidden; }
    /**
     * Sends. See {@link OpenOptions} and {@link Nothing}.
     *
     * @param data - what <to> send
     * @param deadline - absolute ms
     * @returns The bytes taken
     * @throws NetError ECANCELED, ETIMEDOUT (a slow peer); the stream is still sound
     * @remarks Source: RFC 9293 §3.10.2.
     */
    send(data: Uint8Array, deadline: number = 0): number { return data.length + deadline; }
    end(): void {}
  }
  /**
   * Opens. More of it.
   *
   * - one
   * - two
   *
   * @param options - how
   * @returns the handle
   * @throws NetError EBADF; TypeError; or what the port throws
   * @example
   * open({ port: 1 });
   */
  export function open(options: OpenOptions): Handle { void options; return new Handle(); }
`;

/** The page of what no theme takes. */
function pageOf(text: string): string {
  const project = projectOfFiles({ "src/zz-handle.ts": HANDLE, [ENTRY]: text });
  return referencePages(project, [ENTRY]).get("contexts.md") ?? "";
}

describe("a page of the reference", () => {
  let page = "";
  beforeAll(() => {
    page = pageOf(
      'export * as zz from "./zz-handle.ts";\nexport { Handle } from "./zz-handle.ts";',
    );
  });

  /** What stands under one heading. */
  const under = (heading: string): string =>
    page.split(/^(?=#{2,3} )/m).find((each) => each.startsWith(`${heading}\n`)) ?? "";

  it("tells of a call: signature, parameters, result, errors, example", () => {
    expect(under("## zz.open()")).toBe(
      [
        "## zz.open()",
        "```ts\nzz.open(options: OpenOptions): Handle\n```",
        "Opens. More of it.",
        "- one\n- two",
        "- `options`: how ([`zz.OpenOptions`](#zzopenoptions))",
        "Returns the handle ([`Handle`](#handle)).",
        "*Errors*",
        "- [`EBADF`](errors.md#ebadf): handle is closed\n" +
          "- `TypeError`: an argument is of the wrong type\n- what the port throws",
        "*Example*",
        "```ts\nopen({ port: 1 });\n```\n\n",
      ].join("\n\n"),
    );
  });

  it("tells of a method: optional parameters, links, what else the errors say, the source", () => {
    expect(under("### Handle.send()")).toBe(
      [
        "### Handle.send()",
        "```ts\nHandle.send(data: Uint8Array, deadline?: number): number\n```",
        "Sends. See [`OpenOptions`](#zzopenoptions) and `Nothing`.",
        "- `data`: what &lt;to> send\n- `deadline`: absolute ms",
        "Returns the bytes taken.",
        "*Errors*",
        "- [`ECANCELED`](errors.md#ecanceled): the coroutine was cancelled\n" +
          "- [`ETIMEDOUT`](errors.md#etimedout): a slow peer",
        "The stream is still sound.",
        "*Source:* RFC 9293 §3.10.2.\n\n",
      ].join("\n\n"),
    );
  });

  it("tells of properties in a table, and of types that are not exported but needed", () => {
    expect(under("## zz.OpenOptions")).toContain(
      "| `port?` | `number` | 1 to 65535 \\| 0 for any. |\n| `limits` | [`Limits`](#limits) |  |",
    );
    expect(under("## Limits")).toContain("Not exported by name");
    expect(under("## Handle")).toContain("| `local` | `string` | Where. |");
  });

  it("leaves out what is internal, private or told elsewhere", () => {
    for (const name of ["step", "hidden", "new Handle", "### Handle.end"]) {
      expect(page).not.toContain(name);
    }
  });

  it("starts with a table of what is on it", () => {
    expect(page).toContain(
      "| [`zz.open()`](#zzopen) | Opens. |\n| [`Handle`](#handle) | A handle. |",
    );
  });
});

describe("constants", () => {
  it("stand in one table when they are many", () => {
    const names = ["ONE", "TWO", "THREE", "FOUR", "FIVE"];
    const lines = names.map((name, at) => `/** No. ${at}. */ export const ${name} = ${at};`);
    const project = projectOfFiles({ [ENTRY]: lines.join("\n") });
    const page = referencePages(project, [ENTRY]).get("contexts.md") ?? "";
    expect(page).toContain("| [`Constants`](#constants) | `FIVE` `FOUR` `ONE` `THREE` `TWO` |");
    expect(page).toContain("## Constants\n\n| name | value | meaning |");
    expect(page).toContain("| `TWO` | `1` | No. 1. |");
    expect(page).not.toContain("## TWO");
  });
});

describe("the table of errors", () => {
  it("lists the calls that throw each code, by reason", () => {
    const project = projectOfFiles({
      [ENTRY]: `
        export { isNetError } from "../scheduler/net-error.ts";
        /**
         * Stops.
         * @throws NetError EBADF, EPIPE (stopped already)
         */
        export function stop(): void {}
      `,
    });
    const page = referencePages(project, [ENTRY]).get("errors.md") ?? "";
    expect(page).toContain("| [`EBADF`](#ebadf) | 9 | handle is closed |");
    expect(page).toContain("| `EIO` | 5 | input/output error |");
    expect(page).toContain(
      "| when | calls |\n| --- | --- |\n| stopped already | [`stop()`](contexts.md#stop) |",
    );
  });
});

describe("@throws", () => {
  it.each([
    [
      "NetError EBADF, EPIPE (done (twice)), ETIMEDOUT",
      ["EBADF:", "EPIPE:done (twice)", "ETIMEDOUT:"],
      [],
    ],
    ["NetError EINVAL: no number, or a bad one.", ["EINVAL:no number, or a bad one"], []],
    ["ECANCELED when cancelled.", ["ECANCELED:when cancelled"], []],
    [
      "NetError EBADF; EPIPE is none; Error naming it",
      ["EBADF:", "null:Error naming it"],
      ["EPIPE is none"],
    ],
    [
      "NetError ECANCELED, EINVAL, and whatever `op` throws",
      ["ECANCELED:", "EINVAL:", "null:whatever `op` throws"],
      [],
    ],
    [
      "AbortError once ended;\n  else what `run` throws",
      ["null:AbortError once ended", "null:what `run` throws"],
      [],
    ],
  ])("reads %j", (text, cases, remarks) => {
    const read = readThrows([text]);
    expect(read.cases.map((each) => `${each.code}:${each.text}`)).toEqual(cases);
    expect(read.remarks).toEqual(remarks);
  });
});

describe("Markdown", () => {
  it("wraps prose, but neither code nor what would become a list", () => {
    const words = "word ".repeat(25);
    expect(wrap(`${words}\`a b c d\` end`)).toBe(`${words.trim()}\n\`a b c d\` end`);
    expect(wrap(`${words}word - word`).split("\n")[1]).toBe("word");
    expect(layOut("one\ntwo\n\n```ts\na\n\nb\n```\nthree")).toBe(
      "one two\n\n```ts\na\n\nb\n```\n\nthree",
    );
  });

  it("leaves empty columns of a table out", () => {
    expect(table(["a", "b"], [["1|2", ""]])).toBe("| a |\n| --- |\n| 1\\|2 |");
  });
});

describe("the committed pages", () => {
  const folder = new TestFolder();
  const messages = (pages: ReadonlyMap<string, string>): string[] =>
    checkReference(folder.path, pages).map((each) => `${each.file}: ${each.message}`);

  it("are found when missing, stale, or of something that is gone", () => {
    const pages = new Map([
      ["README.md", "# Reference\n"],
      ["tcp.md", "# TCP\n"],
    ]);
    const hint = "run npm run docs";
    expect(messages(pages)).toEqual([
      `${REFERENCE}/README.md: is missing: ${hint}`,
      `${REFERENCE}/tcp.md: is missing: ${hint}`,
    ]);
    writeReference(folder.path, pages);
    expect(messages(pages)).toEqual([]);
    writeFileSync(path.join(folder.path, REFERENCE, "tcp.md"), "# TCP by hand\n");
    writeFileSync(path.join(folder.path, REFERENCE, "old.md"), "# Old\n");
    expect(messages(pages)).toEqual([
      `${REFERENCE}/old.md: tells of nothing that there is: ${hint}`,
      `${REFERENCE}/tcp.md: is out of date: ${hint}`,
    ]);
    writeReference(folder.path, pages);
    expect(readdirSync(path.join(folder.path, REFERENCE)).sort()).toEqual(["README.md", "tcp.md"]);
    expect(readFileSync(path.join(folder.path, REFERENCE, "tcp.md"), "utf8")).toBe("# TCP\n");
  });

  it("say nothing of the machine that made them, and are made the same again", () => {
    const make = (): ReadonlyMap<string, string> =>
      referencePages(projectOfFiles({ "src/zz-handle.ts": HANDLE }), ["src/zz-handle.ts"]);
    const pages = make();
    expect([...pages.values()].join("")).not.toContain(ROOT);
    expect([...make()]).toEqual([...pages]);
  });
});
