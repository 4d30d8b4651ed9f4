// SPDX-License-Identifier: MIT

#include "socket-table.h"

namespace caraway {
namespace {

constexpr int32_t kMaxGeneration = 2047;
// A slot rests until that many others are free, or none is unused: an id names nothing for two
// million openings, while the table stays small enough for the cache.
constexpr size_t kResting = 1024;

}  // namespace

bool SocketTable::Allocate(size_t capacity) {
  capacity_ = capacity;
  // calloc leaves the pages of a large table untouched until a slot is used.
  sockets_.reset(static_cast<Socket*>(calloc(capacity, sizeof(Socket))));
  return sockets_ != nullptr;
}

Socket* SocketTable::Find(int32_t id) const {
  if (id <= 0) return nullptr;
  const auto slot = static_cast<size_t>(id) & (kMaxSockets - 1);
  if (slot >= used_) return nullptr;
  Socket* socket = &sockets_[slot];
  return socket->Is(kIsOpen) && socket->generation == id >> kSlotBits ? socket : nullptr;
}

Socket* SocketTable::Add(int fd, int family, uint32_t flags) {
  Socket* socket = TakeSlot();
  const int32_t generation = socket->generation;
  *socket = Socket{};
  socket->fd = fd;
  socket->flags = flags | kIsOpen;
  socket->generation = generation == kMaxGeneration ? 1 : generation + 1;
  socket->family = static_cast<uint16_t>(family);
  socket->next = socket->previous = -1;
  open_++;
  return socket;
}

Socket* SocketTable::TakeSlot() {
  if (free_queued_ <= kResting && used_ < capacity_) return &sockets_[used_++];
  Socket* socket = &sockets_[free_head_];
  free_head_ = socket->next;
  if (free_head_ < 0) free_tail_ = -1;
  free_queued_--;
  return socket;
}

void SocketTable::Remove(Socket* socket) {
  if (socket->Is(kIsQueued)) Dequeue(socket);
  const auto slot = static_cast<int32_t>(SlotOf(socket));
  socket->flags = 0;
  socket->fd = -1;
  socket->next = -1;
  if (free_tail_ >= 0) sockets_[free_tail_].next = slot;
  if (free_head_ < 0) free_head_ = slot;
  free_tail_ = slot;
  free_queued_++;
  open_--;
}

void SocketTable::Enqueue(Socket* socket) {
  if (socket->Is(kIsQueued)) return;
  const auto slot = static_cast<int32_t>(SlotOf(socket));
  socket->Set(kIsQueued);
  socket->next = -1;
  socket->previous = queue_tail_;
  if (queue_tail_ >= 0) sockets_[queue_tail_].next = slot;
  if (queue_head_ < 0) queue_head_ = slot;
  queue_tail_ = slot;
  queued_++;
}

void SocketTable::Dequeue(Socket* socket) {
  socket->Clear(kIsQueued);
  if (socket->previous >= 0) sockets_[socket->previous].next = socket->next;
  if (socket->next >= 0) sockets_[socket->next].previous = socket->previous;
  const auto slot = static_cast<int32_t>(SlotOf(socket));
  if (queue_head_ == slot) queue_head_ = socket->next;
  if (queue_tail_ == slot) queue_tail_ = socket->previous;
  socket->next = socket->previous = -1;
  queued_--;
}

}  // namespace caraway
