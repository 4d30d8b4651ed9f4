// SPDX-License-Identifier: MIT
// What a frame can be handed to: a driver, a pipe of a link, a port of a switch, a raw endpoint.

/** Takes frames. */
export interface FrameSink {
  /**
   * Takes one frame now. The bytes belong to the caller again as soon as this returns, so a sink
   * copies what it keeps. Never throws for what is in the frame.
   */
  receive(bytes: Uint8Array, offset: number, length: number, nowMs: number): void;
}

/** Is told of frames without taking them: a capture. */
export interface FrameRecorder {
  /** Notes one frame; the bytes are not kept. */
  record(bytes: Uint8Array, offset: number, length: number, nowMs: number): void;
}
