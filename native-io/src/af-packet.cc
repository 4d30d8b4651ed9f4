// SPDX-License-Identifier: MIT
// One mapping, which is the frame memory that the stack reads and writes:
//
//   | rx ring: slots of rx_frame_bytes_ | whole frames | tx slots, see virtio-tx.h |
//
// Two sockets: one receives by a ring (TPACKET_V2). The other sends by sendmmsg(): a tx ring takes
// no frame longer than its slots, copies no less on the way to a virtual device, and needs its
// slots watched until the device has done with them.
//
// Ring slots are small (2 KB for an MTU of 1500), so that the ring is deep and its working set
// stays in the cache. A local peer or GRO sends super-frames of up to 64 KB, which do not fit;
// PACKET_COPY_THRESH makes the kernel queue those on the socket besides the truncated ring entry,
// in the same order, and they are read from there whole. One recv() per 64 KB costs nothing next
// to copying it; slots of 64 KB would cost every small frame its cache lines.

#include "af-packet.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>

#include "checksum.h"
#include "clock.h"
#include "link-info.h"
#include "net-namespace.h"

namespace caraway {
namespace {

// Where the kernel puts the frame behind its slot header: at most 66 bytes for Ethernet
// (TPACKET2_HDRLEN plus alignment of the network header), asked for with room to spare.
constexpr size_t kRxHeadroomBytes = 96;
// Frames per system call.
constexpr size_t kTxBatch = 64;
constexpr size_t kVlanTagBytes = 4;
constexpr size_t kMinSlotBytes = 2048;
constexpr size_t kPageBytes = 4096;
// Ring blocks are physically contiguous: 64 KB is had without trouble on a busy machine.
constexpr size_t kMaxBlockBytes = 65536;
// Largest super-frame: a 64 KB IP packet behind Ethernet and one VLAN tag.
constexpr size_t kMaxFrameBytes = 65535 + kEthernetHeaderBytes + kVlanTagBytes;
// Ring memory is locked: more of it than this is a mistake in the options, not a wish.
constexpr size_t kMaxRingBytes = size_t{512} << 20;
// Room for the super-frames of one poll: 16 of the largest.
constexpr size_t kWholeBytes = 16 * RoundUp(kMaxFrameBytes, 64);
// How often an idle or busy device is asked whether it is still there, and what it has lost.
constexpr double kLookIntervalMs = 1;
// A frame that the device refuses for so long is dropped: a NIC without carrier does the same.
constexpr double kTxStallMs = 20;

uint32_t LoadStatus(tpacket2_hdr* header) {
  return std::atomic_ref<uint32_t>(header->tp_status).load(std::memory_order_acquire);
}

void StoreStatus(tpacket2_hdr* header, uint32_t status) {
  std::atomic_ref<uint32_t>(header->tp_status).store(status, std::memory_order_release);
}

size_t SlotBytes(size_t wanted) {
  const size_t bytes = std::max(wanted, kMinSlotBytes);
  return bytes <= kPageBytes ? std::bit_ceil(bytes) : RoundUp(bytes, kPageBytes);
}

bool SetInt(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

// Privileged first, then as much as the administrator allows everybody.
void SetBuffer(int fd, int forced_option, int option, int bytes) {
  if (!SetInt(fd, SOL_SOCKET, forced_option, bytes)) SetInt(fd, SOL_SOCKET, option, bytes);
}

}  // namespace

std::unique_ptr<AfPacket> AfPacket::Open(const AfPacketOptions& options, Failure* failure) {
  std::unique_ptr<AfPacket> driver(new AfPacket());
  bool opened = false;
  const bool entered = RunInNamespace(
      options.netns, [&] { opened = driver->OpenSockets(options, failure); }, failure);
  if (!entered || !opened) return nullptr;
  if (!driver->SetOptions(options, failure)) return nullptr;
  if (!driver->SetMemory(options, failure)) return nullptr;
  if (!driver->Bind(options, failure)) return nullptr;
  if (!driver->Join(options, failure)) return nullptr;
  return driver;
}

bool AfPacket::OpenSockets(const AfPacketOptions& options, Failure* failure) {
  // Protocol 0: nothing is received, on the second never, on the first not before the ring is
  // there and Bind names the interface.
  for (UniqueFd* fd : {&fd_, &tx_fd_}) {
    *fd = UniqueFd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fd->valid()) continue;
    const int error = errno;
    if (error == EPERM || error == EACCES) {
      failure->Set(EPERM,
                   "AF_PACKET needs CAP_NET_RAW: run as root, or "
                   "`setcap cap_net_raw+ep` the node binary, or run inside `unshare -Urn`");
    } else {
      failure->Set(error, std::string("no AF_PACKET socket: ") + std::strerror(error));
    }
    return false;
  }
  LinkInfo link;
  if (!ReadEthernet(fd_.get(), options.interface, &link, failure)) return false;
  interface_ = options.interface;
  interface_index_ = link.index;
  mac_ = options.has_mac ? options.mac : link.mac;
  mtu_ = std::min(link.mtu, 65535);
  return true;
}

bool AfPacket::SetOptions(const AfPacketOptions& options, Failure* failure) {
  const int fd = fd_.get();
  if (!SetInt(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2)) {
    failure->Set(errno, "this kernel has no TPACKET_V2 rings");
    return false;
  }
  if (!SetInt(fd, SOL_PACKET, PACKET_COPY_THRESH, 1) ||
      !SetInt(tx_fd_.get(), SOL_PACKET, PACKET_VNET_HDR, 1)) {
    failure->Set(errno, "this kernel lacks PACKET_COPY_THRESH or PACKET_VNET_HDR");
    return false;
  }
  // Refused by kernels before 4.20: Accept looks at the packet type as well.
  SetInt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
  if (options.qdisc_bypass && !SetInt(tx_fd_.get(), SOL_PACKET, PACKET_QDISC_BYPASS, 1)) {
    failure->Set(errno, "qdiscBypass: refused by this kernel; open with qdiscBypass: false");
    return false;
  }
  bypasses_qdisc_ = options.qdisc_bypass;
  SetBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, options.receive_buffer_bytes);
  SetBuffer(tx_fd_.get(), SO_SNDBUFFORCE, SO_SNDBUF, 4 << 20);
  return true;
}

