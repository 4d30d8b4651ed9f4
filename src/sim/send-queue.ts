// SPDX-License-Identifier: MIT
// The queue in front of a line of limited bandwidth, with tail drop. It holds no frames, only when
// each will have left: a frame's fate is known when it enters.

import type { FullConditions } from "./conditions.ts";

const BITS_PER_BYTE = 8;
const MS_PER_SECOND = 1000;

/** When the frames that wait will have left, oldest first. */
export class SendQueue {
  /** Frames waiting, the one being sent included. */
  frames = 0;
  bytes = 0;
  private head = 0;
  private leaveMs: Float64Array = new Float64Array(16);
  private sizes: Int32Array = new Int32Array(16);
  private idleFromMs = 0;

  /**
   * Queues a frame.
   *
   * @returns when its last bit is sent, in ms; -1 when the queue is full.
   */
  enter(lengthBytes: number, nowMs: number, conditions: FullConditions): number {
    this.leave(nowMs);
    if (conditions.bandwidthBps === Number.POSITIVE_INFINITY) {
      return Math.max(nowMs, this.idleFromMs);
    }
    if (this.frames >= conditions.queueFrames) return -1;
    if (this.frames > 0 && this.bytes + lengthBytes > conditions.queueBytes) return -1;
    const sendMs = (lengthBytes * BITS_PER_BYTE * MS_PER_SECOND) / conditions.bandwidthBps;
    this.idleFromMs = Math.max(nowMs, this.idleFromMs) + sendMs;
    if (this.frames === this.sizes.length) this.grow();
    const slot = (this.head + this.frames) & (this.sizes.length - 1);
    this.leaveMs[slot] = this.idleFromMs;
    this.sizes[slot] = lengthBytes;
    this.frames++;
    this.bytes += lengthBytes;
    return this.idleFromMs;
  }

  private leave(nowMs: number): void {
    while (this.frames > 0 && (this.leaveMs[this.head] as number) <= nowMs) {
      this.bytes -= this.sizes[this.head] as number;
      this.head = (this.head + 1) & (this.sizes.length - 1);
      this.frames--;
    }
  }

  // Bounded by queueFrames, which is at most a million.
  private grow(): void {
    const size = this.sizes.length;
    const leaveMs = new Float64Array(size * 2);
    const sizes = new Int32Array(size * 2);
    for (let i = 0; i < size; i++) {
      const from = (this.head + i) & (size - 1);
      leaveMs[i] = this.leaveMs[from] as number;
      sizes[i] = this.sizes[from] as number;
    }
    this.leaveMs = leaveMs;
    this.sizes = sizes;
    this.head = 0;
  }
}
