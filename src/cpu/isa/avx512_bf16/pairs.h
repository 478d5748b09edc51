#pragma once
// Matrices of bf16 in pairs, as products of bf16 take them. Include after isa/avx512/vector.h; needs AVX512-BF16.

#include <cstddef>
#include <cstdint>

#include "cpu/kv_layout.h"

namespace kedge::cpu {
namespace {

/// The 16 x 16 dwords of `rows`, turned round in place.
inline void transpose(__m512i (&rows)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    rows[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    rows[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    rows[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    rows[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  // Now rows[4 g + c] has, in its lane l of four dwords, column 4 l + c of rows 4 g to 4 g + 3.
  for (int c = 0; c < 4; ++c) {
    t[c] = _mm512_shuffle_i32x4(rows[c], rows[4 + c], 0x88);
    t[4 + c] = _mm512_shuffle_i32x4(rows[c], rows[4 + c], 0xdd);
    t[8 + c] = _mm512_shuffle_i32x4(rows[8 + c], rows[12 + c], 0x88);
    t[12 + c] = _mm512_shuffle_i32x4(rows[8 + c], rows[12 + c], 0xdd);
  }
  for (int c = 0; c < 4; ++c) {
    rows[c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0x88);
    rows[8 + c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0xdd);
    rows[4 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0x88);
    rows[12 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0xdd);
  }
}

/// 16 rows of 16 dwords, turned round. Strides in bytes.
inline void transpose(const void* in, size_t in_stride, void* out, size_t out_stride) {
  __m512i rows[16];
  for (size_t i = 0; i < 16; ++i) rows[i] = _mm512_loadu_si512(static_cast<const std::byte*>(in) + i * in_stride);
  transpose(rows);
  for (size_t i = 0; i < 16; ++i) _mm512_storeu_si512(static_cast<std::byte*>(out) + i * out_stride, rows[i]);
}

/// 32 x 32 words, turned round: `rows[i]` + offset becomes column i of `out`.
inline void transpose_words(const std::byte* const* rows, size_t offset, std::byte* out, size_t out_stride) {
  const auto line = [&](size_t i) { return _mm512_loadu_si512(rows[i] + offset); };
  // Interleaved words 8 l to 8 l + 3 (low) or 8 l + 4 to 8 l + 7 (high) of two rows in lane l of four dwords.
  __m512i pairs[16];
  for (size_t i = 0; i < 16; ++i) pairs[i] = _mm512_unpacklo_epi16(line(2 * i), line(2 * i + 1));
  transpose(pairs);
  for (size_t i = 0; i < 16; ++i) _mm512_storeu_si512(out + (i / 4 * 8 + i % 4) * out_stride, pairs[i]);
  for (size_t i = 0; i < 16; ++i) pairs[i] = _mm512_unpackhi_epi16(line(2 * i), line(2 * i + 1));
  transpose(pairs);
  for (size_t i = 0; i < 16; ++i) _mm512_storeu_si512(out + (i / 4 * 8 + i % 4 + 4) * out_stride, pairs[i]);
}

/// Sixteen pairs of bf16: lane i of `first`, then lane i of `second`, rounded to nearest even.
inline void store_pairs(std::byte* line, Vector first, Vector second) {
  const __m512i interleaved = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
                                               6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const auto pairs = (__m512i)_mm512_cvtne2ps_pbh(second, first);
  _mm512_store_si512(line, _mm512_permutexvar_epi16(interleaved, pairs));
}

/// The same of finite numbers that are not negative, halves up: not on the port that permutations need.
inline void store_weights(std::byte* line, Vector first, Vector second) {
  const __m512i half = _mm512_set1_epi32(0x8000);
  const __m512i low = _mm512_srli_epi32(_mm512_add_epi32(_mm512_castps_si512(first), half), 16);
  const __m512i high = _mm512_add_epi32(_mm512_castps_si512(second), half);
  _mm512_store_si512(line, _mm512_mask_blend_epi16(0xaaaaaaaa, low, high));
}

/// Codes of 8 bits times their scale, rounded as narrow_row rounds.
inline void narrow_int8_row(const std::byte* codes, float scale, int64_t size, uint16_t* out) {
  const Vector all = broadcast(scale);
  for (int64_t i = 0; i < size; i += kLanes) {
    const int64_t count = size - i < kLanes ? size - i : kLanes;
    const Vector x = multiply(load_i8_first(codes + i, count), all);
    _mm256_mask_storeu_epi16(out + i, first_lanes(count), (__m256i)_mm512_cvtneps_pbh(x));
  }
}
/// Groups of cpu/kv_layout.h's int4, as many as hold `size` elements, rounded likewise.
inline void narrow_int4_row(const std::byte* row, int64_t size, uint16_t* out) {
  for (int64_t i = 0; i < size; i += kKvGroup, row += kKvGroupBytes) {
    Vector x[2];
    load_int4_group(row, x);
    _mm512_storeu_si512(out + i, (__m512i)_mm512_cvtne2ps_pbh(x[1], x[0]));
  }
}

/// Rounds `size` floats to bf16, nearest even.
inline void narrow_row(const float* x, int64_t size, uint16_t* out) {
  for (int64_t i = 0; i < size; i += kLanes) {
    const int64_t count = size - i < kLanes ? size - i : kLanes;
    _mm256_mask_storeu_epi16(out + i, first_lanes(count), (__m256i)_mm512_cvtneps_pbh(load_first(x + i, count)));
  }
}

}  // namespace
}  // namespace kedge::cpu