bool AfPacket::SetMemory(const AfPacketOptions& options, Failure* failure) {
  const size_t frame = static_cast<size_t>(mtu_) + kEthernetHeaderBytes + kVlanTagBytes;
  const auto asked = static_cast<size_t>(options.rx_frame_bytes);
  rx_frame_bytes_ = SlotBytes((asked == 0 ? frame : asked) + kRxHeadroomBytes);
  rx_slots_ = static_cast<size_t>(options.rx_slots);
  const auto tx_slots = static_cast<size_t>(options.tx_slots);
  const size_t rx_bytes = rx_slots_ * rx_frame_bytes_;
  const size_t tx_bytes = tx_slots * VirtioTx::SlotBytes(mtu_);
  if (rx_bytes + tx_bytes > kMaxRingBytes) {
    failure->Set(EINVAL, "rxSlots, rxFrameBytes, txSlots: rings of " +
                             std::to_string((rx_bytes + tx_bytes) >> 20) +
                             " MiB are asked for, at most " + std::to_string(kMaxRingBytes >> 20) +
                             " MiB are allowed");
    return false;
  }
  if (!SetRxRing(failure)) return false;
  whole_offset_ = rx_bytes;
  whole_bytes_ = kWholeBytes;
  const size_t tx_offset = whole_offset_ + whole_bytes_;
  // Half of the ring at most: the other half receives while the stack reads the first.
  const size_t rx_entries = std::min(kRxBatch, rx_slots_ / 2);
  if (!memory_.Allocate(tx_offset + tx_bytes, rx_entries, tx_slots) ||
      !memory_.MapDevice(fd_.get(), rx_bytes)) {
    failure->Set(errno, std::string("mapping the rings failed: ") + std::strerror(errno) +
                            "; fewer rxSlots or txSlots need less memory");
    return false;
  }
  tx_.Place(&memory_, tx_offset, mtu_, options.send_offload);
  tx_frame_bytes_ = tx_.frame_bytes();
  tso_max_bytes_ = options.send_offload ? kMaxPacketBytes : 0;
  return true;
}

