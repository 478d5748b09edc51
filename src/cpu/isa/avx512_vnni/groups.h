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

/// Bits moved up (or down).
template <int kBy>
[[gnu::always_inline]] inline __m512i shifted(__m512i line) {
  if constexpr (kBy > 0) return _mm512_slli_epi16(line, kBy);
  if constexpr (kBy < 0) return _mm512_srli_epi16(line, -kBy);
  return line;
}

/// A plane of kBits becomes bits from kShift on of codes, from quad kQuad on. Those below are there already.
template <int kBits, int kShift, int kQuad = 0>
[[gnu::always_inline]] inline void unpack_plane(const std::byte* plane, __m512i (&codes)[kQuads]) {
  if constexpr (kQuad < kQuads) {
    constexpr int kLineQuads = 8 / kBits;
    const __m512i mask = _mm512_set1_epi8(static_cast<char>(((1 << kBits) - 1) << kShift));
    const __m512i line = line_at(plane + 64 * (kQuad / kLineQuads));
    const __m512i bits = shifted<kShift - kQuad % kLineQuads * kBits>(line);
    if constexpr (kBits == 8) {
      codes[kQuad] = bits;
    } else if constexpr (kShift == 0) {
      codes[kQuad] = _mm512_and_si512(bits, mask);
    } else {
      codes[kQuad] = _mm512_ternarylogic_epi64(codes[kQuad], bits, mask, 0xf8);  // code | (bits & mask)
    }
    unpack_plane<kBits, kShift, kQuad + 1>(plane, codes);
  }
}

template <PackedShape kShape>
[[gnu::always_inline]] inline void unpack(const std::byte* group, __m512i (&codes)[kQuads]) {
  unpack_plane<kShape.low_bits, 0>(group, codes);
  if constexpr (kShape.high_bits > 0) {
    unpack_plane<kShape.high_bits, kShape.low_bits>(group + 64 * kShape.low_bits, codes);
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

// What a layout's group has beside its codes, in registers, and what it does with a token's sum of products: see
// isa/scalar/packed.h. kParts of a group have factors of their own. kProductsStart: sums of products start at the
// token's number, else it comes later. kZero: what is taken off codes. Weights have the roundings of cpu/dequantize.cc.

/// One fused multiplication and addition for each part: sum + scale * token_scale * products.
inline Vector add_scaled(Vector sum, __m512i products, Vector scale, float token_scale) {
  return multiply_add(_mm512_cvtepi32_ps(products), multiply(scale, broadcast(token_scale)), sum);
}

template <int kPartCount, int kCodeZero>
struct Scales {
  static constexpr int kParts = kPartCount;
  static constexpr int kZero = kCodeZero;
  static constexpr bool kProductsStart = true;
  template <int kPart>
  [[nodiscard]] Vector scaled_sum(Vector sum, __m512i products, float token_scale, int32_t) const {
    return add_scaled(sum, products, scale[kPart], token_scale);
  }
  [[nodiscard]] Vector weight(int part, Vector value) const { return multiply(scale[part], value); }
  Vector scale[kParts];
};

template <int kPartCount>
struct ScalesAndMinimums {
  static constexpr int kParts = kPartCount;
  static constexpr int kZero = 0;
  static constexpr bool kProductsStart = false;
  template <int kPart>
  [[nodiscard]] Vector scaled_sum(Vector sum, __m512i products, float token_scale, int32_t start) const {
    sum = add_scaled(sum, products, scale[kPart], token_scale);
    return negated_multiply_add(minimum[kPart], broadcast(__builtin_bit_cast(float, start)), sum);
  }
  [[nodiscard]] Vector weight(int part, Vector value) const {
    return subtract(multiply(scale[part], value), minimum[part]);
  }
  Vector scale[kParts], minimum[kParts];
};

// How they are read: `open` a block, then a group's from what follows its codes.

struct NoHead {
  struct Block {};
  static Block open(const std::byte*) { return {}; }
};
struct ScaleHead {
  struct Block {
    Vector scale;
  };
  static Block open(const std::byte* block) { return {halves_at(block)}; }
};
struct ScaleAndMinimumHead {
  struct Block {
    Vector scale, minimum;
  };
  static Block open(const std::byte* block) { return {halves_at(block), halves_at(block + 32)}; }
};
inline Vector floats_of_bytes(__m128i bytes) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
}

template <int kCodeZero>
struct HalfScale : Scales<1, kCodeZero>, NoHead {
  void read(const Block&, const std::byte* scales) { this->scale[0] = halves_at(scales); }
};
struct HalfScaleAndMinimum : ScalesAndMinimums<1>, NoHead {
  void read(const Block&, const std::byte* scales) {
    scale[0] = halves_at(scales);
    minimum[0] = halves_at(scales + 32);
  }
};
template <int kPartCount, int kCodeZero>
struct ByteScale : Scales<kPartCount, kCodeZero>, ScaleHead {
  void read(const Block& block, const std::byte* scales) {
    for (int part = 0; part < kPartCount; ++part) {
      const __m512i bytes = _mm512_cvtepi8_epi32(bytes_at(scales + 16 * part));
      this->scale[part] = multiply(block.scale, _mm512_cvtepi32_ps(bytes));
    }
  }
};
struct ByteScaleAndMinimum : ScalesAndMinimums<1>, ScaleAndMinimumHead {
  void read(const Block& block, const std::byte* scales) {
    scale[0] = multiply(block.scale, floats_of_bytes(bytes_at(scales)));
    minimum[0] = multiply(block.minimum, floats_of_bytes(bytes_at(scales + 16)));
  }
};
struct NibbleScaleAndMinimum : ScalesAndMinimums<2>, ScaleAndMinimumHead {
  void read(const Block& block, const std::byte* scales) {
    const __m128i mask = _mm_set1_epi8(15);
    for (int part = 0; part < kParts; ++part) {
      const __m128i both = bytes_at(scales + 16 * part);
      scale[part] = multiply(block.scale, floats_of_bytes(_mm_and_si128(both, mask)));
      minimum[part] = multiply(block.minimum, floats_of_bytes(_mm_and_si128(_mm_srli_epi16(both, 4), mask)));
    }
  }
};

/// One scale and zero for all groups of a block.
struct ScaleAndZero {
  static constexpr int kParts = 1;
  static constexpr int kZero = 0;
  static constexpr bool kProductsStart = false;
  struct Block {
    Vector scale;
    __m512i zero;
  };
  static Block open(const std::byte* block) {
    return {_mm512_loadu_ps(block), _mm512_cvtepu8_epi32(bytes_at(block + 64))};
  }
  void read(const Block& block, const std::byte*) { head = block; }
  /// Less zero * (sum of the token's codes): both factors fit into 16 bits (255 and 32 * 127).
  template <int kPart>
  [[nodiscard]] Vector scaled_sum(Vector sum, __m512i products, float token_scale, int32_t start) const {
    const __m512i of_zeros = _mm512_madd_epi16(head.zero, _mm512_set1_epi32(start));
    return add_scaled(sum, _mm512_add_epi32(products, of_zeros), head.scale, token_scale);
  }
  [[nodiscard]] Vector weight(int, Vector value) const {
    return multiply(head.scale, subtract(value, _mm512_cvtepi32_ps(head.zero)));
  }
  Block head;
};

/// Codes are what they say: `code` for VPDPBUSD; `value` less kZero of a code in the low bits of a lane. Above them are
/// others' bits, which the index of a table leaves out.
struct PlainCodes {
  static __m512i code(__m512i stored) { return stored; }
  template <int kBits, int kZero>
  static Vector value(__m512i stored) {
    const Vector first = subtract(counting(), broadcast(static_cast<float>(kZero)));
    if constexpr (kBits <= 4) return _mm512_permutexvar_ps(stored, first);
    if constexpr (kBits == 5) return _mm512_permutex2var_ps(first, stored, add(first, broadcast(16.0F)));
    const __m512i byte = _mm512_and_si512(stored, _mm512_set1_epi32(255));
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(byte, _mm512_set1_epi32(kZero)));
  }
};
struct TableCodes {
  static __m512i code(__m512i stored) { return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table()), stored); }
  template <int, int kZero>
  static Vector value(__m512i stored) {
    const Vector values = subtract(floats_of_bytes(table()), broadcast(static_cast<float>(kZero)));
    return _mm512_permutexvar_ps(stored, values);
  }
  static __m128i table() { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Table.of)); }
};

