// SPDX-License-Identifier: MIT
// What JavaScript sees of the sockets; native-io/sockets.ts is its typed door and documents it.

#ifndef CARAWAY_NATIVE_IO_SOCKET_MODULE_H_
#define CARAWAY_NATIVE_IO_SOCKET_MODULE_H_

#include <napi.h>

namespace caraway {

void InitSockets(Napi::Env env, Napi::Object exports);

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_SOCKET_MODULE_H_
