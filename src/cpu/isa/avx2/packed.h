#pragma once
// Products of packed weights (cpu/packed_layout.h) in vectors of eight: the bits that isa/scalar/packed.h defines. A
// panel is two halves of eight outputs; each half's group is eight registers of codes. How codes are multiplied is a
// parameter (PairProducts). Include after vector.h.

#include <cstddef>
#include <cstdint>

#include "cpu/isa/vector/fetch_ahead.h"
#include "cpu/kernel_table.h"
#include "cpu/packed_layout.h"

namespace kedge::cpu {
namespace {

constexpr int kQuads = 8;     // of a group
constexpr int64_t kHalf = 8;  // outputs of half a panel

inline __m256i line_at(const std::byte* bytes) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
}
inline Vector halves_at(const std::byte* bytes) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
}
inline __m128i bytes_at(const std::byte* bytes) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
}
inline Vector floats_of_bytes(__m128i bytes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
}

/// Bits moved up (or down).
template <int kBy>
[[gnu::always_inline]] inline __m256i shifted(__m256i line) {
  if constexpr (kBy > 0) return _mm256_slli_epi16(line, kBy);
  if constexpr (kBy < 0) return _mm256_srli_epi16(line, -kBy);
  return line;
}

/// A plane of kBits becomes bits from kShift on of codes, from quad kQuad on. Those below are there already.
template <int kBits, int kShift, int kQuad = 0>
[[gnu::always_inline]] inline void unpack_plane(const std::byte* plane, __m256i (&codes)[kQuads]) {
  if constexpr (kQuad < kQuads) {
    constexpr int kLineQuads = 8 / kBits;
    const __m256i mask = _mm256_set1_epi8(static_cast<char>(((1 << kBits) - 1) << kShift));
    const __m256i line = line_at(plane + 64 * (kQuad / kLineQuads));
    const __m256i bits = _mm256_and_si256(shifted<kShift - kQuad % kLineQuads * kBits>(line), mask);
    codes[kQuad] = kShift == 0 ? bits : _mm256_or_si256(codes[kQuad], bits);
    unpack_plane<kBits, kShift, kQuad + 1>(plane, codes);
  }
}

template <PackedShape kShape>
[[gnu::always_inline]] inline void unpack(const std::byte* group, __m256i (&codes)[kQuads]) {
  unpack_plane<kShape.low_bits, 0>(group, codes);
  if constexpr (kShape.high_bits > 0) {
    unpack_plane<kShape.high_bits, kShape.low_bits>(group + 64 * kShape.low_bits, codes);
  }
}

/// One token's part of a group.
struct TokenGroup {
  const int8_t* codes;
  float scale;
  const int32_t* sums;
  const int32_t* starts;
};

inline __m256i quad_of(const int8_t* x, int quad) {
  int32_t four = 0;
  __builtin_memcpy(&four, x + 4 * quad, sizeof(four));
  return _mm256_set1_epi32(four);
}

/// Products with VPMADDUBSW: of bytes in pairs, in 16 bits.
struct PairProducts {
  /// Codes of at most kCodeMax in quads [kBegin, kEnd) times a token's, and `start`: where kZero is not 0, minus kZero
  /// times the sum of the token's codes.
  template <int kCodeMax, int kZero, int kBegin, int kEnd>
  static __m256i sum(const __m256i (&codes)[kQuads], const TokenGroup& x, __m256i start) {
    constexpr int kFit = 32767 / (2 * 127 * kCodeMax);  // sums of so many pairs fit into 16 bits
    __m256i total = start;
    if constexpr (kFit == 0) {
      // Codes less 128, whose sign goes over to the token's code: magnitudes of at most 128 in pairs fit.
      static_assert(kZero == 128 || (kZero == 0 && kEnd - kBegin == kQuads));
      total = kZero == 128 ? _mm256_setzero_si256() : _mm256_set1_epi32(128 * (x.sums[0] + x.sums[1]));
      for (int quad = kBegin; quad < kEnd; ++quad) {
        const __m256i signed_code = _mm256_xor_si256(codes[quad], _mm256_set1_epi8(-128));
        const __m256i token = _mm256_sign_epi8(quad_of(x.codes, quad), signed_code);
        total = _mm256_add_epi32(total, widened(_mm256_maddubs_epi16(_mm256_abs_epi8(signed_code), token)));
      }
    } else {
      constexpr int kAtOnce = kFit < 2 ? 1 : kFit < 4 ? 2 : kFit < 8 ? 4 : 8;
      for (int first = kBegin; first < kEnd; first += kAtOnce) {
        __m256i pairs = _mm256_maddubs_epi16(codes[first], quad_of(x.codes, first));
        for (int quad = first + 1; quad < first + kAtOnce && quad < kEnd; ++quad) {
          pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(codes[quad], quad_of(x.codes, quad)));
        }
        total = _mm256_add_epi32(total, widened(pairs));
      }
    }
    return total;
  }
  /// Sums of neighbouring 16-bit lanes.
  static __m256i widened(__m256i pairs) { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }
};

