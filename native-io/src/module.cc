// SPDX-License-Identifier: MIT
// What JavaScript sees of the addon; native-io/index.ts is its typed door and documents it. The
// calls on sockets are in socket-module.cc.

#include <napi.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "addon.h"
#include "af-packet.h"
#include "af-xdp.h"
#include "clock.h"
#include "driver-contract.h"
#include "memif.h"
#include "socket-module.h"
#include "tap.h"

namespace caraway {
namespace {

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

Napi::Value DriverObject(Napi::Env env, std::unique_ptr<Driver> opened) {
  Driver& driver = *opened;
  SharedMemory& memory = driver.memory();
  Napi::Value failure;
  OpenPlace* place = AddonOf(env)->Open(std::move(opened), memory.base(), memory.size(), &failure);
  if (place == nullptr) return failure;
  const auto number = [&](size_t value) {
    return Napi::Number::New(env, static_cast<double>(value));
  };
  Napi::Object result = Napi::Object::New(env);
  result.Set("handle", place->handle);
  result.Set("buffer", place->buffer.Value());
  result.Set("framesBytes", number(memory.frames_bytes()));
  result.Set("rxOffset", number(memory.rx_offset()));
  result.Set("rxEntries", number(memory.rx_entries()));
  result.Set("txOffset", number(memory.tx_offset()));
  result.Set("txSlots", number(memory.tx_slots()));
  result.Set("txFrameBytes", driver.tx_frame_bytes());
  result.Set("tsoMaxBytes", driver.tso_max_bytes());
  result.Set("controlOffset", number(memory.control_offset()));
  result.Set("statusOffset", number(memory.status_offset()));
  result.Set("mtu", driver.mtu());
  result.Set("interface", driver.interface());
  result.Set("mode", driver.mode());
  result.Set("macAddress",
             Napi::Buffer<uint8_t>::Copy(env, driver.mac().data(), driver.mac().size()));
  return result;
}

template <typename Kind, typename Options>
Napi::Value Opened(Napi::Env env, const Options& options) {
  Failure failure;
  std::unique_ptr<Driver> driver = Kind::Open(options, &failure);
  return driver == nullptr ? FailureObject(env, failure) : DriverObject(env, std::move(driver));
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
  options.send_offload = FlagOf(given, "sendOffload");
  options.fanout_id = IntOf(given, "fanoutId");
  options.fanout_mode = IntOf(given, "fanoutMode");
  options.has_mac = MacOf(given, &options.mac);
  return Opened<AfPacket>(info.Env(), options);
}

Napi::Value OpenAfXdp(const Napi::CallbackInfo& info) {
  const auto given = info[0].As<Napi::Object>();
  AfXdpOptions options;
  options.interface = TextOf(given, "interface");
  options.netns = TextOf(given, "netns");
  options.queue = static_cast<uint32_t>(IntOf(given, "queue"));
  options.mode = static_cast<XdpMode>(IntOf(given, "mode"));
  options.zero_copy = FlagOf(given, "zeroCopy");
  options.rx_slots = IntOf(given, "rxSlots");
  options.tx_slots = IntOf(given, "txSlots");
  options.frame_bytes = IntOf(given, "frameBytes");
  options.trust_unfinished = IntOf(given, "trustUnfinishedChecksums");
  options.has_mac = MacOf(given, &options.mac);
  const auto addresses = given.Get("addresses").As<Napi::Uint8Array>();
  options.addresses.resize(addresses.ByteLength() / sizeof(uint32_t));
  std::memcpy(options.addresses.data(), addresses.Data(), addresses.ByteLength());
  const auto ports = given.Get("ports").As<Napi::Uint16Array>();
  options.ports.assign(ports.Data(), ports.Data() + ports.ElementLength());
  return Opened<AfXdp>(info.Env(), options);
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
  options.send_offload = FlagOf(given, "sendOffload");
  options.kernel_address = AddressOf(given, "kernelAddress");
  options.kernel_netmask = AddressOf(given, "kernelNetmask");
  options.has_mac = MacOf(given, &options.mac);
  return Opened<Tap>(info.Env(), options);
}

Napi::Value OpenMemif(const Napi::CallbackInfo& info) {
  const auto given = info[0].As<Napi::Object>();
  MemifOptions options;
  options.socket = TextOf(given, "socket");
  options.is_server = FlagOf(given, "isServer");
  options.id = static_cast<uint32_t>(IntOf(given, "id"));
  options.secret = TextOf(given, "secret");
  options.mtu = IntOf(given, "mtu");
  options.ring_slots = IntOf(given, "ringSlots");
  options.buffer_bytes = IntOf(given, "bufferBytes");
  options.tx_slots = IntOf(given, "txSlots");
  options.checksums = FlagOf(given, "checksums");
  options.has_mac = MacOf(given, &options.mac);
  return Opened<Memif>(info.Env(), options);
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
  OpenPlace* place = AddonOf(env)->Find(HandleOf(env, info));
  napi_value result;
  napi_create_int32(env, place == nullptr ? -EBADF : place->pollable->Poll(), &result);
  return result;
}

napi_value Clock(napi_env env, napi_callback_info) {
  napi_value result;
  napi_create_double(env, MonotonicMs(), &result);
  return result;
}

Napi::Value ArmWake(const Napi::CallbackInfo& info) {
  Addon* addon = AddonOf(info.Env());
  OpenPlace* place = addon->Find(info[0].As<Napi::Number>().Int32Value());
  // No sleep without an alarm: the caller polls again, and learns from that what is wrong.
  bool may_sleep = place != nullptr && addon->ArmWake(place, info[1]);
  if (may_sleep && place->pollable->HasWork()) {
    place->wake->Disarm();
    may_sleep = false;
  }
  return Napi::Boolean::New(info.Env(), may_sleep);
}

Napi::Value DisarmWake(const Napi::CallbackInfo& info) {
  OpenPlace* place = AddonOf(info.Env())->Find(info[0].As<Napi::Number>().Int32Value());
  if (place != nullptr && place->wake != nullptr) place->wake->Disarm();
  return info.Env().Undefined();
}

Napi::Value StartSpinning(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), AddonOf(info.Env())->StartSpinning(info[0]));
}

