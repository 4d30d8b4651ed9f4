// SPDX-License-Identifier: MIT
// A TAP device has no rings to map: one read or write per frame. Received frames are packed one
// after the other from the start of frame memory, so that a batch of small ones stays in the cache
// and a super-frame of 64 KB needs no slot of its own size.
//
//   | rx: header frame | header frame | ...          | tx slots, see virtio-tx.h |
//
// Each frame is preceded by its 10-byte virtio-net header, in the same read or write.

#include "tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "checksum.h"
#include "clock.h"
#include "link-info.h"
#include "net-namespace.h"

namespace caraway {
namespace {

constexpr size_t kVlanTagBytes = 4;
// Largest super-frame: a 64 KB IP packet behind Ethernet and one VLAN tag.
constexpr size_t kMaxFrameBytes = 65535 + kEthernetHeaderBytes + kVlanTagBytes;
// Room for a poll of the largest frames, at the start of the memory.
constexpr size_t kRxBytes = kRxBatch * RoundUp(kVirtioNetHeaderBytes + kMaxFrameBytes, 64);
// How often the link notices are read while the loop spins.
constexpr double kLookIntervalMs = 1;

std::string Because(int error) { return std::string(": ") + std::strerror(error); }

}  // namespace

std::unique_ptr<Tap> Tap::Open(const TapOptions& options, Failure* failure) {
  std::unique_ptr<Tap> driver(new Tap());
  bool opened = false;
  const bool entered = RunInNamespace(
      options.netns,
      [&] {
        opened = driver->OpenDevice(options, failure) && driver->Attach(options, failure) &&
                 driver->Configure(options, failure);
      },
      failure);
  if (!entered || !opened) return nullptr;
  if (!driver->SetOffload(options, failure)) return nullptr;
  if (!driver->SetMemory(options, failure)) return nullptr;
  driver->wake_fd_ = driver->watch_.WakeWith(driver->fd_.get(), failure);
  if (!driver->wake_fd_.valid()) return nullptr;
  // Last: a device that failed half-way must not stay behind.
  if (options.persist && ioctl(driver->fd_.get(), TUNSETPERSIST, 1) != 0) {
    return failure->Set(errno, "persist: refused by the kernel" + Because(errno));
  }
  return driver;
}

bool Tap::OpenDevice(const TapOptions&, Failure* failure) {
  fd_ = UniqueFd(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (fd_.valid()) return true;
  const int error = errno;
  if (error == EACCES || error == EPERM) {
    failure->Set(EPERM,
                 "opening /dev/net/tun was refused; run as root, or let the user read "
                 "and write the device");
  } else {
    failure->Set(error, "no /dev/net/tun" + Because(error) + "; `modprobe tun` provides it");
  }
  return false;
}

bool Tap::Attach(const TapOptions& options, Failure* failure) {
  ifreq request{};
  std::memcpy(request.ifr_name, options.interface.data(),
              std::min(options.interface.size(), size_t{IFNAMSIZ - 1}));
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (ioctl(fd_.get(), TUNSETIFF, &request) == 0) {
    interface_ = request.ifr_name;
    return true;
  }
  const int error = errno;
  if (error == EPERM) {
    failure->Set(EPERM,
                 "a TAP device needs CAP_NET_ADMIN: run as root, or `setcap "
                 "cap_net_admin+ep` the node binary, or attach to a persistent device "
                 "that belongs to this user, or run inside `unshare -Urn`");
  } else if (error == EBUSY) {
    failure->Set(EBUSY, "TAP device " + options.interface + " is in use by another process");
  } else if (error == EINVAL) {
    failure->Set(
        EINVAL, "interface: " + options.interface + " exists and is not a TAP device of one queue");
  } else {
    failure->Set(error, "no TAP device " + options.interface + Because(error));
  }
  return false;
}

bool Tap::Configure(const TapOptions& options, Failure* failure) {
  const UniqueFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!control.valid()) {
    failure->Set(errno, "no socket to set up the device with" + Because(errno));
    return false;
  }
  const int fd = control.get();
  if (options.mtu != 0 && !SetLinkMtu(fd, interface_, options.mtu, failure)) return false;
  if (options.kernel_address != 0 &&
      !SetLinkAddress(fd, interface_, options.kernel_address, options.kernel_netmask, failure)) {
    return false;
  }
  // Listening begins before the link is looked at, so that no notice falls between.
  if (!watch_.Open(failure)) return false;
  if (options.link_up && !SetLinkUp(fd, interface_, failure)) return false;
  LinkInfo link;
  if (!ReadLink(fd, interface_, &link, failure)) return false;
  if (!link.is_up) {
    failure->Set(ENETDOWN, "interface " + interface_ +
                               " is down; open with linkUp: true, or "
                               "`ip link set " +
                               interface_ + " up`");
    return false;
  }
  // The notices of what was just done are no news.
  while (recv(watch_.fd(), nullptr, 0, MSG_DONTWAIT | MSG_TRUNC) > 0) {
  }
  interface_index_ = link.index;
  mtu_ = std::min(link.mtu, 65535);
  return true;
}

bool Tap::SetOffload(const TapOptions& options, Failure* failure) {
  // With TUN_F_CSUM the kernel leaves the checksums of its own segments unfinished and says so;
  // with TUN_F_TSO4 it sends up to 64 KB at once instead of cutting them up.
  const unsigned wanted = options.receive_offload ? TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO_ECN : 0;
  if (ioctl(fd_.get(), TUNSETOFFLOAD, wanted) != 0) {
    failure->Set(errno, "receiveOffload: refused by the kernel" + Because(errno));
    return false;
  }
  if (options.has_mac) {
    mac_ = options.mac;
    return true;
  }
  // Our end of the cable is a station of its own; the device's address is the kernel's end.
  if (getrandom(mac_.data(), kMacBytes, 0) != static_cast<ssize_t>(kMacBytes)) {
    failure->Set(errno, "macAddress: no random bytes to make one from; give one");
    return false;
  }
  mac_[0] = static_cast<uint8_t>((mac_[0] & 0xfc) | 0x02);  // unicast, locally administered
  return true;
}

bool Tap::SetMemory(const TapOptions& options, Failure* failure) {
  const auto slots = static_cast<size_t>(options.tx_slots);
  if (!memory_.Allocate(kRxBytes + slots * VirtioTx::SlotBytes(mtu_), kRxBatch, slots)) {
    failure->Set(errno, "no memory for the frames" + Because(errno) + "; fewer txSlots need less");
    return false;
  }
  tx_.Place(&memory_, kRxBytes, mtu_, options.send_offload);
  tx_frame_bytes_ = tx_.frame_bytes();
  tso_max_bytes_ = options.send_offload ? kMaxPacketBytes : 0;
  return true;
}

int32_t Tap::Poll() {
  Status* status = memory_.status();
  status->now_ms = MonotonicMs();
  status->polls++;
  if (is_down_) return -ENETDOWN;
  Transmit();
  const int32_t frames = is_down_ ? 0 : Receive();
  if (status->now_ms >= next_look_ms_) LookAtDevice(status->now_ms);
  return frames == 0 && is_down_ ? -ENETDOWN : frames;
}

bool Tap::HasWork() {
  if (static_cast<uint32_t>(memory_.control()[kTxTail]) != tx_given_back_) return true;
  LookAtDevice(memory_.status()->now_ms);
  // Frames cannot be looked at without taking them; the descriptor is level-triggered, so one that
  // is there already wakes at once.
  return is_down_;
}

void Tap::Transmit() {
  const auto tail = static_cast<uint32_t>(memory_.control()[kTxTail]);
  const size_t slots = memory_.tx_slots();
  for (size_t sent = 0; tx_given_back_ != tail && sent < slots; sent++) {
    if (!Send(tx_given_back_)) break;
    tx_given_back_++;
  }
  memory_.control()[kTxHead] = static_cast<int32_t>(tx_given_back_);
}

// False when the frame has to wait; a frame that the device refuses is counted and done with.
bool Tap::Send(uint32_t counter) {
  Status* status = memory_.status();
  iovec frame;
  const VirtioTx::Verdict verdict = tx_.Prepare(counter, &frame);
  if (verdict == VirtioTx::Verdict::kEmpty) return true;
  if (verdict == VirtioTx::Verdict::kRefuse) {
    status->tx_dropped++;
    return true;
  }
  const ssize_t written = write(fd_.get(), frame.iov_base, frame.iov_len);
  if (written >= 0) {
    status->tx_frames++;
    status->tx_bytes += static_cast<double>(frame.iov_len - kVirtioNetHeaderBytes);
    return true;
  }
  if (errno == EAGAIN || errno == EINTR) return false;
  // EIO: the interface is down. EBADFD: it has been deleted.
  if (errno == EIO || errno == EBADFD || errno == ENODEV) {
    is_down_ = true;
    return false;
  }
  status->tx_dropped++;
  return true;
}

int32_t Tap::Receive() {
  Status* status = memory_.status();
  size_t frames = 0;
  size_t used = 0;
  while (frames < kRxBatch) {
    uint8_t* at = memory_.base() + used;
    const ssize_t length = read(fd_.get(), at, kVirtioNetHeaderBytes + kMaxFrameBytes);
    if (length < 0) {
      if (errno == EBADFD || errno == EFAULT || errno == ENODEV) is_down_ = true;
      break;
    }
    const auto bytes = static_cast<size_t>(length);
    if (bytes < kVirtioNetHeaderBytes + kEthernetHeaderBytes) {
      status->rx_dropped++;
      continue;
    }
    Describe(at, used + kVirtioNetHeaderBytes, bytes - kVirtioNetHeaderBytes,
             memory_.rx() + frames);
    status->rx_bytes += static_cast<double>(bytes - kVirtioNetHeaderBytes);
    frames++;
    // Multiples of 8 behind a header of 10: the IP header of every frame lies on 4 bytes.
    used += RoundUp(bytes, 8);
  }
  status->rx_frames += static_cast<double>(frames);
  return static_cast<int32_t>(frames);
}

void Tap::Describe(const uint8_t* header_bytes, size_t offset, size_t length, Descriptor* out) {
  VirtioNetHeader header;
  std::memcpy(&header, header_bytes, kVirtioNetHeaderBytes);
  out->offset = static_cast<int32_t>(offset);
  out->length = static_cast<int32_t>(length);
  // Unfinished: a local sender left it to a NIC that is not there. Valid: somebody has looked.
  const bool is_known = (header.flags & (kNeedsChecksum | kDataValid)) != 0;
  const bool is_good = is_known || TransportChecksumIsGood(memory_.base() + offset, length);
  out->flags = is_good ? kRxChecksumValid : 0;
  if (header.gso_type != kGsoNone) memory_.status()->rx_super_frames++;
}

void Tap::LookAtDevice(double now_ms) {
  next_look_ms_ = now_ms + kLookIntervalMs;
  if (!watch_.IsStillUp(interface_index_, interface_)) is_down_ = true;
}

}  // namespace caraway
