// SPDX-License-Identifier: MIT

#include "memif-channel.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace caraway {
namespace {

// Room for what may come; nobody honest sends more than one. The kernel closes what does not fit.
constexpr size_t kMaxDescriptors = 4;

// Keeps the first descriptor of a message and closes the others.
void TakeDescriptors(msghdr* header, UniqueFd* first) {
  for (cmsghdr* control = CMSG_FIRSTHDR(header); control != nullptr;
       control = CMSG_NXTHDR(header, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t index = 0; index < count; index++) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(control) + index * sizeof(int), sizeof(fd));
      UniqueFd owned(fd);
      if (!first->valid()) *first = std::move(owned);
    }
  }
}

}  // namespace

void MemifChannel::Send(const MemifMessage& message, int descriptor) const {
  iovec bytes{const_cast<MemifMessage*>(&message), sizeof(message)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  if (descriptor >= 0) {
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(rights), &descriptor, sizeof(descriptor));
  }
  [[maybe_unused]] const ssize_t ignored = sendmsg(fd(), &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

MemifChannel::Receipt MemifChannel::Receive(MemifMessage* message, UniqueFd* descriptor) const {
  *descriptor = UniqueFd();
  iovec bytes{message, sizeof(*message)};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxDescriptors * sizeof(int))];
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  const ssize_t length = recvmsg(fd(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length < 0) {
    return errno == EAGAIN || errno == EINTR ? Receipt::kNothing : Receipt::kClosed;
  }
  TakeDescriptors(&header, descriptor);
  if (length == 0) return Receipt::kClosed;
  const bool is_whole = length == static_cast<ssize_t>(sizeof(*message));
  return is_whole && (header.msg_flags & MSG_TRUNC) == 0 ? Receipt::kMessage : Receipt::kMalformed;
}

void PutMemifText(const std::string& text, char* field, size_t bytes) {
  // The last byte stays zero: others read these as C strings.
  std::memset(field, 0, bytes);
  std::memcpy(field, text.data(), std::min(text.size(), bytes - 1));
}

std::string MemifText(const char* field, size_t bytes) {
  std::string text(field, strnlen(field, bytes));
  for (char& each : text) {
    if (each < ' ' || each > '~') each = '?';
  }
  return text;
}

}  // namespace caraway
