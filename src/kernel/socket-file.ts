// SPDX-License-Identifier: MIT
// The file that stands for a listening local socket (unix(7)). It outlives its socket, so that who
// listens removes it; and it can be replaced by somebody else's, which must stay.

import { type BigIntStats, lstatSync, unlinkSync } from "node:fs";
import { resolve } from "node:path";

/** What stands at a path. */
export type FileKind = "none" | "socket" | "other";

/** @returns what stands there; "other" too if that cannot be seen */
export function fileKind(path: string): FileKind {
  const stats = statsOf(path);
  if (stats === undefined) return "none";
  return stats?.isSocket() === true ? "socket" : "other";
}

/** Removes a file. @returns whether it is gone */
export function removeFile(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

/** The file of a socket of ours. */
export class SocketFile {
  /** The working directory may change. */
  readonly #path: string;
  readonly #device: bigint;
  readonly #inode: bigint;

  private constructor(path: string, stats: BigIntStats) {
    this.#path = path;
    this.#device = stats.dev;
    this.#inode = stats.ino;
  }

  /** @returns the file that was just made at `path`; null if it cannot be seen */
  static at(path: string): SocketFile | null {
    const stats = statsOf(path);
    return stats === undefined || stats === null ? null : new SocketFile(resolve(path), stats);
  }

  /**
   * Removes it if it is still ours. The socket must still be open: that keeps the inode from being
   * used again, so that the number tells our file from any other.
   */
  remove(): void {
    const stats = statsOf(this.#path);
    if (stats?.dev === this.#device && stats.ino === this.#inode) removeFile(this.#path);
  }
}

/** @returns undefined: there is nothing; null: it cannot be seen */
function statsOf(path: string): BigIntStats | undefined | null {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    return null;
  }
}
