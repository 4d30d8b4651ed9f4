// SPDX-License-Identifier: MIT

#include "link-watch.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "link-info.h"

namespace caraway {
namespace {

// Link notices carry the whole interface; with many virtual functions they are long, and then the
// flags, which come first, are all we need of them.
constexpr size_t kNoticeBytes = 8192;
// Notices read per look; the rest waits for the next one.
constexpr int kMaxNotices = 64;

// False when a message says that the interface is down or deleted.
bool SaysUp(const uint8_t* bytes, size_t length, int interface_index) {
  size_t at = 0;
  while (length - at >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    std::memcpy(&header, bytes + at, sizeof(header));
    if (header.nlmsg_len < sizeof(header)) return true;
    ifinfomsg link;
    const size_t body = at + NLMSG_HDRLEN;
    if ((header.nlmsg_type == RTM_NEWLINK || header.nlmsg_type == RTM_DELLINK) &&
        length >= body + sizeof(link)) {
      std::memcpy(&link, bytes + body, sizeof(link));
      // A bridge tells RTM_DELLINK when a port leaves it, in its own family.
      const bool is_ours = link.ifi_index == interface_index && link.ifi_family == AF_UNSPEC;
      if (is_ours && (header.nlmsg_type == RTM_DELLINK || (link.ifi_flags & IFF_UP) == 0)) {
        return false;
      }
    }
    const size_t step = NLMSG_ALIGN(header.nlmsg_len);
    if (step >= length - at) return true;
    at += step;
  }
  return true;
}

}  // namespace

bool LinkWatch::Open(Failure* failure) {
  fd_ = UniqueFd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  if (fd_.valid() &&
      bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return true;
  }
  failure->Set(errno, std::string("listening to link notices failed: ") + std::strerror(errno));
  return false;
}

UniqueFd LinkWatch::WakeWith(int frames_fd, Failure* failure) const {
  UniqueFd wake_fd(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN;
  if (wake_fd.valid() && epoll_ctl(wake_fd.get(), EPOLL_CTL_ADD, frames_fd, &event) == 0 &&
      epoll_ctl(wake_fd.get(), EPOLL_CTL_ADD, fd_.get(), &event) == 0) {
    return wake_fd;
  }
  failure->Set(errno, std::string("no descriptor to wake up by: ") + std::strerror(errno));
  return UniqueFd();
}

bool LinkWatch::IsStillUp(int interface_index, const std::string& name) {
  for (int notices = 0; notices < kMaxNotices; notices++) {
    uint8_t notice[kNoticeBytes];
    const ssize_t length = recv(fd_.get(), notice, sizeof(notice), MSG_DONTWAIT);
    if (length >= 0) {
      if (!SaysUp(notice, static_cast<size_t>(length), interface_index)) return false;
      continue;
    }
    if (errno == ENOBUFS) {
      // Notices were lost: ask instead. A renamed interface reads as gone here, which is the safe
      // mistake.
      LinkInfo link;
      Failure unused;
      return ReadLink(fd_.get(), name, &link, &unused) && link.index == interface_index &&
             link.is_up;
    }
    return true;
  }
  return true;
}

}  // namespace caraway
