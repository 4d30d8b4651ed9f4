// SPDX-License-Identifier: MIT
// What a frame can be handed to: a driver, a pipe of a link, a port of a switch, a raw endpoint.

/** Takes frames. */
export interface FrameSink {
  /**
   * Takes one frame now. The bytes belong to the caller again as soon as this returns, so a sink
   * copies what it keeps. Never throws for what is in the frame.
   *
   * @param bytes - memory that holds the frame
   * @param offset - of its first byte, that of the Ethernet header
   * @param length - in bytes, without the frame check sequence
   * @param nowMs - virtual time, ms
   */
  receive(bytes: Uint8Array, offset: number, length: number, nowMs: number): void;
}

/** Is told of frames without taking them: a capture. */
export interface FrameRecorder {
  /**
   * Notes one frame; the bytes are not kept.
   *
   * @param bytes - memory that holds the frame
   * @param offset - of its first byte, that of the Ethernet header
   * @param length - in bytes, without the frame check sequence
   * @param nowMs - virtual time, ms
   */
  record(bytes: Uint8Array, offset: number, length: number, nowMs: number): void;
}
