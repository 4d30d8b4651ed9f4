// SPDX-License-Identifier: MIT

#include "shared-memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "driver-contract.h"

namespace caraway {

SharedMemory::SharedMemory(SharedMemory&& other) noexcept { *this = std::move(other); }

SharedMemory& SharedMemory::operator=(SharedMemory&& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(size_, other.size_);
  std::swap(frames_bytes_, other.frames_bytes_);
  std::swap(rx_entries_, other.rx_entries_);
  std::swap(tx_slots_, other.tx_slots_);
  return *this;
}

SharedMemory::~SharedMemory() {
  if (base_ != nullptr) munmap(base_, size_);
}

bool SharedMemory::Allocate(size_t frames_bytes, size_t rx_entries, size_t tx_slots) {
  // Offsets in descriptors are int32.
  if (frames_bytes > INT32_MAX) {
    errno = ENOMEM;
    return false;
  }
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  frames_bytes_ = RoundUp(frames_bytes, page);
  rx_entries_ = rx_entries;
  tx_slots_ = tx_slots;
  size_ = RoundUp(status_offset() + sizeof(Status), page);
  void* memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  base_ = static_cast<uint8_t*>(memory);
  return true;
}

bool SharedMemory::MapDevice(int fd, size_t bytes) {
  return mmap(base_, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED;
}

size_t SharedMemory::tx_offset() const { return rx_offset() + rx_entries_ * sizeof(Descriptor); }

size_t SharedMemory::control_offset() const { return tx_offset() + tx_slots_ * sizeof(Descriptor); }

size_t SharedMemory::status_offset() const {
  return control_offset() + kControlFields * sizeof(int32_t);
}

Descriptor* SharedMemory::rx() const { return reinterpret_cast<Descriptor*>(base_ + rx_offset()); }

Descriptor* SharedMemory::tx() const { return reinterpret_cast<Descriptor*>(base_ + tx_offset()); }

int32_t* SharedMemory::control() const {
  return reinterpret_cast<int32_t*>(base_ + control_offset());
}

Status* SharedMemory::status() const { return reinterpret_cast<Status*>(base_ + status_offset()); }

}  // namespace caraway
