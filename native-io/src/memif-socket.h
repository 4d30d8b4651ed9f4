// SPDX-License-Identifier: MIT
// Where the two sides of a memif meet: a UNIX SOCK_SEQPACKET socket at a path, or with an abstract
// name, written "@name".

#ifndef CARAWAY_NATIVE_IO_MEMIF_SOCKET_H_
#define CARAWAY_NATIVE_IO_MEMIF_SOCKET_H_

#include <sys/types.h>

#include <string>

#include "pollable.h"
#include "unique-fd.h"

namespace caraway {

// Connects without waiting. Invalid with `error` when nobody listens, or only now not.
UniqueFd ConnectMemif(const std::string& name, int* error);

// The server's socket. Its file goes with it.
class MemifListener {
 public:
  MemifListener() = default;
  MemifListener(const MemifListener&) = delete;
  MemifListener& operator=(const MemifListener&) = delete;
  ~MemifListener();

  // A file that a killed server has left is replaced.
  bool Open(const std::string& name, Failure* failure);

  int fd() const { return fd_.get(); }
  // Invalid with errno when nobody waits.
  UniqueFd Accept() const;

 private:
  UniqueFd fd_;
  std::string path_;  // empty: abstract
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_MEMIF_SOCKET_H_
