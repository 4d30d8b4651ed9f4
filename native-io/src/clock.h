// SPDX-License-Identifier: MIT
// The monotonic clock, in milliseconds with fractions: the base of process.hrtime.

#ifndef CARAWAY_NATIVE_IO_CLOCK_H_
#define CARAWAY_NATIVE_IO_CLOCK_H_

#include <ctime>

namespace caraway {

inline double MonotonicMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_CLOCK_H_