// What half a group has beside its codes, in registers, and what it does with a token's sum of products. kParts of a
// group have factors of their own; kZero is taken off codes: with it, sums of products start at the token's number,
// else that comes later. `read`: `block` is the group's block, `scales` what follows its codes; `output` is the first
// of the half's in the panel, 0 or 8.

inline Vector add_scaled(Vector sum, __m256i products, Vector scale, const TokenGroup& x) {
  return multiply_add(_mm256_cvtepi32_ps(products), multiply(scale, broadcast(x.scale)), sum);
}

template <int kPartCount, int kCodeZero>
struct Scales {
  static constexpr int kParts = kPartCount;
  static constexpr int kZero = kCodeZero;
  [[nodiscard]] Vector scaled_sum(int part, Vector sum, __m256i products, const TokenGroup& x) const {
    return add_scaled(sum, products, scale[part], x);
  }
  Vector scale[kParts];
};
template <int kCodeZero>
struct HalfScale : Scales<1, kCodeZero> {
  void read(const std::byte*, const std::byte* scales, int64_t output) {
    this->scale[0] = halves_at(scales + 2 * output);
  }
};
template <int kPartCount, int kCodeZero>
struct ByteScale : Scales<kPartCount, kCodeZero> {
  void read(const std::byte* block, const std::byte* scales, int64_t output) {
    for (int part = 0; part < kPartCount; ++part) {
      const __m256i bytes = _mm256_cvtepi8_epi32(bytes_at(scales + 16 * part + output));
      this->scale[part] = multiply(halves_at(block + 2 * output), _mm256_cvtepi32_ps(bytes));
    }
  }
};

template <int kPartCount>
struct ScalesAndMinimums {
  static constexpr int kParts = kPartCount;
  static constexpr int kZero = 0;
  [[nodiscard]] Vector scaled_sum(int part, Vector sum, __m256i products, const TokenGroup& x) const {
    sum = add_scaled(sum, products, scale[part], x);
    return negated_multiply_add(minimum[part], broadcast(__builtin_bit_cast(float, x.starts[part])), sum);
  }
  Vector scale[kParts], minimum[kParts];
};
struct HalfScaleAndMinimum : ScalesAndMinimums<1> {
  void read(const std::byte*, const std::byte* scales, int64_t output) {
    scale[0] = halves_at(scales + 2 * output);
    minimum[0] = halves_at(scales + 32 + 2 * output);
  }
};
struct ByteScaleAndMinimum : ScalesAndMinimums<1> {
  void read(const std::byte* block, const std::byte* scales, int64_t output) {
    scale[0] = multiply(halves_at(block + 2 * output), floats_of_bytes(bytes_at(scales + output)));
    minimum[0] = multiply(halves_at(block + 32 + 2 * output), floats_of_bytes(bytes_at(scales + 16 + output)));
  }
};
struct NibbleScaleAndMinimum : ScalesAndMinimums<2> {
  void read(const std::byte* block, const std::byte* scales, int64_t output) {
    const __m128i mask = _mm_set1_epi8(15);
    for (int part = 0; part < kParts; ++part) {
      const __m128i both = bytes_at(scales + 16 * part + output);
      scale[part] = multiply(halves_at(block + 2 * output), floats_of_bytes(_mm_and_si128(both, mask)));
      minimum[part] =
          multiply(halves_at(block + 32 + 2 * output), floats_of_bytes(_mm_and_si128(_mm_srli_epi16(both, 4), mask)));
    }
  }
};

