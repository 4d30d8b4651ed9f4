// SPDX-License-Identifier: MIT
// The public API of Caraway.

export {
  abortable,
  Bundle,
  type BundleOptions,
  type BusyPoll,
  bundle,
  Channel,
  type Choice,
  channel,
  choose,
  currentLoop,
  type ErrorCode,
  type GoOptions,
  go,
  Handle,
  isNetError,
  type Loop,
  type LoopLeftovers,
  type LoopStatistics,
  main,
  NetError,
  now,
  type Operation,
  type OperationLike,
  type Resource,
  type RunOptions,
  run,
  runWithSignal,
  shield,
  sleep,
  type Wait,
  withDeadline,
  yieldNow,
} from "../scheduler/index.ts";
export type { Driver, DriverCapabilities, DriverStatistics } from "./link/driver.ts";
export {
  type AfPacketOptions,
  type AfXdpOptions,
  type FanoutOptions,
  type MemifOptions,
  type NativeDriver,
  type NativeDriverOptions,
  type TapOptions,
  whyNoNativeDriver,
  type XdpMode,
} from "./link/native-driver.ts";
export type { Limits } from "./mctx/limits.ts";
export type { Context, ContextLeftovers, ContextStatistics } from "./socket/context.ts";
export type { IpcListenOptions, IpcOptions } from "./socket/ipc.ts";
export * as ipc from "./socket/ipc.ts";
export { IpcConnection } from "./socket/ipc-connection.ts";
export { IpcListener } from "./socket/ipc-listener.ts";
export { type IpcReceived, IpcSocket } from "./socket/ipc-socket.ts";
export {
  createKernelContext,
  KernelContext,
  type KernelContextOptions,
} from "./socket/kernel-context.ts";
export type { ListenerStatistics, ServeOptions } from "./socket/listener.ts";
export { type Network, useNetwork, withNetwork } from "./socket/network.ts";
export { openDriver } from "./socket/open-driver.ts";
export {
  type ContextOptions,
  createContext,
  StackContext,
  type StackStatistics,
} from "./socket/stack-context.ts";
export type { ConnectOptions, ListenOptions } from "./socket/tcp.ts";
export * as tcp from "./socket/tcp.ts";
export { TcpConnection } from "./socket/tcp-connection.ts";
export { TcpListener } from "./socket/tcp-listener.ts";
export type { UdpOptions } from "./socket/udp.ts";
export * as udp from "./socket/udp.ts";
export { type Received, UdpSocket } from "./socket/udp-socket.ts";
export type { Endpoint, TcpInfo } from "./transport/stream.ts";
