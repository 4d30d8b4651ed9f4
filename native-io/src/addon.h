// SPDX-License-Identifier: MIT
// What is open in one environment: drivers and socket pollers, named by handles, small integers
// that are never used again, so that a late call on a closed one is -EBADF and not a crash.

#ifndef CARAWAY_NATIVE_IO_ADDON_H_
#define CARAWAY_NATIVE_IO_ADDON_H_

#include <napi.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "pollable.h"
#include "spinner.h"
#include "wake.h"

namespace caraway {

// Drivers and socket pollers open at once in one environment.
inline constexpr size_t kMaxOpen = 64;

struct OpenPlace {
  int32_t handle = 0;  // 0: the place is free
  std::unique_ptr<Pollable> pollable;
  Wake* wake = nullptr;  // frees itself on its loop
  Napi::Reference<Napi::ArrayBuffer> buffer;
};

// Lives until the last handle of libuv has left the event loop.
class Addon {
 public:
  // Makes the one of this environment.
  static void Install(napi_env env);
  Addon(const Addon&) = delete;
  Addon& operator=(const Addon&) = delete;

  // Null for a handle that names nothing open.
  OpenPlace* Find(int32_t handle) {
    if (handle <= 0) return nullptr;
    OpenPlace& place = places_[static_cast<size_t>(handle) % kMaxOpen];
    return place.handle == handle ? &place : nullptr;
  }

  // Takes what was opened and wraps its memory. Null with what to return to JavaScript on failure.
  OpenPlace* Open(std::unique_ptr<Pollable> pollable, void* memory, size_t bytes,
                  Napi::Value* failure);

  bool ArmWake(OpenPlace* place, napi_value callback);

  // One at a time. False when one is spinning already.
  bool StartSpinning(napi_value turn);
  void StopSpinning();

  // The JavaScript side has let go of the memory, or no longer runs.
  void Close(OpenPlace* place);

 private:
  explicit Addon(napi_env env) : env_(env) {}
  ~Addon() = default;

  // Null when all places are taken.
  OpenPlace* Add(std::unique_ptr<Pollable> pollable);
  static void OnEnvironmentExit(napi_async_cleanup_hook_handle, void* argument);
  static void OnHandleClosed(void* argument);
  void FinishExit();

  napi_env env_;
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
  std::array<OpenPlace, kMaxOpen> places_;
  Spinner* spinner_ = nullptr;  // frees itself on its loop
  int32_t next_handle_ = 0;
  int open_handles_ = 0;
  bool is_exiting_ = false;
};

Addon* AddonOf(napi_env env);

// { errno, message }
Napi::Value FailureObject(Napi::Env env, const Failure& failure);

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_ADDON_H_
