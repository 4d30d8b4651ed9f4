// SPDX-License-Identifier: MIT
// AF_PACKET with a TPACKET_V2 ring to receive (packet(7),
// Documentation/networking/packet_mmap.rst). TPACKET_V3 is left out: it hands over blocks by a
// timer, which costs up to a millisecond.

#ifndef CARAWAY_NATIVE_IO_AF_PACKET_H_
#define CARAWAY_NATIVE_IO_AF_PACKET_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "driver-contract.h"
#include "unique-fd.h"
#include "virtio-tx.h"

struct tpacket2_hdr;

namespace caraway {

struct AfPacketOptions {
  std::string interface;
  std::string netns;
  int32_t rx_slots = 0;
  int32_t tx_slots = 0;        // a power of two
  int32_t rx_frame_bytes = 0;  // 0: what the interface's MTU needs
  int32_t receive_buffer_bytes = 0;
  bool promiscuous = false;
  bool qdisc_bypass = true;
  bool send_offload = true;
  int32_t fanout_id = -1;  // -1: none
  int32_t fanout_mode = 0;
  bool has_mac = false;
  std::array<uint8_t, kMacBytes> mac{};
};

class AfPacket final : public Driver {
 public:
  // Null with `failure` on an error; nothing is left behind then.
  static std::unique_ptr<AfPacket> Open(const AfPacketOptions& options, Failure* failure);

  int32_t Poll() override;
  bool HasWork() override;
  int wake_fd() const override { return fd_.get(); }

 private:
  AfPacket() = default;

  bool OpenSockets(const AfPacketOptions& options, Failure* failure);
  bool SetOptions(const AfPacketOptions& options, Failure* failure);
  bool SetMemory(const AfPacketOptions& options, Failure* failure);
  bool SetRxRing(Failure* failure);
  bool Bind(const AfPacketOptions& options, Failure* failure);
  bool Join(const AfPacketOptions& options, Failure* failure);

  void ReleaseReceived();
  void Transmit(double now_ms);
  bool SendBatch(uint32_t end, double now_ms);
  bool Refused(uint32_t slot, int error, uint32_t end, double now_ms);
  int32_t Receive();
  bool Locate(const tpacket2_hdr& header, uint32_t status, Descriptor* out);
  bool Judge(const tpacket2_hdr& header, uint32_t status, Descriptor* out);
  void LookAtDevice(double now_ms);
  void CountOverruns();

  tpacket2_hdr* RxSlot(size_t index) const;

  UniqueFd fd_;     // receives
  UniqueFd tx_fd_;  // sends
  int interface_index_ = 0;
  bool is_down_ = false;
  double next_look_ms_ = 0;

  size_t rx_frame_bytes_ = 0;
  size_t rx_slots_ = 0;
  size_t rx_next_ = 0;  // ring index of the next frame to look at
  size_t rx_held_ = 0;  // ring slots before rx_next_ that the stack may still read
  bool losing_ = false;

  // Frames longer than a ring slot lie here until the next poll, one after the other.
  size_t whole_offset_ = 0;
  size_t whole_bytes_ = 0;
  size_t whole_used_ = 0;

  bool bypasses_qdisc_ = false;
  VirtioTx tx_;
  uint32_t tx_given_back_ = 0;      // a counter, as TX_TAIL
  double tx_stalled_since_ms_ = 0;  // 0: the kernel takes frames
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_AF_PACKET_H_
