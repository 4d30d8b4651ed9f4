// SPDX-License-Identifier: MIT
// One mapping, which is the frame memory that the stack reads and writes:
//
//   | rx ring: slots of rx_frame_bytes_ | tx ring: slots of tx_slot_bytes_ | whole frames |
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

// Frames per poll. More would keep the first ones waiting for the stack longer than a round.
constexpr size_t kRxBatch = 256;
// Where the kernel puts the frame behind its slot header: at most 66 bytes for Ethernet
// (TPACKET2_HDRLEN plus alignment of the network header), asked for with room to spare.
constexpr size_t kRxHeadroomBytes = 96;
// Where the kernel looks for the frame in a tx slot.
constexpr size_t kTxDataOffset = TPACKET2_HDRLEN - sizeof(sockaddr_ll);
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
      options.netns, [&] { opened = driver->OpenSocket(options, failure); }, failure);
  if (!entered || !opened) return nullptr;
  if (!driver->SetOptions(options, failure)) return nullptr;
  if (!driver->SetRings(options, failure)) return nullptr;
  if (!driver->Bind(options, failure)) return nullptr;
  if (!driver->Join(options, failure)) return nullptr;
  return driver;
}

bool AfPacket::OpenSocket(const AfPacketOptions& options, Failure* failure) {
  // Protocol 0: nothing is received before the rings are there and Bind names the interface.
  fd_ = UniqueFd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_.valid()) {
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
  if (!ReadLink(fd_.get(), options.interface, &link, failure)) return false;
  if (!link.is_ethernet) {
    failure->Set(EOPNOTSUPP, "interface " + options.interface + " does not carry Ethernet frames");
    return false;
  }
  if (!link.is_up) {
    failure->Set(ENETDOWN, "interface " + options.interface + " is down; `ip link set " +
                               options.interface + " up` brings it up");
    return false;
  }
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
  // A frame that the kernel cannot send is skipped instead of blocking all behind it (see Commit).
  if (!SetInt(fd, SOL_PACKET, PACKET_LOSS, 1) || !SetInt(fd, SOL_PACKET, PACKET_COPY_THRESH, 1)) {
    failure->Set(errno, "this kernel lacks PACKET_LOSS or PACKET_COPY_THRESH");
    return false;
  }
  // Refused by kernels before 4.20: Accept looks at the packet type as well.
  SetInt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
  if (options.qdisc_bypass && !SetInt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1)) {
    failure->Set(errno, "qdiscBypass: refused by this kernel; open with qdiscBypass: false");
    return false;
  }
  SetBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, options.receive_buffer_bytes);
  SetBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, 4 << 20);
  return true;
}

bool AfPacket::SetRings(const AfPacketOptions& options, Failure* failure) {
  const size_t frame = static_cast<size_t>(mtu_) + kEthernetHeaderBytes + kVlanTagBytes;
  const auto asked = static_cast<size_t>(options.rx_frame_bytes);
  rx_frame_bytes_ = SlotBytes((asked == 0 ? frame : asked) + kRxHeadroomBytes);
  rx_slots_ = static_cast<size_t>(options.rx_slots);
  tx_slot_bytes_ = SlotBytes(frame + kTxDataOffset);
  tx_frame_bytes_ = static_cast<int32_t>(tx_slot_bytes_ - kTxDataOffset);
  const auto tx_slots = static_cast<size_t>(options.tx_slots);
  tx_offset_ = rx_slots_ * rx_frame_bytes_;
  whole_offset_ = tx_offset_ + tx_slots * tx_slot_bytes_;
  if (whole_offset_ > kMaxRingBytes) {
    failure->Set(EINVAL, "rxSlots, rxFrameBytes, txSlots: rings of " +
                             std::to_string(whole_offset_ >> 20) + " MiB are asked for, at most " +
                             std::to_string(kMaxRingBytes >> 20) + " MiB are allowed");
    return false;
  }
  if (!SetRing(PACKET_RX_RING, rx_frame_bytes_, rx_slots_, "rxSlots, rxFrameBytes", failure) ||
      !SetRing(PACKET_TX_RING, tx_slot_bytes_, tx_slots, "txSlots", failure)) {
    return false;
  }
  whole_bytes_ = kWholeBytes;
  // Half of the ring at most: the other half receives while the stack reads the first.
  const size_t rx_entries = std::min(kRxBatch, rx_slots_ / 2);
  if (!memory_.Allocate(whole_offset_ + whole_bytes_, rx_entries, tx_slots) ||
      !memory_.MapDevice(fd_.get(), whole_offset_)) {
    failure->Set(errno, std::string("mapping the rings failed: ") + std::strerror(errno) +
                            "; fewer rxSlots or txSlots need less memory");
    return false;
  }
  for (size_t slot = 0; slot < tx_slots; slot++) {
    memory_.tx()[slot].offset =
        static_cast<int32_t>(tx_offset_ + slot * tx_slot_bytes_ + kTxDataOffset);
  }
  tx_is_void_.assign(tx_slots, 0);
  return true;
}

