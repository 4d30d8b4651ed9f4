// SPDX-License-Identifier: MIT
// Wakes whoever waits for an eventfd that a peer holds too. The peer may fill its counter and make
// it a blocking one at any moment, so a write to it could last for ever. What the kernel itself
// adds does not wait: an operation of aio tells of its end by an eventfd (IOCB_FLAG_RESFD of
// io_submit(2)), and to ask whether a descriptor is readable that always is ends at once.

#ifndef CARAWAY_NATIVE_IO_MEMIF_BELL_H_
#define CARAWAY_NATIVE_IO_MEMIF_BELL_H_

#include <linux/aio_abi.h>

#include "unique-fd.h"

namespace caraway {

class MemifBell {
 public:
  MemifBell() = default;
  MemifBell(const MemifBell&) = delete;
  MemifBell& operator=(const MemifBell&) = delete;
  ~MemifBell();

  void Ring(int event_fd);

 private:
  void Open();
  bool Signal(int event_fd);

  bool is_tried_ = false;
  aio_context_t context_ = 0;  // 0: there is none
  UniqueFd readable_;
  long ended_ = 0;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_MEMIF_BELL_H_
