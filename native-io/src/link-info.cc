// SPDX-License-Identifier: MIT

#include "link-info.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace caraway {
namespace {

ifreq RequestFor(const std::string& name) {
  ifreq request{};
  // The callers' names come through the factories, which refuse longer ones; the last byte stays 0.
  std::memcpy(request.ifr_name, name.data(), std::min(name.size(), size_t{IFNAMSIZ - 1}));
  return request;
}

bool Refused(const std::string& name, const char* what, Failure* failure) {
  const int error = errno;
  if (error == EPERM) {
    failure->Set(EPERM, std::string("setting the ") + what + " of interface " + name +
                            " needs CAP_NET_ADMIN; run as root or inside `unshare -Urn`");
  } else {
    failure->Set(error, std::string("setting the ") + what + " of interface " + name +
                            " failed: " + std::strerror(error));
  }
  return false;
}

sockaddr_in Ipv4(uint32_t address) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_addr.s_addr = address;
  return result;
}

}  // namespace

bool ReadLink(int fd, const std::string& name, LinkInfo* link, Failure* failure) {
  ifreq request = RequestFor(name);
  if (ioctl(fd, SIOCGIFINDEX, &request) != 0) {
    const int error = errno;
    failure->Set(error, "no network interface named " + name +
                            " in this network namespace; `ip link` lists those there are");
    return false;
  }
  link->index = request.ifr_ifindex;
  if (ioctl(fd, SIOCGIFFLAGS, &request) == 0) link->is_up = (request.ifr_flags & IFF_UP) != 0;
  if (ioctl(fd, SIOCGIFMTU, &request) == 0) link->mtu = request.ifr_mtu;
  if (ioctl(fd, SIOCGIFHWADDR, &request) == 0) {
    const auto type = request.ifr_hwaddr.sa_family;
    link->is_ethernet = type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK;
    std::memcpy(link->mac.data(), request.ifr_hwaddr.sa_data, kMacBytes);
  }
  return true;
}

bool ReadEthernet(int fd, const std::string& name, LinkInfo* link, Failure* failure) {
  if (!ReadLink(fd, name, link, failure)) return false;
  if (!link->is_ethernet) {
    failure->Set(EOPNOTSUPP, "interface " + name + " does not carry Ethernet frames");
    return false;
  }
  if (!link->is_up) {
    failure->Set(ENETDOWN,
                 "interface " + name + " is down; `ip link set " + name + " up` brings it up");
    return false;
  }
  return true;
}

bool SetLinkUp(int fd, const std::string& name, Failure* failure) {
  ifreq request = RequestFor(name);
  if (ioctl(fd, SIOCGIFFLAGS, &request) != 0) return Refused(name, "flags", failure);
  if ((request.ifr_flags & IFF_UP) != 0) return true;
  request.ifr_flags = static_cast<int16_t>(request.ifr_flags | IFF_UP);
  return ioctl(fd, SIOCSIFFLAGS, &request) == 0 || Refused(name, "up flag", failure);
}

bool SetLinkMtu(int fd, const std::string& name, int mtu, Failure* failure) {
  ifreq request = RequestFor(name);
  request.ifr_mtu = mtu;
  return ioctl(fd, SIOCSIFMTU, &request) == 0 || Refused(name, "mtu", failure);
}

bool ReadAddresses(const std::string& name, std::vector<uint32_t>* addresses, Failure* failure) {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) {
    failure->Set(errno,
                 "reading the addresses of interface " + name + " failed: " + std::strerror(errno));
    return false;
  }
  for (const ifaddrs* each = all; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET) continue;
    // An address with a label of its own is told under that: "eth0:1".
    const std::string label = each->ifa_name;
    if (label.substr(0, label.find(':')) != name) continue;
    sockaddr_in address;
    std::memcpy(&address, each->ifa_addr, sizeof(address));
    addresses->push_back(address.sin_addr.s_addr);
  }
  freeifaddrs(all);
  return true;
}

bool SetLinkAddress(int fd, const std::string& name, uint32_t address, uint32_t netmask,
                    Failure* failure) {
  ifreq request = RequestFor(name);
  const sockaddr_in local = Ipv4(address);
  std::memcpy(&request.ifr_addr, &local, sizeof(local));
  if (ioctl(fd, SIOCSIFADDR, &request) != 0) return Refused(name, "kernelAddress", failure);
  const sockaddr_in mask = Ipv4(netmask);
  std::memcpy(&request.ifr_netmask, &mask, sizeof(mask));
  return ioctl(fd, SIOCSIFNETMASK, &request) == 0 || Refused(name, "kernelAddress", failure);
}

}  // namespace caraway
