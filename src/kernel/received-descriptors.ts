// SPDX-License-Identifier: MIT
// File descriptors that came over a local stream. Each belongs to one byte of the stream, the last
// of the message that it came with: whoever takes that byte by an ordinary receive has not asked
// for the descriptor, and it is closed. So none is ever lost.

/** Who closes a descriptor. */
interface Closer {
  closeDescriptor(fd: number): void;
}

/** The descriptors of one stream that nobody has taken. */
export class ReceivedDescriptors {
  readonly #closer: Closer;
  readonly #fds: number[] = [];
  /** Positions in the stream, of those that are settled. */
  readonly #positions: number[] = [];

  constructor(closer: Closer) {
    this.#closer = closer;
  }

  /** Descriptors that wait. */
  get size(): number {
    return this.#positions.length;
  }

  /** Position of the byte that the first one came with; Infinity without one. */
  get position(): number {
    return this.#positions[0] ?? Number.POSITIVE_INFINITY;
  }

  /** One has come; the bytes that it came with follow. */
  arrived(fd: number): void {
    this.#fds.push(fd);
  }

  /** The bytes of those that have just come end at `position`. */
  settle(position: number): void {
    while (this.#positions.length < this.#fds.length) this.#positions.push(position);
  }

  /** Takes the first. */
  take(): number {
    this.#positions.shift();
    return this.#fds.shift() as number;
  }

  /** Bytes up to here have been taken: closes the descriptors that came with them. */
  passed(position: number): void {
    while (this.position < position) this.#closer.closeDescriptor(this.take());
  }

  /** Closes all. */
  clear(): void {
    for (const fd of this.#fds) this.#closer.closeDescriptor(fd);
    this.#fds.length = 0;
    this.#positions.length = 0;
  }
}