template <PackedShape kLayout, typename Factors, typename Codes = PlainCodes>
struct PackedGroup : Factors {
  static constexpr PackedShape kShape = kLayout;
  static constexpr int kBits = kShape.low_bits + kShape.high_bits;
  PackedGroup() = default;
  PackedGroup(const typename Factors::Block& block, const std::byte* group) {
    this->read(block, group + kShape.code_bytes);
    unpack<kShape>(group, codes);
    for (__m512i& code : codes) code = Codes::code(code);
  }
  /// The weights of sixteen codes of `quad`, one in the low bits of each lane, as they are stored.
  [[nodiscard]] Vector weights(int quad, __m512i stored) const {
    return this->weight(quad * Factors::kParts / kQuads, Codes::template value<kBits, Factors::kZero>(stored));
  }
  __m512i codes[kQuads];
};
using W4 = PackedGroup<kW4Shape, HalfScale<8>>;
using W5 = PackedGroup<kW5Shape, HalfScale<16>>;
using W8 = PackedGroup<kW8Shape, HalfScale<128>>;
using W4I = PackedGroup<kW4Shape, HalfScale<128>, TableCodes>;
using W4M = PackedGroup<kW4MShape, HalfScaleAndMinimum>;
using W5M = PackedGroup<kW5MShape, HalfScaleAndMinimum>;
using W2K = PackedGroup<kW2KShape, NibbleScaleAndMinimum>;
using W3K = PackedGroup<kW3KShape, ByteScale<2, 4>>;
using W4K = PackedGroup<kW4KShape, ByteScaleAndMinimum>;
using W5K = PackedGroup<kW5KShape, ByteScaleAndMinimum>;
using W6K = PackedGroup<kW6KShape, ByteScale<2, 32>>;
using W4IK = PackedGroup<kW4IKShape, ByteScale<1, 128>, TableCodes>;
using W4G = PackedGroup<kW4GShape, ScaleAndZero>;
using W8G = PackedGroup<kW8GShape, ScaleAndZero>;

}  // namespace
}  // namespace kedge::cpu
