// SPDX-License-Identifier: MIT
// The one mapping behind a driver: frame memory first, then tables, control and status.
//
//   base                frames_bytes (whole pages)                       size
//   | frames: rx ring, tx ring, or whatever the driver puts there | rx | tx | control | status |
//
// A driver may replace the front by a device mapping (MapDevice). One ArrayBuffer covers it all.

#ifndef CARAWAY_NATIVE_IO_SHARED_MEMORY_H_
#define CARAWAY_NATIVE_IO_SHARED_MEMORY_H_

#include <cstddef>
#include <cstdint>

namespace caraway {

struct Descriptor;
struct Status;

// Rounds up to a multiple of `to`, a power of two.
constexpr size_t RoundUp(size_t bytes, size_t to) { return (bytes + to - 1) & ~(to - 1); }

// Frames that a poll gives out at most. Few, so that both ends of a connection work at the same
// time: if one takes all that has come before it sends its answers, the other waits meanwhile, and
// then has them all at once. Enough to share the cost of a round.
inline constexpr size_t kRxBatch = 16;

class SharedMemory {
 public:
  SharedMemory() = default;
  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&& other) noexcept;
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory();

  // Zeroed memory for that many bytes of frames and descriptors. False with errno on failure, which
  // 2 GB of frames are.
  bool Allocate(size_t frames_bytes, size_t rx_entries, size_t tx_slots);

  // Puts the first `bytes` of the file over the front of the frames. False with errno on failure.
  bool MapDevice(int fd, size_t bytes);

  uint8_t* base() const { return base_; }
  size_t size() const { return size_; }
  size_t frames_bytes() const { return frames_bytes_; }
  size_t rx_entries() const { return rx_entries_; }
  size_t tx_slots() const { return tx_slots_; }
  size_t rx_offset() const { return frames_bytes_; }
  size_t tx_offset() const;
  size_t control_offset() const;
  size_t status_offset() const;

  Descriptor* rx() const;
  Descriptor* tx() const;
  int32_t* control() const;
  Status* status() const;

 private:
  uint8_t* base_ = nullptr;
  size_t size_ = 0;
  size_t frames_bytes_ = 0;
  size_t rx_entries_ = 0;
  size_t tx_slots_ = 0;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_SHARED_MEMORY_H_
