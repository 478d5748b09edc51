#pragma once
// Products of packed weights (cpu/packed_layout.h) with VPMADDUBSW: the bits that isa/scalar/packed.h defines. A panel
// is two halves of eight outputs; each half's group is eight registers of codes. Include after vector.h.

#include <cstddef>
#include <cstdint>

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
inline __m256i unsigned_bytes_at(const std::byte* bytes) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes)));
}
inline Vector floats_of_bytes(const std::byte* bytes) {
  return _mm256_cvtepi32_ps(unsigned_bytes_at(bytes));
}

inline void unpack_nibbles(const std::byte* group, __m256i (&codes)[kQuads]) {
  const __m256i mask = _mm256_set1_epi8(15);
  for (int j = 0; j < 4; ++j) {
    const __m256i line = line_at(group + 64 * j);
    codes[2 * j] = _mm256_and_si256(line, mask);
    codes[2 * j + 1] = _mm256_and_si256(_mm256_srli_epi16(line, 4), mask);
  }
}

/// One token's part of a group.
struct TokenGroup {
  const int8_t* codes;
  float scale;
  const int32_t* sums;
};

inline __m256i quad_of(const int8_t* x, int quad) {
  int32_t four = 0;
  __builtin_memcpy(&four, x + 4 * quad, sizeof(four));
  return _mm256_set1_epi32(four);
}
/// Sums of neighbouring 16-bit lanes.
inline __m256i widened(__m256i pairs) {
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}
inline __m256i with_start(__m256i sum, int32_t start) {
  return _mm256_add_epi32(sum, _mm256_set1_epi32(start));
}

/// Codes of at most 15 times a token's: eight products of pairs (8 * 2 * 15 * 127) fit into 16 bits.
inline __m256i dot_of_nibbles(const __m256i (&codes)[kQuads], const int8_t* x) {
  __m256i pairs = _mm256_maddubs_epi16(codes[0], quad_of(x, 0));
  for (int quad = 1; quad < kQuads; ++quad) {
    pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(codes[quad], quad_of(x, quad)));
  }
  return widened(pairs);
}
/// Codes of at most 63, quads [kBegin, kBegin + 4): two products of pairs (2 * 2 * 63 * 127) fit.
template <int kBegin>
inline __m256i dot_of_six_bits(const __m256i (&codes)[kQuads], const int8_t* x) {
  const auto two = [&](int quad) {
    return widened(_mm256_add_epi16(_mm256_maddubs_epi16(codes[quad], quad_of(x, quad)),
                                    _mm256_maddubs_epi16(codes[quad + 1], quad_of(x, quad + 1))));
  };
  return _mm256_add_epi32(two(kBegin), two(kBegin + 2));
}
/// Codes less 128 times a token's. The sign goes over to the token's code: magnitudes of at most 128 in pairs fit.
inline __m256i dot_of_bytes(const __m256i (&codes)[kQuads], const int8_t* x) {
  __m256i sum = _mm256_setzero_si256();
  for (int quad = 0; quad < kQuads; ++quad) {
    const __m256i signed_code = _mm256_xor_si256(codes[quad], _mm256_set1_epi8(-128));
    const __m256i token = _mm256_sign_epi8(quad_of(x, quad), signed_code);
    sum = _mm256_add_epi32(sum, widened(_mm256_maddubs_epi16(_mm256_abs_epi8(signed_code), token)));
  }
  return sum;
}

// Half a group in registers, and what it adds to the sums of one token. `block` and `group` point at the first of the
// half's outputs in lines of codes; `output` is its number in the panel, 0 or 8.

struct W4 {
  static constexpr PackedShape kShape = kW4Shape;
  W4(const std::byte*, const std::byte* group, int64_t output) : scale(halves_at(group + 256 + 2 * output)) {
    unpack_nibbles(group + 4 * output, codes);
  }
  [[nodiscard]] Vector add_to(Vector sum, const TokenGroup& x) const {
    const __m256i products = with_start(dot_of_nibbles(codes, x.codes), -8 * (x.sums[0] + x.sums[1]));
    return multiply_add(_mm256_cvtepi32_ps(products), multiply(scale, broadcast(x.scale)), sum);
  }
  __m256i codes[kQuads];
  Vector scale;
};

