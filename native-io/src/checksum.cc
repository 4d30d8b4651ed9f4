// SPDX-License-Identifier: MIT

#include "checksum.h"

#include <netinet/in.h>

#include <cstring>

#include "driver-contract.h"
#include "sum16.h"

namespace caraway {
namespace {

constexpr size_t kIpv4MinHeaderBytes = 20;
constexpr size_t kTcpMinHeaderBytes = 20;
constexpr size_t kTcpChecksumOffset = 16;
constexpr size_t kUdpHeaderBytes = 8;
constexpr size_t kUdpChecksumOffset = 6;
// RFC 791: the low 13 bits are the offset, 0x2000 says that more fragments follow.
constexpr unsigned kFragmentMask = 0x3fff;

unsigned Read16(const uint8_t* bytes) { return (unsigned{bytes[0]} << 8) | bytes[1]; }

// The TCP segment or UDP datagram of a frame.
struct Transport {
  const uint8_t* bytes;
  size_t length;
  size_t checksum_offset;
  uint64_t pseudo_sum;  // RFC 9293 §3.1: of the addresses, the protocol and the transport length
};

// False unless the frame is an unfragmented IPv4 packet with a TCP or UDP checksum.
bool FindTransport(const uint8_t* frame, size_t length, Transport* out) {
  if (length < kEthernetHeaderBytes + kIpv4MinHeaderBytes) return false;
  if (Read16(frame + 12) != 0x0800) return false;
  const uint8_t* ip = frame + kEthernetHeaderBytes;
  const size_t header = size_t{ip[0] & 0x0fu} * 4;
  const size_t total = Read16(ip + 2);
  if ((ip[0] >> 4) != 4 || header < kIpv4MinHeaderBytes || total < header) return false;
  if (total > length - kEthernetHeaderBytes) return false;
  if ((Read16(ip + 6) & kFragmentMask) != 0) return false;
  const uint8_t* transport = ip + header;
  const size_t bytes = total - header;
  const uint8_t protocol = ip[9];
  if (protocol == IPPROTO_TCP) {
    if (bytes < kTcpMinHeaderBytes) return false;
    out->checksum_offset = kTcpChecksumOffset;
  } else if (protocol == IPPROTO_UDP) {
    if (bytes < kUdpHeaderBytes) return false;
    // RFC 768: zero means that there is none; whether that is acceptable is the stack's choice.
    if (Read16(transport + kUdpChecksumOffset) == 0) return false;
    if (Read16(transport + 4) != bytes) return false;
    out->checksum_offset = kUdpChecksumOffset;
  } else {
    return false;
  }
  out->bytes = transport;
  out->length = bytes;
  out->pseudo_sum =
      Sum16(ip + 12, 8, 0) + htons(uint16_t{protocol}) + htons(static_cast<uint16_t>(bytes));
  return true;
}

}  // namespace

bool TransportChecksumIsGood(const uint8_t* frame, size_t length) {
  Transport transport;
  if (!FindTransport(frame, length, &transport)) return false;
  return Fold16(Sum16(transport.bytes, transport.length, transport.pseudo_sum)) == 0xffff;
}

bool TransportChecksumIsUnfinished(const uint8_t* frame, size_t length) {
  Transport transport;
  if (!FindTransport(frame, length, &transport)) return false;
  uint16_t field;
  std::memcpy(&field, transport.bytes + transport.checksum_offset, sizeof(field));
  return field == Fold16(transport.pseudo_sum);
}

bool FinishChecksum(uint8_t* frame, size_t length, int32_t field) {
  const size_t start = static_cast<uint32_t>(field) >> 16;
  const size_t offset = static_cast<uint32_t>(field) & 0xffff;
  if (start + offset + sizeof(uint16_t) > length) return false;
  auto sum = static_cast<uint16_t>(~Fold16(Sum16(frame + start, length - start, 0)));
  // Zero would mean "no checksum" in UDP (RFC 768); in TCP both forms verify. Linux does the same.
  if (sum == 0) sum = 0xffff;
  std::memcpy(frame + start + offset, &sum, sizeof(sum));
  return true;
}

}  // namespace caraway
