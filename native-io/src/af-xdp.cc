// SPDX-License-Identifier: MIT
// The front of the shared memory is the UMEM: chunks of 2 or 4 KB, which the kernel fills and
// sends in place.
//
//   | rx chunks: 256 bytes of headroom, frame | tx chunks: one per slot, frame | whole frames |
//
// There are as many rx chunks as the fill and the rx ring have entries, so neither overflows. What
// the stack may still read stays in the rx ring until the next poll, which moves it to fill. In
// generic mode a local peer sends super-frames of up to 64 KB, which come in several chunks and
// are put together behind the UMEM: that costs nothing next to what they save.

#include "af-xdp.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "checksum.h"
#include "clock.h"

namespace caraway {
namespace {

// The kernel sends 32 frames per call in copy mode (TX_BATCH_SIZE).
constexpr size_t kFramesPerKick = 32;
// XDP_PKT_CONTD, which older headers lack: more chunks of the same frame follow.
constexpr uint32_t kContinued = 1 << 0;
// How often the link notices and the drop counters are read while the loop spins.
constexpr double kLookIntervalMs = 1;

}  // namespace

int32_t AfXdp::Poll() {
  Status* status = memory_.status();
  status->now_ms = MonotonicMs();
  status->polls++;
  ReleaseReceived();
  if (is_down_) return -ENETDOWN;
  Transmit();
  const int32_t frames = Receive();
  if (status->now_ms >= next_look_ms_) LookAtDevice(status->now_ms);
  return frames == 0 && is_down_ ? -ENETDOWN : frames;
}

bool AfXdp::HasWork() {
  if (is_down_ || rx_held_ > 0) return true;
  if (static_cast<uint32_t>(memory_.control()[kTxTail]) != tx_queued_) return true;
  // Nothing wakes for a completion: who may be waiting for a free slot must not sleep.
  if (tx_queued_ - tx_given_back_ > memory_.tx_slots() / 2) return true;
  if (tx_.LoadConsumer() != tx_produced_) return true;
  LookAtDevice(memory_.status()->now_ms);
  return is_down_ || rx_.LoadProducer() != rx_consumed_;
}

void AfXdp::ReleaseReceived() {
  if (rx_held_ > 0) {
    // By the kernel's ring, not by the table that the stack can write.
    const uint64_t chunk_mask = ~static_cast<uint64_t>(chunk_bytes_ - 1);
    for (; rx_held_ > 0; rx_held_--) {
      fill_.At(filled_++) = rx_.At(rx_consumed_++).addr & chunk_mask;
    }
    rx_.StoreConsumer(rx_consumed_);
    fill_.StoreProducer(filled_);
    whole_used_ = 0;
  }
  if (fill_.NeedsWakeup()) recv(fd_.get(), nullptr, 0, MSG_DONTWAIT);
}

void AfXdp::Transmit() {
  const auto tail = static_cast<uint32_t>(memory_.control()[kTxTail]);
  // The tail is the stack's; one that overtakes the ring must not make us touch slots in flight.
  const auto slots = static_cast<uint32_t>(memory_.tx_slots());
  const uint32_t before = tx_produced_;
  while (tx_queued_ != tail && tx_queued_ - tx_given_back_ < slots) Commit(tx_queued_++);
  if (tx_produced_ != before) tx_.StoreProducer(tx_produced_);
  if (tx_given_back_ == tx_queued_) return;
  Kick();
  Reclaim();
}

// Hands one slot to the kernel; a frame that cannot be sent is counted and done with.
void AfXdp::Commit(uint32_t counter) {
  const size_t slot = counter & (memory_.tx_slots() - 1);
  const Descriptor& descriptor = memory_.tx()[slot];
  if (descriptor.length == 0) return;
  // The slot is ours to choose, not the descriptor's.
  const size_t offset = tx_offset_ + slot * chunk_bytes_;
  const auto length = static_cast<size_t>(static_cast<uint32_t>(descriptor.length));
  bool is_good =
      length >= kEthernetHeaderBytes && length <= static_cast<size_t>(mtu_) + kEthernetHeaderBytes;
  if (is_good && (descriptor.flags & kTxChecksum) != 0) {
    is_good = FinishChecksum(memory_.base() + offset, length, descriptor.checksum);
  }
  if (!is_good) {
    memory_.status()->tx_dropped++;
    return;
  }
  tx_under_way_[slot] = static_cast<uint32_t>(length);
  tx_.At(tx_produced_++) = xdp_desc{offset, static_cast<uint32_t>(length), 0};
}

void AfXdp::Kick() {
  const size_t most = memory_.tx_slots() / kFramesPerKick + 1;
  uint32_t sent = tx_.LoadConsumer();
  for (size_t kicks = 0; kicks < most && sent != tx_produced_ && tx_.NeedsWakeup(); kicks++) {
    const ssize_t result = sendto(fd_.get(), nullptr, 0, MSG_DONTWAIT, nullptr, 0);
    if (result < 0 && (errno == ENETDOWN || errno == ENXIO || errno == ENODEV)) is_down_ = true;
    // EAGAIN, EBUSY and ENOBUFS mean later, never lost: the rest stays for the next poll.
    const uint32_t now_sent = tx_.LoadConsumer();
    if (now_sent == sent) break;
    sent = now_sent;
  }
}

// Frames are completed in any order, slots are given back in theirs.
void AfXdp::Reclaim() {
  Status* status = memory_.status();
  const size_t slots = memory_.tx_slots();
  const uint32_t produced = completion_.LoadProducer();
  for (; completed_ != produced; completed_++) {
    const size_t slot = (completion_.At(completed_) - tx_offset_) / chunk_bytes_;
    if (slot >= slots) continue;
    status->tx_frames++;
    status->tx_bytes += tx_under_way_[slot];
    tx_under_way_[slot] = 0;
  }
  completion_.StoreConsumer(completed_);
  while (tx_given_back_ != tx_queued_ && tx_under_way_[tx_given_back_ & (slots - 1)] == 0) {
    tx_given_back_++;
  }
  memory_.control()[kTxHead] = static_cast<int32_t>(tx_given_back_);
}

int32_t AfXdp::Receive() {
  Status* status = memory_.status();
  const size_t entries = memory_.rx_entries();
  const uint32_t produced = rx_.LoadProducer();
  uint32_t at = rx_consumed_;
  size_t frames = 0;
  while (at != produced && frames < entries) {
    const xdp_desc& received = rx_.At(at);
    Descriptor* out = memory_.rx() + frames;
    if ((received.options & kContinued) == 0) {
      out->offset = static_cast<int32_t>(received.addr);
      out->length = static_cast<int32_t>(received.len);
      at++;
    } else if (!Gather(produced, &at, out)) {
      break;
    }
    if (out->length == 0) continue;
    Judge(out);
    status->rx_bytes += out->length;
    frames++;
  }
  rx_held_ = at - rx_consumed_;
  status->rx_frames += static_cast<double>(frames);
  return static_cast<int32_t>(frames);
}

// Puts a frame of several chunks together; length 0 where it is longer than any may be, which is
// counted. False when it has to wait for the next poll: for room, or for its last chunk.
bool AfXdp::Gather(uint32_t produced, uint32_t* at, Descriptor* out) {
  if (whole_used_ + kMaxFrameBytes > kWholeBytes) return false;
  uint8_t* whole = memory_.base() + whole_offset_ + whole_used_;
  size_t length = 0;
  bool is_last = false;
  uint32_t piece = *at;
  for (; !is_last; piece++) {
    if (piece == produced) return false;
    const xdp_desc& received = rx_.At(piece);
    if (length + received.len <= kMaxFrameBytes) {
      std::memcpy(whole + length, memory_.base() + received.addr, received.len);
    }
    length += received.len;
    is_last = (received.options & kContinued) == 0;
  }
  *at = piece;
  out->offset = static_cast<int32_t>(whole_offset_ + whole_used_);
  out->length = length > kMaxFrameBytes ? 0 : static_cast<int32_t>(length);
  if (length > kMaxFrameBytes) rx_gathered_too_large_++;
  whole_used_ += RoundUp(static_cast<size_t>(out->length), 64);
  return true;
}

void AfXdp::Judge(Descriptor* out) {
  const uint8_t* frame = memory_.base() + out->offset;
  const auto length = static_cast<size_t>(out->length);
  if (length > static_cast<size_t>(mtu_) + kEthernetHeaderBytes) {
    memory_.status()->rx_super_frames++;
  }
  const bool is_good = (trusts_unfinished_ && TransportChecksumIsUnfinished(frame, length)) ||
                       TransportChecksumIsGood(frame, length);
  out->flags = is_good ? kRxChecksumValid : 0;
}

void AfXdp::LookAtDevice(double now_ms) {
  next_look_ms_ = now_ms + kLookIntervalMs;
  if (!watch_.IsStillUp(interface_index_, interface_)) is_down_ = true;
  CountDrops();
}

void AfXdp::CountDrops() {
  xdp_statistics total{};
  socklen_t size = sizeof(total);
  if (getsockopt(fd_.get(), SOL_XDP, XDP_STATISTICS, &total, &size) != 0) return;
  // A frame that finds the fill ring empty counts in rx_dropped too; what else does is too long.
  const uint64_t too_large =
      total.rx_dropped - std::min(total.rx_dropped, total.rx_fill_ring_empty_descs);
  Status* status = memory_.status();
  status->rx_dropped = static_cast<double>(total.rx_dropped + total.rx_ring_full);
  status->rx_overruns = status->rx_dropped - static_cast<double>(too_large);
  status->rx_too_large = static_cast<double>(too_large) + rx_gathered_too_large_;
  status->rx_dropped += rx_gathered_too_large_;
}

}  // namespace caraway
