// SPDX-License-Identifier: MIT
// The sockets of one poller: slots, the ids that name them, and the list of those that a poll has
// to look at. Nothing here makes a system call.
//
//   id = generation (11 bits, 1 to 2047) << 20 | slot (20 bits)
//
// The generation of a slot moves on with each reuse, so that an id that was kept too long names
// nothing instead of somebody else's socket.

#ifndef CARAWAY_NATIVE_IO_SOCKET_TABLE_H_
#define CARAWAY_NATIVE_IO_SOCKET_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace caraway {

inline constexpr int kSlotBits = 20;
inline constexpr size_t kMaxSockets = size_t{1} << kSlotBits;

// Flags of a socket. What it is:
inline constexpr uint32_t kIsOpen = 1u << 0;
inline constexpr uint32_t kIsDatagram = 1u << 1;
inline constexpr uint32_t kIsListener = 1u << 2;
inline constexpr uint32_t kIsInEpoll = 1u << 3;
inline constexpr uint32_t kIsShared = 1u << 4;  // another descriptor may name the same socket
// What goes on:
inline constexpr uint32_t kIsConnecting = 1u << 5;
inline constexpr uint32_t kWantsWritable = 1u << 6;  // a send fell short, or it is connecting
inline constexpr uint32_t kIsReadable = 1u << 7;     // there may be something to receive
inline constexpr uint32_t kIsClosing = 1u << 8;      // ... and behind it an end or an error
inline constexpr uint32_t kIsUrgent = 1u << 9;       // a short read may have stopped at a mark
inline constexpr uint32_t kHasEnded = 1u << 10;      // END was reported
inline constexpr uint32_t kHasFailed = 1u << 11;     // a fatal ERROR was reported
inline constexpr uint32_t kAwaitsFinAck = 1u << 12;  // shut down; not all has reached the peer
// What TypeScript is to be told:
inline constexpr uint32_t kTellWritable = 1u << 13;
inline constexpr uint32_t kTellAcceptable = 1u << 14;
inline constexpr uint32_t kTellHangup = 1u << 15;
inline constexpr uint32_t kTellError = 1u << 16;
inline constexpr uint32_t kTellMask = kTellWritable | kTellAcceptable | kTellHangup | kTellError;
inline constexpr uint32_t kIsQueued = 1u << 17;  // on the work list
inline constexpr uint32_t kWasReset = 1u << 18;  // while it was connecting: told at its end

struct Socket {
  int32_t fd;
  uint32_t flags;
  int32_t generation;    // 0: never used
  int32_t error;         // errno that ended the connection, 0: none
  uint32_t short_batch;  // the batch of submissions in which a send fell short
  uint16_t family;
  uint16_t reserved;
  // Neighbours on the work list, or `next` alone among the free slots. -1: none.
  int32_t next;
  int32_t previous;

  bool Is(uint32_t flag) const { return (flags & flag) != 0; }
  void Set(uint32_t flag) { flags |= flag; }
  void Clear(uint32_t flag) { flags &= ~flag; }
};
static_assert(sizeof(Socket) == 32);

class SocketTable {
 public:
  // False when there is no memory.
  bool Allocate(size_t capacity);

  // Null for an id that names no open socket.
  Socket* Find(int32_t id) const;
  int32_t IdOf(const Socket* socket) const {
    return (socket->generation << kSlotBits) | static_cast<int32_t>(SlotOf(socket));
  }
  size_t SlotOf(const Socket* socket) const { return static_cast<size_t>(socket - sockets_.get()); }

  size_t free_count() const { return capacity_ - open_; }
  // Slots beyond this one have never been used.
  size_t used_slots() const { return used_; }
  Socket* At(size_t slot) const { return &sockets_[slot]; }

  // Takes a free slot; there must be one. The descriptor is the caller's to close.
  Socket* Add(int fd, int family, uint32_t flags);
  void Remove(Socket* socket);

  // The work list, first in, first out.
  size_t queued() const { return queued_; }
  Socket* FirstQueued() const { return queue_head_ < 0 ? nullptr : &sockets_[queue_head_]; }
  Socket* NextQueued(const Socket* socket) const {
    return socket->next < 0 ? nullptr : &sockets_[socket->next];
  }
  void Enqueue(Socket* socket);
  void Dequeue(Socket* socket);

 private:
  struct Free {
    void operator()(Socket* sockets) const { free(sockets); }
  };

  Socket* TakeSlot();

  std::unique_ptr<Socket[], Free> sockets_;
  size_t capacity_ = 0;
  size_t used_ = 0;
  size_t open_ = 0;
  int32_t free_head_ = -1;
  int32_t free_tail_ = -1;
  size_t free_queued_ = 0;
  int32_t queue_head_ = -1;
  int32_t queue_tail_ = -1;
  size_t queued_ = 0;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_SOCKET_TABLE_H_
