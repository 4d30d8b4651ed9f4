// SPDX-License-Identifier: MIT

#include "memif-bell.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <ctime>

namespace caraway {
namespace {

// Operations whose ends are taken back by one system call.
constexpr long kMaxEnded = 32;

// Where there is no aio. Between the two calls a peer that means harm could still fill the counter.
void WriteUnlessFull(int event_fd) {
  pollfd event{event_fd, POLLOUT, 0};
  const uint64_t one = 1;
  if (poll(&event, 1, 0) != 1 || (event.revents & POLLOUT) == 0) return;
  [[maybe_unused]] const ssize_t ignored = write(event_fd, &one, sizeof(one));
}

}  // namespace

MemifBell::~MemifBell() {
  if (context_ != 0) syscall(SYS_io_destroy, context_);
}

void MemifBell::Ring(int event_fd) {
  if (!is_tried_) Open();
  if (context_ == 0 || !Signal(event_fd)) WriteUnlessFull(event_fd);
}

void MemifBell::Open() {
  is_tried_ = true;
  readable_ = UniqueFd(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!readable_.valid() || syscall(SYS_io_setup, kMaxEnded, &context_) != 0) context_ = 0;
}

bool MemifBell::Signal(int event_fd) {
  iocb operation{};
  operation.aio_lio_opcode = IOCB_CMD_POLL;
  operation.aio_fildes = static_cast<uint32_t>(readable_.get());
  operation.aio_buf = POLLIN;
  operation.aio_flags = IOCB_FLAG_RESFD;
  operation.aio_resfd = static_cast<uint32_t>(event_fd);
  iocb* operations[] = {&operation};
  if (syscall(SYS_io_submit, context_, 1, operations) != 1) return false;
  if (++ended_ < kMaxEnded) return true;
  // Makes room for more.
  io_event ended[kMaxEnded];
  timespec now{};
  syscall(SYS_io_getevents, context_, 0, kMaxEnded, ended, &now);
  ended_ = 0;
  return true;
}

}  // namespace caraway
