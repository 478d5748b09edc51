#pragma once
// Sixteen floats: the primitives that isa/vector/*.h are written in. Included by one .cc file of an ISA folder only.

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace kedge::cpu {
namespace {

using Vector = __m512;
using LaneMask = __mmask16;
constexpr int64_t kLanes = 16;
constexpr int kTileRows = 6;  // times 4 outputs: 24 sums, 6 activations and 1 weight fill 31 of 32 registers

inline Vector zero() {
  return _mm512_setzero_ps();
}
inline Vector broadcast(float a) {
  return _mm512_set1_ps(a);
}
inline Vector add(Vector a, Vector b) {
  return _mm512_add_ps(a, b);
}
inline Vector subtract(Vector a, Vector b) {
  return _mm512_sub_ps(a, b);
}
inline Vector multiply(Vector a, Vector b) {
  return _mm512_mul_ps(a, b);
}
inline Vector divide(Vector a, Vector b) {
  return _mm512_div_ps(a, b);
}
inline Vector multiply_add(Vector a, Vector b, Vector c) {
  return _mm512_fmadd_ps(a, b, c);
}  // a * b + c
inline Vector negated_multiply_add(Vector a, Vector b, Vector c) {
  return _mm512_fnmadd_ps(a, b, c);
}  // c - a * b
inline Vector multiply_alternating(Vector a, Vector b, Vector c) {
  return _mm512_fmaddsub_ps(a, b, c);
}  // even: -c
/// The larger; b where a is no number.
inline Vector larger(Vector a, Vector b) {
  return _mm512_max_ps(a, b);
}
inline Vector smaller(Vector a, Vector b) {
  return _mm512_min_ps(a, b);
}
inline Vector magnitude(Vector a) {
  return _mm512_abs_ps(a);
}
inline Vector with_sign_of(Vector a, Vector sign) {
  const __m512i kept = _mm512_set1_epi32(0x7fffffff);
  return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(kept, _mm512_castps_si512(a), _mm512_castps_si512(sign), 0xca));
}
inline Vector to_nearest(Vector a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/// a * 2^n for whole n in [-160, 160].
inline Vector scale_by_power(Vector a, Vector n) {
  return _mm512_scalef_ps(a, n);
}

/// a - floor(a), rounded down; 0 for an infinity.
inline Vector fraction(Vector a) {
  return _mm512_reduce_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
/// a * 2^floor(n).
inline Vector scale_by_floor(Vector a, Vector n) {
  return _mm512_scalef_ps(a, n);
}

inline LaneMask less(Vector a, Vector b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
inline LaneMask equal(Vector a, Vector b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}
inline uint32_t bits_of(LaneMask mask) {
  return mask;
}
inline Vector select(LaneMask mask, Vector yes, Vector no) {
  return _mm512_mask_blend_ps(mask, no, yes);
}

inline LaneMask first_lanes(int64_t count) {
  return static_cast<LaneMask>((1U << count) - 1U);
}
/// Lanes [from, to); both may lie outside [0, kLanes].
inline LaneMask lanes_between(int64_t from, int64_t to) {
  const int64_t low = from < 0 ? 0 : from > kLanes ? kLanes : from;
  const int64_t high = to < 0 ? 0 : to > kLanes ? kLanes : to;
  return static_cast<LaneMask>(first_lanes(high) & ~first_lanes(low));
}

inline Vector load(const float* p) {
  return _mm512_loadu_ps(p);
}
/// The first `count` lanes, 1 to kLanes; the others are 0. Nothing past them is touched.
inline Vector load_first(const float* p, int64_t count) {
  return _mm512_maskz_loadu_ps(first_lanes(count), p);
}
inline void store(float* p, Vector a) {
  _mm512_storeu_ps(p, a);
}
inline void store_first(float* p, int64_t count, Vector a) {
  _mm512_mask_storeu_ps(p, first_lanes(count), a);
}

inline Vector widen_bf16(__m256i a) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(a), 16));
}
inline Vector load_bf16(const uint16_t* p) {
  return widen_bf16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Vector load_bf16_first(const uint16_t* p, int64_t count) {
  return widen_bf16(_mm256_maskz_loadu_epi16(first_lanes(count), p));
}
inline Vector load_f16(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Vector load_f16_first(const uint16_t* p, int64_t count) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_lanes(count), p));
}

