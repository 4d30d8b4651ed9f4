// SPDX-License-Identifier: MIT
// memif: a NIC made of memory that two processes share. One peer at a time; while there is none the
// link is down, which is no error: what is sent then is dropped and counted, as by a NIC without a
// cable. A server takes the next client, a client tries again.

#ifndef CARAWAY_NATIVE_IO_MEMIF_H_
#define CARAWAY_NATIVE_IO_MEMIF_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "driver-contract.h"
#include "memif-bell.h"
#include "memif-session.h"
#include "memif-socket.h"
#include "unique-fd.h"

namespace caraway {

struct MemifOptions {
  std::string socket;  // a path, or "@" and an abstract name
  bool is_server = false;
  uint32_t id = 0;
  std::string secret;
  int32_t mtu = 0;
  int32_t ring_slots = 0;  // a power of two
  int32_t buffer_bytes = 0;
  int32_t tx_slots = 0;  // a power of two
  bool checksums = true;
  bool has_mac = false;
  std::array<uint8_t, kMacBytes> mac{};
};

class Memif final : public Driver {
 public:
  // Null with `failure` on an error. The peer need not be there.
  static std::unique_ptr<Memif> Open(const MemifOptions& options, Failure* failure);
  ~Memif() override;

  int32_t Poll() override;
  bool HasWork() override;
  int wake_fd() const override { return epoll_.get(); }
  std::string LinkText() const override;

 private:
  explicit Memif(const MemifOptions& options) : options_(options) {}

  bool SetMemory(Failure* failure);
  bool SetWake(Failure* failure);
  bool Watch(int fd, uint32_t events) const;

  bool is_connected() const {
    return session_ != nullptr && session_->state() == MemifSession::State::kConnected;
  }
  // The session is over, and frames of the peer's are still there.
  bool is_leaving() const {
    return session_ != nullptr && session_->state() == MemifSession::State::kOver &&
           memory_.status()->is_connected != 0 && session_->rx().HasFrames();
  }
  // Looks at the control channel when it is time to.
  void Look();
  void Serve();
  void ServeSession(double now_ms);
  void AcceptClients(double now_ms);
  void TryServer(double now_ms);
  void Begin(std::unique_ptr<MemifSession> session);
  void LinkUp();
  void BreakOff();
  void EndSession();
  void SetTimer();

  void Transmit();
  // Takes a frame from the ring of the stack. False: it has to wait.
  bool Send(uint32_t counter);
  void DropCommitted();
  int32_t Receive();
  void Describe(size_t offset, size_t length, Descriptor* out);

  const MemifOptions options_;
  MemifSettings settings_;
  MemifListener listener_;
  UniqueFd epoll_;
  UniqueFd timer_;
  // Of the driver, not of a session: taking its aio context away waits for the kernel.
  MemifBell bell_;
  std::unique_ptr<MemifSession> session_;
  std::string link_text_;  // why there is no session
  bool is_armed_ = false;
  double next_look_ms_ = 0;
  double next_due_ms_ = 0;  // when to try again, or to give a handshake up
  double tx_stalled_since_ms_ = 0;
  size_t tx_offset_ = 0;
  size_t tx_slot_bytes_ = 0;
  uint32_t tx_given_back_ = 0;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_MEMIF_H_
