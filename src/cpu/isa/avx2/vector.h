#pragma once
// Eight floats: the primitives that isa/vector/*.h are written in. Included by one .cc file of an ISA folder only.

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace kedge::cpu {
namespace {

using Vector = __m256;
using LaneMask = __m256;  // all bits of a lane set or clear
constexpr int64_t kLanes = 8;
constexpr int kTileRows = 3;  // times 4 outputs: 12 sums, 3 activations and 1 weight fill the 16 registers

inline Vector zero() {
  return _mm256_setzero_ps();
}
inline Vector broadcast(float a) {
  return _mm256_set1_ps(a);
}
inline Vector add(Vector a, Vector b) {
  return _mm256_add_ps(a, b);
}
inline Vector subtract(Vector a, Vector b) {
  return _mm256_sub_ps(a, b);
}
inline Vector multiply(Vector a, Vector b) {
  return _mm256_mul_ps(a, b);
}
inline Vector divide(Vector a, Vector b) {
  return _mm256_div_ps(a, b);
}
inline Vector multiply_add(Vector a, Vector b, Vector c) {
  return _mm256_fmadd_ps(a, b, c);
}  // a * b + c
inline Vector negated_multiply_add(Vector a, Vector b, Vector c) {
  return _mm256_fnmadd_ps(a, b, c);
}  // c - a * b
inline Vector multiply_alternating(Vector a, Vector b, Vector c) {
  return _mm256_fmaddsub_ps(a, b, c);
}  // even: -c
/// The larger; b where a is no number.
inline Vector larger(Vector a, Vector b) {
  return _mm256_max_ps(a, b);
}
inline Vector smaller(Vector a, Vector b) {
  return _mm256_min_ps(a, b);
}
inline Vector magnitude(Vector a) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), a);
}
inline Vector with_sign_of(Vector a, Vector sign) {
  return _mm256_or_ps(magnitude(a), _mm256_and_ps(_mm256_set1_ps(-0.0F), sign));
}
inline Vector to_nearest(Vector a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline Vector power_of_two(__m256i n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
/// a * 2^n for whole n in [-160, 160]: in two steps, since 2^n itself may lie out of range.
inline Vector scale_by_power(Vector a, Vector n) {
  const __m256i whole = _mm256_cvtps_epi32(n);
  const __m256i half = _mm256_srai_epi32(whole, 1);
  return multiply(multiply(a, power_of_two(half)), power_of_two(_mm256_sub_epi32(whole, half)));
}

inline LaneMask less(Vector a, Vector b) {
  return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
inline LaneMask equal(Vector a, Vector b) {
  return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}
inline uint32_t bits_of(LaneMask mask) {
  return static_cast<uint32_t>(_mm256_movemask_ps(mask));
}
inline Vector select(LaneMask mask, Vector yes, Vector no) {
  return _mm256_blendv_ps(no, yes, mask);
}

/// Lanes [from, to); both may lie outside [0, kLanes].
inline LaneMask lanes_between(int64_t from, int64_t to) {
  const __m256i index = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
  const auto low = static_cast<int>(from < 0 ? 0 : from > kLanes ? kLanes : from);
  const auto high = static_cast<int>(to < 0 ? 0 : to > kLanes ? kLanes : to);
  return _mm256_castsi256_ps(_mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(low), index),
                                                 _mm256_cmpgt_epi32(_mm256_set1_epi32(high), index)));
}
inline __m256i first_lanes(int64_t count) {
  return _mm256_castps_si256(lanes_between(0, count));
}

inline Vector load(const float* p) {
  return _mm256_loadu_ps(p);
}
/// The first `count` lanes, 1 to kLanes; the others are 0. Nothing past them is touched.
inline Vector load_first(const float* p, int64_t count) {
  return _mm256_maskload_ps(p, first_lanes(count));
}
inline void store(float* p, Vector a) {
  _mm256_storeu_ps(p, a);
}
inline void store_first(float* p, int64_t count, Vector a) {
  _mm256_maskstore_ps(p, first_lanes(count), a);
}

inline __m128i load_i16(const uint16_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
inline __m128i load_i16_first(const uint16_t* p, int64_t count) {
  alignas(16) uint16_t lanes[8] = {};
  __builtin_memcpy(lanes, p, static_cast<size_t>(count) * sizeof(*p));
  return _mm_load_si128(reinterpret_cast<const __m128i*>(lanes));
}
inline Vector widen_bf16(__m128i a) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(a), 16));
}
inline Vector load_bf16(const uint16_t* p) {
  return widen_bf16(load_i16(p));
}
inline Vector load_bf16_first(const uint16_t* p, int64_t count) {
  return widen_bf16(load_i16_first(p, count));
}
inline Vector load_f16(const uint16_t* p) {
  return _mm256_cvtph_ps(load_i16(p));
}
inline Vector load_f16_first(const uint16_t* p, int64_t count) {
  return _mm256_cvtph_ps(load_i16_first(p, count));
}

