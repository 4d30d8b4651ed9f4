// SPDX-License-Identifier: MIT
// The sum behind the Internet checksum (RFC 1071), by the widest instructions of this CPU.

#ifndef CARAWAY_NATIVE_IO_SUM16_H_
#define CARAWAY_NATIVE_IO_SUM16_H_

#include <cstddef>
#include <cstdint>

namespace caraway {

// Ones' complement sum of the bytes, unfolded, added to `initial`; in memory byte order.
uint64_t Sum16(const uint8_t* bytes, size_t length, uint64_t initial);

// The same for any CPU; unfolded the two may differ.
uint64_t Sum16Plain(const uint8_t* bytes, size_t length, uint64_t initial);

// Folds to 16 bits, in memory byte order.
uint16_t Fold16(uint64_t sum);

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_SUM16_H_
