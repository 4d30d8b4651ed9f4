// SPDX-License-Identifier: MIT
// Bytes of streams that move at once between the kernel and memory of the caller's, for streams
// whose room is kRoomTell. Elsewhere a poll receives what is there before anybody asks; a peer
// that looks whether its bytes were read (SIOCOUTQ of unix(7)) would be told too much then, and a
// descriptor could not be told from the bytes around it.

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "sockets.h"

namespace caraway {

int32_t Sockets::SendNow(int32_t id, const uint8_t* bytes, size_t length) {
  Socket* socket = table_.Find(id);
  if (socket == nullptr) return -EBADF;
  ssize_t sent;
  do {
    sent = send(socket->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    memory_.status()->send_calls++;
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) {
    memory_.status()->bytes_sent += static_cast<double>(sent);
    return static_cast<int32_t>(sent);
  }
  if (errno == EAGAIN) socket->Set(kWantsWritable);
  return -errno;
}

int32_t Sockets::ReceiveNow(int32_t id, uint8_t* into, size_t bytes, int32_t* about,
                            size_t about_fields) {
  Socket* socket = table_.Find(id);
  if (socket == nullptr) return -EBADF;
  if (socket->Is(kIsListener | kIsDatagram)) return -EOPNOTSUPP;
  // No bytes asked for would read as the end of the stream.
  if (bytes == 0 || about_fields < kAboutFields) return -EINVAL;
  about[kAboutMore] = 0;
  about[kAboutDescriptors] = 0;
  about[kAboutDropped] = 0;
  if (socket->Is(kHasFailed)) return -socket->error;
  if (socket->Is(kHasEnded)) return 0;
  Descriptors came;
  const ssize_t received = ReceiveMessage(socket->fd, into, bytes, &came);
  if (received > 0) {
    memory_.status()->bytes_received += static_cast<double>(received);
    std::copy_n(came.fds, came.count, about + kAboutFds);
    about[kAboutDescriptors] = static_cast<int32_t>(came.count);
    about[kAboutDropped] = came.is_cut ? 1 : 0;
    // As in ReceiveStream: a short read has emptied the socket, unless it stopped at a mark.
    const bool is_empty = static_cast<size_t>(received) < bytes && came.count == 0;
    if (is_empty && !socket->Is(kIsClosing | kIsUrgent))
      socket->Clear(kIsReadable);
    else
      socket->Set(kIsReadable);
    about[kAboutMore] = socket->Is(kIsReadable) ? 1 : 0;
    return static_cast<int32_t>(received);
  }
  if (received == 0) {
    socket->Set(kHasEnded);
    socket->Clear(kIsReadable | kTellError);
    return 0;
  }
  if (errno == EAGAIN) {
    socket->Clear(kIsReadable | kIsClosing | kIsUrgent | kTellError);
    return -EAGAIN;
  }
  socket->error = errno;
  socket->Set(kHasFailed);
  socket->Clear(kIsReadable | kWantsWritable | kTellError);
  return -errno;
}

int32_t Sockets::ShutDownNow(int32_t id) {
  Socket* socket = table_.Find(id);
  return socket == nullptr ? -EBADF : ShutDown(socket);
}

int32_t Sockets::IsReadable(int32_t id) const {
  const Socket* socket = table_.Find(id);
  if (socket == nullptr) return -EBADF;
  pollfd one{socket->fd, POLLIN, 0};
  return poll(&one, 1, 0) < 0 ? -errno : (one.revents & POLLIN) != 0;
}

}  // namespace caraway