/// bf16 in the upper half of each lane, the lower half zero: nearest even, a NaN stays one.
inline __m256i rounded_bits(Vector a) {
  const __m256i bits = _mm256_castps_si256(a);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
  return _mm256_and_si256(_mm256_blendv_epi8(rounded, quiet, nan), _mm256_set1_epi32(-65536));
}
inline Vector round_bf16(Vector a) {
  return _mm256_castsi256_ps(rounded_bits(a));
}
inline __m128i narrow_bf16(Vector a) {
  const __m256i words = _mm256_srli_epi32(rounded_bits(a), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}
inline void store_bf16(uint16_t* p, Vector a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow_bf16(a));
}
inline void store_bf16_first(uint16_t* p, int64_t count, Vector a) {
  alignas(16) uint16_t lanes[8];
  _mm_store_si128(reinterpret_cast<__m128i*>(lanes), narrow_bf16(a));
  __builtin_memcpy(p, lanes, static_cast<size_t>(count) * sizeof(*p));
}

inline Vector widen_codes(__m128i a) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(a));
}
inline Vector load_i8(const std::byte* p) {
  return widen_codes(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
inline Vector load_i8_first(const std::byte* p, int64_t count) {
  uint64_t lanes = 0;
  __builtin_memcpy(&lanes, p, static_cast<size_t>(count));
  return widen_codes(_mm_cvtsi64_si128(static_cast<int64_t>(lanes)));
}
/// Eight numbers as words, rounded to nearest even.
inline __m128i narrow_to_words(Vector a) {
  const __m256i whole = _mm256_cvtps_epi32(a);
  return _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
}
/// Rounded to nearest even; within 8 bits.
inline void store_i8(std::byte* p, Vector a) {
  const __m128i words = narrow_to_words(a);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words, words));
}
inline void store_i8_first(std::byte* p, int64_t count, Vector a) {
  std::byte lanes[8];
  store_i8(lanes, a);
  __builtin_memcpy(p, lanes, static_cast<size_t>(count));
}
/// 32 elements of cpu/kv_layout.h's int4.
inline void load_int4_group(const std::byte* p, Vector (&out)[4]) {
  int32_t stored;
  __builtin_memcpy(&stored, p, sizeof(stored));
  const __m256i head = _mm256_set1_epi32(stored);
  const Vector scale = _mm256_castsi256_ps(_mm256_slli_epi32(head, 16));
  const Vector minimum = _mm256_castsi256_ps(_mm256_and_si256(head, _mm256_set1_epi32(-65536)));
  const __m128i pairs = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 4));
  const __m128i low = _mm_and_si128(pairs, _mm_set1_epi8(15));
  const __m128i high = _mm_and_si128(_mm_srli_epi16(pairs, 4), _mm_set1_epi8(15));
  out[0] = multiply_add(widen_codes(low), scale, minimum);
  out[1] = multiply_add(widen_codes(_mm_unpackhi_epi64(low, low)), scale, minimum);
  out[2] = multiply_add(widen_codes(high), scale, minimum);
  out[3] = multiply_add(widen_codes(_mm_unpackhi_epi64(high, high)), scale, minimum);
}
/// Codes from 0 to 15, rounded to nearest even.
inline void store_int4_codes(std::byte* p, const Vector (&codes)[4]) {
  const __m128i low = _mm_packus_epi16(narrow_to_words(codes[0]), narrow_to_words(codes[1]));
  const __m128i high = _mm_packus_epi16(narrow_to_words(codes[2]), narrow_to_words(codes[3]));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_or_si128(low, _mm_slli_epi16(high, 4)));
}

inline Vector swap_pairs(Vector a) {
  return _mm256_permute_ps(a, 0xb1);
}
/// Lanes 2j and 2j + 1 are p[j], for the first `count` floats of p (at most kLanes / 2).
inline Vector load_pairs(const float* p, int64_t count) {
  const __m256i index = _mm256_set_epi32(3, 3, 2, 2, 1, 1, 0, 0);
  const __m128 singles = _mm_maskload_ps(p, _mm256_castsi256_si128(first_lanes(count)));
  return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(singles), index);
}

// Lanes are added by halves: 0-3 to 4-7, then 0-1 to 2-3 and 0 to 1. Every sum below has this one order.

