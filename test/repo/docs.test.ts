// The documentation checks of tools/, shown wrong documentation.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkCodeBlocks, markdownBlocks } from "../../tools/code-blocks.ts";
import { checkDocstrings, examplesOf } from "../../tools/docstrings.ts";
import { checkLinks } from "../../tools/links.ts";
import { projectOfFiles } from "../../tools/project.ts";
import { publicExports, publicModules } from "../../tools/public-api.ts";

const ENTRY = "src/zz-entry.ts";

/** The messages about one entry file. */
function gaps(text: string): string[] {
  const project = projectOfFiles({ [ENTRY]: text });
  return checkDocstrings(project, [ENTRY]).map((each) => each.message);
}

describe("docstrings", () => {
  it("accepts complete documentation", () => {
    const text = `
      /**
       * Adds two numbers. Never waits.
       *
       * @param a First summand.
       * @param deadline Absolute time in ms.
       * @returns The sum.
       * @throws ECANCELED when cancelled.
       * @throws ETIMEDOUT when the deadline passes.
       * @example
       * add(1, 2);
       */
      export function add(a: number, deadline: number): number { return a + deadline; }
      /** A limit, in bytes. */
      export const LIMIT = 5;
    `;
    expect(gaps(text)).toEqual([]);
  });

  it("finds what is missing, stale or out of order", () => {
    const text = `
      export const BARE = 1;
      /** Not a sentence */
      export type T = number;
      /**
       * Waits.
       *
       * @param b Gone.
       * @throws ETIMEDOUT EBADF
       */
      export function wait(a: number, deadline: number): number { return a + deadline; }
      /**
       * A thing.
       *
       * @example
       * new Thing();
       */
      export class Thing {
        constructor() {}
        run(): void {}
        #hidden(): void { this.#hidden(); }
      }
    `;
    expect(gaps(text)).toEqual([
      "BARE: no documentation",
      "T: the summary is not a sentence",
      "wait: no @param a",
      "wait: no @param deadline",
      "wait: @param b does not exist",
      "wait: no @returns",
      "wait: has a deadline, but no @throws ECANCELED",
      "wait: @throws codes are not alphabetical",
      "wait: no @example",
      "Thing.run: no documentation",
    ]);
  });

  it("asks nothing twice, and no example of what users do not make", () => {
    const text = `
      interface Runs {
        /**
         * Runs.
         *
         * @param times How often.
         */
        run(times: number): void;
      }
      /** Made by us. */
      export class Thing implements Runs {
        run(times: number): void { void times; }
        /** Whether it runs. */
        isRunning(): boolean { return false; }
      }
    `;
    expect(gaps(text)).toEqual([]);
  });

  it("looks into objects of functions", () => {
    const text = `
      interface Calls {
        /** Starts. */
        start(port: number): void;
      }
      /** The calls. */
      export const calls: Calls = { start: () => {} };
    `;
    expect(gaps(text)).toEqual(["calls.start: no @param port"]);
  });

  it("says that an entry is missing", () => {
    const project = projectOfFiles({ [ENTRY]: "export {};" });
    expect(checkDocstrings(project, ["src/zz-none.ts"])).toHaveLength(1);
  });

  it("compiles the examples of functions in objects", () => {
    const text = `
      /**
       * Starts.
       *
       * @example
       * const n: number = calls;
       */
      function start(): void {}
      /** The calls. */
      export const calls: { readonly start: typeof start } = { start };
    `;
    const examples = examplesOf(projectOfFiles({ [ENTRY]: text }), [ENTRY]);
    expect(examples.map((each) => each.name)).toEqual(["calls.start"]);
  });

  it("compiles examples, and completes their imports and generators", () => {
    const text = `
      /**
       * A.
       * @example
       * const x: number = y;
       */
      export const a = 1;
      /**
       * B.
       * @example
       * \`\`\`ts
       * yield* [1];
       * const n: number = 1;
       * \`\`\`
       */
      export const b = 1;
    `;
    const project = projectOfFiles({ [ENTRY]: text });
    const findings = checkCodeBlocks(project, examplesOf(project, [ENTRY]));
    expect(findings.map((each) => each.message)).toEqual([
      "example of a, line 1: Cannot find name 'y'.",
    ]);
  });
});

describe("the public API", () => {
  it("is what package.json exports", () => {
    const root = mkdtempSync(path.join(tmpdir(), "caraway-exports-"));
    const exports = {
      ".": { default: "./dist/src/index.js" },
      "./more": { default: "./dist/src/more/index.js" },
    };
    writeFileSync(path.join(root, "package.json"), JSON.stringify({ name: "caraway", exports }));
    expect(publicModules(root)).toEqual([
      { name: "caraway", entry: "src/index.ts" },
      { name: "caraway/more", entry: "src/more/index.ts" },
    ]);
    rmSync(root, { recursive: true });
  });

  it("goes by the shorter of two names, and says what is a type only", () => {
    const project = projectOfFiles({
      "src/zz-calls.ts": "export function open(): void {}\nexport class Handle {}",
      [ENTRY]: [
        'export * as calls from "./zz-calls.ts";',
        'export { type Handle } from "./zz-calls.ts";',
      ].join("\n"),
    });
    const names = publicExports(project, [ENTRY]).map((each) => [each.name, each.isTypeOnly]);
    expect(names).toEqual([
      ["calls.open", false],
      ["Handle", true],
    ]);
  });
});

describe("Markdown", () => {
  let root = "";
  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), "caraway-docs-"));
    mkdirSync(path.join(root, "docs"));
    writeFileSync(path.join(root, "package.json"), '{ "scripts": { "build": "" } }');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it("has links and commands that exist", () => {
    writeFileSync(path.join(root, "docs", "A.md"), "# One two\n## The `code` way\n");
    writeFileSync(
      path.join(root, "README.md"),
      [
        "[fine](docs/A.md#one-two) [fine](docs/A.md#the-code-way) [web](https://x.y/z)",
        "[no file](docs/B.md)",
        "[no heading](docs/A.md#three)",
        "[outside](../A.md)",
        "npm run build, npm run nothing",
        "```sh",
        "[not a link](x)",
        "```",
      ].join("\n"),
    );
    expect(checkLinks(root).map((each) => `${each.line}: ${each.message}`)).toEqual([
      "2: link docs/B.md: no such file",
      "3: link docs/A.md#three: no such heading",
      "4: link ../A.md leaves the repository",
      "5: npm run nothing: no such script",
    ]);
  });

  it("has code blocks that compile", () => {
    const text = ["text", "```ts", "const a: string = 1;", "```", "```sh", "ls", "```"].join("\n");
    writeFileSync(path.join(root, "README.md"), text);
    const blocks = markdownBlocks(root, "README.md");
    expect(blocks).toHaveLength(1);
    const findings = checkCodeBlocks(projectOfFiles({}), blocks);
    expect(findings).toEqual([
      {
        file: "README.md",
        line: 3,
        message: "example of README.md, line 1: Type 'number' is not assignable to type 'string'.",
      },
    ]);
  });
});
