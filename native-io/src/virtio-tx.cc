// SPDX-License-Identifier: MIT

#include "virtio-tx.h"

#include <algorithm>
#include <cstring>

#include "checksum.h"

namespace caraway {
namespace {

// The frame of a slot; right before it lies the header.
constexpr size_t kFrameOffset = 16;
constexpr size_t kVlanTagBytes = 4;
constexpr size_t kTcpMinHeaderBytes = 20;
// Of the data offset in a TCP header, in its upper four bits: 32-bit words.
constexpr size_t kTcpDataOffset = 12;

}  // namespace

size_t VirtioTx::SlotBytes(int32_t mtu) {
  const size_t frame = static_cast<size_t>(mtu) + kEthernetHeaderBytes + kVlanTagBytes;
  return RoundUp(kFrameOffset + frame, 64);
}

void VirtioTx::Place(const SharedMemory* memory, size_t offset, int32_t mtu, bool offload) {
  memory_ = memory;
  offset_ = offset;
  slot_bytes_ = SlotBytes(mtu);
  mtu_ = static_cast<size_t>(mtu);
  offload_ = offload;
  for (size_t slot = 0; slot < memory->tx_slots(); slot++) {
    memory->tx()[slot].offset = static_cast<int32_t>(offset + slot * slot_bytes_ + kFrameOffset);
  }
}

int32_t VirtioTx::frame_bytes() const { return static_cast<int32_t>(slot_bytes_ - kFrameOffset); }

VirtioTx::Verdict VirtioTx::Prepare(uint32_t counter, iovec* out) const {
  // The slot is ours to choose, not the descriptor's.
  const size_t slot = counter & (memory_->tx_slots() - 1);
  Descriptor& descriptor = memory_->tx()[slot];
  if (descriptor.length == 0) return Verdict::kEmpty;
  const auto length = static_cast<size_t>(static_cast<uint32_t>(descriptor.length));
  const bool is_super = offload_ && (descriptor.flags & kTxSegment) != 0;
  const size_t ring_left = (memory_->tx_slots() - slot) * slot_bytes_ - kFrameOffset;
  const size_t packet = is_super ? size_t{kMaxPacketBytes} : mtu_;
  if (length < kEthernetHeaderBytes ||
      length > std::min(packet + kEthernetHeaderBytes, ring_left)) {
    return Verdict::kRefuse;
  }
  uint8_t* frame = memory_->base() + offset_ + slot * slot_bytes_ + kFrameOffset;
  VirtioNetHeader header{};
  if (!Describe(descriptor, frame, length, &header)) return Verdict::kRefuse;
  uint8_t* start = frame - kVirtioNetHeaderBytes;
  std::memcpy(start, &header, kVirtioNetHeaderBytes);
  *out = {start, kVirtioNetHeaderBytes + length};
  return Verdict::kSend;
}

bool VirtioTx::Describe(Descriptor& descriptor, uint8_t* frame, size_t length,
                        VirtioNetHeader* header) const {
  if ((descriptor.flags & kTxChecksum) == 0) return (descriptor.flags & kTxSegment) == 0;
  if (!offload_) {
    // Once: a frame that has to wait is prepared again.
    descriptor.flags = 0;
    return FinishChecksum(frame, length, descriptor.checksum);
  }
  // To another socket of this host it is never finished by anybody: the kernel knows that the
  // bytes have not left the host, and finishes it should the frame be forwarded.
  header->flags = kNeedsChecksum;
  header->checksum_start = static_cast<uint16_t>(static_cast<uint32_t>(descriptor.checksum) >> 16);
  header->checksum_offset = static_cast<uint16_t>(descriptor.checksum & 0xffff);
  const size_t field = size_t{header->checksum_start} + header->checksum_offset;
  if (field + sizeof(uint16_t) > length) return false;
  return (descriptor.flags & kTxSegment) == 0 ||
         DescribeSegments(descriptor, frame, length, header);
}

bool VirtioTx::DescribeSegments(const Descriptor& descriptor, const uint8_t* frame, size_t length,
                                VirtioNetHeader* header) const {
  const size_t start = header->checksum_start;
  if (start + kTcpMinHeaderBytes > length) return false;
  const size_t headers = start + size_t{frame[start + kTcpDataOffset]} / 16 * 4;
  const size_t payload = static_cast<uint32_t>(descriptor.flags) >> 16;
  if (payload == 0 || headers > length) return false;
  if (headers + payload > mtu_ + kEthernetHeaderBytes) return false;
  header->gso_type = kGsoTcpIpv4;
  header->gso_size = static_cast<uint16_t>(payload);
  header->header_bytes = static_cast<uint16_t>(headers);
  return true;
}

}  // namespace caraway