/// bf16 in the upper half of each lane, the lower half zero: nearest even, a NaN stays one.
inline __m512i rounded_bits(Vector a) {
  const __m512i bits = _mm512_castps_si512(a);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  const __mmask16 nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
  return _mm512_and_si512(_mm512_mask_blend_epi32(nan, rounded, quiet), _mm512_set1_epi32(-65536));
}
inline Vector round_bf16(Vector a) {
  return _mm512_castsi512_ps(rounded_bits(a));
}
inline __m256i narrow_bf16(Vector a) {
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded_bits(a), 16));
}
inline void store_bf16(uint16_t* p, Vector a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow_bf16(a));
}
inline void store_bf16_first(uint16_t* p, int64_t count, Vector a) {
  _mm256_mask_storeu_epi16(p, first_lanes(count), narrow_bf16(a));
}

inline Vector widen_codes(__m128i a) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(a));
}
inline Vector load_i8(const std::byte* p) {
  return widen_codes(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Vector load_i8_first(const std::byte* p, int64_t count) {
  return widen_codes(_mm_maskz_loadu_epi8(first_lanes(count), p));
}
/// Rounded to nearest even; within 8 bits.
inline void store_i8(std::byte* p, Vector a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a)));
}
inline void store_i8_first(std::byte* p, int64_t count, Vector a) {
  _mm_mask_storeu_epi8(p, first_lanes(count), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a)));
}
/// 32 elements of cpu/kv_layout.h's int4: every code is looked up among its group's sixteen values.
inline void load_int4_group(const std::byte* p, Vector (&out)[2]) {
  int32_t stored;
  __builtin_memcpy(&stored, p, sizeof(stored));
  const __m512i head = _mm512_set1_epi32(stored);
  const Vector scale = _mm512_castsi512_ps(_mm512_slli_epi32(head, 16));
  const Vector minimum = _mm512_castsi512_ps(_mm512_and_si512(head, _mm512_set1_epi32(-65536)));
  const Vector codes = _mm512_set_ps(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const Vector values = multiply_add(codes, scale, minimum);
  const __m512i pairs = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 4)));
  out[0] = _mm512_permutexvar_ps(pairs, values);  // looks at four bits
  out[1] = _mm512_permutexvar_ps(_mm512_srli_epi32(pairs, 4), values);
}
/// Codes from 0 to 15, rounded to nearest even.
inline void store_int4_codes(std::byte* p, const Vector (&codes)[2]) {
  const __m512i high = _mm512_slli_epi32(_mm512_cvtps_epi32(codes[1]), 4);
  const __m512i pairs = _mm512_or_si512(_mm512_cvtps_epi32(codes[0]), high);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(pairs));
}

inline Vector swap_pairs(Vector a) {
  return _mm512_permute_ps(a, 0xb1);
}
/// Lanes 2j and 2j + 1 are p[j], for the first `count` floats of p (at most kLanes / 2).
inline Vector load_pairs(const float* p, int64_t count) {
  const __m512i index = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
  const __m256 singles = _mm256_maskz_loadu_ps(static_cast<__mmask8>(first_lanes(count)), p);
  return _mm512_permutexvar_ps(index, _mm512_castps256_ps512(singles));
}

// Lanes are added by halves: 0-7 to 8-15, then 0-3 to 4-7 and so on. Every sum below has this one order.

