// SPDX-License-Identifier: MIT
// memif 2.0 on the wire and in memory, as DPDK's net_memif and VPP speak it: the control messages,
// which are packed and in the byte order of the host, and the layout of a ring.

#ifndef CARAWAY_NATIVE_IO_MEMIF_PROTOCOL_H_
#define CARAWAY_NATIVE_IO_MEMIF_PROTOCOL_H_

#include <cstddef>
#include <cstdint>

namespace caraway {

inline constexpr uint32_t kMemifCookie = 0x3e31f20;
inline constexpr uint16_t kMemifVersion = 2 << 8;  // 2.0
inline constexpr uint8_t kMemifModeEthernet = 0;
inline constexpr size_t kMemifMessageBytes = 128;
inline constexpr size_t kMemifSecretBytes = 24;
inline constexpr size_t kMemifNameBytes = 32;

enum class MemifType : uint16_t {
  kAck = 1,
  kHello = 2,
  kInit = 3,
  kAddRegion = 4,
  kAddRing = 5,
  kConnect = 6,
  kConnected = 7,
  kDisconnect = 8,
};

struct [[gnu::packed]] MemifHello {
  char name[kMemifNameBytes];
  uint16_t min_version;
  uint16_t max_version;
  uint16_t max_region;    // the highest index, as the two that follow
  uint16_t max_m2s_ring;  // server to client
  uint16_t max_s2m_ring;  // client to server
  uint8_t max_log2_ring_size;
};

struct [[gnu::packed]] MemifInit {
  uint16_t version;
  uint32_t id;
  uint8_t mode;
  char secret[kMemifSecretBytes];
  char name[kMemifNameBytes];
};

struct [[gnu::packed]] MemifAddRegion {
  uint16_t index;
  uint64_t size;
};

inline constexpr uint16_t kMemifRingToServer = 1;  // MEMIF_MSG_ADD_RING_FLAG_S2M

struct [[gnu::packed]] MemifAddRing {
  uint16_t flags;
  uint16_t index;
  uint16_t region;
  uint32_t offset;
  uint8_t log2_ring_size;
  uint16_t private_header_size;  // of the metadata of a descriptor, which nobody here has
};

// CONNECT and CONNECTED.
struct [[gnu::packed]] MemifConnect {
  char interface[kMemifNameBytes];
};

struct [[gnu::packed]] MemifDisconnect {
  uint32_t code;
  char reason[96];
};

struct [[gnu::packed]] MemifMessage {
  MemifType type;
  union {
    MemifHello hello;
    MemifInit init;
    MemifAddRegion add_region;
    MemifAddRing add_ring;
    MemifConnect connect;
    MemifDisconnect disconnect;
    uint8_t body[kMemifMessageBytes - sizeof(MemifType)];
  };
};
static_assert(sizeof(MemifMessage) == kMemifMessageBytes);

// In front of the descriptors of a ring. The client writes line 0 and the server line 1, but for
// `flags`, which is the consumer's.
struct MemifRingHeader {
  uint32_t cookie;
  uint16_t flags;
  uint16_t head;
  uint8_t padding0[56];
  uint16_t tail;
  uint8_t padding1[62];
};
static_assert(sizeof(MemifRingHeader) == 128 && offsetof(MemifRingHeader, tail) == 64);

inline constexpr uint16_t kMemifRingPolled = 1;  // the consumer polls: no interrupt, please

struct MemifDescriptor {
  uint16_t flags;
  uint16_t region;
  uint32_t length;  // of the data; of the buffer while it is empty
  uint32_t offset;  // of the buffer in its region
  uint32_t metadata;
};
static_assert(sizeof(MemifDescriptor) == 16);

inline constexpr uint16_t kMemifChained = 1;  // the frame goes on in the next descriptor

// What ring counters of 16 bits leave room for, and DPDK offers.
inline constexpr int kMemifMaxLog2RingSize = 14;

}  // namespace caraway

#endif  // CARAWAY_NATIVE_IO_MEMIF_PROTOCOL_H_
