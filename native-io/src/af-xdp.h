// SPDX-License-Identifier: MIT
// AF_XDP (Documentation/networking/af_xdp.rst): frames of one queue of an interface, taken by an
// XDP program before the kernel's own stack sees them, and only those that are ours.

#ifndef CARAWAY_NATIVE_IO_AF_XDP_H_
#define CARAWAY_NATIVE_IO_AF_XDP_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "driver-contract.h"
#include "link-info.h"
#include "link-watch.h"
#include "shared-memory.h"
#include "unique-fd.h"
#include "xdp-program.h"
#include "xdp-ring.h"

namespace caraway {

struct AfXdpOptions {
  std::string interface;
  std::string netns;
  uint32_t queue = 0;
  XdpMode mode = XdpMode::kAuto;
  bool zero_copy = false;
  int32_t rx_slots = 0;     // a power of two
  int32_t tx_slots = 0;     // a power of two
  int32_t frame_bytes = 0;  // of a chunk: 2048 or 4096; 0: what the interface's MTU needs
  bool has_mac = false;
  std::array<uint8_t, kMacBytes> mac{};
  std::vector<uint32_t> addresses;  // network byte order
  std::vector<uint16_t> ports;      // empty: all
  int32_t trust_unfinished = -1;    // 0, 1; -1: where the other end is this host, which is veth
};

class AfXdp final : public Driver {
 public:
  // Null with `failure` on an error; nothing is left behind then.
  static std::unique_ptr<AfXdp> Open(const AfXdpOptions& options, Failure* failure);

  int32_t Poll() override;
  bool HasWork() override;
  int wake_fd() const override { return wake_fd_.get(); }
  const char* mode() const override { return program_.is_native() ? "native" : "generic"; }

 private:
  static constexpr size_t kVlanTagBytes = 4;
  // Largest super-frame: a 64 KB IP packet behind Ethernet and one VLAN tag.
  static constexpr size_t kMaxFrameBytes = 65535 + kEthernetHeaderBytes + kVlanTagBytes;
  // Room for the super-frames of one poll: 16 of the largest.
  static constexpr size_t kWholeBytes = 16 * RoundUp(kMaxFrameBytes, 64);

  AfXdp() = default;

  // In af-xdp-open.cc, all of it in the network namespace of the interface.
  bool OpenIn(const AfXdpOptions& options, Failure* failure);
  bool OpenSocket(Failure* failure);
  bool LookAtLink(const AfXdpOptions& options, Failure* failure);
  bool SparesKernel(const AfXdpOptions& options, Failure* failure) const;
  bool AdmitStation(const LinkInfo& link, const AfXdpOptions& options, Failure* failure);
  bool SetMemory(const AfXdpOptions& options, Failure* failure);
  bool SetRings(Failure* failure);
  bool Bind(const AfXdpOptions& options, Failure* failure);

  void ReleaseReceived();
  void Transmit();
  void Commit(uint32_t counter);
  void Kick();
  void Reclaim();
  int32_t Receive();
  bool Gather(uint32_t produced, uint32_t* at, Descriptor* out);
  void Judge(Descriptor* out);
  void LookAtDevice(double now_ms);
  void CountDrops();

  UniqueFd fd_;
  UniqueFd wake_fd_;
  UniqueFd station_fd_;  // holds our address in the NIC's filter, where it is not the NIC's own
  LinkWatch watch_;
  int interface_index_ = 0;
  bool is_down_ = false;
  bool trusts_unfinished_ = false;
  double next_look_ms_ = 0;

  size_t chunk_bytes_ = 0;
  size_t rx_slots_ = 0;
  XdpRing<xdp_desc> rx_;
  XdpRing<uint64_t> fill_;
  uint32_t rx_consumed_ = 0;  // given back; the rx_held_ entries from here the stack may read
  uint32_t rx_held_ = 0;
  uint32_t filled_ = 0;
  double rx_gathered_too_large_ = 0;

  // Frames longer than a chunk lie here until the next poll, one after the other.
  size_t whole_offset_ = 0;
  size_t whole_used_ = 0;

  // Counters over the tx slots, as TX_TAIL: given back <= queued.
  XdpRing<xdp_desc> tx_;
  XdpRing<uint64_t> completion_;
  size_t tx_offset_ = 0;
  uint32_t tx_given_back_ = 0;
  uint32_t tx_queued_ = 0;
  uint32_t tx_produced_ = 0;  // into the ring: without the frames that cannot be sent
  uint32_t completed_ = 0;
  std::vector<uint32_t> tx_under_way_;  // per slot: bytes the device has not sent yet; 0: none

  XdpProgram program_;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_AF_XDP_H_
