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
  type FanoutOptions,
  type NativeDriver,
  type NativeDriverOptions,
  type TapOptions,
  whyNoNativeDriver,
} from "./link/native-driver.ts";
export type { Limits } from "./mctx/limits.ts";
export {
  Context,
  type ContextOptions,
  type ContextStatistics,
  createContext,
  useContext,
  withContext,
} from "./socket/context.ts";
export { openDriver } from "./socket/open-driver.ts";
export { type ConnectOptions, type ListenOptions, tcp } from "./socket/tcp.ts";
export { type Endpoint, TcpConnection } from "./socket/tcp-connection.ts";
export { type ListenerStatistics, type ServeOptions, TcpListener } from "./socket/tcp-listener.ts";
