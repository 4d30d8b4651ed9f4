// SPDX-License-Identifier: MIT
// The calls on sockets in plain Node-API: numbers and bytes in, a number out, no object. The door
// has checked types; what is missing here reads as -1, which names no poller, no socket and no
// descriptor, or as no bytes.

#include "socket-module.h"

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "addon.h"
#include "sockets.h"

namespace caraway {
namespace {

// The arguments of one call. The first names the poller.
class Call {
 public:
  Call(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = kMaxArguments;
    napi_get_cb_info(env, info, &count, values_, nullptr, nullptr);
  }

  // Null when the handle names no socket poller.
  Sockets* sockets() const {
    OpenPlace* place = AddonOf(env_)->Find(Int(0));
    return place == nullptr ? nullptr : place->pollable->AsSockets();
  }
  int32_t Int(size_t index) const {
    int32_t value = -1;
    napi_get_value_int32(env_, values_[index], &value);
    return value;
  }
  bool Flag(size_t index) const {
    bool value = false;
    napi_get_value_bool(env_, values_[index], &value);
    return value;
  }
  std::string Text(size_t index) const {
    const Napi::Value value(env_, values_[index]);
    return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
  }
  // The elements of a typed array of that type, and their count.
  template <typename Element>
  std::pair<Element*, size_t> Elements(size_t index, napi_typedarray_type wanted) const {
    napi_typedarray_type type;
    size_t length = 0;
    void* data = nullptr;
    bool is_typed = false;
    napi_is_typedarray(env_, values_[index], &is_typed);
    if (!is_typed || napi_get_typedarray_info(env_, values_[index], &type, &length, &data, nullptr,
                                              nullptr) != napi_ok) {
      return {nullptr, 0};
    }
    if (type != wanted) return {nullptr, 0};
    return {static_cast<Element*>(data), length};
  }
  std::pair<uint8_t*, size_t> Bytes(size_t index) const {
    return Elements<uint8_t>(index, napi_uint8_array);
  }

 private:
  static constexpr size_t kMaxArguments = 6;

