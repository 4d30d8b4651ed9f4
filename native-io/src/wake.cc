// SPDX-License-Identifier: MIT

#include "wake.h"

#include "callback.h"

namespace caraway {

Wake* Wake::Create(napi_env env, int fd, void* owner, ClosedCallback on_closed) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return nullptr;
  auto* wake = new Wake(env, owner, on_closed);
  if (uv_poll_init(loop, &wake->handle_, fd) != 0) {
    delete wake;
    return nullptr;
  }
  wake->handle_.data = wake;
  return wake;
}

bool Wake::Arm(napi_value callback) {
  Disarm();
  if (napi_create_reference(env_, callback, 1, &callback_) != napi_ok) return false;
  if (!uv_is_active(handle()) && uv_poll_start(&handle_, UV_READABLE, OnReadable) != 0) {
    Disarm();
    return false;
  }
  uv_ref(handle());
  return true;
}

void Wake::Disarm() {
  uv_unref(handle());
  if (callback_ != nullptr) napi_delete_reference(env_, callback_);
  callback_ = nullptr;
}

void Wake::Close() {
  Disarm();
  uv_close(handle(), [](uv_handle_t* closed) {
    auto* wake = static_cast<Wake*>(closed->data);
    wake->on_closed_(wake->owner_);
    delete wake;
  });
}

// Any event is a reason to poll the driver again, errors above all: it will learn the reason.
void Wake::OnReadable(uv_poll_t* handle, int, int) { static_cast<Wake*>(handle->data)->Fire(); }

void Wake::Fire() {
  if (callback_ == nullptr) {
    // libuv would tell of it again in every turn.
    uv_poll_stop(&handle_);
    return;
  }
  napi_handle_scope scope;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
  napi_value callback = nullptr;
  napi_get_reference_value(env_, callback_, &callback);
  const napi_env env = env_;
  // Disarmed first: it fires once, and the callback may arm it again or close the driver, after
  // which `this` is not touched.
  Disarm();
  if (callback != nullptr) CallBack(env, callback);
  napi_close_handle_scope(env, scope);
}

}  // namespace caraway
