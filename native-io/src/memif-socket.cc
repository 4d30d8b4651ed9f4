// SPDX-License-Identifier: MIT

#include "memif-socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace caraway {
namespace {

// Clients that may wait to be accepted, or refused.
constexpr int kBacklog = 16;

struct Address {
  sockaddr_un name{};
  socklen_t bytes = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

// The door has checked the length.
Address AddressOf(const std::string& name) {
  Address address;
  address.name.sun_family = AF_UNIX;
  const bool is_abstract = name[0] == '@';
  const size_t room = sizeof(address.name.sun_path) - 1;
  std::memcpy(address.name.sun_path, name.data(), std::min(name.size(), room));
  if (is_abstract) address.name.sun_path[0] = '\0';
  const size_t terminator = is_abstract ? 0 : 1;
  address.bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                         std::min(name.size(), room) + terminator);
  return address;
}

UniqueFd Socket(int type) {
  return UniqueFd(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

int Bind(const UniqueFd& fd, const Address& address) {
  return bind(fd.get(), address.get(), address.bytes) == 0 ? 0 : errno;
}

const char* RemedyOf(int error, const Address& address, bool is_file) {
  if (error == ENOENT) return "; make its folder first";
  if (error == EACCES)
    return "; take a folder that you may write to, or an abstract name, \"@name\"";
  if (error != EADDRINUSE) return "";
  struct stat file {};
  const bool is_socket =
      !is_file || (stat(address.name.sun_path, &file) == 0 && S_ISSOCK(file.st_mode));
  return is_socket ? "; another server is there" : "; what is there is no socket: remove it";
}

// Whether a socket file has nobody behind it. Asked with a datagram socket, which a listening
// socket of another type refuses without noticing.
bool IsStale(const Address& address) {
  struct stat file {};
  if (lstat(address.name.sun_path, &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
  const UniqueFd probe = Socket(SOCK_DGRAM);
  return probe.valid() && connect(probe.get(), address.get(), address.bytes) != 0 &&
         errno == ECONNREFUSED;
}

}  // namespace

UniqueFd ConnectMemif(const std::string& name, int* error) {
  const Address address = AddressOf(name);
  UniqueFd fd = Socket(SOCK_SEQPACKET);
  if (fd.valid() && connect(fd.get(), address.get(), address.bytes) == 0) return fd;
  *error = errno;
  return UniqueFd();
}

bool MemifListener::Open(const std::string& name, Failure* failure) {
  const Address address = AddressOf(name);
  const bool is_file = name[0] != '@';
  UniqueFd fd = Socket(SOCK_SEQPACKET);
  int error = fd.valid() ? Bind(fd, address) : errno;
  if (error == EADDRINUSE && is_file && IsStale(address)) {
    unlink(address.name.sun_path);
    error = Bind(fd, address);
  }
  if (error != 0) {
    failure->Set(error, "socket: listening at " + name + " failed: " + std::strerror(error) +
                            RemedyOf(error, address, is_file));
    return false;
  }
  struct stat file {};
  if (is_file && stat(address.name.sun_path, &file) == 0) {
    path_ = name;
    device_ = file.st_dev;
    inode_ = file.st_ino;
  }
  fd_ = std::move(fd);
  if (listen(fd_.get(), kBacklog) == 0) return true;
  failure->Set(errno, "socket: listening at " + name + " failed: " + std::strerror(errno));
  return false;
}

MemifListener::~MemifListener() {
  struct stat file {};
  // Only ours: another server may have replaced the file. While our socket is open, its inode is
  // nobody else's.
  if (!path_.empty() && stat(path_.c_str(), &file) == 0 && file.st_dev == device_ &&
      file.st_ino == inode_) {
    unlink(path_.c_str());
  }
}

UniqueFd MemifListener::Accept() const {
  return UniqueFd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

}  // namespace caraway
