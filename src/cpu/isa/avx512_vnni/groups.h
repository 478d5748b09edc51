#pragma once
// Groups of packed weights (cpu/packed_layout.h) in registers. Include after isa/avx512/vector.h; needs VNNI.

#include <cstddef>
#include <cstdint>

#include "cpu/kernel_table.h"
#include "cpu/packed_layout.h"

namespace kedge::cpu {
namespace {

constexpr int kQuads = 8;  // of a group

inline __m512i line_at(const std::byte* bytes) {
  return _mm512_loadu_si512(bytes);
}
inline Vector halves_at(const std::byte* bytes) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
}
inline __m128i bytes_at(const std::byte* bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}

inline void unpack_nibbles(const std::byte* group, __m512i (&codes)[kQuads]) {
  const __m512i mask = _mm512_set1_epi8(15);
  for (int j = 0; j < 4; ++j) {
    const __m512i line = line_at(group + 64 * j);
    codes[2 * j] = _mm512_and_si512(line, mask);
    codes[2 * j + 1] = _mm512_and_si512(_mm512_srli_epi16(line, 4), mask);
  }
}

/// One token's part of a group.
struct TokenGroup {
  const int8_t* codes;
  float scale;
  const int32_t* sums;
};

/// Codes of a group times a token's, quads [kBegin, kEnd), added to `sum`. Two chains: each product waits for the last.
template <int kBegin, int kEnd>
[[gnu::always_inline]] inline __m512i dot(const __m512i (&codes)[kQuads], const int8_t* x, int32_t start) {
  __m512i even = _mm512_set1_epi32(start);
  __m512i odd = _mm512_setzero_si512();
  for (int quad = kBegin; quad < kEnd; quad += 2) {
    int32_t first = 0, second = 0;
    __builtin_memcpy(&first, x + 4 * quad, sizeof(first));
    __builtin_memcpy(&second, x + 4 * quad + 4, sizeof(second));
    even = _mm512_dpbusd_epi32(even, codes[quad], _mm512_set1_epi32(first));
    odd = _mm512_dpbusd_epi32(odd, codes[quad + 1], _mm512_set1_epi32(second));
  }
  return _mm512_add_epi32(even, odd);
}

// A layout's group in registers, and what it adds to the sums of one token: see isa/scalar/packed.h.

struct W4 {
  static constexpr PackedShape kShape = kW4Shape;
  struct Block {};
  static Block open(const std::byte*) { return {}; }
  W4(const Block&, const std::byte* group) : scale(halves_at(group + 256)) { unpack_nibbles(group, codes); }
  [[nodiscard]] Vector add_to(Vector sum, const TokenGroup& x) const {
    const __m512i products = dot<0, kQuads>(codes, x.codes, -8 * (x.sums[0] + x.sums[1]));
    return multiply_add(_mm512_cvtepi32_ps(products), multiply(scale, broadcast(x.scale)), sum);
  }
  /// The weights of sixteen codes (one a lane) of `quad`, with the roundings of cpu/dequantize.cc.
  [[nodiscard]] Vector weights(int, __m512i code) const {
    return multiply(scale, _mm512_cvtepi32_ps(_mm512_sub_epi32(code, _mm512_set1_epi32(8))));
  }
  __m512i codes[kQuads];
  Vector scale;
};

struct W8 {
  static constexpr PackedShape kShape = kW8Shape;
  struct Block {};
  static Block open(const std::byte*) { return {}; }
  W8(const Block&, const std::byte* group) : scale(halves_at(group + 512)) {
    for (int quad = 0; quad < kQuads; ++quad) codes[quad] = line_at(group + 64 * quad);
  }
  [[nodiscard]] Vector add_to(Vector sum, const TokenGroup& x) const {
    const __m512i products = dot<0, kQuads>(codes, x.codes, -128 * (x.sums[0] + x.sums[1]));
    return multiply_add(_mm512_cvtepi32_ps(products), multiply(scale, broadcast(x.scale)), sum);
  }
  [[nodiscard]] Vector weights(int, __m512i code) const {
    return multiply(scale, _mm512_cvtepi32_ps(_mm512_sub_epi32(code, _mm512_set1_epi32(128))));
  }
  __m512i codes[kQuads];
  Vector scale;
};

inline Vector scales_of_bytes(const std::byte* bytes) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes_at(bytes)));
}