bool AfPacket::SetRxRing(Failure* failure) {
  // Blocks hold a whole number of slots and no rest, so that slot n lies at n * rx_frame_bytes_.
  size_t block_bytes = rx_frame_bytes_;
  size_t block_slots = 1;
  while (rx_frame_bytes_ <= kPageBytes && block_bytes < kMaxBlockBytes &&
         rx_slots_ % (block_slots * 2) == 0) {
    block_bytes *= 2;
    block_slots *= 2;
  }
  tpacket_req request{};
  request.tp_frame_size = static_cast<unsigned>(rx_frame_bytes_);
  request.tp_frame_nr = static_cast<unsigned>(rx_slots_);
  request.tp_block_size = static_cast<unsigned>(block_bytes);
  request.tp_block_nr = static_cast<unsigned>(rx_slots_ / block_slots);
  if (block_bytes % kPageBytes == 0 &&
      setsockopt(fd_.get(), SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) == 0) {
    return true;
  }
  const int error = block_bytes % kPageBytes == 0 ? errno : EINVAL;
  failure->Set(error, "rxSlots, rxFrameBytes: the kernel refused a ring of " +
                          std::to_string(rx_slots_) + " slots of " +
                          std::to_string(rx_frame_bytes_) + " bytes (" + std::strerror(error) +
                          ")");
  return false;
}

bool AfPacket::Bind(const AfPacketOptions& options, Failure* failure) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = interface_index_;
  const auto bind_to = [&](const UniqueFd& fd, uint16_t protocol) {
    address.sll_protocol = htons(protocol);
    return bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  };
  if (bind_to(tx_fd_, 0) && bind_to(fd_, ETH_P_ALL)) return true;
  failure->Set(errno,
               "binding to interface " + options.interface + " failed: " + std::strerror(errno));
  return false;
}

bool AfPacket::Join(const AfPacketOptions& options, Failure* failure) {
  packet_mreq membership{};
  membership.mr_ifindex = interface_index_;
  if (options.promiscuous) {
    membership.mr_type = PACKET_MR_PROMISC;
  } else if (options.has_mac) {
    // Asks the NIC to let our own address through its filter, without all the others.
    membership.mr_type = PACKET_MR_UNICAST;
    membership.mr_alen = kMacBytes;
    std::memcpy(membership.mr_address, mac_.data(), kMacBytes);
  }
  if ((options.promiscuous || options.has_mac) &&
      setsockopt(fd_.get(), SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof(membership)) !=
          0) {
    failure->Set(errno, std::string(options.promiscuous ? "promiscuous" : "macAddress") +
                            ": interface " + options.interface +
                            " refused the filter: " + std::strerror(errno));
    return false;
  }
  if (options.fanout_id >= 0) {
    const int group = options.fanout_id | (options.fanout_mode << 16);
    if (!SetInt(fd_.get(), SOL_PACKET, PACKET_FANOUT, group)) {
      failure->Set(errno, "fanout: joining group " + std::to_string(options.fanout_id) +
                              " failed: " + std::strerror(errno) +
                              "; all members need the same mode and interface");
      return false;
    }
  }
  return true;
}

int32_t AfPacket::Poll() {
  Status* status = memory_.status();
  const double now_ms = MonotonicMs();
  status->now_ms = now_ms;
  status->polls++;
  ReleaseReceived();
  if (is_down_) return -ENETDOWN;
  Transmit(now_ms);
  const int32_t frames = Receive();
  if (now_ms >= next_look_ms_) LookAtDevice(now_ms);
  return frames == 0 && is_down_ ? -ENETDOWN : frames;
}

bool AfPacket::HasWork() {
  if (is_down_ || rx_held_ > 0) return true;
  if (static_cast<uint32_t>(memory_.control()[kTxTail]) != tx_given_back_) return true;
  LookAtDevice(memory_.status()->now_ms);
  return is_down_ || (LoadStatus(RxSlot(rx_next_)) & TP_STATUS_USER) != 0;
}

tpacket2_hdr* AfPacket::RxSlot(size_t index) const {
  return reinterpret_cast<tpacket2_hdr*>(memory_.base() + index * rx_frame_bytes_);
}

