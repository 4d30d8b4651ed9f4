// SPDX-License-Identifier: MIT
// What a run loop polls: a driver, or the sockets of the kernel. The addon's poll, armWake,
// disarmWake and close know no more of either.

#ifndef CARAWAY_NATIVE_IO_POLLABLE_H_
#define CARAWAY_NATIVE_IO_POLLABLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace caraway {

class Sockets;

// Why an open failed: a positive errno and a sentence naming the thing and the remedy.
struct Failure {
  int error = 0;
  std::string message;

  // Convenience for `return failure->Set(...)` in functions that return false or null.
  std::nullptr_t Set(int error_number, std::string text) {
    error = error_number;
    message = std::move(text);
    return nullptr;
  }
};

// Created by the factory of its kind, used from one thread.
class Pollable {
 public:
  Pollable(const Pollable&) = delete;
  Pollable& operator=(const Pollable&) = delete;
  virtual ~Pollable() = default;

  // Does what was committed, takes what is there, never waits. What it returns, or -errno, is
  // said where it is implemented; work is bounded by the tables in shared memory.
  virtual int32_t Poll() = 0;

  // Whether a poll would find something to do; asked after arming the wake-up.
  virtual bool HasWork() = 0;

  // Becomes readable, or reports an error, when there is something to poll for.
  virtual int wake_fd() const = 0;

  // What is at the other end, or why nobody is; empty where the kernel knows better.
  virtual std::string LinkText() const { return std::string(); }

  // Null for a driver. There is no RTTI to ask.
  virtual Sockets* AsSockets() { return nullptr; }

 protected:
  Pollable() = default;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_POLLABLE_H_