Napi::Value StopSpinning(const Napi::CallbackInfo& info) {
  AddonOf(info.Env())->StopSpinning();
  return info.Env().Undefined();
}

Napi::Value LinkText(const Napi::CallbackInfo& info) {
  OpenPlace* place = AddonOf(info.Env())->Find(info[0].As<Napi::Number>().Int32Value());
  return Napi::String::New(info.Env(), place == nullptr ? "closed" : place->pollable->LinkText());
}

Napi::Value Close(const Napi::CallbackInfo& info) {
  Addon* addon = AddonOf(info.Env());
  OpenPlace* place = addon->Find(info[0].As<Napi::Number>().Int32Value());
  if (place == nullptr) return info.Env().Undefined();
  // Every view becomes empty before the memory goes: a late access reads undefined.
  place->buffer.Value().Detach();
  addon->Close(place);
  return info.Env().Undefined();
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  Addon::Install(env);
  napi_value poll;
  napi_create_function(env, "poll", NAPI_AUTO_LENGTH, Poll, nullptr, &poll);
  napi_value clock;
  napi_create_function(env, "monotonicMs", NAPI_AUTO_LENGTH, Clock, nullptr, &clock);
  exports.Set("poll", Napi::Value(env, poll));
  exports.Set("monotonicMs", Napi::Value(env, clock));
  exports.Set("openAfPacket", Napi::Function::New(env, OpenAfPacket));
  exports.Set("openAfXdp", Napi::Function::New(env, OpenAfXdp));
  exports.Set("openTap", Napi::Function::New(env, OpenTap));
  exports.Set("openMemif", Napi::Function::New(env, OpenMemif));
  exports.Set("armWake", Napi::Function::New(env, ArmWake));
  exports.Set("disarmWake", Napi::Function::New(env, DisarmWake));
  exports.Set("startSpinning", Napi::Function::New(env, StartSpinning));
  exports.Set("stopSpinning", Napi::Function::New(env, StopSpinning));
  exports.Set("linkText", Napi::Function::New(env, LinkText));
  exports.Set("close", Napi::Function::New(env, Close));
  InitSockets(env, exports);
  return exports;
}

}  // namespace
}  // namespace caraway

// NODE_API_MODULE pastes the name into an identifier, so it cannot be qualified.
static Napi::Object InitCaraway(Napi::Env env, Napi::Object exports) {
  return caraway::Init(env, exports);
}

NODE_API_MODULE(caraway_native_io, InitCaraway)
