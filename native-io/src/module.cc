// SPDX-License-Identifier: MIT
// What JavaScript sees of the addon; native-io/index.ts is its typed door and documents it.
// Drivers are named by handles, small integers that are never used again, so that a late call on
// a closed driver is -EBADF and not a crash. All state belongs to one environment.

#include <napi.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "af-packet.h"
#include "clock.h"
#include "driver-contract.h"
#include "tap.h"
#include "wake.h"

namespace caraway {
namespace {

// Devices open at once in one environment.
constexpr size_t kMaxDrivers = 64;

struct OpenDriver {
  int32_t handle = 0;  // 0: the place is free
  std::unique_ptr<Driver> driver;
  Wake* wake = nullptr;  // frees itself on its loop
  Napi::Reference<Napi::ArrayBuffer> buffer;
};

// The drivers of one environment. Lives until the last wake-up handle has left the event loop.
class Addon {
 public:
  explicit Addon(napi_env env) : env_(env) {
    napi_add_async_cleanup_hook(env, OnEnvironmentExit, this, &cleanup_);
  }
  Addon(const Addon&) = delete;
  Addon& operator=(const Addon&) = delete;

  OpenDriver* Find(int32_t handle) {
    if (handle <= 0) return nullptr;
    OpenDriver& place = drivers_[static_cast<size_t>(handle) % kMaxDrivers];
    return place.handle == handle ? &place : nullptr;
  }

  // Null when all places are taken.
  OpenDriver* Add(std::unique_ptr<Driver> driver) {
    for (size_t tries = 0; tries < kMaxDrivers; tries++) {
      next_handle_ = next_handle_ == INT32_MAX ? 1 : next_handle_ + 1;
      OpenDriver& place = drivers_[static_cast<size_t>(next_handle_) % kMaxDrivers];
      if (place.handle != 0) continue;
      place.handle = next_handle_;
      place.driver = std::move(driver);
      return &place;
    }
    return nullptr;
  }

  bool ArmWake(OpenDriver* place, napi_value callback) {
    if (place->wake == nullptr) {
      place->wake = Wake::Create(env_, place->driver->wake_fd(), this, OnWakeClosed);
      if (place->wake == nullptr) return false;
      open_wakes_++;
    }
    return place->wake->Arm(callback);
  }

  // The JavaScript side has let go of the memory, or no longer runs.
  void Close(OpenDriver* place) {
    place->handle = 0;
    if (place->wake != nullptr) place->wake->Close();
    place->wake = nullptr;
    place->buffer.Reset();
    place->driver.reset();
  }

 private:
  ~Addon() = default;

  static void OnEnvironmentExit(napi_async_cleanup_hook_handle, void* argument) {
    auto* addon = static_cast<Addon*>(argument);
    addon->is_exiting_ = true;
    // In reverse order of the places, which is that of opening as long as none was reused.
    for (size_t index = kMaxDrivers; index-- > 0;) {
      if (addon->drivers_[index].handle != 0) addon->Close(&addon->drivers_[index]);
    }
    addon->FinishExit();
  }

  static void OnWakeClosed(void* argument) {
    auto* addon = static_cast<Addon*>(argument);
    addon->open_wakes_--;
    if (addon->is_exiting_) addon->FinishExit();
  }

  // The environment waits for the hook to be removed, and turns its loop until then.
  void FinishExit() {
    if (open_wakes_ > 0) return;
    napi_remove_async_cleanup_hook(cleanup_);
    delete this;
  }

