// SPDX-License-Identifier: MIT

#include "xdp-program.h"

#include <linux/if_link.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "retry.h"

namespace caraway {
namespace {

// Queues of an interface: far more than any NIC has.
constexpr uint32_t kMaxQueues = 1024;

int Bpf(bpf_cmd command, bpf_attr* attributes) {
  return static_cast<int>(syscall(SYS_bpf, command, attributes, sizeof(*attributes)));
}

bool Refused(const char* what, int error, Failure* failure) {
  if (error == EPERM || error == EACCES) {
    failure->Set(EPERM, std::string(what) +
                            ": AF_XDP needs CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF; run as root, "
                            "or `setcap cap_net_raw,cap_net_admin,cap_bpf+ep` the node binary "
                            "(before Linux 5.11 a small `ulimit -l` looks the same)");
  } else if (error == ENOSYS || error == EINVAL) {
    failure->Set(EOPNOTSUPP, std::string(what) +
                                 ": refused by this kernel; af_xdp needs Linux 5.9 with "
                                 "CONFIG_BPF_SYSCALL and CONFIG_XDP_SOCKETS");
  } else {
    failure->Set(error, std::string(what) + ": " + std::strerror(error));
  }
  return false;
}

int CreateLink(int program, int interface_index, uint32_t flags) {
  bpf_attr attributes{};
  attributes.link_create.prog_fd = static_cast<uint32_t>(program);
  attributes.link_create.target_ifindex = static_cast<uint32_t>(interface_index);
  attributes.link_create.attach_type = BPF_XDP;
  attributes.link_create.flags = flags;
  return Bpf(BPF_LINK_CREATE, &attributes);
}

bool AttachRefused(const std::string& name, XdpMode mode, int error, Failure* failure) {
  if (error == EBUSY || error == EEXIST) {
    failure->Set(EBUSY, "interface " + name +
                            " has an XDP program already: of another af_xdp driver (one may be "
                            "open on an interface), or loaded otherwise; `ip link show " +
                            name + "` tells its number, `ip link set " + name +
                            " xdp off` removes one that was loaded by hand");
  } else if (mode == XdpMode::kNative && error == ERANGE) {
    failure->Set(EOPNOTSUPP, "the MTU of interface " + name +
                                 " or of its peer is too large for native XDP; `ip link set <peer> "
                                 "mtu 1500`, or open with mode: \"generic\"");
  } else if (mode == XdpMode::kNative && error != EPERM) {
    failure->Set(EOPNOTSUPP, "interface " + name + " has no native XDP (" + std::strerror(error) +
                                 "); open with mode: \"generic\"");
  } else {
    Refused("attaching the XDP program", error, failure);
  }
  return false;
}

}  // namespace

bool XdpProgram::Load(const XdpFilter& filter, Failure* failure) {
  bpf_attr map{};
  map.map_type = BPF_MAP_TYPE_XSKMAP;
  map.key_size = sizeof(uint32_t);
  map.value_size = sizeof(uint32_t);
  map.max_entries = kMaxQueues;
  std::strcpy(map.map_name, "caraway");
  map_ = UniqueFd(Bpf(BPF_MAP_CREATE, &map));
  if (!map_.valid()) return Refused("making a BPF map", errno, failure);

  const std::vector<bpf_insn> code = AssembleFilter(filter, map_.get());
  bpf_attr program{};
  program.prog_type = BPF_PROG_TYPE_XDP;
  program.insns = reinterpret_cast<uintptr_t>(code.data());
  program.insn_cnt = static_cast<uint32_t>(code.size());
  program.license = reinterpret_cast<uintptr_t>("MIT");
  program.expected_attach_type = BPF_XDP;
  std::strcpy(program.prog_name, "caraway");
  program_ = UniqueFd(Bpf(BPF_PROG_LOAD, &program));
  return program_.valid() || Refused("loading the XDP program", errno, failure);
}

bool XdpProgram::Attach(const XdpFilter& filter, const std::string& interface, int interface_index,
                        XdpMode mode, Failure* failure) {
  if (!Load(filter, failure)) return false;
  const auto attach = [&](uint32_t flags) {
    return RetryWhileBusy([&] {
      link_ = UniqueFd(CreateLink(program_.get(), interface_index, flags));
      return link_.valid();
    });
  };
  is_native_ = mode != XdpMode::kGeneric && attach(XDP_FLAGS_DRV_MODE);
  if (is_native_) return true;
  const bool is_taken = mode == XdpMode::kAuto && (errno == EBUSY || errno == EEXIST);
  if (mode != XdpMode::kNative && !is_taken && attach(XDP_FLAGS_SKB_MODE)) return true;
  return AttachRefused(interface, mode, errno, failure);
}

bool XdpProgram::Direct(uint32_t queue, int socket_fd, Failure* failure) {
  bpf_attr entry{};
  entry.map_fd = static_cast<uint32_t>(map_.get());
  entry.key = reinterpret_cast<uintptr_t>(&queue);
  entry.value = reinterpret_cast<uintptr_t>(&socket_fd);
  return Bpf(BPF_MAP_UPDATE_ELEM, &entry) == 0 ||
         Refused("directing the queue to the socket", errno, failure);
}

}  // namespace caraway
