// SPDX-License-Identifier: MIT

#include "sum16.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace caraway {

uint64_t Sum16Plain(const uint8_t* bytes, size_t length, uint64_t initial) {
  // 32-bit words into 64-bit sums: no carry can be lost below 16 GB, and the compiler vectorises.
  uint64_t even = initial;
  uint64_t odd = 0;
  while (length >= 8) {
    uint32_t words[2];
    std::memcpy(words, bytes, sizeof(words));
    even += words[0];
    odd += words[1];
    bytes += 8;
    length -= 8;
  }
  if (length > 0) {
    // Zero padding does not change the sum (RFC 1071 §4.1).
    uint8_t rest[8] = {};
    uint32_t words[2];
    std::memcpy(rest, bytes, length);
    std::memcpy(words, rest, sizeof(words));
    even += words[0];
    odd += words[1];
  }
  return even + odd;
}

uint16_t Fold16(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

#if defined(__x86_64__)
namespace {

// Below this the plain sum is as fast.
constexpr size_t kWideBytes = 128;

// As the plain sum: 32-bit words into 64-bit sums, eight at a time.
__attribute__((target("avx2"))) uint64_t Sum16Avx2(const uint8_t* bytes, size_t length,
                                                   uint64_t initial) {
  const __m256i low_words = _mm256_set1_epi64x(0xffffffff);
  __m256i even = _mm256_setzero_si256();
  __m256i odd = _mm256_setzero_si256();
  while (length >= 64) {
    const __m256i one = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
    const __m256i two = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + 32));
    even = _mm256_add_epi64(even, _mm256_and_si256(one, low_words));
    odd = _mm256_add_epi64(odd, _mm256_srli_epi64(one, 32));
    even = _mm256_add_epi64(even, _mm256_and_si256(two, low_words));
    odd = _mm256_add_epi64(odd, _mm256_srli_epi64(two, 32));
    bytes += 64;
    length -= 64;
  }
  uint64_t lanes[4];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), _mm256_add_epi64(even, odd));
  return Sum16Plain(bytes, length, initial + lanes[0] + lanes[1] + lanes[2] + lanes[3]);
}

// Asked once, when the addon is loaded.
const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;

}  // namespace

uint64_t Sum16(const uint8_t* bytes, size_t length, uint64_t initial) {
  const bool is_wide = has_avx2 && length >= kWideBytes;
  return is_wide ? Sum16Avx2(bytes, length, initial) : Sum16Plain(bytes, length, initial);
}
#else
uint64_t Sum16(const uint8_t* bytes, size_t length, uint64_t initial) {
  return Sum16Plain(bytes, length, initial);
}
#endif

}  // namespace caraway
