// SPDX-License-Identifier: MIT
// The server's part of the handshake: HELLO, then an answer to each message of the client.

#include <cstring>
#include <utility>

#include "memif-session.h"

namespace caraway {
namespace {

// Of all regions together: twice what our own client makes at most. Their memory may be counted as
// ours, since it exists only once somebody has touched it.
constexpr uint64_t kMaxRegionBytes = uint64_t{1} << 31;

}  // namespace

MemifServerSession::MemifServerSession(UniqueFd socket, const MemifSettings& settings)
    : MemifSession(std::move(socket), settings) {
  MemifMessage message{};
  message.type = MemifType::kHello;
  PutMemifText("caraway", message.hello.name, kMemifNameBytes);
  message.hello.min_version = kMemifVersion;
  message.hello.max_version = kMemifVersion;
  message.hello.max_region = kMemifMaxRegions - 1;
  message.hello.max_log2_ring_size = static_cast<uint8_t>(settings.log2_ring_size);
  Send(message);
}

const char* MemifServerSession::OnMessage(const MemifMessage& message, UniqueFd descriptor) {
  if (state() != State::kHandshake) return "unexpected message";
  if (message.type == MemifType::kInit) return OnInit(message.init);
  if (!is_known_) return "INIT must come first";
  if (message.type == MemifType::kAddRegion) return OnAddRegion(message.add_region, descriptor);
  if (message.type == MemifType::kAddRing)
    return OnAddRing(message.add_ring, std::move(descriptor));
  if (message.type == MemifType::kConnect) return OnConnect();
  return "unexpected message";
}

const char* MemifServerSession::OnInit(const MemifInit& init) {
  if (is_known_) return "unexpected message";
  if (init.version != kMemifVersion) return "unsupported version";
  if (init.id != settings().id) return "no interface with this id";
  if (init.mode != kMemifModeEthernet) return "unsupported mode: only Ethernet";
  char secret[kMemifSecretBytes] = {};
  std::memcpy(secret, settings().secret.data(), settings().secret.size());
  if (secret[0] != '\0' && strncmp(secret, init.secret, sizeof(secret)) != 0) return "wrong secret";
  SetPeerName(init.name);
  is_known_ = true;
  Acknowledge();
  return nullptr;
}

const char* MemifServerSession::OnAddRegion(const MemifAddRegion& added,
                                            const UniqueFd& descriptor) {
  if (added.index >= kMemifMaxRegions) return "too many regions";
  if (regions_[added.index].is_mapped()) return "region is there already";
  const char* wrong =
      regions_[added.index].Map(descriptor, added.size, kMaxRegionBytes - region_bytes_);
  if (wrong != nullptr) return wrong;
  region_bytes_ += added.size;
  Acknowledge();
  return nullptr;
}

const char* MemifServerSession::OnAddRing(const MemifAddRing& added, UniqueFd descriptor) {
  Offer& offer = (added.flags & kMemifRingToServer) != 0 ? to_server_ : to_client_;
  if (added.index != 0) return "too many rings: one each way";
  if (offer.is_made) return "ring is there already";
  if (added.log2_ring_size > settings().log2_ring_size) return "ring is too large";
  offer.is_made = true;
  offer.place = {added.region, added.offset, added.log2_ring_size};
  offer.event = std::move(descriptor);
  Acknowledge();
  return nullptr;
}

const char* MemifServerSession::OnConnect() {
  if (!to_server_.is_made || !to_client_.is_made) return "a ring is missing";
  const char* wrong = rx_.Attach(&regions_, to_server_.place, std::move(to_server_.event));
  if (wrong == nullptr) {
    wrong = tx_.Attach(&regions_, to_client_.place, std::move(to_client_.event));
  }
  if (wrong != nullptr) return wrong;
  MemifMessage message{};
  message.type = MemifType::kConnected;
  PutMemifText("caraway", message.connect.interface, kMemifNameBytes);
  Send(message);
  Connect();
  return nullptr;
}

void MemifServerSession::Acknowledge() {
  MemifMessage message{};
  message.type = MemifType::kAck;
  Send(message);
}

}  // namespace caraway
