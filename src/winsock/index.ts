// SPDX-License-Identifier: MIT
// The public API of `caraway/winsock`: Winsock 2 by its own names, for code that thinks in them.
// Calls that may block are operations: `const n = yield* winsock.recv(s, buf, buf.length, 0)`.
//
// Left out: datagrams, names, select and WSAPoll, WSAAsyncSelect and WSAEventSelect, completion
// ports, scatter and gather, out-of-band data, options but those of options.ts.

export {
  accept,
  bind,
  connect,
  duplicateSocket,
  getpeername,
  getsockname,
  listen,
  shutdown,
  socket,
} from "./calls.ts";
export { closesocket } from "./close.ts";
export * from "./codes.ts";
export * from "./constants.ts";
export {
  type WsaEvent,
  wsaCreateEvent,
  wsaResetEvent,
  wsaSetEvent,
  wsaWaitForMultipleEvents,
} from "./events.ts";
export { recv, send } from "./io.ts";
export { getLastError, setLastError } from "./last-error.ts";
export { getsockopt, ioctlsocket, type Linger, type OptionValue, setsockopt } from "./options.ts";
export {
  type CompletionRoutine,
  Overlapped,
  type OverlappedOptions,
  wsaGetOverlappedResult,
  wsaRecv,
  wsaSend,
} from "./overlapped.ts";
export type { Sockaddr } from "./sockaddr.ts";
export { cleanup, startup, type WsaData } from "./startup.ts";
