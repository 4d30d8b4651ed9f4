// SPDX-License-Identifier: MIT

#include "socket-memory.h"

#include <sys/mman.h>

#include "shared-memory.h"

namespace caraway {
namespace {

// Parts begin on cache lines of their own.
constexpr size_t kLineBytes = 64;

}  // namespace

SocketMemory::~SocketMemory() {
  if (base_ != nullptr) munmap(base_, size());
}

bool SocketMemory::Allocate(const SocketLimits& limits) {
  limits_ = limits;
  void* memory = mmap(nullptr, size(), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  base_ = static_cast<uint8_t*>(memory);
  return true;
}

size_t SocketMemory::tx_offset() const { return RoundUp(limits_.rx_bytes, kLineBytes); }

size_t SocketMemory::events_offset() const {
  return tx_offset() + RoundUp(limits_.tx_bytes, kLineBytes);
}

size_t SocketMemory::submissions_offset() const {
  return RoundUp(events_offset() + limits_.events * sizeof(SocketEvent), kLineBytes);
}

size_t SocketMemory::control_offset() const {
  return RoundUp(submissions_offset() + limits_.submissions * sizeof(SocketSubmission), kLineBytes);
}

size_t SocketMemory::status_offset() const {
  return control_offset() + kSocketControlFields * sizeof(int32_t);
}

size_t SocketMemory::room_offset() const { return status_offset() + sizeof(SocketStatus); }

size_t SocketMemory::size() const { return room_offset() + limits_.sockets * sizeof(int32_t); }

}  // namespace caraway
