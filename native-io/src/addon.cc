// SPDX-License-Identifier: MIT

#include "addon.h"

#include <cerrno>
#include <string>
#include <utility>

namespace caraway {

void Addon::Install(napi_env env) {
  auto* addon = new Addon(env);
  napi_add_async_cleanup_hook(env, OnEnvironmentExit, addon, &addon->cleanup_);
  napi_set_instance_data(env, addon, nullptr, nullptr);
}

Addon* AddonOf(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return static_cast<Addon*>(data);
}

OpenPlace* Addon::Add(std::unique_ptr<Pollable> pollable) {
  for (size_t tries = 0; tries < kMaxOpen; tries++) {
    next_handle_ = next_handle_ == INT32_MAX ? 1 : next_handle_ + 1;
    OpenPlace& place = places_[static_cast<size_t>(next_handle_) % kMaxOpen];
    if (place.handle != 0) continue;
    place.handle = next_handle_;
    place.pollable = std::move(pollable);
    return &place;
  }
  return nullptr;
}

OpenPlace* Addon::Open(std::unique_ptr<Pollable> pollable, void* memory, size_t bytes,
                       Napi::Value* failure) {
  const Napi::Env env(env_);
  OpenPlace* place = Add(std::move(pollable));
  if (place == nullptr) {
    *failure = FailureObject(env, {EMFILE, "already " + std::to_string(kMaxOpen) +
                                               " drivers are open in this "
                                               "thread; close one first"});
    return nullptr;
  }
  auto buffer = Napi::ArrayBuffer::New(env, memory, bytes);
  if (env.IsExceptionPending()) {
    Close(place);
    *failure = env.Undefined();
    return nullptr;
  }
  place->buffer = Napi::Reference<Napi::ArrayBuffer>::New(buffer, 1);
  return place;
}

bool Addon::ArmWake(OpenPlace* place, napi_value callback) {
  if (place->wake == nullptr) {
    place->wake = Wake::Create(env_, place->pollable->wake_fd(), this, OnHandleClosed);
    if (place->wake == nullptr) return false;
    open_handles_++;
  }
  return place->wake->Arm(callback);
}

bool Addon::StartSpinning(napi_value turn) {
  if (spinner_ == nullptr) {
    spinner_ = Spinner::Create(env_, this, OnHandleClosed);
    if (spinner_ == nullptr) return false;
    open_handles_++;
  }
  return spinner_->Start(turn);
}

void Addon::StopSpinning() {
  if (spinner_ != nullptr) spinner_->Stop();
}

void Addon::Close(OpenPlace* place) {
  place->handle = 0;
  if (place->wake != nullptr) place->wake->Close();
  place->wake = nullptr;
  place->buffer.Reset();
  place->pollable.reset();
}

void Addon::OnEnvironmentExit(napi_async_cleanup_hook_handle, void* argument) {
  auto* addon = static_cast<Addon*>(argument);
  addon->is_exiting_ = true;
  // In reverse order of the places, which is that of opening as long as none was reused.
  for (size_t index = kMaxOpen; index-- > 0;) {
    if (addon->places_[index].handle != 0) addon->Close(&addon->places_[index]);
  }
  if (addon->spinner_ != nullptr) addon->spinner_->Close();
  addon->spinner_ = nullptr;
  addon->FinishExit();
}

void Addon::OnHandleClosed(void* argument) {
  auto* addon = static_cast<Addon*>(argument);
  addon->open_handles_--;
  if (addon->is_exiting_) addon->FinishExit();
}

// The environment waits for the hook to be removed, and turns its loop until then.
void Addon::FinishExit() {
  if (open_handles_ > 0) return;
  napi_remove_async_cleanup_hook(cleanup_);
  delete this;
}

Napi::Value FailureObject(Napi::Env env, const Failure& failure) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("errno", -failure.error);
  result.Set("message", failure.message);
  return result;
}

}  // namespace caraway
