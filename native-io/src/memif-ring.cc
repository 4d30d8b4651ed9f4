// SPDX-License-Identifier: MIT

#include "memif-ring.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string_view>
#include <utility>

namespace caraway {
namespace {

// The peer chooses what it sends us to write to: anything but an eventfd could block, or be worse.
bool IsEventFd(int fd) {
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  char target[64];
  const ssize_t length = readlink(link.c_str(), target, sizeof(target));
  return length > 0 &&
         std::string_view(target, static_cast<size_t>(length)) == "anon_inode:[eventfd]";
}

}  // namespace

const char* MemifRing::Attach(const MemifRegions* regions, const MemifRingPlace& place,
                              UniqueFd event) {
  if (!event.valid() || !IsEventFd(event.get())) return "no eventfd came with the ring";
  fcntl(event.get(), F_SETFL, O_NONBLOCK);
  event_ = std::move(event);
  if (!Lay(regions, place)) return "ring does not lie in a region";
  if (header_->cookie != kMemifCookie) return "wrong cookie of a ring";
  our_counter_ = &header_->tail;
  their_counter_ = &header_->head;
  return nullptr;
}

bool MemifRing::Create(const MemifRegions* regions, const MemifRingPlace& place, bool is_tx,
                       uint32_t buffers_offset, uint32_t buffer_bytes) {
  event_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event_.valid() || !Lay(regions, place)) return false;
  header_->cookie = kMemifCookie;
  our_counter_ = &header_->head;
  their_counter_ = &header_->tail;
  their_bias_ = static_cast<uint16_t>(is_tx ? size_ : 0);
  our_bias_ = static_cast<uint16_t>(is_tx ? 0 : size_);
  buffers_offset_ = buffers_offset;
  buffer_bytes_ = buffer_bytes;
  for (uint32_t slot = 0; slot < size_; slot++) {
    descriptors_[slot] = Look(slot);
    descriptors_[slot].length = buffer_bytes_;
  }
  return true;
}

void MemifRing::Start() {
  std::atomic_ref(*our_counter_).store(our_bias_, std::memory_order_release);
}

bool MemifRing::Lay(const MemifRegions* regions, const MemifRingPlace& place) {
  regions_ = regions;
  if (place.region >= kMemifMaxRegions || place.offset % alignof(MemifRingHeader) != 0)
    return false;
  uint8_t* at = (*regions)[place.region].At(place.offset, MemifRingBytes(place.log2_size));
  if (at == nullptr) return false;
  size_ = uint32_t{1} << place.log2_size;
  header_ = reinterpret_cast<MemifRingHeader*>(at);
  descriptors_ = reinterpret_cast<MemifDescriptor*>(at + sizeof(MemifRingHeader));
  chain_.resize(size_);
  return true;
}

bool MemifRing::Refresh() {
  const uint16_t theirs = std::atomic_ref(*their_counter_).load(std::memory_order_acquire);
  const auto ready = static_cast<uint16_t>(theirs + their_bias_ - ours_);
  is_broken_ = is_broken_ || ready > size_;
  ready_ = is_broken_ ? 0 : ready;
  return ready_ > 0;
}

MemifDescriptor MemifRing::Look(uint32_t counter) const {
  MemifDescriptor copy;
  std::memcpy(&copy, DescriptorAt(counter), sizeof(copy));
  // Keeps the compiler from reading it a second time, when the peer may have written it.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (buffer_bytes_ != 0) {
    copy.region = 0;
    copy.offset = buffers_offset_ + (counter & mask()) * buffer_bytes_;
  }
  return copy;
}

MemifRing::Placed MemifRing::Put(const uint8_t* frame, size_t length) {
  size_t room = 0;
  uint32_t used = 0;
  while (room < length) {
    if (used == longest_chain()) return Placed::kNever;
    if (used == ready_) {
      Refresh();
      if (used >= ready_) return Placed::kLater;
    }
    MemifDescriptor& descriptor = chain_[used];
    descriptor = Look(ours_ + used);
    if (buffer_bytes_ != 0) descriptor.length = buffer_bytes_;
    if (BufferOf(descriptor) == nullptr) descriptor.length = 0;
    room += descriptor.length;
    used++;
  }
  for (uint32_t index = 0; index < used; index++) {
    MemifDescriptor& descriptor = chain_[index];
    const size_t bytes = std::min(length, size_t{descriptor.length});
    if (bytes > 0) std::memcpy(BufferOf(descriptor), frame, bytes);
    frame += bytes;
    length -= bytes;
    descriptor.length = static_cast<uint32_t>(bytes);
    descriptor.flags = index + 1 < used ? kMemifChained : 0;
    descriptor.metadata = 0;
    std::memcpy(DescriptorAt(ours_ + index), &descriptor, sizeof(descriptor));
  }
  Advance(used);
  return Placed::kDone;
}

MemifRing::Taken MemifRing::Take(uint8_t* out, size_t room, size_t* length) {
  *length = 0;
  Taken result = Taken::kFrame;
  bool is_last = false;
  uint32_t used = 0;
  for (; !is_last && used < longest_chain(); used++) {
    if (used == ready_) {
      Refresh();
      if (used >= ready_) break;
    }
    const MemifDescriptor descriptor = Look(ours_ + used);
    const uint8_t* from = BufferOf(descriptor);
    is_last = (descriptor.flags & kMemifChained) == 0;
    if (result != Taken::kFrame) continue;
    if (from == nullptr || (buffer_bytes_ != 0 && descriptor.length > buffer_bytes_)) {
      result = Taken::kMalformed;
    } else if (descriptor.length > room - *length) {
      result = Taken::kTooLong;
    } else {
      std::memcpy(out + *length, from, descriptor.length);
      *length += descriptor.length;
    }
  }
  // The rest of the frame is still to come; of one that fills the ring, it never will.
  begun_ = is_last || used == longest_chain() ? 0 : used;
  if (begun_ > 0 || used == 0) return Taken::kNothing;
  if (!is_last) result = Taken::kMalformed;
  GiveBack(used);
  Advance(used);
  return result;
}

void MemifRing::GiveBack(uint32_t count) {
  for (uint32_t index = 0; index < count; index++) {
    MemifDescriptor* descriptor = DescriptorAt(ours_ + index);
    if (buffer_bytes_ != 0) {
      MemifDescriptor empty = Look(ours_ + index);
      empty.flags = 0;
      empty.length = buffer_bytes_;
      std::memcpy(descriptor, &empty, sizeof(empty));
    } else if (count > 1) {
      // DPDK's client sets the flag of a chain and never takes it back: the next frame in this
      // place would seem to go on in the one behind it.
      std::atomic_ref(descriptor->flags).store(0, std::memory_order_relaxed);
    }
  }
}

void MemifRing::Publish() {
  if (published_ == ours_) return;
  published_ = ours_;
  std::atomic_ref(*our_counter_)
      .store(static_cast<uint16_t>(ours_ + our_bias_), std::memory_order_release);
}

void MemifRing::Notify(MemifBell* bell) const {
  // Against a consumer that clears the flag and looks for frames a last time: one of us two must
  // see what the other has written.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const uint16_t flags = std::atomic_ref(header_->flags).load(std::memory_order_relaxed);
  if ((flags & kMemifRingPolled) != 0) return;
  bell->Ring(event_fd());
}

void MemifRing::SetPolled(bool is_polled) {
  const uint16_t flags = is_polled ? kMemifRingPolled : 0;
  std::atomic_ref(header_->flags).store(flags, std::memory_order_relaxed);
  if (!is_polled) std::atomic_thread_fence(std::memory_order_seq_cst);
}

}  // namespace caraway
