// SPDX-License-Identifier: MIT
// What the kernel knows of a socket.

#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "sockets.h"

namespace caraway {
namespace {

// struct tcp_info of <linux/tcp.h>, which only grows at its end. Spelt out because the headers of
// a build may be older than the kernel it runs on; what the kernel does not fill in is 0.
struct TcpInfo {
  uint8_t state;
  uint8_t ca_state;
  uint8_t retransmits;
  uint8_t probes;
  uint8_t backoff;
  uint8_t options;
  uint8_t window_scales;  // of the peer's window in the low half, of ours in the high one
  uint8_t flags;
  uint32_t rto;
  uint32_t ato;
  uint32_t snd_mss;
  uint32_t rcv_mss;
  uint32_t unacked;
  uint32_t sacked;
  uint32_t lost;
  uint32_t retrans;
  uint32_t fackets;
  uint32_t last_times[4];
  uint32_t pmtu;
  uint32_t rcv_ssthresh;
  uint32_t rtt;
  uint32_t rttvar;
  uint32_t snd_ssthresh;
  uint32_t snd_cwnd;
  uint32_t advmss;
  uint32_t reordering;
  uint32_t rcv_rtt;
  uint32_t rcv_space;
  uint32_t total_retrans;
  uint64_t pacing_rate;
  uint64_t max_pacing_rate;
  uint64_t bytes_acked;
  uint64_t bytes_received;
  uint32_t segs_out;
  uint32_t segs_in;
  uint32_t notsent_bytes;
  uint32_t min_rtt;
  uint32_t data_segs_in;
  uint32_t data_segs_out;
  uint64_t delivery_rate;
  uint64_t busy_time;
  uint64_t rwnd_limited;
  uint64_t sndbuf_limited;
  uint32_t delivered;
  uint32_t delivered_ce;
  uint64_t bytes_sent;
  uint64_t bytes_retrans;
  uint32_t dsack_dups;
  uint32_t reord_seen;
  uint32_t rcv_ooopack;
  uint32_t snd_wnd;
  uint32_t rcv_wnd;
  uint32_t rehash;
};
static_assert(offsetof(TcpInfo, total_retrans) == offsetof(tcp_info, tcpi_total_retrans));
static_assert(offsetof(TcpInfo, snd_wnd) == 228 && offsetof(TcpInfo, rcv_wnd) == 232);

bool ReadTcpInfo(int fd, TcpInfo* info) {
  socklen_t size = sizeof(*info);
  std::memset(info, 0, sizeof(*info));
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0;
}

int TakeError(int fd) {
  int error = 0;
  socklen_t size = sizeof(error);
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

// A queue's length, or 0 where there is no such queue.
int QueueBytes(int fd, unsigned long request) {
  int bytes = 0;
  return ioctl(fd, request, &bytes) == 0 ? bytes : 0;
}

bool IsTcp(const Socket& socket) { return socket.family != AF_UNIX && !socket.Is(kIsDatagram); }

}  // namespace

int32_t Sockets::Name(int32_t id, bool is_peer, uint8_t* into, size_t into_bytes) const {
  const Socket* socket = table_.Find(id);
  if (socket == nullptr) return -EBADF;
  auto size = static_cast<socklen_t>(into_bytes);
  auto* address = reinterpret_cast<sockaddr*>(into);
  const int result =
      is_peer ? getpeername(socket->fd, address, &size) : getsockname(socket->fd, address, &size);
  if (result != 0) return -errno;
  return size <= into_bytes ? static_cast<int32_t>(size) : -ENOBUFS;
}

int32_t Sockets::GetOption(int32_t id, int level, int name) const {
  const Socket* socket = table_.Find(id);
  if (socket == nullptr) return -EBADF;
  int value = 0;
  socklen_t size = sizeof(value);
  return getsockopt(socket->fd, level, name, &value, &size) == 0 ? value : -errno;
}

int32_t Sockets::Error(int32_t id) const {
  const Socket* socket = table_.Find(id);
  return socket == nullptr ? -EBADF : -TakeError(socket->fd);
}

int32_t Sockets::Info(int32_t id, double* into, size_t fields) const {
  const Socket* socket = table_.Find(id);
  if (socket == nullptr) return -EBADF;
  TcpInfo info{};
  if (IsTcp(*socket) && !ReadTcpInfo(socket->fd, &info)) return -errno;
  const double values[] = {
      static_cast<double>(info.state),
      static_cast<double>(info.snd_mss),
      static_cast<double>(info.options),
      static_cast<double>(info.window_scales & 15),
      static_cast<double>(info.window_scales >> 4),
      static_cast<double>(info.snd_wnd),
      static_cast<double>(info.rcv_space),
      static_cast<double>(info.snd_cwnd),
      static_cast<double>(info.snd_ssthresh),
      static_cast<double>(info.rtt),
      static_cast<double>(info.rttvar),
      static_cast<double>(info.rto),
      static_cast<double>(info.retransmits),
      static_cast<double>(info.total_retrans),
      static_cast<double>(info.segs_in),
      static_cast<double>(info.segs_out),
      static_cast<double>(info.bytes_acked),
      static_cast<double>(info.bytes_received),
      static_cast<double>(info.unacked),
      static_cast<double>(QueueBytes(socket->fd, SIOCOUTQ)),
      static_cast<double>(QueueBytes(socket->fd, FIONREAD)),
      static_cast<double>(info.sacked),
      static_cast<double>(info.rcv_wnd),
  };
  std::fill_n(into, fields, 0.0);
  std::copy_n(values, std::min(fields, std::size(values)), into);
  return 0;
}

int32_t Sockets::Unsent(int32_t id) {
  Socket* socket = table_.Find(id);
  if (socket == nullptr) return -EBADF;
  const int32_t unsent = UnsentOf(*socket);
  // Nothing on its way, or nobody to take it: the time to ask how it ended. The kernel tells once.
  if (unsent <= 0 && socket->error == 0) socket->error = TakeError(socket->fd);
  return socket->error != 0 ? -socket->error : unsent;
}

// -ECONNRESET when the connection is gone before all was acknowledged, whatever the reason was.
int32_t Sockets::UnsentOf(const Socket& socket) {
  if (socket.Is(kIsDatagram)) return 0;
  const int queued = QueueBytes(socket.fd, SIOCOUTQ);
  // The memory of what the peer has not read. A last 1 is that of a buffer being freed.
  if (!IsTcp(socket)) return queued > 1 ? queued : 0;
  TcpInfo info;
  if (!ReadTcpInfo(socket.fd, &info)) return -errno;
  switch (info.state) {
    case TCP_CLOSE:
      return queued > 0 ? -ECONNRESET : 0;
    case TCP_FIN_WAIT1:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
      // The queue counts the FIN as one.
      return std::max(queued, 1);
    default:
      return queued;
  }
}

int32_t Sockets::Drops(int32_t id) const {
  const Socket* socket = table_.Find(id);
  if (socket == nullptr) return -EBADF;
  uint32_t values[SK_MEMINFO_VARS] = {};
  socklen_t size = sizeof(values);
  if (getsockopt(socket->fd, SOL_SOCKET, SO_MEMINFO, values, &size) != 0) return -errno;
  return static_cast<int32_t>(std::min<uint32_t>(values[SK_MEMINFO_DROPS], INT32_MAX));
}

}  // namespace caraway
