// Folders of tests.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll } from "vitest";

/** A folder for the tests of a `describe` or of a file, which goes with them. */
export class TestFolder {
  #path: string | null = null;

  constructor() {
    afterAll(() => {
      if (this.#path !== null) rmSync(this.#path, { recursive: true, force: true });
    });
  }

  /** Where it is. Made when a test first asks: nothing clears up after tests that are skipped. */
  get path(): string {
    this.#path ??= mkdtempSync(path.join(tmpdir(), "caraway-"));
    return this.#path;
  }

  /** The path of a file in it. */
  file(name: string): string {
    return path.join(this.path, name);
  }
}
