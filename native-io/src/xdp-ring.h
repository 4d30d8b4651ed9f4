// SPDX-License-Identifier: MIT
// One of the four rings of an AF_XDP socket (Documentation/networking/af_xdp.rst). Producer and
// consumer count for ever; the entry is the count modulo the size, a power of two. Whoever
// produces owns the producer's count and only reads the other.

#ifndef CARAWAY_NATIVE_IO_XDP_RING_H_
#define CARAWAY_NATIVE_IO_XDP_RING_H_

#include <linux/if_xdp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace caraway {

// Entry is xdp_desc for rx and tx, uint64_t (an address) for fill and completion.
template <typename Entry>
class XdpRing {
 public:
  XdpRing() = default;
  XdpRing(const XdpRing&) = delete;
  XdpRing& operator=(const XdpRing&) = delete;
  ~XdpRing() {
    if (memory_ != nullptr) munmap(memory_, bytes_);
  }

  // Asks for the ring, which is option `name` of the socket. False with errno on failure.
  bool Size(int fd, int name, size_t entries) {
    const auto count = static_cast<int>(entries);
    mask_ = static_cast<uint32_t>(entries - 1);
    return setsockopt(fd, SOL_XDP, name, &count, sizeof(count)) == 0;
  }

  // Once all four have been asked for. False with errno on failure.
  bool Map(int fd, uint64_t page_offset, const xdp_ring_offset& at) {
    bytes_ = static_cast<size_t>(at.desc) + (size_t{mask_} + 1) * sizeof(Entry);
    void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
                        static_cast<off_t>(page_offset));
    if (memory == MAP_FAILED) return false;
    memory_ = static_cast<uint8_t*>(memory);
    producer_ = reinterpret_cast<uint32_t*>(memory_ + at.producer);
    consumer_ = reinterpret_cast<uint32_t*>(memory_ + at.consumer);
    flags_ = reinterpret_cast<uint32_t*>(memory_ + at.flags);
    entries_ = reinterpret_cast<Entry*>(memory_ + at.desc);
    return true;
  }

  Entry& At(uint32_t counter) { return entries_[counter & mask_]; }

  // The other side's count: what lies before it may be read (produced) or written (consumed).
  uint32_t LoadProducer() const { return Load(producer_); }
  uint32_t LoadConsumer() const { return Load(consumer_); }
  // Ours: publishes what was written, or gives back what was read.
  void StoreProducer(uint32_t count) { Store(producer_, count); }
  void StoreConsumer(uint32_t count) { Store(consumer_, count); }

  // Whether the kernel goes on with this ring only when it is called.
  bool NeedsWakeup() const { return (Load(flags_) & XDP_RING_NEED_WAKEUP) != 0; }

 private:
  static uint32_t Load(uint32_t* field) {
    return std::atomic_ref<uint32_t>(*field).load(std::memory_order_acquire);
  }
  static void Store(uint32_t* field, uint32_t value) {
    std::atomic_ref<uint32_t>(*field).store(value, std::memory_order_release);
  }

  uint8_t* memory_ = nullptr;
  size_t bytes_ = 0;
  uint32_t mask_ = 0;
  uint32_t* producer_ = nullptr;
  uint32_t* consumer_ = nullptr;
  uint32_t* flags_ = nullptr;
  Entry* entries_ = nullptr;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_XDP_RING_H_
