// SPDX-License-Identifier: MIT
// Calls back in every turn of the event loop, the phase in which a run loop spins: a libuv idle
// handle, which keeps libuv from sleeping and costs half of what setImmediate does. Timers, I/O
// and immediates of Node go on between two calls. While stopped it neither calls nor keeps the
// process alive.

#ifndef CARAWAY_NATIVE_IO_SPINNER_H_
#define CARAWAY_NATIVE_IO_SPINNER_H_

#include <node_api.h>
#include <uv.h>

namespace caraway {

class Spinner {
 public:
  // The handle lives on the environment's loop and frees itself there, `on_closed(owner)` last.
  using ClosedCallback = void (*)(void* owner);

  // Null when libuv has no loop to offer.
  static Spinner* Create(napi_env env, void* owner, ClosedCallback on_closed);

  Spinner(const Spinner&) = delete;
  Spinner& operator=(const Spinner&) = delete;

  // Calls `turn` once a turn until stopped. False when it does so already.
  bool Start(napi_value turn);
  void Stop();

  // Stops and frees.
  void Close();

 private:
  Spinner(napi_env env, void* owner, ClosedCallback on_closed)
      : env_(env), owner_(owner), on_closed_(on_closed) {}
  ~Spinner() = default;

  static void OnTurn(uv_idle_t* handle);
  void Turn();

  uv_idle_t handle_{};
  napi_env env_;
  napi_ref turn_ = nullptr;
  void* owner_;
  ClosedCallback on_closed_;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_SPINNER_H_
