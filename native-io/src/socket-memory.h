// SPDX-License-Identifier: MIT
// The one mapping that a socket poller shares with TypeScript, field for field as
// native-io/sockets.ts names it.
//
//   base
//   | rx | tx | events | submissions | control | status | room |
//
// rx holds what a poll has received and is written anew by the next one; tx belongs to TypeScript.
// Pages are there once they are touched, so a large table costs address space alone.

#ifndef CARAWAY_NATIVE_IO_SOCKET_MEMORY_H_
#define CARAWAY_NATIVE_IO_SOCKET_MEMORY_H_

#include <cstddef>
#include <cstdint>

namespace caraway {

enum class SocketOp : int32_t {
  kSend = 1,      // bytes of a stream
  kSendTo = 2,    // a datagram: header, sockaddr, payload
  kShutdown = 3,  // no more will be sent
  kResume = 4,    // there is room again
};

// What TypeScript wants done by the next poll, which puts the result where the length was: bytes
// taken, or -errno.
struct SocketSubmission {
  int32_t id;
  int32_t op;
  int32_t offset;  // from the start of tx
  int32_t length;
};
static_assert(sizeof(SocketSubmission) == 16);

enum class SocketEventKind : int32_t {
  kData = 1,
  kEnd = 2,
  kError = 3,
  kWritable = 4,
  kAcceptable = 5,
  kDatagram = 6,
  kDatagramTruncated = 7,
  kDescriptor = 8,
  kHangup = 9,
  kReadable = 10,  // of a stream whose room is kRoomTell
};

// As a room: the socket is not received from, and is told of when there may be something.
inline constexpr int32_t kRoomTell = -1;

struct SocketEvent {
  int32_t id;
  int32_t kind;
  int32_t offset;  // from the start of rx
  int32_t length;
};
static_assert(sizeof(SocketEvent) == 16);

// Before the address and the payload of a datagram, both ways. The address is padded to 4 bytes.
struct DatagramHeader {
  int32_t address_bytes;
  int32_t payload_bytes;  // as sent, also when not all of it is there; not looked at when sending
};
static_assert(sizeof(DatagramHeader) == 8);

inline constexpr size_t kSubmitted = 0;  // control: count of submissions, back to 0 by each poll
inline constexpr size_t kEvents = 1;     // control: count of events
inline constexpr size_t kSocketControlFields = 16;

struct SocketStatus {
  double now_ms;  // CLOCK_MONOTONIC, read once per poll
  double events;
  double bytes_received;
  double bytes_sent;
  double recv_calls;
  double send_calls;
  double epoll_waits;
  double polls;
  double accepted;
  double opened;
  double closed;
  double reserved[5];
};
static_assert(sizeof(SocketStatus) == 16 * sizeof(double));

// How large each part is, in bytes or entries.
struct SocketLimits {
  size_t sockets = 0;
  size_t rx_bytes = 0;
  size_t tx_bytes = 0;
  size_t events = 0;
  size_t submissions = 0;
};

class SocketMemory {
 public:
  SocketMemory() = default;
  SocketMemory(const SocketMemory&) = delete;
  SocketMemory& operator=(const SocketMemory&) = delete;
  ~SocketMemory();

  // Zeroed memory. False with errno on failure.
  bool Allocate(const SocketLimits& limits);

  const SocketLimits& limits() const { return limits_; }
  uint8_t* base() const { return base_; }
  size_t size() const;
  size_t rx_offset() const { return 0; }
  size_t tx_offset() const;
  size_t events_offset() const;
  size_t submissions_offset() const;
  size_t control_offset() const;
  size_t status_offset() const;
  size_t room_offset() const;

  uint8_t* rx() const { return base_; }
  uint8_t* tx() const { return base_ + tx_offset(); }
  SocketEvent* events() const { return reinterpret_cast<SocketEvent*>(base_ + events_offset()); }
  SocketSubmission* submissions() const {
    return reinterpret_cast<SocketSubmission*>(base_ + submissions_offset());
  }
  int32_t* control() const { return reinterpret_cast<int32_t*>(base_ + control_offset()); }
  SocketStatus* status() const { return reinterpret_cast<SocketStatus*>(base_ + status_offset()); }
  // By slot: what TypeScript will take of that socket in this poll.
  const int32_t* room() const { return reinterpret_cast<const int32_t*>(base_ + room_offset()); }

 private:
  uint8_t* base_ = nullptr;
  SocketLimits limits_;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_SOCKET_MEMORY_H_
