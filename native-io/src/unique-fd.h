// SPDX-License-Identifier: MIT
// Move-only owner of a file descriptor.

#ifndef CARAWAY_NATIVE_IO_UNIQUE_FD_H_
#define CARAWAY_NATIVE_IO_UNIQUE_FD_H_

#include <unistd.h>

#include <utility>

namespace caraway {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() {
    if (fd_ >= 0) close(fd_);
  }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  // Gives the descriptor up without closing it.
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_UNIQUE_FD_H_
