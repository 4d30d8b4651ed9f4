// SPDX-License-Identifier: MIT
// Opening an AF_XDP driver: socket, memory, rings, program and binding, in the order in which the
// kernel wants them.

#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "af-xdp.h"
#include "net-namespace.h"
#include "retry.h"

namespace caraway {
namespace {

// XDP_PACKET_HEADROOM, which the kernel keeps free before every received frame.
constexpr size_t kRxHeadroomBytes = 256;
constexpr size_t kSmallChunkBytes = 2048;
// A page: no chunk may be larger.
constexpr size_t kLargeChunkBytes = 4096;
// XDP_USE_SG, which older headers lack: frames of several chunks (Linux 6.6).
constexpr uint16_t kUseSeveralChunks = 1 << 4;

std::string Because(int error) { return std::string(": ") + std::strerror(error); }

// The other end of a veth pair is this host, which need not finish checksums.
bool IsVeth(int fd, const std::string& interface) {
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  ifreq request{};
  std::memcpy(request.ifr_name, interface.data(), std::min(interface.size(), size_t{IFNAMSIZ - 1}));
  request.ifr_data = reinterpret_cast<char*>(&info);
  return ioctl(fd, SIOCETHTOOL, &request) == 0 && std::strcmp(info.driver, "veth") == 0;
}

}  // namespace

std::unique_ptr<AfXdp> AfXdp::Open(const AfXdpOptions& options, Failure* failure) {
  std::unique_ptr<AfXdp> driver(new AfXdp());
  bool opened = false;
  const bool entered = RunInNamespace(
      options.netns, [&] { opened = driver->OpenIn(options, failure); }, failure);
  if (!entered || !opened) return nullptr;
  return driver;
}

bool AfXdp::OpenIn(const AfXdpOptions& options, Failure* failure) {
  if (!OpenSocket(failure) || !LookAtLink(options, failure) || !SparesKernel(options, failure)) {
    return false;
  }
  if (!SetMemory(options, failure) || !SetRings(failure)) return false;
  const XdpFilter filter{mac_, options.addresses, options.ports};
  // The program first: zero-copy needs it. Until the queue is directed all goes to the kernel.
  if (!program_.Attach(filter, interface_, interface_index_, options.mode, failure) ||
      !Bind(options, failure) || !program_.Direct(options.queue, fd_.get(), failure)) {
    return false;
  }
  wake_fd_ = watch_.WakeWith(fd_.get(), failure);
  return wake_fd_.valid();
}

bool AfXdp::OpenSocket(Failure* failure) {
  fd_ = UniqueFd(socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (fd_.valid()) return true;
  const int error = errno;
  if (error == EPERM || error == EACCES) {
    failure->Set(EPERM,
                 "AF_XDP needs CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF: run as root, or `setcap "
                 "cap_net_raw,cap_net_admin,cap_bpf+ep` the node binary");
  } else if (error == EAFNOSUPPORT) {
    failure->Set(EOPNOTSUPP, "this kernel has no AF_XDP: it needs CONFIG_XDP_SOCKETS");
  } else {
    failure->Set(error, "no AF_XDP socket" + Because(error));
  }
  return false;
}

bool AfXdp::LookAtLink(const AfXdpOptions& options, Failure* failure) {
  const UniqueFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!control.valid()) {
    failure->Set(errno, "no socket to look at the interface with" + Because(errno));
    return false;
  }
  // Listening begins before the link is looked at, so that no notice falls between.
  if (!watch_.Open(failure)) return false;
  LinkInfo link;
  if (!ReadEthernet(control.get(), options.interface, &link, failure)) return false;
  interface_ = options.interface;
  interface_index_ = link.index;
  mac_ = options.has_mac ? options.mac : link.mac;
  const size_t longest = static_cast<size_t>(link.mtu) + kEthernetHeaderBytes + kVlanTagBytes;
  chunk_bytes_ = static_cast<size_t>(options.frame_bytes);
  if (chunk_bytes_ == 0) {
    const bool is_small = longest <= kSmallChunkBytes - kRxHeadroomBytes;
    chunk_bytes_ = is_small ? kSmallChunkBytes : kLargeChunkBytes;
  }
  const size_t room = chunk_bytes_ - kRxHeadroomBytes;
  mtu_ = static_cast<int32_t>(std::min(longest, room) - kEthernetHeaderBytes - kVlanTagBytes);
  trusts_unfinished_ = options.trust_unfinished < 0 ? IsVeth(control.get(), interface_)
                                                    : options.trust_unfinished == 1;
  return AdmitStation(link, options, failure);
}

// Without ports all that is for an address becomes ours: of one that the kernel has here that would
// be SSH as well, and ARP.
bool AfXdp::SparesKernel(const AfXdpOptions& options, Failure* failure) const {
  if (!options.ports.empty()) return true;
  std::vector<uint32_t> kernels;
  if (!ReadAddresses(interface_, &kernels, failure)) return false;
  for (const uint32_t address : options.addresses) {
    if (std::find(kernels.begin(), kernels.end(), address) == kernels.end()) continue;
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &address, text, sizeof(text));
    failure->Set(EINVAL, std::string("addresses: ") + text + " is the kernel's on interface " +
                             interface_ +
                             ", which would lose all connections to it; give one that the kernel "
                             "does not have, or name in ports those that are the stack's");
    return false;
  }
  return true;
}

