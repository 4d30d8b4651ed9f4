// SPDX-License-Identifier: MIT
// Descriptors that come from elsewhere or go there.

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "sockets.h"

namespace caraway {
namespace {

int OptionOf(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof(value);
  return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -errno;
}

// 0, or why the descriptor is no such socket.
int32_t Judge(int fd, int family, bool is_listener) {
  const int domain = OptionOf(fd, SO_DOMAIN);
  if (domain < 0) return domain;
  if (domain != family || OptionOf(fd, SO_TYPE) != SOCK_STREAM) return -EINVAL;
  if ((OptionOf(fd, SO_ACCEPTCONN) != 0) != is_listener) return -EINVAL;
  if (is_listener) return 0;
  sockaddr_storage peer;
  socklen_t size = sizeof(peer);
  return getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 ? 0 : -errno;
}

}  // namespace

int32_t Sockets::Pair(int32_t ids[2]) {
  if (table_.free_count() < 2) return -ENFILE;
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) return -errno;
  UniqueFd other(fds[1]);
  ids[0] = AddWatched(UniqueFd(fds[0]), AF_UNIX, 0);
  if (ids[0] < 0) return ids[0];
  ids[1] = AddWatched(std::move(other), AF_UNIX, 0);
  if (ids[1] < 0) {
    Close(ids[0], false);
    return ids[1];
  }
  memory_.status()->opened += 2;
  return 0;
}

int32_t Sockets::Adopt(int fd, int family, bool is_listener) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -errno;
  const int32_t judged = Judge(fd, family, is_listener);
  if (judged < 0) return judged;
  if (table_.free_count() == 0) return -ENFILE;
  Socket* socket = table_.Add(fd, family, kIsShared | (is_listener ? kIsListener : 0));
  int32_t result = Watch(socket);
  if (result == 0 &&
      (fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)) {
    result = -errno;
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  }
  if (result < 0) {
    // The descriptor stays the caller's.
    table_.Remove(socket);
    return result;
  }
  memory_.status()->opened++;
  return table_.IdOf(socket);
}

int32_t Sockets::Detach(int32_t id) {
  Socket* socket = table_.Find(id);
  if (socket == nullptr) return -EBADF;
  const int fd = socket->fd;
  if (socket->Is(kIsInEpoll)) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  table_.Remove(socket);
  memory_.status()->closed++;
  return fd;
}

int32_t Sockets::SendDescriptor(int32_t id, int fd) {
  Socket* socket = table_.Find(id);
  if (socket == nullptr) return -EBADF;
  if (socket->family != AF_UNIX) return -EOPNOTSUPP;
  // A descriptor cannot travel without a byte.
  uint8_t byte = 0xcc;
  iovec vector{&byte, sizeof(byte)};
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(fd))] = {};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(fd));
  std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  ssize_t sent;
  do {
    sent = sendmsg(socket->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    memory_.status()->send_calls++;
  } while (sent < 0 && errno == EINTR);
  if (sent > 0) {
    memory_.status()->bytes_sent++;
    return 1;
  }
  if (errno == EAGAIN) socket->Set(kWantsWritable);
  return -errno;
}

}  // namespace caraway
