// SPDX-License-Identifier: MIT
// The kernel frees an AF_XDP socket and its program some time after they were closed: opening the
// same queue again meets EBUSY for 20 to 35 ms.

#ifndef CARAWAY_NATIVE_IO_RETRY_H_
#define CARAWAY_NATIVE_IO_RETRY_H_

#include <cerrno>
#include <ctime>

#include "clock.h"

namespace caraway {

// Twice what was seen.
inline constexpr double kBusyPatienceMs = 70;

// Tries until it succeeds or fails otherwise than by EBUSY, for at most kBusyPatienceMs. Leaves
// errno as the last try set it.
template <typename Try>
bool RetryWhileBusy(const Try& attempt) {
  const double end_ms = MonotonicMs() + kBusyPatienceMs;
  while (!attempt()) {
    if (errno != EBUSY || MonotonicMs() > end_ms) return false;
    const timespec pause{0, 1'000'000};
    nanosleep(&pause, nullptr);
    errno = EBUSY;
  }
  return true;
}

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_RETRY_H_