// Asks the NIC to let an address of our own through its filter.
bool AfXdp::AdmitStation(const LinkInfo& link, const AfXdpOptions& options, Failure* failure) {
  if (!options.has_mac || mac_ == link.mac) return true;
  station_fd_ = UniqueFd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  packet_mreq membership{};
  membership.mr_ifindex = interface_index_;
  membership.mr_type = PACKET_MR_UNICAST;
  membership.mr_alen = kMacBytes;
  std::memcpy(membership.mr_address, mac_.data(), kMacBytes);
  if (station_fd_.valid() && setsockopt(station_fd_.get(), SOL_PACKET, PACKET_ADD_MEMBERSHIP,
                                        &membership, sizeof(membership)) == 0) {
    return true;
  }
  failure->Set(
      errno, "macAddress: interface " + options.interface + " refused the filter" + Because(errno));
  return false;
}

bool AfXdp::SetMemory(const AfXdpOptions& options, Failure* failure) {
  rx_slots_ = static_cast<size_t>(options.rx_slots);
  const auto tx_slots = static_cast<size_t>(options.tx_slots);
  tx_offset_ = rx_slots_ * chunk_bytes_;
  tx_frame_bytes_ = static_cast<int32_t>(chunk_bytes_);
  const size_t umem_bytes = tx_offset_ + tx_slots * chunk_bytes_;
  // Half of the ring at most: the other half receives while the stack reads the first.
  whole_offset_ = umem_bytes;
  if (!memory_.Allocate(umem_bytes + kWholeBytes, std::min(kRxBatch, rx_slots_ / 2), tx_slots)) {
    failure->Set(errno, "no memory for the frames" + Because(errno) +
                            "; fewer rxSlots or txSlots need less");
    return false;
  }
  // The kernel holds on to these pages: a child that shared them would part us from it at the next
  // write to one of them.
  madvise(memory_.base(), memory_.size(), MADV_DONTFORK);
  xdp_umem_reg registration{};
  registration.addr = reinterpret_cast<uintptr_t>(memory_.base());
  registration.len = umem_bytes;
  registration.chunk_size = static_cast<uint32_t>(chunk_bytes_);
  if (setsockopt(fd_.get(), SOL_XDP, XDP_UMEM_REG, &registration, sizeof(registration)) != 0) {
    const int error = errno == ENOBUFS ? ENOMEM : errno;
    failure->Set(error, "rxSlots, txSlots: the kernel does not lock " +
                            std::to_string(umem_bytes >> 10) + " KiB of memory for frames" +
                            Because(errno) +
                            "; raise `ulimit -l`, or grant CAP_IPC_LOCK, or ask for fewer");
    return false;
  }
  for (size_t slot = 0; slot < tx_slots; slot++) {
    memory_.tx()[slot].offset = static_cast<int32_t>(tx_offset_ + slot * chunk_bytes_);
  }
  tx_under_way_.assign(tx_slots, 0);
  return true;
}

bool AfXdp::SetRings(Failure* failure) {
  const int fd = fd_.get();
  const size_t tx_slots = memory_.tx_slots();
  xdp_mmap_offsets at{};
  socklen_t size = sizeof(at);
  if (!fill_.Size(fd, XDP_UMEM_FILL_RING, rx_slots_) || !rx_.Size(fd, XDP_RX_RING, rx_slots_) ||
      !completion_.Size(fd, XDP_UMEM_COMPLETION_RING, tx_slots) ||
      !tx_.Size(fd, XDP_TX_RING, tx_slots) ||
      getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &size) != 0) {
    failure->Set(errno, "rxSlots, txSlots: the kernel refused rings of that size" + Because(errno));
    return false;
  }
  // Without the flags of need_wakeup it was shorter.
  if (size < sizeof(at)) {
    failure->Set(EOPNOTSUPP, "this kernel is too old: af_xdp needs Linux 5.9");
    return false;
  }
  if (!fill_.Map(fd, XDP_UMEM_PGOFF_FILL_RING, at.fr) ||
      !completion_.Map(fd, XDP_UMEM_PGOFF_COMPLETION_RING, at.cr) ||
      !rx_.Map(fd, XDP_PGOFF_RX_RING, at.rx) || !tx_.Map(fd, XDP_PGOFF_TX_RING, at.tx)) {
    failure->Set(errno, "mapping the rings failed" + Because(errno));
    return false;
  }
  for (; filled_ < rx_slots_; filled_++) fill_.At(filled_) = filled_ * chunk_bytes_;
  fill_.StoreProducer(filled_);
  return true;
}

bool AfXdp::Bind(const AfXdpOptions& options, Failure* failure) {
  sockaddr_xdp address{};
  address.sxdp_family = AF_XDP;
  address.sxdp_ifindex = static_cast<uint32_t>(interface_index_);
  address.sxdp_queue_id = options.queue;
  const auto bound = [&](int flags) {
    address.sxdp_flags = static_cast<uint16_t>(XDP_USE_NEED_WAKEUP | flags);
    return RetryWhileBusy([&] {
      return bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    });
  };
  // Before Linux 6.6 the second is what works: frames longer than a chunk are lost there.
  if (options.zero_copy
          ? bound(XDP_ZEROCOPY)
          : bound(XDP_COPY | kUseSeveralChunks) || (errno == EINVAL && bound(XDP_COPY))) {
    return true;
  }
  const int error = errno;
  const std::string queue =
      "queue " + std::to_string(options.queue) + " of interface " + interface_;
  if (error == EBUSY) {
    failure->Set(EBUSY, queue +
                            " is in use by another AF_XDP socket; close that, or choose "
                            "another queue");
  } else if (error == EINVAL) {
    failure->Set(EINVAL, "queue: there is no " + queue + "; `ethtool -l " + interface_ +
                             "` tells how many there are");
  } else if (options.zero_copy && (error == EOPNOTSUPP || error == ENOTSUP)) {
    failure->Set(EOPNOTSUPP, "zeroCopy: the device of interface " + interface_ +
                                 " has none; open with zeroCopy: false");
  } else {
    failure->Set(error, "binding to " + queue + " failed" + Because(error));
  }
  return false;
}

}  // namespace caraway