  napi_env env_;
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
  std::array<OpenDriver, kMaxDrivers> drivers_;
  int32_t next_handle_ = 0;
  int open_wakes_ = 0;
  bool is_exiting_ = false;
};

Addon* AddonOf(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return static_cast<Addon*>(data);
}

// ---- Options. The door has checked types and ranges; what is missing here is a bug of the door.

std::string TextOf(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}

int32_t IntOf(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  return value.IsNumber() ? value.As<Napi::Number>().Int32Value() : 0;
}

bool FlagOf(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  return value.IsBoolean() && value.As<Napi::Boolean>().Value();
}

bool MacOf(const Napi::Object& options, std::array<uint8_t, kMacBytes>* mac) {
  const Napi::Value value = options.Get("macAddress");
  if (!value.IsTypedArray()) return false;
  const auto bytes = value.As<Napi::Uint8Array>();
  if (bytes.ByteLength() != kMacBytes) return false;
  std::copy(bytes.Data(), bytes.Data() + kMacBytes, mac->begin());
  return true;
}

uint32_t AddressOf(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  if (!value.IsTypedArray()) return 0;
  const auto bytes = value.As<Napi::Uint8Array>();
  uint32_t address = 0;
  if (bytes.ByteLength() == sizeof(address)) std::memcpy(&address, bytes.Data(), sizeof(address));
  return address;
}

// ---- Results.

Napi::Value FailureObject(Napi::Env env, const Failure& failure) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("errno", -failure.error);
  result.Set("message", failure.message);
  return result;
}

Napi::Value DriverObject(Napi::Env env, std::unique_ptr<Driver> opened) {
  Addon* addon = AddonOf(env);
  OpenDriver* place = addon->Add(std::move(opened));
  if (place == nullptr) {
    return FailureObject(env, {EMFILE, "already " + std::to_string(kMaxDrivers) +
                                           " drivers are open in this "
                                           "thread; close one first"});
  }
  Driver& driver = *place->driver;
  SharedMemory& memory = driver.memory();
  const auto number = [&](size_t value) {
    return Napi::Number::New(env, static_cast<double>(value));
  };
  auto buffer = Napi::ArrayBuffer::New(env, memory.base(), memory.size());
  if (env.IsExceptionPending()) {
    addon->Close(place);
    return env.Undefined();
  }
  place->buffer = Napi::Reference<Napi::ArrayBuffer>::New(buffer, 1);
  Napi::Object result = Napi::Object::New(env);
  result.Set("handle", place->handle);
  result.Set("buffer", buffer);
  result.Set("framesBytes", number(memory.frames_bytes()));
  result.Set("rxOffset", number(memory.rx_offset()));
  result.Set("rxEntries", number(memory.rx_entries()));
  result.Set("txOffset", number(memory.tx_offset()));
  result.Set("txSlots", number(memory.tx_slots()));
  result.Set("txFrameBytes", driver.tx_frame_bytes());
  result.Set("controlOffset", number(memory.control_offset()));
  result.Set("statusOffset", number(memory.status_offset()));
  result.Set("mtu", driver.mtu());
  result.Set("interface", driver.interface());
  result.Set("macAddress",
             Napi::Buffer<uint8_t>::Copy(env, driver.mac().data(), driver.mac().size()));
  return result;
}

Napi::Value OpenAfPacket(const Napi::CallbackInfo& info) {
  const auto given = info[0].As<Napi::Object>();
  AfPacketOptions options;
  options.interface = TextOf(given, "interface");
  options.netns = TextOf(given, "netns");
  options.rx_slots = IntOf(given, "rxSlots");
  options.tx_slots = IntOf(given, "txSlots");
  options.rx_frame_bytes = IntOf(given, "rxFrameBytes");
  options.receive_buffer_bytes = IntOf(given, "receiveBufferBytes");
  options.promiscuous = FlagOf(given, "promiscuous");
  options.qdisc_bypass = FlagOf(given, "qdiscBypass");
  options.fanout_id = IntOf(given, "fanoutId");
  options.fanout_mode = IntOf(given, "fanoutMode");
  options.has_mac = MacOf(given, &options.mac);
  Failure failure;
  std::unique_ptr<Driver> driver = AfPacket::Open(options, &failure);
  if (driver == nullptr) return FailureObject(info.Env(), failure);
  return DriverObject(info.Env(), std::move(driver));
}

Napi::Value OpenTap(const Napi::CallbackInfo& info) {
  const auto given = info[0].As<Napi::Object>();
  TapOptions options;
  options.interface = TextOf(given, "interface");
  options.netns = TextOf(given, "netns");
  options.tx_slots = IntOf(given, "txSlots");
  options.mtu = IntOf(given, "mtu");
  options.persist = FlagOf(given, "persist");
  options.link_up = FlagOf(given, "linkUp");
  options.receive_offload = FlagOf(given, "receiveOffload");
  options.kernel_address = AddressOf(given, "kernelAddress");
  options.kernel_netmask = AddressOf(given, "kernelNetmask");
  options.has_mac = MacOf(given, &options.mac);
  Failure failure;
  std::unique_ptr<Driver> driver = Tap::Open(options, &failure);
  if (driver == nullptr) return FailureObject(info.Env(), failure);
  return DriverObject(info.Env(), std::move(driver));
}

// ---- Calls on an open driver. Poll is the only one on the hot path: plain Node-API, number in,
// number out, no object.

int32_t HandleOf(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  int32_t handle = 0;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  napi_get_value_int32(env, argument, &handle);
  return handle;
}

napi_value Poll(napi_env env, napi_callback_info info) {
  OpenDriver* place = AddonOf(env)->Find(HandleOf(env, info));
  napi_value result;
  napi_create_int32(env, place == nullptr ? -EBADF : place->driver->Poll(), &result);
  return result;
}

napi_value Clock(napi_env env, napi_callback_info) {
  napi_value result;
  napi_create_double(env, MonotonicMs(), &result);
  return result;
}

Napi::Value ArmWake(const Napi::CallbackInfo& info) {
  Addon* addon = AddonOf(info.Env());
  OpenDriver* place = addon->Find(info[0].As<Napi::Number>().Int32Value());
  // No sleep without an alarm: the caller polls again, and learns from that what is wrong.
  bool may_sleep = place != nullptr && addon->ArmWake(place, info[1]);
  if (may_sleep && place->driver->HasWork()) {
    place->wake->Disarm();
    may_sleep = false;
  }
  return Napi::Boolean::New(info.Env(), may_sleep);
}

Napi::Value DisarmWake(const Napi::CallbackInfo& info) {
  OpenDriver* place = AddonOf(info.Env())->Find(info[0].As<Napi::Number>().Int32Value());
  if (place != nullptr && place->wake != nullptr) place->wake->Disarm();
  return info.Env().Undefined();
}

Napi::Value Close(const Napi::CallbackInfo& info) {
  Addon* addon = AddonOf(info.Env());
  OpenDriver* place = addon->Find(info[0].As<Napi::Number>().Int32Value());
  if (place == nullptr) return info.Env().Undefined();
  // Every view becomes empty before the memory goes: a late access reads undefined.
  place->buffer.Value().Detach();
  addon->Close(place);
  return info.Env().Undefined();
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  napi_set_instance_data(env, new Addon(env), nullptr, nullptr);
  napi_value poll;
  napi_create_function(env, "poll", NAPI_AUTO_LENGTH, Poll, nullptr, &poll);
  napi_value clock;
  napi_create_function(env, "monotonicMs", NAPI_AUTO_LENGTH, Clock, nullptr, &clock);
  exports.Set("poll", Napi::Value(env, poll));
  exports.Set("monotonicMs", Napi::Value(env, clock));
  exports.Set("openAfPacket", Napi::Function::New(env, OpenAfPacket));
  exports.Set("openTap", Napi::Function::New(env, OpenTap));
  exports.Set("armWake", Napi::Function::New(env, ArmWake));
  exports.Set("disarmWake", Napi::Function::New(env, DisarmWake));
  exports.Set("close", Napi::Function::New(env, Close));
  return exports;
}

}  // namespace
}  // namespace caraway

// NODE_API_MODULE pastes the name into an identifier, so it cannot be qualified.
static Napi::Object InitCaraway(Napi::Env env, Napi::Object exports) {
  return caraway::Init(env, exports);
}

NODE_API_MODULE(caraway_native_io, InitCaraway)
