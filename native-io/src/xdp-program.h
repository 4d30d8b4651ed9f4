// SPDX-License-Identifier: MIT
// An XDP program on an interface, by bpf(2) alone. It hangs on descriptors of this process (a BPF
// link), so it goes when they are closed, also when the process is killed.

#ifndef CARAWAY_NATIVE_IO_XDP_PROGRAM_H_
#define CARAWAY_NATIVE_IO_XDP_PROGRAM_H_

#include <cstdint>
#include <string>

#include "unique-fd.h"
#include "xdp-filter.h"

namespace caraway {

enum class XdpMode {
  kAuto,    // native, else generic
  kNative,  // in the device's driver
  kGeneric  // in the kernel, for any device
};

class XdpProgram {
 public:
  // Loads the filter and attaches it, in the network namespace of the calling thread.
  bool Attach(const XdpFilter& filter, const std::string& interface, int interface_index,
              XdpMode mode, Failure* failure);

  // From now on gives frames of that queue to the AF_XDP socket.
  bool Direct(uint32_t queue, int socket_fd, Failure* failure);

  bool is_native() const { return is_native_; }

 private:
  bool Load(const XdpFilter& filter, Failure* failure);

  UniqueFd map_;
  UniqueFd program_;
  UniqueFd link_;
  bool is_native_ = false;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_XDP_PROGRAM_H_