  napi_env env_;
  napi_value values_[kMaxArguments];
};

using Body = int32_t (*)(Sockets& sockets, const Call& call);

// One exported function: -EBADF without a poller, else what the body says.
template <Body body>
napi_value Export(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  Sockets* sockets = call.sockets();
  napi_value result;
  napi_create_int32(env, sockets == nullptr ? -EBADF : body(*sockets, call), &result);
  return result;
}

int32_t Submit(Sockets& sockets, const Call&) { return sockets.SubmitNow(); }

int32_t Create(Sockets& sockets, const Call& call) {
  return sockets.Create(call.Int(1), call.Int(2), call.Text(3));
}

int32_t Bind(Sockets& sockets, const Call& call) {
  const auto [address, bytes] = call.Bytes(2);
  return sockets.Bind(call.Int(1), address, bytes);
}

int32_t Connect(Sockets& sockets, const Call& call) {
  const auto [address, bytes] = call.Bytes(2);
  return sockets.Connect(call.Int(1), address, bytes);
}

int32_t Listen(Sockets& sockets, const Call& call) {
  return sockets.Listen(call.Int(1), call.Int(2));
}

int32_t Accept(Sockets& sockets, const Call& call) {
  const auto [peer, bytes] = call.Bytes(2);
  return sockets.Accept(call.Int(1), peer, bytes);
}

int32_t Name(Sockets& sockets, const Call& call) {
  const auto [into, bytes] = call.Bytes(3);
  return sockets.Name(call.Int(1), call.Flag(2), into, bytes);
}

int32_t SetOption(Sockets& sockets, const Call& call) {
  return sockets.SetOption(call.Int(1), call.Int(2), call.Int(3), call.Int(4));
}

int32_t GetOption(Sockets& sockets, const Call& call) {
  return sockets.GetOption(call.Int(1), call.Int(2), call.Int(3));
}

int32_t Error(Sockets& sockets, const Call& call) { return sockets.Error(call.Int(1)); }

int32_t Info(Sockets& sockets, const Call& call) {
  const auto [into, fields] = call.Elements<double>(2, napi_float64_array);
  return sockets.Info(call.Int(1), into, fields);
}

int32_t Unsent(Sockets& sockets, const Call& call) { return sockets.Unsent(call.Int(1)); }

int32_t Drops(Sockets& sockets, const Call& call) { return sockets.Drops(call.Int(1)); }

int32_t Close(Sockets& sockets, const Call& call) {
  return sockets.Close(call.Int(1), call.Flag(2));
}

int32_t Pair(Sockets& sockets, const Call& call) {
  const auto [ids, count] = call.Elements<int32_t>(1, napi_int32_array);
  return count < 2 ? -EINVAL : sockets.Pair(ids);
}

int32_t Adopt(Sockets& sockets, const Call& call) {
  return sockets.Adopt(call.Int(1), call.Int(2), call.Flag(3));
}

int32_t Detach(Sockets& sockets, const Call& call) { return sockets.Detach(call.Int(1)); }

int32_t SendDescriptor(Sockets& sockets, const Call& call) {
  return sockets.SendDescriptor(call.Int(1), call.Int(2));
}

// Part of the bytes of an argument: from the offset in the next one, as long as the third says.
std::pair<uint8_t*, size_t> Part(const Call& call, size_t index) {
  const auto [bytes, size] = call.Bytes(index);
  const int32_t offset = call.Int(index + 1);
  const int32_t length = call.Int(index + 2);
  const bool is_inside = offset >= 0 && length >= 0 && int64_t{offset} + length <= int64_t(size);
  if (!is_inside) return {nullptr, 0};
  return {bytes + offset, static_cast<size_t>(length)};
}

int32_t Send(Sockets& sockets, const Call& call) {
  const auto [bytes, length] = Part(call, 2);
  return length == 0 ? -EINVAL : sockets.SendNow(call.Int(1), bytes, length);
}

int32_t Receive(Sockets& sockets, const Call& call) {
  const auto [into, length] = Part(call, 2);
  const auto [about, fields] = call.Elements<int32_t>(5, napi_int32_array);
  return sockets.ReceiveNow(call.Int(1), into, length, about, fields);
}

int32_t ShutDown(Sockets& sockets, const Call& call) { return sockets.ShutDownNow(call.Int(1)); }

int32_t IsReadable(Sockets& sockets, const Call& call) { return sockets.IsReadable(call.Int(1)); }

napi_value CloseDescriptor(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  napi_value result;
  napi_create_int32(env, close(call.Int(0)) == 0 ? 0 : -errno, &result);
  return result;
}

Napi::Value OpenSockets(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto given = info[0].As<Napi::Object>();
  const auto size_of = [&](const char* name) {
    const Napi::Value value = given.Get(name);
    return value.IsNumber() ? static_cast<size_t>(value.As<Napi::Number>().Uint32Value()) : 0;
  };
  SocketLimits limits;
  limits.sockets = size_of("maxSockets");
  limits.rx_bytes = size_of("rxBytes");
  limits.tx_bytes = size_of("txBytes");
  limits.events = size_of("events");
  limits.submissions = size_of("submissions");
  Failure failure;
  std::unique_ptr<Sockets> opened = Sockets::Open(limits, &failure);
  if (opened == nullptr) return FailureObject(env, failure);
  const SocketMemory& memory = opened->memory();
  Napi::Value result;
  const OpenPlace* place =
      AddonOf(env)->Open(std::move(opened), memory.base(), memory.size(), &result);
  if (place == nullptr) return result;
  Napi::Object object = Napi::Object::New(env);
  const auto set = [&](const char* name, size_t value) {
    object.Set(name, Napi::Number::New(env, static_cast<double>(value)));
  };
  object.Set("handle", place->handle);
  object.Set("buffer", place->buffer.Value());
  set("rxOffset", memory.rx_offset());
  set("rxBytes", limits.rx_bytes);
  set("txOffset", memory.tx_offset());
  set("txBytes", limits.tx_bytes);
  set("eventsOffset", memory.events_offset());
  set("events", limits.events);
  set("submissionsOffset", memory.submissions_offset());
  set("submissions", limits.submissions);
  set("controlOffset", memory.control_offset());
  set("statusOffset", memory.status_offset());
  set("roomOffset", memory.room_offset());
  set("maxSockets", limits.sockets);
  return object;
}

}  // namespace

void InitSockets(Napi::Env env, Napi::Object exports) {
  const auto add = [&](const char* name, napi_callback callback) {
    napi_value function;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
    exports.Set(name, Napi::Value(env, function));
  };
  exports.Set("openSockets", Napi::Function::New(env, OpenSockets));
  add("socketsSubmit", Export<Submit>);
  add("socketOpen", Export<Create>);
  add("socketBind", Export<Bind>);
  add("socketConnect", Export<Connect>);
  add("socketListen", Export<Listen>);
  add("socketAccept", Export<Accept>);
  add("socketName", Export<Name>);
  add("socketOption", Export<SetOption>);
  add("socketGetOption", Export<GetOption>);
  add("socketError", Export<Error>);
  add("socketInfo", Export<Info>);
  add("socketUnsent", Export<Unsent>);
  add("socketDrops", Export<Drops>);
  add("socketClose", Export<Close>);
  add("socketPair", Export<Pair>);
  add("socketAdopt", Export<Adopt>);
  add("socketDetach", Export<Detach>);
  add("socketSendFd", Export<SendDescriptor>);
  add("socketSend", Export<Send>);
  add("socketReceive", Export<Receive>);
  add("socketShutdown", Export<ShutDown>);
  add("socketReadable", Export<IsReadable>);
  add("closeDescriptor", CloseDescriptor);
}

}  // namespace caraway
