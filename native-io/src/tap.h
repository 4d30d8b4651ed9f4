// SPDX-License-Identifier: MIT
// /dev/net/tun with IFF_TAP and the virtio-net header: a cable whose other end is the kernel of
// this host (Documentation/networking/tuntap.rst; Virtio 1.2 §5.1.6).

#ifndef CARAWAY_NATIVE_IO_TAP_H_
#define CARAWAY_NATIVE_IO_TAP_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "driver-contract.h"
#include "link-watch.h"
#include "unique-fd.h"
#include "virtio-tx.h"

namespace caraway {

struct TapOptions {
  std::string interface;  // may contain %d: the kernel chooses the number
  std::string netns;
  int32_t tx_slots = 0;  // a power of two
  int32_t mtu = 0;       // 0: leave the device's
  bool persist = false;
  bool link_up = true;
  bool receive_offload = true;
  bool send_offload = true;
  uint32_t kernel_address = 0;  // network byte order; 0: none
  uint32_t kernel_netmask = 0;
  bool has_mac = false;
  std::array<uint8_t, kMacBytes> mac{};
};

class Tap final : public Driver {
 public:
  // Null with `failure` on an error; a device made on the way is gone then.
  static std::unique_ptr<Tap> Open(const TapOptions& options, Failure* failure);

  int32_t Poll() override;
  bool HasWork() override;
  int wake_fd() const override { return wake_fd_.get(); }

 private:
  Tap() = default;

  // The three steps that must run in the device's network namespace.
  bool OpenDevice(const TapOptions& options, Failure* failure);
  bool Attach(const TapOptions& options, Failure* failure);
  bool Configure(const TapOptions& options, Failure* failure);
  bool SetOffload(const TapOptions& options, Failure* failure);
  bool SetMemory(const TapOptions& options, Failure* failure);

  void Transmit();
  bool Send(uint32_t counter);
  int32_t Receive();
  void Describe(const uint8_t* header, size_t offset, size_t length, Descriptor* out);
  void LookAtDevice(double now_ms);

  UniqueFd fd_;
  UniqueFd wake_fd_;
  LinkWatch watch_;
  int interface_index_ = 0;
  bool is_down_ = false;
  double next_look_ms_ = 0;
  VirtioTx tx_;
  uint32_t tx_given_back_ = 0;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_TAP_H_