struct W4K {
  static constexpr PackedShape kShape = kW4KShape;
  struct Block {
    Vector scale, minimum;
  };
  static Block open(const std::byte* block) { return {halves_at(block), halves_at(block + 32)}; }
  W4K(const Block& block, const std::byte* group)
      : scale(multiply(block.scale, scales_of_bytes(group + 256))),
        minimum(multiply(block.minimum, scales_of_bytes(group + 272))) {
    unpack_nibbles(group, codes);
  }
  [[nodiscard]] Vector add_to(Vector sum, const TokenGroup& x) const {
    const __m512i products = dot<0, kQuads>(codes, x.codes, 0);
    sum = multiply_add(_mm512_cvtepi32_ps(products), multiply(scale, broadcast(x.scale)), sum);
    return negated_multiply_add(minimum, broadcast(static_cast<float>(x.sums[0] + x.sums[1]) * x.scale), sum);
  }
  [[nodiscard]] Vector weights(int, __m512i code) const {
    return subtract(multiply(scale, _mm512_cvtepi32_ps(code)), minimum);
  }
  __m512i codes[kQuads];
  Vector scale, minimum;
};

struct W6K {
  static constexpr PackedShape kShape = kW6KShape;
  struct Block {
    Vector scale;
  };
  static Block open(const std::byte* block) { return {halves_at(block)}; }
  W6K(const Block& block, const std::byte* group) {
    unpack_nibbles(group, codes);
    const __m512i mask = _mm512_set1_epi8(0x30);
    for (int h = 0; h < 2; ++h) {
      const __m512i line = line_at(group + 256 + 64 * h);
      add_high(codes[4 * h], _mm512_slli_epi16(line, 4), mask);
      add_high(codes[4 * h + 1], _mm512_slli_epi16(line, 2), mask);
      add_high(codes[4 * h + 2], line, mask);
      add_high(codes[4 * h + 3], _mm512_srli_epi16(line, 2), mask);
      scale[h] = multiply(block.scale, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes_at(group + 384 + 16 * h))));
    }
  }
  [[nodiscard]] Vector add_to(Vector sum, const TokenGroup& x) const {
    const Vector token_scale = broadcast(x.scale);
    const __m512i first = dot<0, 4>(codes, x.codes, -32 * x.sums[0]);
    sum = multiply_add(_mm512_cvtepi32_ps(first), multiply(scale[0], token_scale), sum);
    const __m512i second = dot<4, 8>(codes, x.codes, -32 * x.sums[1]);
    return multiply_add(_mm512_cvtepi32_ps(second), multiply(scale[1], token_scale), sum);
  }
  [[nodiscard]] Vector weights(int quad, __m512i code) const {
    return multiply(scale[quad / 4], _mm512_cvtepi32_ps(_mm512_sub_epi32(code, _mm512_set1_epi32(32))));
  }
  static void add_high(__m512i& code, __m512i bits, __m512i mask) {
    code = _mm512_ternarylogic_epi64(code, bits, mask, 0xf8);  // code | (bits & mask)
  }
  __m512i codes[kQuads];
  Vector scale[2];
};

/// Scales and zeros of a block of one scale: what w4_g and w8_g share.
struct ScaledBlock {
  Vector scale;
  __m512i zero;
  static ScaledBlock open(const std::byte* block) {
    return {_mm512_loadu_ps(block), _mm512_cvtepu8_epi32(bytes_at(block + 64))};
  }
};

/// `products` minus zero * (sum of the token's codes): both factors fit into 16 bits (255 and 32 * 127).
inline __m512i minus_zeros(__m512i products, __m512i zero, const TokenGroup& x) {
  const __m512i sum = _mm512_set1_epi32(-(x.sums[0] + x.sums[1]) & 0xffff);
  return _mm512_add_epi32(products, _mm512_madd_epi16(zero, sum));
}

/// A group of one scale and zero: w4_g and w8_g differ in how its codes lie.
struct ScaledGroup {
  using Block = ScaledBlock;
  static Block open(const std::byte* block) { return Block::open(block); }
  explicit ScaledGroup(const Block& block) : head(block) {}
  [[nodiscard]] Vector add_to(Vector sum, const TokenGroup& x) const {
    const __m512i products = minus_zeros(dot<0, kQuads>(codes, x.codes, 0), head.zero, x);
    return multiply_add(_mm512_cvtepi32_ps(products), multiply(head.scale, broadcast(x.scale)), sum);
  }
  [[nodiscard]] Vector weights(int, __m512i code) const {
    return multiply(head.scale, _mm512_cvtepi32_ps(_mm512_sub_epi32(code, head.zero)));
  }
  __m512i codes[kQuads];
  Block head;
};

struct W4G : ScaledGroup {
  static constexpr PackedShape kShape = kW4GShape;
  W4G(const Block& block, const std::byte* group) : ScaledGroup(block) { unpack_nibbles(group, codes); }
};

struct W8G : ScaledGroup {
  static constexpr PackedShape kShape = kW8GShape;
  W8G(const Block& block, const std::byte* group) : ScaledGroup(block) {
    for (int quad = 0; quad < kQuads; ++quad) codes[quad] = line_at(group + 64 * quad);
  }
};

}  // namespace
}  // namespace kedge::cpu
