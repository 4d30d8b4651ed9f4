// SPDX-License-Identifier: MIT
// Tx slots for devices that take frames behind a virtio-net header (Virtio 1.2 §5.1.6): TAP with
// IFF_VNET_HDR, AF_PACKET with PACKET_VNET_HDR. The header tells the kernel what is left to do:
// finish the checksum, cut the super-segment up.
//
//   | 6 spare, header, frame | 6 spare, header, frame | ...
//   |<----- slot_bytes ----->|
//
// A super-segment goes on over the memory of the slots behind its own, which the stack has marked
// as empty. So slots are no larger than small frames need, and the ring stays in the cache.

#ifndef CARAWAY_NATIVE_IO_VIRTIO_TX_H_
#define CARAWAY_NATIVE_IO_VIRTIO_TX_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "driver-contract.h"

namespace caraway {

// Without num_buffers, in the byte order of this host. Spelt out because <linux/virtio_net.h> of
// some kernels is not C++: it has a field named `class`.
struct VirtioNetHeader {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t header_bytes;
  uint16_t gso_size;
  uint16_t checksum_start;
  uint16_t checksum_offset;
};
inline constexpr size_t kVirtioNetHeaderBytes = sizeof(VirtioNetHeader);
static_assert(kVirtioNetHeaderBytes == 10);
inline constexpr uint8_t kNeedsChecksum = 1;  // VIRTIO_NET_HDR_F_NEEDS_CSUM
inline constexpr uint8_t kDataValid = 2;      // VIRTIO_NET_HDR_F_DATA_VALID
inline constexpr uint8_t kGsoNone = 0;        // VIRTIO_NET_HDR_GSO_NONE
inline constexpr uint8_t kGsoTcpIpv4 = 1;     // VIRTIO_NET_HDR_GSO_TCPV4

// Largest super-segment, an IPv4 packet: devices take frames that are shorter than 65536 bytes.
inline constexpr int32_t kMaxPacketBytes = 65535 - static_cast<int32_t>(kEthernetHeaderBytes);

class VirtioTx {
 public:
  enum class Verdict { kSend, kEmpty, kRefuse };

  // Bytes of a slot for frames of that MTU.
  static size_t SlotBytes(int32_t mtu);

  // Lays the slots of `memory` out from `offset` on. `offload`: checksums and super-segments are
  // left to the kernel; else checksums are finished here.
  void Place(const SharedMemory* memory, size_t offset, int32_t mtu, bool offload);

  // Bytes of frame memory behind each slot.
  int32_t frame_bytes() const;

  // Writes the header of the frame in a slot, a count as TX_TAIL, and says where header and frame
  // lie. kEmpty: nothing is to be sent. kRefuse: the descriptor makes no sense.
  Verdict Prepare(uint32_t counter, iovec* out) const;

 private:
  bool Describe(Descriptor& descriptor, uint8_t* frame, size_t length,
                VirtioNetHeader* header) const;
  bool DescribeSegments(const Descriptor& descriptor, const uint8_t* frame, size_t length,
                        VirtioNetHeader* header) const;

  const SharedMemory* memory_ = nullptr;
  size_t offset_ = 0;
  size_t slot_bytes_ = 0;
  size_t mtu_ = 0;
  bool offload_ = false;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_VIRTIO_TX_H_