struct ScaleAndZero {
  static constexpr int kParts = 1;
  static constexpr int kZero = 0;
  void read(const std::byte* block, const std::byte*, int64_t output) {
    scale = _mm256_loadu_ps(reinterpret_cast<const float*>(block) + output);
    zero = _mm256_cvtepu8_epi32(bytes_at(block + 64 + output));
  }
  /// Less zero * (sum of the token's codes): both factors fit into 16 bits.
  [[nodiscard]] Vector scaled_sum(int, Vector sum, __m256i products, const TokenGroup& x) const {
    const __m256i of_zeros = _mm256_madd_epi16(zero, _mm256_set1_epi32(x.starts[0]));
    return add_scaled(sum, _mm256_add_epi32(products, of_zeros), scale, x);
  }
  Vector scale;
  __m256i zero;
};

/// Codes are what they say.
struct PlainCodes {
  static constexpr int max(PackedShape shape) { return (1 << (shape.low_bits + shape.high_bits)) - 1; }
  static __m256i code(__m256i stored) { return stored; }
};
struct TableCodes {
  static constexpr int max(PackedShape) { return kIq4Table.of[15]; }
  static __m256i code(__m256i stored) {
    const __m128i table = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Table.of));
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), stored);
  }
};

/// Half a group in registers.
template <PackedShape kLayout, typename Factors, typename Codes = PlainCodes>
struct PackedGroup : Factors {
  static constexpr PackedShape kShape = kLayout;
  PackedGroup(const std::byte* block, const std::byte* group, int64_t output) {
    this->read(block, group + kShape.code_bytes, output);
    unpack<kShape>(group + 4 * output, codes);
    for (__m256i& code : codes) code = Codes::code(code);
  }
  template <typename Products>
  [[nodiscard]] Vector add_to(Vector sum, const TokenGroup& x) const {
    sum = add_part<Products, 0>(sum, x);
    if constexpr (Factors::kParts > 1) sum = add_part<Products, 1>(sum, x);
    return sum;
  }