inline __m128 halves_of(Vector a) {
  return _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
}
inline __m128 sums_of(Vector a, Vector b, Vector c, Vector d) {
  const __m128 ha = halves_of(a);
  const __m128 hb = halves_of(b);
  const __m128 hc = halves_of(c);
  const __m128 hd = halves_of(d);
  const __m128 ab = _mm_add_ps(_mm_movelh_ps(ha, hb), _mm_movehl_ps(hb, ha));
  const __m128 cd = _mm_add_ps(_mm_movelh_ps(hc, hd), _mm_movehl_ps(hd, hc));
  return _mm_add_ps(_mm_shuffle_ps(ab, cd, 0x88), _mm_shuffle_ps(ab, cd, 0xdd));
}
inline float sum_of(Vector a) {
  return _mm_cvtss_f32(sums_of(a, a, a, a));
}
inline float first_of(Vector a) {
  return _mm256_cvtss_f32(a);
}
inline float largest_of(Vector a) {
  const __m128 half = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 pair = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(pair, _mm_shuffle_ps(pair, pair, 1)));
}

/// Sixteen floats in order, as two registers here.
struct Group {
  Vector part[2];
};
inline Vector widen_eight(__m128i a) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(a));
}
inline Group widen_i8(__m128i a) {
  return {{widen_eight(a), widen_eight(_mm_unpackhi_epi64(a, a))}};
}
inline Group scaled(Group g, Vector scale) {
  return {{multiply(g.part[0], scale), multiply(g.part[1], scale)}};
}
inline Group plus(Group g, Vector offset) {
  return {{add(g.part[0], offset), add(g.part[1], offset)}};
}
inline Group minus(Group g, Vector offset) {
  return {{subtract(g.part[0], offset), subtract(g.part[1], offset)}};
}

inline Group times(Group g, Group h) {
  return {{multiply(g.part[0], h.part[0]), multiply(g.part[1], h.part[1])}};
}
/// Eight lanes of a, then eight of b.
inline Group halves(Vector a, Vector b) {
  return {{a, b}};
}
template <int kLane>
Vector lane(const Group& g) {
  return _mm256_permutevar8x32_ps(g.part[kLane / 8], _mm256_set1_epi32(kLane % 8));
}
inline Vector broadcast_f16(const std::byte* p) {
  uint16_t half;
  __builtin_memcpy(&half, p, sizeof(half));
  return _mm256_cvtph_ps(_mm_set1_epi16(static_cast<int16_t>(half)));
}
/// FP8 E4M3 ("finite" form). Exact: the bits placed in an f32 are the value times 2^-120, subnormals included.
inline Vector widen_f8_eight(__m128i a) {
  const __m256i bits = _mm256_cvtepu8_epi32(a);
  const __m256i size = _mm256_and_si256(bits, _mm256_set1_epi32(0x7f));
  const Vector value = multiply(_mm256_castsi256_ps(_mm256_slli_epi32(size, 20)), broadcast(0x1p120F));
  const Vector nan = _mm256_castsi256_ps(_mm256_cmpeq_epi32(size, _mm256_set1_epi32(0x7f)));
  const Vector sign = _mm256_castsi256_ps(_mm256_slli_epi32(bits, 24));
  return with_sign_of(select(nan, broadcast(__builtin_nanf("")), value), sign);
}
inline Group widen_f8(__m128i a) {
  return {{widen_f8_eight(a), widen_f8_eight(_mm_unpackhi_epi64(a, a))}};
}

/// The values of 16 codes of four bits, and how packed codes become values: no register holds 16 floats, so the values
/// are looked up as bytes and scaled after.
struct Codebook {
  __m128i values;
  Vector scale;
  Vector offset;
  bool has_offset;
};
inline Group look_up(const Codebook& book, __m128i codes) {
  const Group values = scaled(widen_i8(_mm_shuffle_epi8(book.values, codes)), book.scale);
  return book.has_offset ? plus(values, book.offset) : values;
}
/// Element i has its code in the low (high) four bits of byte i.
inline Group look_up_low(const Codebook& book, __m128i bytes) {
  return look_up(book, _mm_and_si128(bytes, _mm_set1_epi8(15)));
}
inline Group look_up_high(const Codebook& book, __m128i bytes) {
  return look_up(book, _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(15)));
}
/// values[i] * scale, then + (-) an offset.
inline Codebook codebook(__m128i values, Vector scale) {
  return {values, scale, zero(), false};
}
inline Codebook codebook_plus(__m128i values, Vector scale, Vector offset) {
  return {values, scale, offset, true};
}
inline Codebook codebook_minus(__m128i values, Vector scale, Vector offset) {
  return {values, scale, _mm256_xor_ps(offset, _mm256_set1_ps(-0.0F)), true};
}

}  // namespace
}  // namespace kedge::cpu
