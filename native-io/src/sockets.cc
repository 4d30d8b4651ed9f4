// SPDX-License-Identifier: MIT
// The poll path. Nothing here allocates, locks or waits.
//
// An edge is told once, so what it said is kept as flags of the socket until it has been acted
// upon, and the socket stays on the work list; a poll that runs out of room for bytes or events
// stops there and the next one goes on.

#include "sockets.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "clock.h"
#include "shared-memory.h"

namespace caraway {
namespace {

constexpr int kMaxBatches = 8;
constexpr size_t kMaxReceiveBytes = 65536;
// Less than this is not worth a call when the socket has more room: it waits for the next poll.
constexpr size_t kMinReceiveBytes = 4096;
constexpr size_t kMaxDatagrams = 32;
constexpr size_t kDatagramBatch = 8;
constexpr size_t kMaxPayloadBytes = 65535;
// The longest sockaddr is that of AF_UNIX, 110 bytes.
constexpr size_t kMaxAddressBytes = 112;
static_assert(sizeof(sockaddr_un) <= kMaxAddressBytes);
constexpr size_t kDatagramBytes = sizeof(DatagramHeader) + kMaxAddressBytes + kMaxPayloadBytes + 1;
// The most that one stream socket may tell in one turn, or a batch of datagrams: descriptors and
// five others.
constexpr size_t kEventsPerTurn = kMaxDescriptors + 5;
static_assert(kEventsPerTurn >= kDatagramBatch + 5);
constexpr size_t kRxAlignment = 8;

}  // namespace

std::unique_ptr<Sockets> Sockets::Open(const SocketLimits& limits, Failure* failure) {
  std::unique_ptr<Sockets> sockets(new Sockets());
  if (!sockets->memory_.Allocate(limits) || !sockets->table_.Allocate(limits.sockets)) {
    return failure->Set(ENOMEM, "no memory for the sockets; a lower maxSockets needs less");
  }
  sockets->epoll_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  if (sockets->epoll_.valid()) return sockets;
  return failure->Set(errno, std::string("no epoll descriptor: ") + std::strerror(errno));
}

Sockets::~Sockets() {
  for (size_t slot = table_.used_slots(); slot-- > 0;) {
    const Socket* socket = table_.At(slot);
    if (socket->Is(kIsOpen)) close(socket->fd);
  }
}

int32_t Sockets::Poll() {
  SocketStatus* status = memory_.status();
  status->now_ms = MonotonicMs();
  status->polls++;
  events_ = 0;
  rx_used_ = 0;
  const int32_t submitted = SubmitNow();
  Harvest();
  Serve();
  memory_.control()[kEvents] = static_cast<int32_t>(events_);
  status->events += static_cast<double>(events_);
  return submitted + static_cast<int32_t>(events_);
}

int32_t Sockets::SubmitNow() {
  if (++batch_number_ == 0) StartOver();
  const int32_t submitted = Submit();
  memory_.control()[kSubmitted] = 0;
  return submitted;
}

// After 2^32 batches, some hours of busy polling, numbers of long ago would seem to be of this one:
// a send would take nothing, and no edge would follow.
void Sockets::StartOver() {
  for (size_t slot = table_.used_slots(); slot-- > 0;) table_.At(slot)->short_batch = 0;
  batch_number_ = 1;
}

bool Sockets::HasWork() {
  if (memory_.control()[kSubmitted] > 0) return true;
  const int32_t* room = memory_.room();
  for (const Socket* socket = table_.FirstQueued(); socket != nullptr;
       socket = table_.NextQueued(socket)) {
    if (socket->Is(kTellMask) || room[table_.SlotOf(socket)] != 0) return true;
  }
  // epoll_wait would take the edges away.
  pollfd epoll{epoll_.get(), POLLIN, 0};
  return poll(&epoll, 1, 0) != 0;
}

// ---- Submissions.

int32_t Sockets::Submit() {
  const int32_t limit = static_cast<int32_t>(memory_.limits().submissions);
  const int32_t count = std::clamp(memory_.control()[kSubmitted], 0, limit);
  SocketSubmission* submissions = memory_.submissions();
  for (int32_t index = 0; index < count; index++) {
    submissions[index].length = Run(submissions[index]);
  }
  return count;
}

int32_t Sockets::Run(const SocketSubmission& submission) {
  Socket* socket = table_.Find(submission.id);
  if (socket == nullptr) return -EBADF;
  const auto tx_bytes = static_cast<int64_t>(memory_.limits().tx_bytes);
  const int64_t end = int64_t{submission.offset} + submission.length;
  const bool is_inside = submission.offset >= 0 && submission.length >= 0 && end <= tx_bytes;
  switch (static_cast<SocketOp>(submission.op)) {
    case SocketOp::kSend:
      return is_inside ? Send(socket, submission) : -EFAULT;
    case SocketOp::kSendTo:
      return is_inside ? SendDatagram(socket, submission) : -EFAULT;
    case SocketOp::kShutdown:
      return ShutDown(socket);
    case SocketOp::kResume:
      if (socket->Is(kIsReadable)) table_.Enqueue(socket);
      return 0;
  }
  return -EINVAL;
}

int32_t Sockets::Send(Socket* socket, const SocketSubmission& submission) {
  // What was not taken has to go first.
  if (socket->short_batch == batch_number_ || submission.length == 0) return 0;
  const auto length = static_cast<size_t>(submission.length);
  SocketStatus* status = memory_.status();
  ssize_t sent;
  do {
    sent = send(socket->fd, memory_.tx() + submission.offset, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    status->send_calls++;
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) status->bytes_sent += static_cast<double>(sent);
  if (sent == submission.length) return submission.length;
  socket->short_batch = batch_number_;
  if (sent < 0 && errno != EAGAIN) {
    // ENOBUFS and ENOMEM pass; the others say how the connection ended.
    const bool is_passing = errno == ENOBUFS || errno == ENOMEM || errno == EMSGSIZE;
    if (!is_passing && !socket->Is(kIsDatagram) && socket->error == 0) socket->error = errno;
    return -errno;
  }
  socket->Set(kWantsWritable);
  return static_cast<int32_t>(std::max<ssize_t>(sent, 0));
}

int32_t Sockets::SendDatagram(Socket* socket, const SocketSubmission& submission) {
  const auto length = static_cast<size_t>(submission.length);
  const uint8_t* at = memory_.tx() + submission.offset;
  DatagramHeader header;
  if (length < sizeof(header)) return -EINVAL;
  std::memcpy(&header, at, sizeof(header));
  const auto address_bytes = static_cast<size_t>(static_cast<uint32_t>(header.address_bytes));
  if (address_bytes > kMaxAddressBytes) return -EINVAL;
  const size_t before = sizeof(header) + RoundUp(address_bytes, 4);
  if (before > length) return -EINVAL;
  const auto* address = reinterpret_cast<const sockaddr*>(at + sizeof(header));
  ssize_t sent;
  do {
    sent = sendto(socket->fd, at + before, length - before, MSG_DONTWAIT | MSG_NOSIGNAL,
                  address_bytes == 0 ? nullptr : address, static_cast<socklen_t>(address_bytes));
    memory_.status()->send_calls++;
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) {
    memory_.status()->bytes_sent += static_cast<double>(sent);
    return static_cast<int32_t>(sent);
  }
  if (errno == EAGAIN) socket->Set(kWantsWritable);
  return -errno;
}

int32_t Sockets::ShutDown(Socket* socket) {
  if (shutdown(socket->fd, SHUT_WR) != 0) return -errno;
  if (!socket->Is(kIsDatagram)) socket->Set(kAwaitsFinAck);
  return 0;
}

// ---- Readiness.

void Sockets::Harvest() {
  for (int batch = 0; batch < kMaxBatches; batch++) {
    const int count = epoll_wait(epoll_.get(), ready_.data(), kBatch, 0);
    memory_.status()->epoll_waits++;
    for (int index = 0; index < count; index++) {
      const epoll_event& event = ready_[static_cast<size_t>(index)];
      Socket* socket = table_.Find(event.data.fd);
      if (socket != nullptr) Mark(socket, event.events);
    }
    if (count < static_cast<int>(kBatch)) return;
  }
}

void Sockets::Mark(Socket* socket, uint32_t mask) {
  const bool is_ending = (mask & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  if (socket->Is(kIsListener)) {
    if ((mask & EPOLLIN) != 0) socket->Set(kTellAcceptable);
    if (is_ending) socket->Set(kTellHangup);
  } else {
    if (is_ending) socket->Set(kIsClosing);
    if ((mask & EPOLLPRI) != 0) socket->Set(kIsUrgent);
    if ((is_ending || (mask & (EPOLLIN | EPOLLPRI)) != 0) && !socket->Is(kHasEnded | kHasFailed)) {
      socket->Set(kIsReadable);
    }
    if ((mask & EPOLLERR) != 0 && !socket->Is(kHasFailed)) socket->Set(kTellError);
    if ((mask & EPOLLOUT) != 0 && socket->Is(kWantsWritable)) socket->Set(kTellWritable);
    const bool is_hangup =
        (mask & EPOLLHUP) != 0 || ((mask & EPOLLRDHUP) != 0 && socket->Is(kHasEnded));
    if (is_hangup) socket->Set(kTellHangup);
    // Who is told of a hangup asks for itself.
    if (!is_hangup && socket->Is(kAwaitsFinAck) && UnsentOf(*socket) <= 0) {
      socket->Clear(kAwaitsFinAck);
      socket->Set(kTellHangup);
    }
  }
  if (socket->Is(kTellMask | kIsReadable)) table_.Enqueue(socket);
}

// ---- The work list.

void Sockets::Serve() {
  // Each has one turn; who has more to give goes to the end of the list for the next poll.
  for (size_t turns = table_.queued(); turns > 0; turns--) {
    Socket* socket = table_.FirstQueued();
    if (free_events() < kEventsPerTurn || ServeOne(socket) == Turn::kNoSpace) return;
    table_.Dequeue(socket);
    if (socket->Is(kIsReadable) && memory_.room()[table_.SlotOf(socket)] > 0) {
      table_.Enqueue(socket);
    }
  }
}

Sockets::Turn Sockets::ServeOne(Socket* socket) {
  if (socket->Is(kTellError)) TellError(socket);
  if (socket->Is(kTellWritable) && !socket->Is(kHasFailed)) {
    socket->Clear(kWantsWritable | kIsConnecting);
    Tell(socket, SocketEventKind::kWritable, 0);
  }
  if (socket->Is(kTellAcceptable)) Tell(socket, SocketEventKind::kAcceptable, 0);
  socket->Clear(kTellWritable | kTellAcceptable);
  if (socket->Is(kIsReadable) && Receive(socket) == Turn::kNoSpace) return Turn::kNoSpace;
  if (socket->Is(kTellHangup)) Tell(socket, SocketEventKind::kHangup, 0);
  socket->Clear(kTellHangup);
  return Turn::kDone;
}

// Asks for the error that epoll has told of. A stream that is being received from tells it
// itself, after the bytes that came before it; one without room does not wait for that.
void Sockets::TellError(Socket* socket) {
  const bool is_received_from = !socket->Is(kIsDatagram | kIsConnecting) &&
                                socket->Is(kIsReadable) &&
                                memory_.room()[table_.SlotOf(socket)] != 0;
  if (is_received_from) return;
  socket->Clear(kTellError);
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == 0) return;
  // A refusal has another number: this one was open, and may have left bytes, before it was reset.
  // The kernel has told the error now, so that what it says next is the end of the stream.
  if (socket->Is(kIsConnecting) && (error == ECONNRESET || error == EPIPE)) {
    socket->error = ECONNRESET;
    socket->Set(kWasReset | kTellWritable | kIsReadable);
    return;
  }
  Fail(socket, error);
}

void Sockets::Fail(Socket* socket, int error) {
  if (!socket->Is(kIsDatagram)) {
    socket->error = error;
    socket->Set(kHasFailed);
    socket->Clear(kIsReadable | kWantsWritable | kIsConnecting | kTellError);
  }
  Tell(socket, SocketEventKind::kError, -error);
}

void Sockets::Tell(const Socket* socket, SocketEventKind kind, int32_t length, size_t offset) {
  SocketEvent& event = memory_.events()[events_++];
  event.id = table_.IdOf(socket);
  event.kind = static_cast<int32_t>(kind);
  event.offset = static_cast<int32_t>(offset);
  event.length = length;
}

// ---- Receiving.

Sockets::Turn Sockets::Receive(Socket* socket) {
  const int32_t room = memory_.room()[table_.SlotOf(socket)];
  if (room == kRoomTell) Tell(socket, SocketEventKind::kReadable, 0);
  if (room <= 0) return Turn::kDone;
  const auto wanted = static_cast<size_t>(room);
  return socket->Is(kIsDatagram) ? ReceiveDatagrams(socket, wanted) : ReceiveStream(socket, wanted);
}

Sockets::Turn Sockets::ReceiveStream(Socket* socket, size_t room) {
  const size_t left = memory_.limits().rx_bytes - rx_used_;
  const size_t wanted = std::min(room, kMaxReceiveBytes);
  if (left < std::min(wanted, kMinReceiveBytes)) return Turn::kNoSpace;
  const size_t bytes = std::min(wanted, left);
  uint8_t* into = memory_.rx() + rx_used_;
  const size_t events_before = events_;
  SocketStatus* status = memory_.status();
  ssize_t received;
  do {
    received = socket->family == AF_UNIX ? ReceiveWithDescriptors(socket, into, bytes)
                                         : recv(socket->fd, into, bytes, MSG_DONTWAIT);
    status->recv_calls++;
  } while (received < 0 && errno == EINTR);
  if (received > 0) {
    const auto length = static_cast<size_t>(received);
    status->bytes_received += static_cast<double>(received);
    Tell(socket, SocketEventKind::kData, static_cast<int32_t>(received), rx_used_);
    rx_used_ = std::min(rx_used_ + RoundUp(length, kRxAlignment), memory_.limits().rx_bytes);
    // A short read has emptied the socket, and what comes later is an edge of its own; but it also
    // stops at an urgent mark and behind descriptors.
    const bool had_descriptors = events_ - events_before > 1;
    const bool is_empty = length < bytes && !had_descriptors;
    if (is_empty && !socket->Is(kIsClosing | kIsUrgent)) socket->Clear(kIsReadable);
  } else if (received == 0 && socket->Is(kWasReset)) {
    Fail(socket, socket->error);
  } else if (received == 0) {
    socket->Set(kHasEnded);
    socket->Clear(kIsReadable | kTellError);
    Tell(socket, SocketEventKind::kEnd, 0);
  } else if (errno == EAGAIN) {
    socket->Clear(kIsReadable | kIsClosing | kIsUrgent | kTellError);
  } else {
    Fail(socket, errno);
  }
  return Turn::kDone;
}

// Descriptors that come along are told of before the bytes.
ssize_t Sockets::ReceiveWithDescriptors(Socket* socket, uint8_t* into, size_t bytes) {
  Descriptors came;
  const ssize_t received = ReceiveMessage(socket->fd, into, bytes, &came);
  for (size_t index = 0; index < came.count; index++) {
    Tell(socket, SocketEventKind::kDescriptor, came.fds[index]);
  }
  return received;
}

// The kernel ends a message behind the bytes that descriptors came with (unix(7)).
ssize_t Sockets::ReceiveMessage(int fd, uint8_t* into, size_t bytes, Descriptors* came) {
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(kMaxDescriptors * sizeof(int))];
  iovec vector{into, bytes};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t received = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (received < 0) return received;
  came->is_cut = (message.msg_flags & MSG_CTRUNC) != 0;
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr;
       each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::memcpy(came->fds + came->count, CMSG_DATA(each), count * sizeof(int));
    came->count += count;
  }
  return received;
}

