// SPDX-License-Identifier: MIT
// The call `pipe`.

import { contextOf, type Mctx, openContext } from "./context.ts";
import { answer, EACCES, EFAULT, ENFILE, ENOMEM } from "./errno.ts";
import { PipeEnd } from "./pipe.ts";

/**
 * Makes a pipe: what is written to its second end is read from its first. Both are descriptors, and
 * work with epoll; the pipe holds 10,240 bytes, and writes of up to 4,096 are whole or not at all.
 *
 * @param mctx - its context
 * @param pipeid - filled in: the end to read, the end to write
 * @returns 0, or -1 and errno: EACCES, EFAULT (null), ENFILE (two descriptors are needed), ENOMEM
 *   (no buffer is left)
 * @throws TypeError
 * @example
 * ```ts
 * const ends: number[] = [];
 * if (pipe(createContext(0), ends) === 0) console.log(ends[0], ends[1]);
 * ```
 */
export function pipe(mctx: Mctx | null, pipeid: number[] | null): number {
  if (pipeid !== null && !Array.isArray(pipeid)) {
    throw new TypeError("mtcp.pipe: pipeid must be an array or null");
  }
  return answer(contextOf(mctx), tryPipe(mctx, pipeid));
}

function tryPipe(mctx: unknown, pipeid: number[] | null): number {
  const open = openContext(mctx);
  if (open === null) return -EACCES;
  if (pipeid === null) return -EFAULT;
  const { table } = open;
  if (table.size + 2 > table.capacity) return -ENFILE;
  if (!open.hasBuffer) return -ENOMEM;
  const [reader, writer] = PipeEnd.pair(open);
  pipeid[0] = table.add(reader);
  pipeid[1] = table.add(writer);
  return 0;
}
