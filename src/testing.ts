// SPDX-License-Identifier: MIT
// The public test API: `caraway/testing`. A simulated network on virtual time, hostile peers, and
// the check that nothing is left.

export { type FrameDirection, type FrameListener, traceDriver } from "./link/trace-driver.ts";
export { type CableOptions, createCable } from "./sim/cable.ts";
export type { Capture, CaptureOptions } from "./sim/capture.ts";
export type { FullConditions, LinkConditions } from "./sim/conditions.ts";
export {
  type CraftArp,
  type CraftEthernet,
  type CraftIcmp,
  type CraftIpv4,
  type CraftTcp,
  type CraftUdp,
  checksumOf,
  craftArp,
  craftEthernet,
  craftIcmp,
  craftIpv4,
  craftTcp,
  craftUdp,
  TCP_FLAGS,
} from "./sim/craft.ts";
export { seedFromEnvironment } from "./sim/failure.ts";
export type { FrameRecorder, FrameSink } from "./sim/frame-sink.ts";
export { type FrameProtocol, FrameView } from "./sim/frame-view.ts";
export type { HostOptions, SimHost } from "./sim/host.ts";
export { expectNothingLeft, type HasLeftovers } from "./sim/leftovers.ts";
export type { Link } from "./sim/link.ts";
export { type LanOptions, type RawPlace, SimNetwork } from "./sim/network.ts";
export { flagText, PacketText, type PacketTextOptions, traceLine } from "./sim/packet-text.ts";
export type { Pipe, PipeStatistics } from "./sim/pipe.ts";
export { Random } from "./sim/random.ts";
export type { Addressed, RawHost, RawHostOptions } from "./sim/raw-host.ts";
export {
  change,
  drop,
  later,
  pass,
  type Rule,
  type RuleContext,
  type RuleFunction,
  type Verdict,
} from "./sim/rules.ts";
export type { Segment, SegmentMode } from "./sim/segment.ts";
export { SimDriver, type SimDriverOptions } from "./sim/sim-driver.ts";
export { type SimulateOptions, type Simulation, simulate } from "./sim/simulate.ts";
export type { TraceFilter } from "./sim/trace.ts";
