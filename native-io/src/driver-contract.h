// SPDX-License-Identifier: MIT
// The memory that C++ shares with TypeScript, field for field as src/link/driver.ts lays it down,
// and the base class of every driver. What changes here changes there.

#ifndef CARAWAY_NATIVE_IO_DRIVER_CONTRACT_H_
#define CARAWAY_NATIVE_IO_DRIVER_CONTRACT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "pollable.h"
#include "shared-memory.h"

namespace caraway {

// Entry of the rx table and slot of the tx ring: DESCRIPTOR_FIELDS int32.
struct Descriptor {
  int32_t offset;    // of the frame, from the start of frame memory
  int32_t length;    // in bytes, Ethernet header included; tx: 0 sends nothing
  int32_t flags;     // kRx* or kTx*
  int32_t checksum;  // tx: (start << 16) | offset
};
static_assert(sizeof(Descriptor) == 16);

inline constexpr int32_t kRxChecksumValid = 1;  // RX_CHECKSUM_VALID
inline constexpr int32_t kTxChecksum = 1;       // TX_CHECKSUM
inline constexpr int32_t kTxSegment = 2;        // TX_SEGMENT

inline constexpr size_t kTxTail = 0;          // TX_TAIL: committed by the stack
inline constexpr size_t kTxHead = 1;          // TX_HEAD: given back by the driver
inline constexpr size_t kControlFields = 16;  // CONTROL_FIELDS

inline constexpr size_t kEthernetHeaderBytes = 14;
inline constexpr size_t kMacBytes = 6;

// The clock and the counters, as a Float64Array; native-io/index.ts names the same indices.
struct Status {
  double now_ms;  // CLOCK_MONOTONIC, read once per poll
  double rx_frames;
  double rx_bytes;
  double rx_dropped;
  double tx_frames;
  double tx_bytes;
  double tx_dropped;
  double polls;
  double rx_overruns;      // part of rx_dropped: the kernel found the ring full
  double rx_too_large;     // part of rx_dropped: a frame longer than there was room for
  double rx_super_frames;  // part of rx_frames: several segments merged by a local peer or by GRO
  double reserved[3];
  double connects;      // memif: how often a peer has connected
  double is_connected;  // memif: 1 while one is
};
inline constexpr size_t kStatusFields = 16;
static_assert(sizeof(Status) == kStatusFields * sizeof(double));

// One open device. A poll sends what the stack committed and returns the count of frames in the rx
// table; work is bounded by the tx slots and the rx entries.
class Driver : public Pollable {
 public:
  SharedMemory& memory() { return memory_; }
  const std::string& interface() const { return interface_; }
  const std::array<uint8_t, kMacBytes>& mac() const { return mac_; }
  int32_t mtu() const { return mtu_; }
  // How it is attached, where there is more than one way; for messages.
  virtual const char* mode() const { return ""; }
  // Bytes of frame memory the stack may write behind each tx slot.
  int32_t tx_frame_bytes() const { return tx_frame_bytes_; }
  // Largest IP packet it takes with TX_SEGMENT; 0: none. If it takes any, the memory of the tx
  // slots lies in one piece, and whatever is between their frames may be written over.
  int32_t tso_max_bytes() const { return tso_max_bytes_; }

 protected:
  Driver() = default;

  SharedMemory memory_;
  std::string interface_;
  std::array<uint8_t, kMacBytes> mac_{};
  int32_t mtu_ = 0;
  int32_t tx_frame_bytes_ = 0;
  int32_t tso_max_bytes_ = 0;
};

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_DRIVER_CONTRACT_H_
