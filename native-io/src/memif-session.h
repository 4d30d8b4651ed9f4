// SPDX-License-Identifier: MIT
// One peer of a memif from its handshake to its end: the control channel, the regions, and a ring
// each way. What differs between server and client is who asks and who answers.

#ifndef CARAWAY_NATIVE_IO_MEMIF_SESSION_H_
#define CARAWAY_NATIVE_IO_MEMIF_SESSION_H_

#include <cstdint>
#include <string>

#include "memif-channel.h"
#include "memif-region.h"
#include "memif-ring.h"

namespace caraway {

// What both sides have to agree on, or can.
struct MemifSettings {
  uint32_t id = 0;
  std::string secret;      // empty: none
  int log2_ring_size = 0;  // the client's wish, the server's limit
  uint32_t buffer_bytes = 0;
};

class MemifSession {
 public:
  enum class State { kHandshake, kConnected, kOver };

  MemifSession(const MemifSession&) = delete;
  MemifSession& operator=(const MemifSession&) = delete;
  virtual ~MemifSession() = default;

  // Answers what has come on the control channel. The count of messages is the protocol's.
  void Serve();

  // Ends it, and tells the peer why.
  void Disconnect(const std::string& reason);

  State state() const { return state_; }
  // The peer's name; why it is over, once it is.
  const std::string& text() const { return text_; }
  int fd() const { return channel_.fd(); }
  MemifRing& tx() { return tx_; }
  MemifRing& rx() { return rx_; }

 protected:
  MemifSession(UniqueFd socket, const MemifSettings& settings)
      : channel_(std::move(socket)), settings_(settings) {}

  // Null, or what is wrong with the message.
  virtual const char* OnMessage(const MemifMessage& message, UniqueFd descriptor) = 0;

  // Whether it arrives is no matter here: what the peer says last, or its end, comes by Serve.
  void Send(const MemifMessage& message, int descriptor = -1) {
    channel_.Send(message, descriptor);
  }
  void SetPeerName(const char* field) { text_ = MemifText(field, kMemifNameBytes); }
  void Connect();
  const MemifSettings& settings() const { return settings_; }

  // The rings look into the regions, so these go last.
  MemifRegions regions_;
  MemifRing tx_;
  MemifRing rx_;

 private:
  void End(const std::string& reason);

  MemifChannel channel_;
  const MemifSettings& settings_;
  State state_ = State::kHandshake;
  std::string text_;
};

// Answers a client.
class MemifServerSession final : public MemifSession {
 public:
  MemifServerSession(UniqueFd socket, const MemifSettings& settings);

 protected:
  const char* OnMessage(const MemifMessage& message, UniqueFd descriptor) override;

 private:
  // A ring that the client has announced.
  struct Offer {
    bool is_made = false;
    MemifRingPlace place;
    UniqueFd event;
  };

  const char* OnInit(const MemifInit& init);
  const char* OnAddRegion(const MemifAddRegion& added, const UniqueFd& descriptor);
  const char* OnAddRing(const MemifAddRing& added, UniqueFd descriptor);
  const char* OnConnect();
  void Acknowledge();

  bool is_known_ = false;
  uint64_t region_bytes_ = 0;
  Offer to_server_;
  Offer to_client_;
};

// Makes the memory and asks a server to use it.
class MemifClientSession final : public MemifSession {
 public:
  MemifClientSession(UniqueFd socket, const MemifSettings& settings)
      : MemifSession(std::move(socket), settings) {}

 protected:
  const char* OnMessage(const MemifMessage& message, UniqueFd descriptor) override;

 private:
  // What was sent last.
  enum class Step { kNothing, kInit, kRegion, kRingToServer, kRingToClient, kConnect };

  const char* OnHello(const MemifHello& hello);
  const char* OnAck();
  bool MakeMemory();
  void AddRing(bool is_to_server);

  Step step_ = Step::kNothing;
  int log2_ring_size_ = 0;
  size_t region_bytes_ = 0;
  UniqueFd region_;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_MEMIF_SESSION_H_
