// SPDX-License-Identifier: MIT
// What the kernel knows of a network interface, and the few things a driver sets on one. By
// ioctl, which needs neither the `ip` command nor a library.

#ifndef CARAWAY_NATIVE_IO_LINK_INFO_H_
#define CARAWAY_NATIVE_IO_LINK_INFO_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "driver-contract.h"

namespace caraway {

struct LinkInfo {
  int index = 0;
  int mtu = 0;
  bool is_up = false;
  bool is_ethernet = false;  // ARPHRD_ETHER or the loopback interface
  std::array<uint8_t, kMacBytes> mac{};
};

// `fd` is any socket in the interface's namespace. All are false with `failure` on an error.
bool ReadLink(int fd, const std::string& name, LinkInfo* link, Failure* failure);
// The same, and refuses what carries no Ethernet frames or is down.
bool ReadEthernet(int fd, const std::string& name, LinkInfo* link, Failure* failure);
bool SetLinkUp(int fd, const std::string& name, Failure* failure);
bool SetLinkMtu(int fd, const std::string& name, int mtu, Failure* failure);

// The IPv4 addresses that the kernel has on an interface of the calling thread's namespace, in
// network byte order.
bool ReadAddresses(const std::string& name, std::vector<uint32_t>* addresses, Failure* failure);

// Gives the kernel's end an IPv4 address; both arguments in network byte order.
bool SetLinkAddress(int fd, const std::string& name, uint32_t address, uint32_t netmask,
                    Failure* failure);

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_LINK_INFO_H_
