// SPDX-License-Identifier: MIT
// A region: memory that both sides of a memif map. The client makes it and sends its descriptor.
// The peer can write to all of it at any time; what it must not be able to do is to take it away
// under our feet, so only memory that is sealed against shrinking is accepted.

#ifndef CARAWAY_NATIVE_IO_MEMIF_REGION_H_
#define CARAWAY_NATIVE_IO_MEMIF_REGION_H_

#include <cstddef>
#include <cstdint>

#include "unique-fd.h"

namespace caraway {

class MemifRegion {
 public:
  MemifRegion() = default;
  MemifRegion(MemifRegion&& other) noexcept;
  MemifRegion& operator=(MemifRegion&& other) noexcept;
  MemifRegion(const MemifRegion&) = delete;
  MemifRegion& operator=(const MemifRegion&) = delete;
  ~MemifRegion();

  // Makes zeroed memory; `*descriptor` is what to send to the peer. False with errno on failure.
  bool Create(size_t bytes, UniqueFd* descriptor);

  // Maps what the peer has sent, `most` bytes at most. Null, or what is wrong with it.
  const char* Map(const UniqueFd& descriptor, uint64_t bytes, uint64_t most);

  bool is_mapped() const { return base_ != nullptr; }

  // Null unless all of the bytes lie inside. Any numbers may be asked for.
  uint8_t* At(uint32_t offset, uint64_t bytes) const {
    return uint64_t{offset} + bytes <= size_ && base_ != nullptr ? base_ + offset : nullptr;
  }

 private:
  bool MapAll(int fd, size_t bytes);

  uint8_t* base_ = nullptr;
  size_t size_ = 0;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_MEMIF_REGION_H_
