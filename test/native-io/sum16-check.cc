// SPDX-License-Identifier: MIT
// Compares the sum by wide instructions with the plain one, and that with a sum
// by the book. Built and run by checksum.test.ts; silent when all is well.

#include <cstdio>
#include <cstring>
#include <vector>

#include "../../native-io/src/sum16.h"

namespace {

constexpr size_t kMostBytes = 700;
constexpr size_t kAlignments = 33;

// RFC 1071 §4.1, in memory byte order as the others.
uint16_t ByTheBook(const uint8_t *bytes, size_t length, uint64_t sum) {
  for (size_t i = 0; i < length; i += 2) {
    const uint8_t pair[2] = {bytes[i],
                             i + 1 < length ? bytes[i + 1] : uint8_t{0}};
    uint16_t word;
    std::memcpy(&word, pair, sizeof(word));
    sum += word;
  }
  while (sum > 0xffff)
    sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

// Exactly the bytes: what reads beyond them is seen by AddressSanitizer.
bool Agree(const uint8_t *bytes, size_t length, uint64_t initial) {
  const uint16_t wanted = ByTheBook(bytes, length, initial);
  const uint16_t plain =
      caraway::Fold16(caraway::Sum16Plain(bytes, length, initial));
  const uint16_t wide = caraway::Fold16(caraway::Sum16(bytes, length, initial));
  if (plain == wanted && wide == wanted)
    return true;
  std::printf("%zu bytes: %04x, plain %04x, wide %04x\n", length, wanted, plain,
              wide);
  return false;
}

} // namespace

int main() {
  uint32_t random = 1;
  bool agree = true;
  for (size_t length = 0; length <= kMostBytes; length++) {
    for (size_t at = 0; at < kAlignments; at++) {
      std::vector<uint8_t> bytes(at + length);
      for (uint8_t &byte : bytes) {
        random = random * 1664525 + 1013904223;
        // Carries everywhere in every other run.
        byte = at % 2 == 0 ? 0xff : static_cast<uint8_t>(random >> 24);
      }
      agree = Agree(bytes.data() + at, length, random) && agree;
    }
  }
  for (const size_t length : {size_t{1460}, size_t{8960}, size_t{65535}}) {
    const std::vector<uint8_t> bytes(length, 0xfe);
    agree = Agree(bytes.data(), length, 0xffffffff) && agree;
  }
  return agree ? 0 : 1;
}