inline void load_bytes(const std::byte* group, __m256i (&codes)[kQuads]) {
  for (int quad = 0; quad < kQuads; ++quad) codes[quad] = line_at(group + 64 * quad);
}

struct W8 {
  static constexpr PackedShape kShape = kW8Shape;
  W8(const std::byte*, const std::byte* group, int64_t output) : scale(halves_at(group + 512 + 2 * output)) {
    load_bytes(group + 4 * output, codes);
  }
  [[nodiscard]] Vector add_to(Vector sum, const TokenGroup& x) const {
    const __m256i products = dot_of_bytes(codes, x.codes);
    return multiply_add(_mm256_cvtepi32_ps(products), multiply(scale, broadcast(x.scale)), sum);
  }
  __m256i codes[kQuads];
  Vector scale;
};

struct W4K {
  static constexpr PackedShape kShape = kW4KShape;
  W4K(const std::byte* block, const std::byte* group, int64_t output)
      : scale(multiply(halves_at(block + 2 * output), floats_of_bytes(group + 256 + output))),
        minimum(multiply(halves_at(block + 32 + 2 * output), floats_of_bytes(group + 272 + output))) {
    unpack_nibbles(group + 4 * output, codes);
  }
  [[nodiscard]] Vector add_to(Vector sum, const TokenGroup& x) const {
    const __m256i products = dot_of_nibbles(codes, x.codes);
    sum = multiply_add(_mm256_cvtepi32_ps(products), multiply(scale, broadcast(x.scale)), sum);
    return negated_multiply_add(minimum, broadcast(static_cast<float>(x.sums[0] + x.sums[1]) * x.scale), sum);
  }
  __m256i codes[kQuads];
  Vector scale, minimum;
};

struct W6K {
  static constexpr PackedShape kShape = kW6KShape;
  W6K(const std::byte* block, const std::byte* group, int64_t output) {
    unpack_nibbles(group + 4 * output, codes);
    const __m256i mask = _mm256_set1_epi8(0x30);
    for (int h = 0; h < 2; ++h) {
      const __m256i line = line_at(group + 256 + 64 * h + 4 * output);
      add_high(codes[4 * h], _mm256_slli_epi16(line, 4), mask);
      add_high(codes[4 * h + 1], _mm256_slli_epi16(line, 2), mask);
      add_high(codes[4 * h + 2], line, mask);
      add_high(codes[4 * h + 3], _mm256_srli_epi16(line, 2), mask);
      const __m128i signed_bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(group + 384 + 16 * h + output));
      scale[h] = multiply(halves_at(block + 2 * output), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(signed_bytes)));
    }
  }
  [[nodiscard]] Vector add_to(Vector sum, const TokenGroup& x) const {
    const Vector token_scale = broadcast(x.scale);
    const __m256i first = with_start(dot_of_six_bits<0>(codes, x.codes), -32 * x.sums[0]);
    sum = multiply_add(_mm256_cvtepi32_ps(first), multiply(scale[0], token_scale), sum);
    const __m256i second = with_start(dot_of_six_bits<4>(codes, x.codes), -32 * x.sums[1]);
    return multiply_add(_mm256_cvtepi32_ps(second), multiply(scale[1], token_scale), sum);
  }
  static void add_high(__m256i& code, __m256i bits, __m256i mask) {
    code = _mm256_or_si256(code, _mm256_and_si256(bits, mask));
  }
  __m256i codes[kQuads];
  Vector scale[2];
};

/// `factors` times the sum of the token's codes: both fit into 16 bits.
inline __m256i times_sum(__m256i factors, const TokenGroup& x) {
  return _mm256_madd_epi16(factors, _mm256_set1_epi32((x.sums[0] + x.sums[1]) & 0xffff));
}

struct W4G {
  static constexpr PackedShape kShape = kW4GShape;
  W4G(const std::byte* block, const std::byte* group, int64_t output)
      : scale(_mm256_loadu_ps(reinterpret_cast<const float*>(block) + output)),
        zero(unsigned_bytes_at(block + 64 + output)) {
    unpack_nibbles(group + 4 * output, codes);
  }
  [[nodiscard]] Vector add_to(Vector sum, const TokenGroup& x) const {
    const __m256i products = _mm256_sub_epi32(dot_of_nibbles(codes, x.codes), times_sum(zero, x));
    return multiply_add(_mm256_cvtepi32_ps(products), multiply(scale, broadcast(x.scale)), sum);
  }
  __m256i codes[kQuads];
  Vector scale;
  __m256i zero;
};

