// SPDX-License-Identifier: MIT
// Tells when an interface goes down or is deleted, from the kernel's link notices
// (rtnetlink(7), RTMGRP_LINK). For devices whose own descriptor does not say.

#ifndef CARAWAY_NATIVE_IO_LINK_WATCH_H_
#define CARAWAY_NATIVE_IO_LINK_WATCH_H_

#include <string>

#include "driver-contract.h"
#include "unique-fd.h"

namespace caraway {

class LinkWatch {
 public:
  // Begins to listen, in the network namespace of the calling thread.
  bool Open(Failure* failure);

  // Reads what has been told since. False once the interface is down or gone.
  bool IsStillUp(int interface_index, const std::string& name);

  // One descriptor that is readable when `frames_fd` is or there are notices to read: frames, or
  // the end of the device. Invalid with `failure` on an error.
  UniqueFd WakeWith(int frames_fd, Failure* failure) const;

  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_LINK_WATCH_H_
