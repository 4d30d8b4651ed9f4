// SPDX-License-Identifier: MIT
// Frames are copied between the rings, which the peer can write at any time, and memory that is
// ours alone. So what the stack has checked stays as it was; a copy costs 5 ns for 64 bytes.
//
//   | rx: frames packed one after the other | tx slots |

#include "memif.h"

#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "checksum.h"
#include "clock.h"

namespace caraway {
namespace {

constexpr size_t kVlanTagBytes = 4;
// Largest frame: a 64 KB IP packet behind Ethernet and one VLAN tag.
constexpr size_t kMaxFrameBytes = 65535 + kEthernetHeaderBytes + kVlanTagBytes;
// Two bytes before a frame make its IP header lie on 4 bytes.
constexpr size_t kAlignBytes = 2;
// Room for a poll of the largest frames.
constexpr size_t kRxBytes = kRxBatch * RoundUp(kAlignBytes + kMaxFrameBytes, 64);
// How often the control channel is looked at while the link is up or waits; a handshake is looked
// at in every poll.
constexpr double kLookIntervalMs = 1;
constexpr double kRetryIntervalMs = 20;
constexpr double kHandshakeLimitMs = 2000;
// A peer that takes nothing for so long is treated as a cable that leads nowhere.
constexpr double kTxStallMs = 20;
// Clients that are sent away in one look while another one is connected.
constexpr int kMaxRefused = 16;
constexpr double kNever = std::numeric_limits<double>::infinity();

std::string Because(int error) { return std::string(": ") + std::strerror(error); }

}  // namespace

std::unique_ptr<Memif> Memif::Open(const MemifOptions& options, Failure* failure) {
  std::unique_ptr<Memif> driver(new Memif(options));
  driver->interface_ = options.socket;
  driver->mtu_ = options.mtu;
  driver->settings_.id = options.id;
  driver->settings_.secret = options.secret;
  while ((1 << driver->settings_.log2_ring_size) < options.ring_slots) {
    driver->settings_.log2_ring_size++;
  }
  driver->settings_.buffer_bytes = static_cast<uint32_t>(options.buffer_bytes);
  if (!driver->SetMemory(failure)) return nullptr;
  if (options.is_server && !driver->listener_.Open(options.socket, failure)) return nullptr;
  if (!driver->SetWake(failure)) return nullptr;
  driver->link_text_ = std::string("no ") + (options.is_server ? "client" : "server") + " yet";
  return driver;
}

Memif::~Memif() {
  if (session_ != nullptr) session_->Disconnect("closed");
}

bool Memif::SetMemory(Failure* failure) {
  const auto slots = static_cast<size_t>(options_.tx_slots);
  const size_t frame = static_cast<size_t>(mtu_) + kEthernetHeaderBytes + kVlanTagBytes;
  tx_slot_bytes_ = RoundUp(kAlignBytes + frame, 64);
  tx_frame_bytes_ = static_cast<int32_t>(tx_slot_bytes_ - kAlignBytes);
  tx_offset_ = kRxBytes;
  if (!memory_.Allocate(tx_offset_ + slots * tx_slot_bytes_, kRxBatch, slots)) {
    failure->Set(errno, "no memory for the frames" + Because(errno) + "; fewer txSlots need less");
    return false;
  }
  for (size_t slot = 0; slot < slots; slot++) {
    memory_.tx()[slot].offset =
        static_cast<int32_t>(tx_offset_ + slot * tx_slot_bytes_ + kAlignBytes);
  }
  mac_ = options_.mac;
  if (options_.has_mac) return true;
  if (getrandom(mac_.data(), kMacBytes, 0) != static_cast<ssize_t>(kMacBytes)) {
    failure->Set(errno, "macAddress: no random bytes to make one from; give one");
    return false;
  }
  mac_[0] = static_cast<uint8_t>((mac_[0] & 0xfc) | 0x02);  // unicast, locally administered
  return true;
}

bool Memif::SetWake(Failure* failure) {
  epoll_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  timer_ = UniqueFd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (epoll_.valid() && timer_.valid() && Watch(timer_.get(), EPOLLIN) &&
      (!options_.is_server || Watch(listener_.fd(), EPOLLIN))) {
    return true;
  }
  failure->Set(errno, "no descriptor to wake up by" + Because(errno));
  return false;
}

// By edges, so that nothing need be read from an eventfd that the peer holds too; what an edge
// tells of is taken whole.
bool Memif::Watch(int fd, uint32_t events) const {
  epoll_event event{};
  event.events = events | EPOLLET;
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

int32_t Memif::Poll() {
  Status* status = memory_.status();
  status->now_ms = MonotonicMs();
  status->polls++;
  if (is_armed_ && is_connected()) session_->rx().SetPolled(true);
  if (is_armed_ || status->now_ms >= next_look_ms_) Look();
  is_armed_ = false;
  if (is_connected()) {
    Transmit();
  } else {
    DropCommitted();
  }
  return is_connected() || is_leaving() ? Receive() : 0;
}

bool Memif::HasWork() {
  if (static_cast<uint32_t>(memory_.control()[kTxTail]) != tx_given_back_) return true;
  memory_.status()->now_ms = MonotonicMs();
  is_armed_ = true;
  Look();
  SetTimer();
  if (is_leaving()) return true;
  if (!is_connected()) return false;
  session_->rx().SetPolled(false);
  return session_->rx().HasFrames() || session_->rx().is_broken();
}

std::string Memif::LinkText() const {
  return is_connected() ? "connected to " + session_->text() : link_text_;
}

// ---- The control channel.

void Memif::Look() {
  const double now_ms = memory_.status()->now_ms;
  constexpr int kMaxEvents = 8;
  epoll_event events[kMaxEvents];
  const int count = epoll_wait(epoll_.get(), events, kMaxEvents, 0);
  if (count > 0 || now_ms >= next_due_ms_) Serve();
  const bool is_shaking = session_ != nullptr && !is_connected();
  next_look_ms_ = is_shaking ? now_ms : now_ms + kLookIntervalMs;
}

void Memif::Serve() {
  const double now_ms = memory_.status()->now_ms;
  if (session_ != nullptr) ServeSession(now_ms);
  if (options_.is_server) {
    AcceptClients(now_ms);
  } else if (session_ == nullptr && now_ms >= next_due_ms_) {
    TryServer(now_ms);
  }
}

void Memif::ServeSession(double now_ms) {
  session_->Serve();
  if (is_connected()) {
    if (memory_.status()->is_connected == 0) LinkUp();
    next_due_ms_ = kNever;
  } else if (session_->state() == MemifSession::State::kHandshake && now_ms >= next_due_ms_) {
    session_->Disconnect("handshake timed out");
  }
  if (session_->state() != MemifSession::State::kOver) return;
  // What the peer has put before it left, the ACK of our FIN for one, is taken first.
  if (is_leaving()) {
    link_text_ = session_->text();
    next_due_ms_ = now_ms;
  } else {
    EndSession();
  }
}

void Memif::LinkUp() {
  memory_.status()->is_connected = 1;
  memory_.status()->connects++;
  Watch(session_->rx().event_fd(), EPOLLIN);
}

void Memif::Begin(std::unique_ptr<MemifSession> session) {
  session_ = std::move(session);
  next_due_ms_ = memory_.status()->now_ms + kHandshakeLimitMs;
  Watch(session_->fd(), EPOLLIN | EPOLLRDHUP);
}

void Memif::EndSession() {
  // The peer holds the eventfd too, so closing it does not take it out of the set.
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, session_->rx().event_fd(), nullptr);
  link_text_ = session_->text();
  session_.reset();
  memory_.status()->is_connected = 0;
  next_due_ms_ = memory_.status()->now_ms + kRetryIntervalMs;
}

// One is taken; while it shakes hands the others wait, and once it is connected they are refused.
void Memif::AcceptClients(double now_ms) {
  if (session_ == nullptr) next_due_ms_ = kNever;
  for (int refused = 0; refused < kMaxRefused;) {
    if (session_ != nullptr && !is_connected()) return;
    UniqueFd client = listener_.Accept();
    if (!client.valid()) {
      // Of what else went wrong, no descriptor left above all, no edge will tell.
      if (errno != EAGAIN) next_due_ms_ = now_ms + kRetryIntervalMs;
      return;
    }
    auto session = std::make_unique<MemifServerSession>(std::move(client), settings_);
    if (session_ == nullptr) {
      Begin(std::move(session));
    } else {
      session->Disconnect("already connected to another client");
      refused++;
    }
  }
  next_due_ms_ = now_ms;
}

void Memif::TryServer(double now_ms) {
  int error = 0;
  UniqueFd server = ConnectMemif(options_.socket, &error);
  if (server.valid()) {
    Begin(std::make_unique<MemifClientSession>(std::move(server), settings_));
  } else {
    link_text_ = "no server at " + options_.socket + Because(error);
    next_due_ms_ = now_ms + kRetryIntervalMs;
  }
}

// Wakes a sleeper when something is due that nobody else will tell of.
void Memif::SetTimer() {
  if (next_due_ms_ == kNever) return;
  const double seconds = std::floor(next_due_ms_ / 1e3);
  itimerspec when{};
  when.it_value.tv_sec = static_cast<time_t>(seconds);
  when.it_value.tv_nsec = static_cast<int64_t>((next_due_ms_ - seconds * 1e3) * 1e6) + 1;
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void Memif::BreakOff() {
  session_->Disconnect("impossible counter of a ring");
  EndSession();
}

// ---- Frames.

void Memif::Transmit() {
  const auto tail = static_cast<uint32_t>(memory_.control()[kTxTail]);
  if (tail == tx_given_back_) return;
  const uint32_t before = tx_given_back_;
  const auto slots = static_cast<uint32_t>(memory_.tx_slots());
  while (tx_given_back_ != tail && tx_given_back_ - before < slots && Send(tx_given_back_)) {
    tx_given_back_++;
  }
  if (session_->tx().is_broken()) return BreakOff();
  const double now_ms = memory_.status()->now_ms;
  if (tx_given_back_ != before) {
    tx_stalled_since_ms_ = 0;
    session_->tx().Publish();
    session_->tx().Notify(&bell_);
  } else if (tx_stalled_since_ms_ == 0) {
    tx_stalled_since_ms_ = now_ms;
  } else if (now_ms - tx_stalled_since_ms_ > kTxStallMs) {
    DropCommitted();
  }
  memory_.control()[kTxHead] = static_cast<int32_t>(tx_given_back_);
}

bool Memif::Send(uint32_t counter) {
  Status* status = memory_.status();
  // Where a slot is, is ours to know, not the descriptor's.
  const size_t slot = counter & (memory_.tx_slots() - 1);
  uint8_t* frame = memory_.base() + tx_offset_ + slot * tx_slot_bytes_ + kAlignBytes;
  Descriptor& descriptor = memory_.tx()[slot];
  if (descriptor.length == 0) return true;
  const auto length = static_cast<size_t>(static_cast<uint32_t>(descriptor.length));
  bool is_good =
      length >= kEthernetHeaderBytes && length <= static_cast<size_t>(mtu_) + kEthernetHeaderBytes;
  if (is_good && options_.checksums && (descriptor.flags & kTxChecksum) != 0) {
    is_good = FinishChecksum(frame, length, descriptor.checksum);
    // Once, also when the frame has to wait.
    descriptor.flags = 0;
  }
  if (!is_good) {
    status->tx_dropped++;
    return true;
  }
  const MemifRing::Placed placed = session_->tx().Put(frame, length);
  if (placed == MemifRing::Placed::kLater) return false;
  if (placed == MemifRing::Placed::kNever) {
    status->tx_dropped++;
    return true;
  }
  status->tx_frames++;
  status->tx_bytes += static_cast<double>(length);
  return true;
}

void Memif::DropCommitted() {
  const auto tail = static_cast<uint32_t>(memory_.control()[kTxTail]);
  memory_.status()->tx_dropped += tail - tx_given_back_;
  tx_given_back_ = tail;
  tx_stalled_since_ms_ = 0;
  memory_.control()[kTxHead] = static_cast<int32_t>(tail);
}

int32_t Memif::Receive() {
  Status* status = memory_.status();
  MemifRing& ring = session_->rx();
  size_t frames = 0;
  size_t used = kAlignBytes;
  for (size_t taken = 0; taken < kRxBatch; taken++) {
    size_t length = 0;
    const MemifRing::Taken result = ring.Take(memory_.base() + used, kMaxFrameBytes, &length);
    if (result == MemifRing::Taken::kNothing) break;
    if (result == MemifRing::Taken::kFrame && length >= kEthernetHeaderBytes) {
      Describe(used, length, memory_.rx() + frames);
      frames++;
      used += RoundUp(length, 8);
    } else {
      status->rx_dropped++;
      if (result == MemifRing::Taken::kTooLong) status->rx_too_large++;
    }
  }
  ring.Publish();
  status->rx_frames += static_cast<double>(frames);
  if (ring.is_broken()) BreakOff();
  return static_cast<int32_t>(frames);
}

void Memif::Describe(size_t offset, size_t length, Descriptor* out) {
  const bool is_good =
      !options_.checksums || TransportChecksumIsGood(memory_.base() + offset, length);
  out->offset = static_cast<int32_t>(offset);
  out->length = static_cast<int32_t>(length);
  out->flags = is_good ? kRxChecksumValid : 0;
  memory_.status()->rx_bytes += static_cast<double>(length);
}

}  // namespace caraway
