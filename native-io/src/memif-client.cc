// SPDX-License-Identifier: MIT
// The client's part of the handshake: each acknowledgement lets the next message go. The memory is
// one region:
//
//   | S2M ring | M2S ring | buffers of S2M | buffers of M2S |

#include <algorithm>
#include <utility>

#include "memif-session.h"
#include "shared-memory.h"

namespace caraway {

const char* MemifClientSession::OnMessage(const MemifMessage& message, UniqueFd) {
  if (message.type == MemifType::kHello && step_ == Step::kNothing) return OnHello(message.hello);
  if (message.type == MemifType::kAck) return OnAck();
  if (message.type != MemifType::kConnected || step_ != Step::kConnect ||
      state() != State::kHandshake) {
    return "unexpected message";
  }
  Connect();
  return nullptr;
}

const char* MemifClientSession::OnHello(const MemifHello& hello) {
  if (hello.min_version > kMemifVersion || hello.max_version < kMemifVersion) {
    return "unsupported version";
  }
  SetPeerName(hello.name);
  log2_ring_size_ = std::min(settings().log2_ring_size, int{hello.max_log2_ring_size});
  if (!MakeMemory()) return "no memory for the rings";
  MemifMessage message{};
  message.type = MemifType::kInit;
  message.init.version = kMemifVersion;
  message.init.id = settings().id;
  message.init.mode = kMemifModeEthernet;
  PutMemifText("caraway", message.init.name, kMemifNameBytes);
  const std::string& secret = settings().secret;
  std::copy(secret.begin(), secret.end(), message.init.secret);
  Send(message);
  step_ = Step::kInit;
  return nullptr;
}

const char* MemifClientSession::OnAck() {
  MemifMessage message{};
  switch (step_) {
    case Step::kInit:
      message.type = MemifType::kAddRegion;
      message.add_region.size = region_bytes_;
      Send(message, region_.get());
      region_ = UniqueFd();
      step_ = Step::kRegion;
      return nullptr;
    case Step::kRegion:
      AddRing(true);
      step_ = Step::kRingToServer;
      return nullptr;
    case Step::kRingToServer:
      AddRing(false);
      step_ = Step::kRingToClient;
      return nullptr;
    case Step::kRingToClient:
      message.type = MemifType::kConnect;
      PutMemifText("caraway", message.connect.interface, kMemifNameBytes);
      Send(message);
      step_ = Step::kConnect;
      return nullptr;
    default:
      return "unexpected message";
  }
}

bool MemifClientSession::MakeMemory() {
  const size_t ring = MemifRingBytes(log2_ring_size_);
  const size_t buffers = size_t{settings().buffer_bytes} << log2_ring_size_;
  const size_t first = RoundUp(2 * ring, 4096);
  region_bytes_ = first + 2 * buffers;
  if (!regions_[0].Create(region_bytes_, &region_)) return false;
  const auto at = [](size_t offset) { return static_cast<uint32_t>(offset); };
  const uint32_t bytes = settings().buffer_bytes;
  return tx_.Create(&regions_, {0, 0, log2_ring_size_}, true, at(first), bytes) &&
         rx_.Create(&regions_, {0, at(ring), log2_ring_size_}, false, at(first + buffers), bytes);
}

void MemifClientSession::AddRing(bool is_to_server) {
  MemifMessage message{};
  message.type = MemifType::kAddRing;
  message.add_ring.flags = is_to_server ? kMemifRingToServer : 0;
  message.add_ring.offset =
      is_to_server ? 0 : static_cast<uint32_t>(MemifRingBytes(log2_ring_size_));
  message.add_ring.log2_ring_size = static_cast<uint8_t>(log2_ring_size_);
  Send(message, is_to_server ? tx_.event_fd() : rx_.event_fd());
}

}  // namespace caraway
