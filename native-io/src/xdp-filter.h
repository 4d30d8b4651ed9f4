// SPDX-License-Identifier: MIT
// The XDP program that divides an interface between the stack and the kernel, as instructions of
// BPF (Documentation/bpf/instruction-set.rst). The stack gets ARP about its addresses and IPv4 to
// them; everything else goes on to the kernel as if nothing were there.

#ifndef CARAWAY_NATIVE_IO_XDP_FILTER_H_
#define CARAWAY_NATIVE_IO_XDP_FILTER_H_

#include <linux/bpf.h>

#include <array>
#include <cstdint>
#include <vector>

#include "driver-contract.h"

namespace caraway {

// What is the stack's.
struct XdpFilter {
  std::array<uint8_t, kMacBytes> mac{};
  std::vector<uint32_t> addresses;  // network byte order
  std::vector<uint16_t> ports;      // of TCP and UDP, host byte order; empty: all, and fragments
};

// The program: redirects what is the stack's to the socket of its queue in the XSKMAP `map_fd`.
std::vector<bpf_insn> AssembleFilter(const XdpFilter& filter, int map_fd);

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_XDP_FILTER_H_
