// SPDX-License-Identifier: MIT

#include "memif-session.h"

namespace caraway {

void MemifSession::Serve() {
  while (state_ != State::kOver) {
    MemifMessage message;
    UniqueFd descriptor;
    const MemifChannel::Receipt receipt = channel_.Receive(&message, &descriptor);
    if (receipt == MemifChannel::Receipt::kNothing) return;
    if (receipt == MemifChannel::Receipt::kClosed) return End("the peer has gone");
    if (receipt == MemifChannel::Receipt::kMalformed) return Disconnect("malformed message");
    if (message.type == MemifType::kDisconnect) {
      const MemifDisconnect& told = message.disconnect;
      return End("the peer disconnected: " + MemifText(told.reason, sizeof(told.reason)));
    }
    const char* wrong = OnMessage(message, std::move(descriptor));
    if (wrong != nullptr) return Disconnect(wrong);
  }
}

void MemifSession::Disconnect(const std::string& reason) {
  MemifMessage message{};
  message.type = MemifType::kDisconnect;
  PutMemifText(reason, message.disconnect.reason, sizeof(message.disconnect.reason));
  channel_.Send(message);
  End(reason);
}

void MemifSession::Connect() {
  if (state_ != State::kHandshake) return;
  state_ = State::kConnected;
  rx_.SetPolled(true);
  tx_.Start();
  rx_.Start();
}

void MemifSession::End(const std::string& reason) {
  if (state_ == State::kOver) return;
  state_ = State::kOver;
  text_ = reason;
}

}  // namespace caraway
