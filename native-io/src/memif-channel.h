// SPDX-License-Identifier: MIT
// The control channel of memif: messages of 128 bytes over a UNIX SOCK_SEQPACKET socket, each with
// at most one file descriptor.

#ifndef CARAWAY_NATIVE_IO_MEMIF_CHANNEL_H_
#define CARAWAY_NATIVE_IO_MEMIF_CHANNEL_H_

#include <string>
#include <utility>

#include "memif-protocol.h"
#include "unique-fd.h"

namespace caraway {

class MemifChannel {
 public:
  enum class Receipt { kMessage, kNothing, kMalformed, kClosed };

  MemifChannel() = default;
  explicit MemifChannel(UniqueFd socket) : socket_(std::move(socket)) {}

  int fd() const { return socket_.get(); }

  // A peer that has gone, or that leaves so many messages unread that no more fits, does not get
  // it.
  void Send(const MemifMessage& message, int descriptor = -1) const;

  // Takes the next message. `descriptor` becomes the one that came with it; more of them are
  // closed.
  Receipt Receive(MemifMessage* message, UniqueFd* descriptor) const;

 private:
  UniqueFd socket_;
};

// Texts of messages: of fixed length, ending early at a zero byte.
void PutMemifText(const std::string& text, char* field, size_t bytes);

// What is not printable ASCII becomes "?": the peer's text goes into messages of ours.
std::string MemifText(const char* field, size_t bytes);

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_MEMIF_CHANNEL_H_