// Several at a time, so that the call that finds no more is not one of its own.
Sockets::Turn Sockets::ReceiveDatagrams(Socket* socket, size_t room) {
  for (size_t left = std::min(room, kMaxDatagrams); left > 0;) {
    const size_t fit = (memory_.limits().rx_bytes - rx_used_) / kDatagramBytes;
    if (fit == 0 || free_events() < kEventsPerTurn) return Turn::kNoSpace;
    const size_t asked = std::min({left, fit, kDatagramBatch});
    const int received = ReceiveBatch(socket, asked);
    if (received < 0 && errno != EAGAIN) {
      // An error of one datagram that was sent; others may have come meanwhile.
      Fail(socket, errno);
      left--;
    } else if (received < static_cast<int>(asked)) {
      socket->Clear(kIsReadable | kIsClosing | kIsUrgent);
      return Turn::kDone;
    } else {
      left -= asked;
    }
  }
  return Turn::kDone;
}

// Each is received with space for the longest and then moved up to the one before it:
//
//   rx_used   | header | sockaddr, padded | payload | header | ...
//
// Count of datagrams, or -1 with errno.
int Sockets::ReceiveBatch(Socket* socket, size_t count) {
  mmsghdr messages[kDatagramBatch];
  iovec vectors[kDatagramBatch];
  sockaddr_storage addresses[kDatagramBatch];
  constexpr size_t kBeforePayload = sizeof(DatagramHeader) + kMaxAddressBytes;
  uint8_t* first = memory_.rx() + rx_used_ + kBeforePayload;
  for (size_t index = 0; index < count; index++) {
    vectors[index] = {first + index * kDatagramBytes, kMaxPayloadBytes};
    msghdr& message = messages[index].msg_hdr;
    message = {};
    message.msg_name = &addresses[index];
    message.msg_namelen = sizeof(addresses[index]);
    message.msg_iov = &vectors[index];
    message.msg_iovlen = 1;
  }
  SocketStatus* status = memory_.status();
  const int received = recvmmsg(socket->fd, messages, static_cast<unsigned>(count),
                                MSG_DONTWAIT | MSG_TRUNC, nullptr);
  status->recv_calls++;
  for (int index = 0; index < received; index++) {
    const mmsghdr& message = messages[index];
    const size_t address_bytes = std::min<size_t>(message.msg_hdr.msg_namelen, kMaxAddressBytes);
    const size_t stored = std::min<size_t>(message.msg_len, kMaxPayloadBytes);
    const DatagramHeader header{static_cast<int32_t>(address_bytes),
                                static_cast<int32_t>(message.msg_len)};
    const size_t payload = sizeof(header) + RoundUp(address_bytes, 4);
    uint8_t* at = memory_.rx() + rx_used_;
    std::memmove(at + payload, vectors[index].iov_base, stored);
    std::memcpy(at, &header, sizeof(header));
    std::memcpy(at + sizeof(header), &addresses[index], address_bytes);
    const bool is_truncated = (message.msg_hdr.msg_flags & MSG_TRUNC) != 0;
    Tell(socket, is_truncated ? SocketEventKind::kDatagramTruncated : SocketEventKind::kDatagram,
         static_cast<int32_t>(payload + stored), rx_used_);
    status->bytes_received += static_cast<double>(stored);
    rx_used_ += RoundUp(payload + stored, kRxAlignment);
  }
  return received;
}

}  // namespace caraway
