// SPDX-License-Identifier: MIT
// Sockets of the kernel for one run loop: one edge-triggered epoll descriptor (epoll(7)), one
// table of sockets, one shared memory. A poll does for all of them what would otherwise be a call
// each: sends what was submitted, learns who is ready, receives into shared memory. Bytes are
// moved and nothing is understood of them; when to send and what to answer is TypeScript's.
//
// Every call names its socket by id and returns a result >= 0 or -errno; a stale id is -EBADF.
// None waits. native-io/sockets.ts documents what each does for its caller.

#ifndef CARAWAY_NATIVE_IO_SOCKETS_H_
#define CARAWAY_NATIVE_IO_SOCKETS_H_

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "pollable.h"
#include "socket-memory.h"
#include "socket-table.h"
#include "unique-fd.h"

namespace caraway {

// Fields that Info fills in; the order is that of native-io/sockets.ts.
inline constexpr size_t kSocketInfoFields = 32;

// Most descriptors that one message brings; the kernel closes those beyond.
inline constexpr size_t kMaxDescriptors = 16;
// What ReceiveNow says besides the bytes: whether there may be more, how many descriptors came,
// whether others were dropped because there was no room for them, and those that came.
inline constexpr size_t kAboutMore = 0;
inline constexpr size_t kAboutDescriptors = 1;
inline constexpr size_t kAboutDropped = 2;
inline constexpr size_t kAboutFds = 3;
inline constexpr size_t kAboutFields = kAboutFds + kMaxDescriptors;

class Sockets final : public Pollable {
 public:
  // Null with `failure` on an error.
  static std::unique_ptr<Sockets> Open(const SocketLimits& limits, Failure* failure);
  // Closes every socket.
  ~Sockets() override;

  // Count of submissions done and of events.
  int32_t Poll() override;
  // The submissions alone: what the last poll has received and told stays. Count of them.
  int32_t SubmitNow();
  bool HasWork() override;
  int wake_fd() const override { return epoll_.get(); }
  Sockets* AsSockets() override { return this; }
  const SocketMemory& memory() const { return memory_; }

  // socket-control.cc
  int32_t Create(int family, int type, const std::string& netns);
  int32_t Bind(int32_t id, const uint8_t* address, size_t address_bytes);
  int32_t Connect(int32_t id, const uint8_t* address, size_t address_bytes);
  int32_t Listen(int32_t id, int backlog);
  // Fills in the sockaddr of the peer, as far as it has room.
  int32_t Accept(int32_t id, uint8_t* peer, size_t peer_bytes);
  int32_t SetOption(int32_t id, int level, int name, int value);
  int32_t Close(int32_t id, bool is_reset);

  // socket-query.cc
  int32_t Name(int32_t id, bool is_peer, uint8_t* into, size_t into_bytes) const;
  int32_t GetOption(int32_t id, int level, int name) const;
  int32_t Error(int32_t id) const;
  int32_t Info(int32_t id, double* into, size_t fields) const;
  int32_t Unsent(int32_t id);
  int32_t Drops(int32_t id) const;

  // socket-descriptors.cc
  int32_t Pair(int32_t ids[2]);
  int32_t Adopt(int fd, int family, bool is_listener);
  int32_t Detach(int32_t id);
  int32_t SendDescriptor(int32_t id, int fd);

  // socket-direct.cc
  int32_t SendNow(int32_t id, const uint8_t* bytes, size_t length);
  int32_t ReceiveNow(int32_t id, uint8_t* into, size_t bytes, int32_t* about, size_t about_fields);
  int32_t ShutDownNow(int32_t id);
  int32_t IsReadable(int32_t id) const;

 private:
  // What became of one socket's turn in a poll.
  enum class Turn { kDone, kNoSpace };
  // Descriptors that came with a message.
  struct Descriptors {
    size_t count = 0;
    // There were more, for which this process has no room (EMFILE), or more than that many.
    bool is_cut = false;
    int fds[kMaxDescriptors];
  };

  Sockets() = default;

  void StartOver();
  int32_t Submit();
  int32_t Run(const SocketSubmission& submission);
  int32_t Send(Socket* socket, const SocketSubmission& submission);
  int32_t SendDatagram(Socket* socket, const SocketSubmission& submission);
  int32_t ShutDown(Socket* socket);
  void Harvest();
  void Mark(Socket* socket, uint32_t mask);
  void Serve();
  Turn ServeOne(Socket* socket);
  void TellError(Socket* socket);
  Turn Receive(Socket* socket);
  Turn ReceiveStream(Socket* socket, size_t room);
  Turn ReceiveDatagrams(Socket* socket, size_t room);
  int ReceiveBatch(Socket* socket, size_t count);
  ssize_t ReceiveWithDescriptors(Socket* socket, uint8_t* into, size_t bytes);
  // recvmsg for AF_UNIX. The caller owns what came.
  ssize_t ReceiveMessage(int fd, uint8_t* into, size_t bytes, Descriptors* came);
  void Fail(Socket* socket, int error);
  void Tell(const Socket* socket, SocketEventKind kind, int32_t length, size_t offset = 0);
  size_t free_events() const { return memory_.limits().events - events_; }

  // Begins to watch a socket. 0 or -errno.
  int32_t Watch(Socket* socket);
  // Adds an open descriptor and begins to watch it; closes it on failure. Id or -errno.
  int32_t AddWatched(UniqueFd fd, int family, uint32_t flags);
  static int32_t UnsentOf(const Socket& socket);

  SocketMemory memory_;
  SocketTable table_;
  UniqueFd epoll_;
  // Of this poll.
  uint32_t batch_number_ = 0;
  size_t events_ = 0;
  size_t rx_used_ = 0;
  static constexpr size_t kBatch = 512;
  std::array<epoll_event, kBatch> ready_;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_SOCKETS_H_