struct W8G {
  static constexpr PackedShape kShape = kW8GShape;
  W8G(const std::byte* block, const std::byte* group, int64_t output)
      : scale(_mm256_loadu_ps(reinterpret_cast<const float*>(block) + output)),
        signed_zero(_mm256_and_si256(_mm256_sub_epi32(unsigned_bytes_at(block + 64 + output), _mm256_set1_epi32(128)),
                                     _mm256_set1_epi32(0xffff))) {
    load_bytes(group + 4 * output, codes);
  }
  [[nodiscard]] Vector add_to(Vector sum, const TokenGroup& x) const {
    const __m256i products = _mm256_sub_epi32(dot_of_bytes(codes, x.codes), times_sum(signed_zero, x));
    return multiply_add(_mm256_cvtepi32_ps(products), multiply(scale, broadcast(x.scale)), sum);
  }
  __m256i codes[kQuads];
  Vector scale;
  __m256i signed_zero;  // less 128, in the low 16 bits
};

/// kTokens tokens from `token` on, times half a panel.
// Bound: with one token the weights' way from memory; with many, products: a group of nibbles takes 8 of them and as
// many additions for each token, against half as many operations once to unpack it.
template <typename Group, int kTokens>
[[gnu::noinline]] void half_panel_times(const PackedTile& t, const std::byte* block, int64_t output, int64_t token) {
  const PackedShape shape = with_block(Group::kShape, t.block_columns);
  const int64_t groups = t.columns / kGroupColumns;
  const int64_t half = output % kPanelOutputs;
  const int8_t* codes = t.codes + token * t.columns;
  const float* scales = t.scales + token * groups;
  const int32_t* sums = t.sums + token * 2 * groups;
  Vector y[kTokens];
  for (int i = 0; i < kTokens; ++i) y[i] = cpu::zero();
  for (int64_t k = 0; k < t.columns; k += shape.block_columns, block += bytes_of_block(shape)) {
    const std::byte* at = block + shape.head_bytes;
    for (int64_t g = 0; g < shape.block_columns / kGroupColumns; ++g, at += shape.group_bytes) {
      const Group group(block, at, half);
      for (int i = 0; i < kTokens; ++i) {
        y[i] = group.add_to(y[i], {codes + i * t.columns, scales[i * groups], sums + i * 2 * groups});
      }
      codes += kGroupColumns;
      ++scales;
      sums += 2;
    }
  }
  const int64_t left = t.outputs - output < kHalf ? t.outputs - output : kHalf;
  for (int i = 0; i < kTokens; ++i) {
    if (t.bias != nullptr) y[i] = add(y[i], load_first(t.bias + output, left));
    store_first(t.y + (token + i) * t.y_stride + output, left, y[i]);
  }
}

constexpr int kTokensAtOnce = 4;

/// Tokens [token, count), fewer than kTokensAtOnce of them.
template <typename Group, int kTokens = kTokensAtOnce - 1>
void last_tokens(const PackedTile& t, const std::byte* panel, int64_t output, int64_t token) {
  if constexpr (kTokens > 0) {
    if (t.count - token == kTokens) {
      half_panel_times<Group, kTokens>(t, panel, output, token);
    } else {
      last_tokens<Group, kTokens - 1>(t, panel, output, token);
    }
  }
}

template <typename Group>
void packed_product(const PackedTile& t) {
  for (int64_t output = 0; output < t.outputs; output += kHalf) {
    const std::byte* const panel = t.panels + static_cast<size_t>(output / kPanelOutputs) * t.panel_bytes;
    int64_t token = 0;
    for (; token + kTokensAtOnce <= t.count; token += kTokensAtOnce) {
      half_panel_times<Group, kTokensAtOnce>(t, panel, output, token);
    }
    last_tokens<Group>(t, panel, output, token);
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