 private:
  template <typename Products, int kPart>
  [[nodiscard]] Vector add_part(Vector sum, const TokenGroup& x) const {
    constexpr int kBegin = kPart * kQuads / Factors::kParts, kEnd = (kPart + 1) * kQuads / Factors::kParts;
    const __m256i start = Factors::kZero != 0 ? _mm256_set1_epi32(x.starts[kPart]) : _mm256_setzero_si256();
    const __m256i products = Products::template sum<Codes::max(kShape), Factors::kZero, kBegin, kEnd>(codes, x, start);
    return this->scaled_sum(kPart, sum, products, x);
  }
  __m256i codes[kQuads];
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

/// kTokens tokens from `token` on, times half a panel.
// Bound: with one token the weights' way from memory; with many, products: a group of nibbles takes 8 of them and as
// many additions for each token, against half as many operations once to unpack it.
template <typename Group, typename Products, int kTokens>
[[gnu::noinline]] void half_panel_times(const PackedTile& t, const std::byte* block, int64_t output, int64_t token,
                                        FetchAhead& ahead) {
  const PackedShape shape = with_block(Group::kShape, t.block_columns);
  const int64_t groups = t.columns / kGroupColumns;
  const int64_t half = output % kPanelOutputs;
  const int8_t* codes = t.codes + token * t.columns;
  const float* scales = t.scales + token * groups;
  const int32_t* sums = t.sums + token * 2 * groups;
  const int32_t* starts = t.starts + token * 2 * groups;
  Vector y[kTokens];
  for (int i = 0; i < kTokens; ++i) y[i] = cpu::zero();
  for (int64_t k = 0; k < t.columns; k += shape.block_columns, block += bytes_of_block(shape)) {
    const std::byte* at = block + shape.head_bytes;
    for (int64_t g = 0; g < shape.block_columns / kGroupColumns; ++g, at += shape.group_bytes) {
      const Group group(block, at, half);
      for (int i = 0; i < kTokens; ++i) {
        const TokenGroup x{codes + i * t.columns, scales[i * groups], sums + i * 2 * groups, starts + i * 2 * groups};
        y[i] = group.template add_to<Products>(y[i], x);
      }
      ahead.one_group_further();
      codes += kGroupColumns;
      ++scales;
      sums += 2;
      starts += 2;
    }
  }
  const int64_t left = t.outputs - output < kHalf ? t.outputs - output : kHalf;
  for (int i = 0; i < kTokens; ++i) {
    if (t.bias != nullptr) y[i] = add(y[i], load_first(t.bias + output, left));
    float* const at = t.y + (token + i) * t.y_stride + output;
    store_first(at, left, t.added ? add(load_first(at, left), y[i]) : y[i]);
  }
}

constexpr int kTokensAtOnce = 4;

/// Tokens [token, count), fewer than kTokensAtOnce of them.
template <typename Group, typename Products, int kTokens = kTokensAtOnce - 1>
void last_tokens(const PackedTile& t, const std::byte* panel, int64_t output, int64_t token, FetchAhead& ahead) {
  if constexpr (kTokens > 0) {
    if (t.count - token == kTokens) {
      half_panel_times<Group, Products, kTokens>(t, panel, output, token, ahead);
    } else {
      last_tokens<Group, Products, kTokens - 1>(t, panel, output, token, ahead);
    }
  }
}

template <typename Group, typename Products>
void packed_product(const PackedTile& t) {
  const auto bytes = static_cast<int64_t>(t.panel_bytes);
  const int64_t passes = (t.count + kTokensAtOnce - 1) / kTokensAtOnce * (kPanelOutputs / kHalf);
  const int64_t step = bytes * kGroupColumns / t.columns / passes + 1;
  const std::byte* panel = t.panels;
  for (int64_t first = 0; first < t.outputs; first += kPanelOutputs, panel += bytes) {
    FetchAhead ahead(panel + bytes, step);
    for (int64_t output = first; output < first + kPanelOutputs && output < t.outputs; output += kHalf) {
      int64_t token = 0;
      for (; token + kTokensAtOnce <= t.count; token += kTokensAtOnce) {
        half_panel_times<Group, Products, kTokensAtOnce>(t, panel, output, token, ahead);
      }
      last_tokens<Group, Products>(t, panel, output, token, ahead);
    }
  }
}

/// As isa/scalar/packed.h defines it.
inline void quantize_row(const float* x, int64_t columns, int8_t* codes, float* scales, int32_t* sums) {
  constexpr float kSmallestGroup = 1e-30F;
  for (int64_t g = 0; g < columns / kGroupColumns; ++g, x += kGroupColumns, codes += kGroupColumns) {
    Vector largest_of = cpu::zero();
    bool finite = true;
    for (int part = 0; part < 4; ++part) {
      const Vector size = magnitude(load(x + 8 * part));
      finite = finite && _mm256_movemask_ps(_mm256_cmp_ps(size, broadcast(3.402823466e38F), _CMP_LE_OQ)) == 0xff;
      largest_of = larger(size, largest_of);
    }
    alignas(32) float lanes[8];
    store(lanes, largest_of);
    float largest = 0.0F;
    for (const float lane : lanes) largest = lane > largest ? lane : largest;
    const bool is_zero = !finite || largest < kSmallestGroup;
    const Vector inverse = broadcast(is_zero ? 0.0F : 127.0F / largest);
    scales[g] = !finite ? __builtin_nanf("") : is_zero ? 0.0F : largest / 127.0F;
    for (int half = 0; half < 2; ++half) {
      __m256i low = _mm256_cvtps_epi32(multiply(load(x + 16 * half), inverse));
      __m256i high = _mm256_cvtps_epi32(multiply(load(x + 16 * half + 8), inverse));
      if (is_zero) low = high = _mm256_setzero_si256();
      const __m256i total = _mm256_add_epi32(low, high);
      alignas(32) int32_t parts[8];
      _mm256_store_si256(reinterpret_cast<__m256i*>(parts), total);
      int32_t sum = 0;
      for (const int32_t part : parts) sum += part;
      sums[2 * g + half] = sum;
      const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
      const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + 16 * half), bytes);
    }
  }
}

}  // namespace
}  // namespace kedge::cpu
