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

/// 0 to 15.
inline Vector counting() {
  return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

inline void unpack_nibbles(const std::byte* group, __m512i (&codes)[kQuads]) {
  const __m512i mask = _mm512_set1_epi8(15);
  for (int j = 0; j < 4; ++j) {
    const __m512i line = line_at(group + 64 * j);
    codes[2 * j] = _mm512_and_si512(line, mask);
    codes[2 * j + 1] = _mm512_and_si512(_mm512_srli_epi16(line, 4), mask);
  }
}

/// Tokens side by side: their codes of a group, scales and starts.
struct TokenGroups {
  const int8_t* codes;
  int64_t columns;  // codes between tokens
  const float* scales;
  const int32_t* starts;
  [[nodiscard]] __m512i quad(int token, int quad) const {
    int32_t four = 0;
    __builtin_memcpy(&four, codes + token * columns + 4 * quad, sizeof(four));
    return _mm512_set1_epi32(four);
  }
  [[nodiscard]] float scale(int token) const { return scales[token * (columns / kGroupColumns)]; }
  [[nodiscard]] const int32_t* start(int token) const { return starts + token * (columns / (kGroupColumns / 2)); }
};

/// Codes of a group times those of some tokens, part by part, scaled and added to y. Tokens take turns, and one or two
/// of them have two chains each: a product waits for the one before it.
template <int kPart, typename Group, int kTokens>
[[gnu::always_inline]] inline void add_part(const Group& group, const TokenGroups& x, Vector (&y)[kTokens]) {
  constexpr int kBegin = kPart * kQuads / Group::kParts, kEnd = (kPart + 1) * kQuads / Group::kParts;
  constexpr int kChains = kTokens > 2 ? 1 : 2;
  __m512i sums[kTokens][kChains];
  for (int i = 0; i < kTokens; ++i) {
    sums[i][0] = Group::kProductsStart ? _mm512_set1_epi32(x.start(i)[kPart]) : _mm512_setzero_si512();
    for (int chain = 1; chain < kChains; ++chain) sums[i][chain] = _mm512_setzero_si512();
  }
  for (int quad = kBegin; quad < kEnd; ++quad) {
    for (int i = 0; i < kTokens; ++i) {
      __m512i& sum = sums[i][quad % kChains];
      sum = _mm512_dpbusd_epi32(sum, group.codes[quad], x.quad(i, quad));
    }
  }
  for (int i = 0; i < kTokens; ++i) {
    const __m512i products = kChains == 1 ? sums[i][0] : _mm512_add_epi32(sums[i][0], sums[i][kChains - 1]);
    y[i] = group.template scaled_sum<kPart>(y[i], products, x.scale(i), x.start(i)[kPart]);
  }
}

// A layout's group in registers, and what it does with a token's sum of products: see isa/scalar/packed.h. kParts of a
// group have scales of their own. kProductsStart: sums of products start at the token's number, else it comes later.
// kNibbles: lines are as unpack_nibbles takes them, and a code alone gives its value.

/// One fused multiplication and addition for each group: sum + scale * token_scale * products.
inline Vector add_scaled(Vector sum, __m512i products, Vector scale, float token_scale) {
  return multiply_add(_mm512_cvtepi32_ps(products), multiply(scale, broadcast(token_scale)), sum);
}

struct W4 {
  static constexpr PackedShape kShape = kW4Shape;
  static constexpr bool kNibbles = true;
  static constexpr int kParts = 1;
  static constexpr bool kProductsStart = true;
  struct Block {};
  static Block open(const std::byte*) { return {}; }
  W4() = default;
  W4(const Block&, const std::byte* group) : scale(halves_at(group + 256)) { unpack_nibbles(group, codes); }
  template <int kPart>
  [[nodiscard]] Vector scaled_sum(Vector sum, __m512i products, float token_scale, int32_t) const {
    return add_scaled(sum, products, scale, token_scale);
  }
  // Weights have the roundings of cpu/dequantize.cc.
  static Vector values_of_codes() { return subtract(counting(), broadcast(8.0F)); }
  [[nodiscard]] Vector scaled(Vector value) const { return multiply(scale, value); }
  __m512i codes[kQuads];
  Vector scale;
};

struct W8 {
  static constexpr PackedShape kShape = kW8Shape;
  static constexpr bool kNibbles = false;
  static constexpr int kParts = 1;
  static constexpr bool kProductsStart = true;
  using Block = W4::Block;
  static Block open(const std::byte*) { return {}; }
  W8() = default;
  W8(const Block&, const std::byte* group) : scale(halves_at(group + 512)) {
    for (int quad = 0; quad < kQuads; ++quad) codes[quad] = line_at(group + 64 * quad);
  }
  template <int kPart>
  [[nodiscard]] Vector scaled_sum(Vector sum, __m512i products, float token_scale, int32_t) const {
    return add_scaled(sum, products, scale, token_scale);
  }
  /// The weights of sixteen codes (one a lane) of `quad`.
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
  static constexpr bool kNibbles = true;
  static constexpr int kParts = 1;
  static constexpr bool kProductsStart = false;
  struct Block {
    Vector scale, minimum;
  };
  static Block open(const std::byte* block) { return {halves_at(block), halves_at(block + 32)}; }
  W4K() = default;
  W4K(const Block& block, const std::byte* group)
      : scale(multiply(block.scale, scales_of_bytes(group + 256))),
        minimum(multiply(block.minimum, scales_of_bytes(group + 272))) {
    unpack_nibbles(group, codes);
  }
  template <int kPart>
  [[nodiscard]] Vector scaled_sum(Vector sum, __m512i products, float token_scale, int32_t start) const {
    sum = add_scaled(sum, products, scale, token_scale);
    return negated_multiply_add(minimum, broadcast(__builtin_bit_cast(float, start)), sum);
  }
  static Vector values_of_codes() { return counting(); }
  [[nodiscard]] Vector scaled(Vector value) const { return subtract(multiply(scale, value), minimum); }
  __m512i codes[kQuads];
  Vector scale, minimum;
};

struct W6K {
  static constexpr PackedShape kShape = kW6KShape;
  static constexpr bool kNibbles = false;
  static constexpr int kParts = 2;
  static constexpr bool kProductsStart = true;
  struct Block {
    Vector scale;
  };
  static Block open(const std::byte* block) { return {halves_at(block)}; }
  W6K() = default;
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
  template <int kPart>
  [[nodiscard]] Vector scaled_sum(Vector sum, __m512i products, float token_scale, int32_t) const {
    return add_scaled(sum, products, scale[kPart], token_scale);
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

/// A group of one scale and zero: w4_g and w8_g differ in how its codes lie.
struct ScaledGroup {
  static constexpr int kParts = 1;
  static constexpr bool kProductsStart = false;
  struct Block {
    Vector scale;
    __m512i zero;
  };
  static Block open(const std::byte* block) {
    return {_mm512_loadu_ps(block), _mm512_cvtepu8_epi32(bytes_at(block + 64))};
  }
  ScaledGroup() = default;
  explicit ScaledGroup(const Block& block) : head(block) {}
  /// Less zero * (sum of the token's codes): both factors fit into 16 bits (255 and 32 * 127).
  template <int kPart>
  [[nodiscard]] Vector scaled_sum(Vector sum, __m512i products, float token_scale, int32_t start) const {
    const __m512i of_zeros = _mm512_madd_epi16(head.zero, _mm512_set1_epi32(start));
    return add_scaled(sum, _mm512_add_epi32(products, of_zeros), head.scale, token_scale);
  }
  [[nodiscard]] Vector weights(int, __m512i code) const {
    return multiply(head.scale, _mm512_cvtepi32_ps(_mm512_sub_epi32(code, head.zero)));
  }
  __m512i codes[kQuads];
  Block head;
};

struct W4G : ScaledGroup {
  static constexpr PackedShape kShape = kW4GShape;
  static constexpr bool kNibbles = true;
  W4G() = default;
  W4G(const Block& block, const std::byte* group) : ScaledGroup(block) { unpack_nibbles(group, codes); }
  static Vector values_of_codes() { return counting(); }
  [[nodiscard]] Vector scaled(Vector value) const {
    return multiply(head.scale, subtract(value, _mm512_cvtepi32_ps(head.zero)));
  }
};

struct W8G : ScaledGroup {
  static constexpr PackedShape kShape = kW8GShape;
  static constexpr bool kNibbles = false;
  W8G() = default;
  W8G(const Block& block, const std::byte* group) : ScaledGroup(block) {
    for (int quad = 0; quad < kQuads; ++quad) codes[quad] = line_at(group + 64 * quad);
  }
};

}  // namespace
}  // namespace kedge::cpu
