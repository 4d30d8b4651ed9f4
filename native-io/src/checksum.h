// SPDX-License-Identifier: MIT
// The Internet checksum (RFC 1071) over a frame, both ways. Bounds are checked here: neither the
// frame nor the descriptor is trusted.

#ifndef CARAWAY_NATIVE_IO_CHECKSUM_H_
#define CARAWAY_NATIVE_IO_CHECKSUM_H_

#include <cstddef>
#include <cstdint>

namespace caraway {

// Whether the frame is an unfragmented IPv4 packet whose TCP or UDP checksum is there and right.
bool TransportChecksumIsGood(const uint8_t* frame, size_t length);

// Whether its TCP or UDP checksum is the one that a kernel leaves to the NIC: the folded sum of the
// pseudo-header. A finished one looks the same once in 65,536 times.
bool TransportChecksumIsUnfinished(const uint8_t* frame, size_t length);

// Finishes the checksum a tx descriptor asks for: `field` is (start << 16) | offset. False when
// the field lies outside of the frame.
bool FinishChecksum(uint8_t* frame, size_t length, int32_t field);

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_CHECKSUM_H_