inline Vector fold_two(Vector a, Vector b) {  // [halves of a | halves of b]
  return add(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
}
inline __m128 sums_of(Vector a, Vector b, Vector c, Vector d) {
  const Vector ab = fold_two(a, b);
  const Vector cd = fold_two(c, d);
  const Vector quarters = add(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
  const Vector pairs = add(quarters, _mm512_permute_ps(quarters, 0x4e));
  const Vector sums = add(pairs, _mm512_permute_ps(pairs, 0xb1));
  const __m512i index = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 8, 4, 0);
  return _mm512_castps512_ps128(_mm512_permutexvar_ps(index, sums));
}
inline float sum_of(Vector a) {
  return _mm_cvtss_f32(sums_of(a, a, a, a));
}
inline float first_of(Vector a) {
  return _mm512_cvtss_f32(a);
}
inline float largest_of(Vector a) {
  return _mm512_reduce_max_ps(a);
}

/// Sixteen floats in order, as one register here.
struct Group {
  Vector part[1];
};
inline Group widen_i8(__m128i a) {
  return {{_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(a))}};
}
inline Group scaled(Group g, Vector scale) {
  return {{multiply(g.part[0], scale)}};
}
inline Group plus(Group g, Vector offset) {
  return {{add(g.part[0], offset)}};
}
inline Group minus(Group g, Vector offset) {
  return {{subtract(g.part[0], offset)}};
}

inline Group times(Group g, Group h) {
  return {{multiply(g.part[0], h.part[0])}};
}
/// Eight lanes of a, then eight of b.
inline Group halves(Vector a, Vector b) {
  return {{_mm512_mask_blend_ps(0xff00, a, b)}};
}
template <int kLane>
Vector lane(const Group& g) {
  return _mm512_permutexvar_ps(_mm512_set1_epi32(kLane), g.part[0]);
}
inline Vector broadcast_f16(const std::byte* p) {
  uint16_t half;
  __builtin_memcpy(&half, p, sizeof(half));
  return _mm512_cvtph_ps(_mm256_set1_epi16(static_cast<int16_t>(half)));
}
/// FP8 E4M3 ("finite" form). Exact: the bits placed in an f32 are the value times 2^-120, subnormals included.
inline Group widen_f8(__m128i a) {
  const __m512i bits = _mm512_cvtepu8_epi32(a);
  const __m512i size = _mm512_and_si512(bits, _mm512_set1_epi32(0x7f));
  const Vector value = multiply(_mm512_castsi512_ps(_mm512_slli_epi32(size, 20)), broadcast(0x1p120F));
  const __mmask16 nan = _mm512_cmpeq_epi32_mask(size, _mm512_set1_epi32(0x7f));
  const Vector sign = _mm512_castsi512_ps(_mm512_slli_epi32(bits, 24));
  return {{with_sign_of(select(nan, broadcast(__builtin_nanf("")), value), sign)}};
}

/// The values of 16 codes of four bits, and how packed codes become values.
using Codebook = Group;
/// Element i has its code in the low (high) four bits of byte i.
inline Group look_up_low(const Codebook& book, __m128i bytes) {
  return {{_mm512_permutexvar_ps(_mm512_cvtepu8_epi32(bytes), book.part[0])}};
}
inline Group look_up_high(const Codebook& book, __m128i bytes) {
  return {{_mm512_permutexvar_ps(_mm512_srli_epi32(_mm512_cvtepu8_epi32(bytes), 4), book.part[0])}};
}
/// values[i] * scale, then + (-) an offset.
inline Codebook codebook(__m128i values, Vector scale) {
  return scaled(widen_i8(values), scale);
}
inline Codebook codebook_plus(__m128i values, Vector scale, Vector offset) {
  return plus(codebook(values, scale), offset);
}
inline Codebook codebook_minus(__m128i values, Vector scale, Vector offset) {
  return minus(codebook(values, scale), offset);
}

}  // namespace
}  // namespace kedge::cpu
