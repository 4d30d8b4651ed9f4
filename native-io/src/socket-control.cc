// SPDX-License-Identifier: MIT
// Making, naming, connecting, accepting and closing sockets.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>

#include "net-namespace.h"
#include "sockets.h"

namespace caraway {
namespace {

constexpr uint32_t kInterest = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET;
// Connections that are skipped by one accept.
constexpr int kMaxSkipped = 64;

// accept(2): what befell the connection, not the listener. The next one may be good.
bool IsOfConnection(int error) {
  switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return true;
    default:
      return false;
  }
}

// Whether a connection was reset while it waited to be accepted.
bool IsGone(int fd, int family) {
  if (family == AF_UNIX) return false;
  uint8_t state = TCP_ESTABLISHED;  // the first field of struct tcp_info
  socklen_t size = sizeof(state);
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &size) == 0 && state == TCP_CLOSE;
}

}  // namespace

int32_t Sockets::Watch(Socket* socket) {
  if (socket->Is(kIsInEpoll)) return 0;
  epoll_event event{};
  event.events = kInterest;
  event.data.fd = table_.IdOf(socket);
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket->fd, &event) != 0) return -errno;
  socket->Set(kIsInEpoll);
  return 0;
}

int32_t Sockets::AddWatched(UniqueFd fd, int family, uint32_t flags) {
  Socket* socket = table_.Add(fd.get(), family, flags);
  const int32_t watched = Watch(socket);
  if (watched < 0) {
    table_.Remove(socket);
    return watched;
  }
  fd.Release();
  return table_.IdOf(socket);
}

int32_t Sockets::Create(int family, int type, const std::string& netns) {
  const bool is_family = family == AF_UNIX || family == AF_INET || family == AF_INET6;
  if (!is_family) return -EAFNOSUPPORT;
  if (type != SOCK_STREAM && type != SOCK_DGRAM) return -EPROTONOSUPPORT;
  if (table_.free_count() == 0) return -ENFILE;
  int fd = -1;
  int error = 0;
  Failure failure;
  const bool entered = RunInNamespace(
      netns,
      [&] {
        fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        error = errno;
      },
      &failure);
  if (!entered) return -failure.error;
  if (fd < 0) return -error;
  memory_.status()->opened++;
  if (type == SOCK_DGRAM) return AddWatched(UniqueFd(fd), family, kIsDatagram);
  // A stream is watched once it connects or listens: before that it is hung up.
  return table_.IdOf(table_.Add(fd, family, 0));
}

int32_t Sockets::Bind(int32_t id, const uint8_t* address, size_t address_bytes) {
  const Socket* socket = table_.Find(id);
  if (socket == nullptr) return -EBADF;
  const auto* to = reinterpret_cast<const sockaddr*>(address);
  return bind(socket->fd, to, static_cast<socklen_t>(address_bytes)) == 0 ? 0 : -errno;
}

int32_t Sockets::Connect(int32_t id, const uint8_t* address, size_t address_bytes) {
  Socket* socket = table_.Find(id);
  if (socket == nullptr) return -EBADF;
  const auto* to = reinterpret_cast<const sockaddr*>(address);
  int result;
  do {
    result = connect(socket->fd, to, static_cast<socklen_t>(address_bytes));
  } while (result != 0 && errno == EINTR);
  const int error = result == 0 ? 0 : errno;
  if (error != 0 && error != EINPROGRESS) return -error;
  if (error == EINPROGRESS) socket->Set(kIsConnecting | kWantsWritable);
  const int32_t watched = Watch(socket);
  return watched < 0 ? watched : -error;
}

int32_t Sockets::Listen(int32_t id, int backlog) {
  Socket* socket = table_.Find(id);
  if (socket == nullptr) return -EBADF;
  if (listen(socket->fd, backlog) != 0) return -errno;
  socket->Set(kIsListener);
  return Watch(socket);
}

int32_t Sockets::Accept(int32_t id, uint8_t* peer, size_t peer_bytes) {
  Socket* listener = table_.Find(id);
  if (listener == nullptr) return -EBADF;
  if (!listener->Is(kIsListener)) return -EINVAL;
  if (table_.free_count() == 0) return -ENFILE;
  for (int tries = 0; tries < kMaxSkipped; tries++) {
    auto size = static_cast<socklen_t>(peer_bytes);
    UniqueFd fd(accept4(listener->fd, reinterpret_cast<sockaddr*>(peer),
                        peer == nullptr ? nullptr : &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.valid() && !IsOfConnection(errno)) return -errno;
    if (!fd.valid() || IsGone(fd.get(), listener->family)) continue;
    const int32_t accepted = AddWatched(std::move(fd), listener->family, 0);
    if (accepted > 0) memory_.status()->accepted++;
    return accepted;
  }
  // There may be more behind them, of which no edge will tell.
  listener->Set(kTellAcceptable);
  table_.Enqueue(listener);
  return -EAGAIN;
}

int32_t Sockets::SetOption(int32_t id, int level, int name, int value) {
  const Socket* socket = table_.Find(id);
  if (socket == nullptr) return -EBADF;
  return setsockopt(socket->fd, level, name, &value, sizeof(value)) == 0 ? 0 : -errno;
}

int32_t Sockets::Close(int32_t id, bool is_reset) {
  Socket* socket = table_.Find(id);
  if (socket == nullptr) return -EBADF;
  if (is_reset && socket->family != AF_UNIX && !socket->Is(kIsDatagram)) {
    const linger now{1, 0};
    setsockopt(socket->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  }
  // epoll watches the socket, not the descriptor: it would go on as long as another one is open.
  if (socket->Is(kIsShared)) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket->fd, nullptr);
  close(socket->fd);
  table_.Remove(socket);
  memory_.status()->closed++;
  return 0;
}

}  // namespace caraway
