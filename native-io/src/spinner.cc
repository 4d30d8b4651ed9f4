// SPDX-License-Identifier: MIT

#include "spinner.h"

#include "callback.h"

namespace caraway {

Spinner* Spinner::Create(napi_env env, void* owner, ClosedCallback on_closed) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return nullptr;
  auto* spinner = new Spinner(env, owner, on_closed);
  uv_idle_init(loop, &spinner->handle_);
  spinner->handle_.data = spinner;
  return spinner;
}

bool Spinner::Start(napi_value turn) {
  if (turn_ != nullptr) return false;
  if (napi_create_reference(env_, turn, 1, &turn_) != napi_ok) return false;
  uv_idle_start(&handle_, OnTurn);
  return true;
}

void Spinner::Stop() {
  uv_idle_stop(&handle_);
  if (turn_ != nullptr) napi_delete_reference(env_, turn_);
  turn_ = nullptr;
}

void Spinner::Close() {
  Stop();
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_), [](uv_handle_t* closed) {
    auto* spinner = static_cast<Spinner*>(closed->data);
    spinner->on_closed_(spinner->owner_);
    delete spinner;
  });
}

void Spinner::OnTurn(uv_idle_t* handle) { static_cast<Spinner*>(handle->data)->Turn(); }

void Spinner::Turn() {
  const napi_env env = env_;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value turn = nullptr;
  napi_get_reference_value(env, turn_, &turn);
  // It may stop the spinning or close the driver, after which `this` is not touched.
  if (turn != nullptr) CallBack(env, turn);
  napi_close_handle_scope(env, scope);
}

}  // namespace caraway