bool AfPacket::SetRing(int ring, size_t frame_bytes, size_t slots, const char* names,
                       Failure* failure) {
  // Blocks hold a whole number of slots and no rest, so that slot n lies at n * frame_bytes.
  size_t block_bytes = frame_bytes;
  size_t block_slots = 1;
  while (frame_bytes <= kPageBytes && block_bytes < kMaxBlockBytes &&
         slots % (block_slots * 2) == 0) {
    block_bytes *= 2;
    block_slots *= 2;
  }
  tpacket_req request{};
  request.tp_frame_size = static_cast<unsigned>(frame_bytes);
  request.tp_frame_nr = static_cast<unsigned>(slots);
  request.tp_block_size = static_cast<unsigned>(block_bytes);
  request.tp_block_nr = static_cast<unsigned>(slots / block_slots);
  if (block_bytes % kPageBytes == 0 &&
      setsockopt(fd_.get(), SOL_PACKET, ring, &request, sizeof(request)) == 0) {
    return true;
  }
  const int error = block_bytes % kPageBytes == 0 ? errno : EINVAL;
  failure->Set(error, std::string(names) + ": the kernel refused a ring of " +
                          std::to_string(slots) + " slots of " + std::to_string(frame_bytes) +
                          " bytes (" + std::strerror(error) + ")");
  return false;
}

bool AfPacket::Bind(const AfPacketOptions& options, Failure* failure) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = interface_index_;
  if (bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    failure->Set(errno,
                 "binding to interface " + options.interface + " failed: " + std::strerror(errno));
    return false;
  }
  return true;
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
  if (is_down_ || rx_held_ > 0 || tx_sent_ != tx_queued_) return true;
  if (static_cast<uint32_t>(memory_.control()[kTxTail]) != tx_queued_) return true;
  LookAtDevice(memory_.status()->now_ms);
  return is_down_ || (LoadStatus(RxSlot(rx_next_)) & TP_STATUS_USER) != 0;
}

tpacket2_hdr* AfPacket::RxSlot(size_t index) const {
  return reinterpret_cast<tpacket2_hdr*>(memory_.base() + index * rx_frame_bytes_);
}

tpacket2_hdr* AfPacket::TxSlot(uint32_t counter) const {
  const size_t slot = counter & (memory_.tx_slots() - 1);
  return reinterpret_cast<tpacket2_hdr*>(memory_.base() + tx_offset_ + slot * tx_slot_bytes_);
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
  // The tail is the stack's; one that overtakes the ring must not make us touch slots in flight.
  const auto slots = static_cast<uint32_t>(memory_.tx_slots());
  while (tx_queued_ != tail && tx_queued_ - tx_given_back_ < slots) Commit(tx_queued_++);
  if (tx_sent_ != tx_queued_) Kick(now_ms);
  if (tx_given_back_ != tx_queued_) Reclaim();
}

// Hands one slot to the kernel. A frame that cannot be sent is handed over with length 0: the
// kernel walks the ring in order and, with PACKET_LOSS, skips that one quietly.
void AfPacket::Commit(uint32_t counter) {
  const size_t slot = counter & (memory_.tx_slots() - 1);
  const Descriptor& descriptor = memory_.tx()[slot];
  tpacket2_hdr* header = TxSlot(counter);
  uint8_t* frame = reinterpret_cast<uint8_t*>(header) + kTxDataOffset;
  const auto length = static_cast<size_t>(static_cast<uint32_t>(descriptor.length));
  bool is_good =
      length >= kEthernetHeaderBytes && length <= static_cast<size_t>(mtu_) + kEthernetHeaderBytes;
  if (is_good && (descriptor.flags & kTxChecksum) != 0) {
    is_good = FinishChecksum(frame, length, descriptor.checksum);
  }
  tx_is_void_[slot] = is_good ? 0 : 1;
  header->tp_len = is_good ? static_cast<uint32_t>(length) : 0;
  StoreStatus(header, TP_STATUS_SEND_REQUEST);
}

void AfPacket::Kick(double now_ms) {
  const ssize_t result = send(fd_.get(), nullptr, 0, MSG_DONTWAIT);
  const int error = result < 0 ? errno : 0;
  const uint32_t before = tx_sent_;
  while (tx_sent_ != tx_queued_ && LoadStatus(TxSlot(tx_sent_)) != TP_STATUS_SEND_REQUEST) {
    tx_sent_++;
  }
  if (error == ENETDOWN || error == ENXIO || error == ENODEV) is_down_ = true;
  // EAGAIN and ENOBUFS mean later, never lost: the slots stay as they are for the next poll.
  if (tx_sent_ != before || tx_sent_ == tx_queued_) {
    tx_stalled_since_ms_ = 0;
  } else if (tx_stalled_since_ms_ == 0) {
    tx_stalled_since_ms_ = now_ms;
  } else if (now_ms - tx_stalled_since_ms_ > kTxStallMs) {
    DropStalled();
  }
}

void AfPacket::DropStalled() {
  for (uint32_t counter = tx_sent_; counter != tx_queued_; counter++) {
    TxSlot(counter)->tp_len = 0;
    tx_is_void_[counter & (memory_.tx_slots() - 1)] = 1;
  }
}

void AfPacket::Reclaim() {
  Status* status = memory_.status();
  while (tx_given_back_ != tx_sent_) {
    tpacket2_hdr* header = TxSlot(tx_given_back_);
    if (LoadStatus(header) != TP_STATUS_AVAILABLE) break;
    if (tx_is_void_[tx_given_back_ & (memory_.tx_slots() - 1)] != 0) {
      status->tx_dropped++;
    } else {
      status->tx_frames++;
      status->tx_bytes += header->tp_len;
    }
    tx_given_back_++;
  }
  memory_.control()[kTxHead] = static_cast<int32_t>(tx_given_back_);
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