void AfPacket::ReleaseReceived() {
  size_t index = (rx_next_ + rx_slots_ - rx_held_) % rx_slots_;
  for (; rx_held_ > 0; rx_held_--) {
    StoreStatus(RxSlot(index), TP_STATUS_KERNEL);
    if (++index == rx_slots_) index = 0;
  }
  whole_used_ = 0;
}

void AfPacket::Transmit(double now_ms) {
  const auto tail = static_cast<uint32_t>(memory_.control()[kTxTail]);
  // The tail is the stack's: one that overtakes the ring must not keep us here.
  const auto most = static_cast<uint32_t>(memory_.tx_slots());
  const uint32_t end = tail - tx_given_back_ > most ? tx_given_back_ + most : tail;
  while (tx_given_back_ != end && SendBatch(end, now_ms)) {
  }
  memory_.control()[kTxHead] = static_cast<int32_t>(tx_given_back_);
}

// Sends frames of the slots up to `end`, as many as one system call takes. False when the rest has
// to wait.
bool AfPacket::SendBatch(uint32_t end, double now_ms) {
  std::array<iovec, kTxBatch> frames;
  std::array<mmsghdr, kTxBatch> messages;
  std::array<uint32_t, kTxBatch + 1> slots;
  size_t count = 0;
  uint32_t next = tx_given_back_;
  for (; next != end && count < kTxBatch; next++) {
    const VirtioTx::Verdict verdict = tx_.Prepare(next, &frames[count]);
    if (verdict == VirtioTx::Verdict::kRefuse) break;
    if (verdict == VirtioTx::Verdict::kEmpty) continue;
    messages[count] = {};
    messages[count].msg_hdr.msg_iov = &frames[count];
    messages[count].msg_hdr.msg_iovlen = 1;
    slots[count++] = next;
  }
  slots[count] = next;
  if (count == 0) {
    // Empty slots, or a frame that makes no sense.
    if (next != end) memory_.status()->tx_dropped++;
    tx_given_back_ = next == end ? end : next + 1;
    return true;
  }
  const int sent =
      sendmmsg(tx_fd_.get(), messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
  if (sent <= 0) return Refused(slots[0], errno, end, now_ms);
  for (int i = 0; i < sent; i++) {
    memory_.status()->tx_bytes +=
        static_cast<double>(frames[static_cast<size_t>(i)].iov_len - kVirtioNetHeaderBytes);
  }
  memory_.status()->tx_frames += sent;
  tx_given_back_ = slots[static_cast<size_t>(sent)];
  tx_stalled_since_ms_ = 0;
  return true;
}

// The kernel did not take the frame in that slot. True when the others may be tried.
bool AfPacket::Refused(uint32_t slot, int error, uint32_t end, double now_ms) {
  if (error == ENETDOWN || error == ENXIO || error == ENODEV) {
    is_down_ = true;
    return false;
  }
  const size_t index = slot & (memory_.tx_slots() - 1);
  if (error == ENOBUFS && bypasses_qdisc_ && (memory_.tx()[index].flags & kTxSegment) != 0) {
    // A device that does not cut segments up, or not so long ones. Past the queueing discipline
    // nobody does it in its place.
    bypasses_qdisc_ = false;
    return SetInt(tx_fd_.get(), SOL_PACKET, PACKET_QDISC_BYPASS, 0);
  }
  if (error != EAGAIN && error != EINTR) {
    // ENOBUFS among others: the device or its queue has dropped it.
    memory_.status()->tx_dropped++;
    tx_given_back_ = slot + 1;
    return true;
  }
  // The socket's buffer is full of frames that the device has not sent yet.
  if (tx_stalled_since_ms_ == 0) tx_stalled_since_ms_ = now_ms;
  if (now_ms - tx_stalled_since_ms_ <= kTxStallMs) return false;
  for (iovec unused; tx_given_back_ != end; tx_given_back_++) {
    if (tx_.Prepare(tx_given_back_, &unused) != VirtioTx::Verdict::kEmpty) {
      memory_.status()->tx_dropped++;
    }
  }
  return false;
}

int32_t AfPacket::Receive() {
  Status* counters = memory_.status();
  const size_t entries = memory_.rx_entries();
  size_t frames = 0;
  while (rx_held_ < entries) {
    const tpacket2_hdr* header = RxSlot(rx_next_);
    const uint32_t status = LoadStatus(RxSlot(rx_next_));
    if ((status & TP_STATUS_USER) == 0) break;
    // A super-frame that finds no room now stays at the head of both queues for the next poll.
    if ((status & TP_STATUS_COPY) != 0 && whole_used_ + kMaxFrameBytes > whole_bytes_) break;
    if ((status & TP_STATUS_LOSING) != 0) losing_ = true;
    Descriptor* out = memory_.rx() + frames;
    if (Locate(*header, status, out) && Judge(*header, status, out)) {
      counters->rx_bytes += out->length;
      frames++;
    }
    rx_held_++;
    if (++rx_next_ == rx_slots_) rx_next_ = 0;
  }
  counters->rx_frames += static_cast<double>(frames);
  if (losing_) CountOverruns();
  return static_cast<int32_t>(frames);
}

// Says where all of the frame lies; false when not all of it is to be had, which is counted.
bool AfPacket::Locate(const tpacket2_hdr& header, uint32_t status, Descriptor* out) {
  if ((status & TP_STATUS_COPY) == 0) {
    out->offset = static_cast<int32_t>(rx_next_ * rx_frame_bytes_ + header.tp_mac);
    out->length = static_cast<int32_t>(header.tp_snaplen);
  } else {
    const size_t offset = whole_offset_ + whole_used_;
    // MSG_TRUNC: the result is the length of the frame, even if it is more than there is room for.
    const ssize_t length =
        recv(fd_.get(), memory_.base() + offset, kMaxFrameBytes, MSG_DONTWAIT | MSG_TRUNC);
    out->offset = static_cast<int32_t>(offset);
    out->length = static_cast<int32_t>(std::min<ssize_t>(length, kMaxFrameBytes));
    if (out->length > 0) whole_used_ += RoundUp(static_cast<size_t>(out->length), 64);
  }
  if (out->length == static_cast<int32_t>(header.tp_len)) return true;
  memory_.status()->rx_dropped++;
  memory_.status()->rx_too_large++;
  return false;
}

// Decides whether the frame is the stack's, and what is known about its checksum.
bool AfPacket::Judge(const tpacket2_hdr& header, uint32_t status, Descriptor* out) {
  const auto* from = reinterpret_cast<const sockaddr_ll*>(
      reinterpret_cast<const uint8_t*>(&header) + TPACKET_ALIGN(sizeof(tpacket2_hdr)));
  if (from->sll_pkttype == PACKET_OUTGOING) return false;
  // The kernel has taken the tag off: without this the frame would pass for an untagged one.
  const bool is_tagged = (status & TP_STATUS_VLAN_VALID) != 0 && (header.tp_vlan_tci & 0xfff) != 0;
  if (is_tagged || out->length < static_cast<int32_t>(kEthernetHeaderBytes)) {
    memory_.status()->rx_dropped++;
    return false;
  }
  // Not ready: a local peer left it to a NIC that is not there, so the bytes never left this host.
  // Valid: the NIC has looked.
  const bool is_known = (status & (TP_STATUS_CSUMNOTREADY | TP_STATUS_CSUM_VALID)) != 0;
  const auto length = static_cast<size_t>(out->length);
  if (length > static_cast<size_t>(mtu_) + kEthernetHeaderBytes) {
    memory_.status()->rx_super_frames++;
  }
  const bool is_good = is_known || TransportChecksumIsGood(memory_.base() + out->offset, length);
  out->flags = is_good ? kRxChecksumValid : 0;
  return true;
}

// Asks for what no ring tells: the device's end, and frames that found the ring full.
void AfPacket::LookAtDevice(double now_ms) {
  next_look_ms_ = now_ms + kLookIntervalMs;
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == ENETDOWN || error == ENXIO || error == ENODEV) is_down_ = true;
  CountOverruns();
}

void AfPacket::CountOverruns() {
  losing_ = false;
  tpacket_stats since_last{};
  socklen_t size = sizeof(since_last);
  if (getsockopt(fd_.get(), SOL_PACKET, PACKET_STATISTICS, &since_last, &size) != 0) return;
  memory_.status()->rx_dropped += since_last.tp_drops;
  memory_.status()->rx_overruns += since_last.tp_drops;
}

}  // namespace caraway
