// SPDX-License-Identifier: MIT
// A ring of memif as one of its two sides uses it. The peer can write all of it at any time: its
// counter is checked when read, a descriptor is copied before it is looked at, and what we know
// ourselves (our counter, where our buffers are) is never read back.
//
//            client                       server             ready to be used
//   S2M      head: frames put       --->  tail: frames taken
//            size - (head - tail)         head - tail
//   M2S      head: buffers given    --->  tail: frames put
//            tail - taken                 head - tail        head is always taken + size
//
// All four are (theirs + bias) - ours, of 16 bits: what differs is whose the counters are.

#ifndef CARAWAY_NATIVE_IO_MEMIF_RING_H_
#define CARAWAY_NATIVE_IO_MEMIF_RING_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "memif-bell.h"
#include "memif-protocol.h"
#include "memif-region.h"
#include "unique-fd.h"

namespace caraway {

inline constexpr size_t kMemifMaxRegions = 16;
using MemifRegions = std::array<MemifRegion, kMemifMaxRegions>;

// Where a ring is, as ADD_RING tells it.
struct MemifRingPlace {
  uint16_t region = 0;
  uint32_t offset = 0;
  int log2_size = 0;
};

// Bytes of a ring without its buffers.
constexpr size_t MemifRingBytes(int log2_size) {
  return sizeof(MemifRingHeader) + (sizeof(MemifDescriptor) << log2_size);
}

class MemifRing {
 public:
  // The largest frame in buffers of 64 bytes. Without it a peer could make us look at all of a deep
  // ring for each frame.
  static constexpr uint32_t kMaxChain = 1025;

  enum class Taken { kFrame, kNothing, kTooLong, kMalformed };
  enum class Placed { kDone, kLater, kNever };

  // For the server: a ring that the client has made. Null, or what is wrong with it.
  const char* Attach(const MemifRegions* regions, const MemifRingPlace& place, UniqueFd event);

  // For the client: makes the ring, with buffers from `buffers_offset` of region 0. `is_tx` is S2M.
  bool Create(const MemifRegions* regions, const MemifRingPlace& place, bool is_tx,
              uint32_t buffers_offset, uint32_t buffer_bytes);

  // Both sides are connected: the first counter goes out, which gives the server its buffers. Not
  // before, since DPDK's server sets all counters to 0 when it connects.
  void Start();

  // The eventfd by which the producer wakes the consumer.
  int event_fd() const { return event_.get(); }
  // The counter of the peer was impossible: the ring cannot be used any more.
  bool is_broken() const { return is_broken_; }

  // As producer: puts a frame into as many buffers as it needs.
  Placed Put(const uint8_t* frame, size_t length);

  // As consumer: copies the next frame out and gives its buffers back.
  Taken Take(uint8_t* out, size_t room, size_t* length);

  // Tells the peer what was put or taken.
  void Publish();

  // As producer, after publishing: wakes the consumer if that is what it wants.
  void Notify(MemifBell* bell) const;

  // As consumer: whether we poll, or want to be woken.
  void SetPolled(bool is_polled);

  // As consumer, about to sleep: whether there is more than the beginning of a frame.
  bool HasFrames() {
    Refresh();
    return ready_ > begun_;
  }

 private:
  bool Lay(const MemifRegions* regions, const MemifRingPlace& place);
  // Reads the peer's counter. False when nothing is ready.
  bool Refresh();
  uint32_t mask() const { return size_ - 1; }
  // Buffers of a frame at most.
  uint32_t longest_chain() const { return std::min(size_, kMaxChain); }
  MemifDescriptor* DescriptorAt(uint32_t counter) const {
    return descriptors_ + (counter & mask());
  }
  // A copy; of our own buffers what we know, else what the peer says.
  MemifDescriptor Look(uint32_t counter) const;
  uint8_t* BufferOf(const MemifDescriptor& descriptor) const {
    return descriptor.region < kMemifMaxRegions
               ? (*regions_)[descriptor.region].At(descriptor.offset, descriptor.length)
               : nullptr;
  }
  // As consumer: makes the next descriptors empty buffers again.
  void GiveBack(uint32_t count);
  void Advance(uint32_t count) {
    ours_ = static_cast<uint16_t>(ours_ + count);
    ready_ -= count;
  }

  const MemifRegions* regions_ = nullptr;
  MemifRingHeader* header_ = nullptr;
  MemifDescriptor* descriptors_ = nullptr;
  uint16_t* our_counter_ = nullptr;
  uint16_t* their_counter_ = nullptr;  // only read: atomic_ref wants it so
  uint32_t size_ = 0;
  uint16_t our_bias_ = 0;
  uint16_t their_bias_ = 0;
  uint16_t ours_ = 0;
  uint16_t published_ = 0;
  uint32_t ready_ = 0;         // frames to take or buffers to fill that we know of
  uint32_t begun_ = 0;         // those of them that are a frame whose end has not come yet
  uint32_t buffer_bytes_ = 0;  // 0: the buffers are the peer's
  uint32_t buffers_offset_ = 0;
  bool is_broken_ = false;
  std::vector<MemifDescriptor> chain_;
  UniqueFd event_;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_MEMIF_RING_H_
