// SPDX-License-Identifier: MIT
// Wakes the event loop once when a descriptor becomes readable: the phase in which a loop that has
// nothing to do sleeps. While disarmed it neither fires nor keeps the process alive.
//
// Starting and stopping a uv_poll are system calls, two or three each time. So libuv goes on
// watching after a disarming, until the descriptor is readable while nobody is armed: who sleeps,
// is woken, takes all that is there and sleeps again makes none.

#ifndef CARAWAY_NATIVE_IO_WAKE_H_
#define CARAWAY_NATIVE_IO_WAKE_H_

#include <node_api.h>
#include <uv.h>

namespace caraway {

class Wake {
 public:
  // The handle lives on the environment's loop and frees itself there, `on_closed(owner)` last.
  using ClosedCallback = void (*)(void* owner);

  // Null when libuv refuses the descriptor.
  static Wake* Create(napi_env env, int fd, void* owner, ClosedCallback on_closed);

  Wake(const Wake&) = delete;
  Wake& operator=(const Wake&) = delete;

  // Calls `callback` once from the event loop. Arming again replaces it. False when libuv refuses.
  bool Arm(napi_value callback);
  void Disarm();

  // Disarms and frees; the descriptor may be closed as soon as this returns.
  void Close();

 private:
  Wake(napi_env env, void* owner, ClosedCallback on_closed)
      : env_(env), owner_(owner), on_closed_(on_closed) {}
  ~Wake() = default;

  static void OnReadable(uv_poll_t* handle, int status, int events);
  void Fire();
  uv_handle_t* handle() { return reinterpret_cast<uv_handle_t*>(&handle_); }

  uv_poll_t handle_{};
  napi_env env_;
  napi_ref callback_ = nullptr;
  void* owner_;
  ClosedCallback on_closed_;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_WAKE_H_
