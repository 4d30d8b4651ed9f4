// SPDX-License-Identifier: MIT
// Calls JavaScript from the event loop, as Node calls its own: microtasks and process.nextTick
// follow, and what is thrown becomes an uncaught exception.

#ifndef CARAWAY_NATIVE_IO_CALLBACK_H_
#define CARAWAY_NATIVE_IO_CALLBACK_H_

#include <node_api.h>

namespace caraway {

// In a handle scope that the caller has opened.
inline void CallBack(napi_env env, napi_value callback) {
  napi_value global = nullptr;
  napi_get_global(env, &global);
  if (napi_make_callback(env, nullptr, global, callback, 0, nullptr, nullptr) == napi_ok) return;
  bool is_pending = false;
  napi_is_exception_pending(env, &is_pending);
  napi_value exception = nullptr;
  if (is_pending && napi_get_and_clear_last_exception(env, &exception) == napi_ok) {
    napi_fatal_exception(env, exception);
  }
}

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_CALLBACK_H_
