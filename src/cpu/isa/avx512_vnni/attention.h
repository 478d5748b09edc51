#pragma once
// Attention over keys and values of 8 bits in whole numbers: VPDPWSSD multiplies 32 pairs of 16 bits where f32 takes
// two conversions and two multiply-adds. Queries are rounded to 16 bits of their largest element, and so are the
// weights of a block of keys (times the values' scales): 2^-16 of these, far below what the codes themselves lost. Sums
// of codes are exact, so that they depend on no order. Everything else is as in isa/vector/attention.h; include after
// it.

#include <cstddef>
#include <cstdint>

#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

constexpr int64_t kWordLanes = 32;
constexpr int kWordRows = 4;  // times 4 keys, or 64 elements of values: 16 sums
constexpr int kWordKeys = 4;
constexpr float kWordMax = 32767.0F;

/// Working memory in words, where f32 has floats.
struct WordWorking {
  Working base;
  float* query_scale;   // [rows]
  float* weight_scale;  // [rows]: of a block
  [[nodiscard]] int16_t* query(int64_t row) const {
    return reinterpret_cast<int16_t*>(base.queries + row * base.stride);
  }
  [[nodiscard]] int16_t* weights(int64_t row) const {
    return reinterpret_cast<int16_t*>(base.scores + row * kKeyBlock);
  }
};

/// Whole numbers of 16 bits for `size` floats (a multiple of 16), in place, and what they are multiples of.
inline float round_to_words(float* x, int64_t size) {
  Vector largest = zero();
  bool finite = true;
  for (int64_t i = 0; i < size; i += kLanes) {
    const Vector a = load(x + i);
    finite = finite && all_finite(a);
    largest = larger(magnitude(a), largest);
  }
  const float most = finite ? largest_of(largest) : 0.0F;
  const bool none = most < kSmallestKvRange;
  const Vector inverse = broadcast(none ? 0.0F : kWordMax / most);
  auto* const words = reinterpret_cast<std::byte*>(x);
  for (int64_t i = 0; i < size; i += kLanes) {
    const __m512i whole = none ? _mm512_setzero_si512() : _mm512_cvtps_epi32(multiply(load(x + i), inverse));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(words + 2 * i), _mm512_cvtepi32_epi16(whole));
  }
  return !finite ? __builtin_nanf("") : none ? 0.0F : most / kWordMax;
}

inline WordWorking start_in_words(const AttentionTile& t) {
  const Working base = start(t);
  const WordWorking w{base, base.rescale + base.rows, base.rescale + 2 * base.rows};
  for (int64_t row = 0; row < base.rows; ++row) {
    w.query_scale[row] = round_to_words(base.queries + row * base.stride, base.stride);
  }
  return w;
}

/// 32 codes, or the last `left` of a row.
template <bool kTail>
__m512i load_words(const std::byte* codes, int64_t left) {
  if constexpr (!kTail) return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes)));
  return _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(static_cast<__mmask32>((uint64_t{1} << left) - 1), codes));
}

inline __m128i sums_of_whole(__m512i a, __m512i b, __m512i c, __m512i d) {
  const auto fold_halves = [](__m512i x, __m512i y) {
    return _mm512_add_epi32(_mm512_shuffle_i32x4(x, y, 0x44), _mm512_shuffle_i32x4(x, y, 0xee));
  };
  const __m512i ab = fold_halves(a, b), cd = fold_halves(c, d);
  const __m512i quarters = _mm512_add_epi32(_mm512_shuffle_i32x4(ab, cd, 0x88), _mm512_shuffle_i32x4(ab, cd, 0xdd));
  const __m512i pairs = _mm512_add_epi32(quarters, _mm512_shuffle_epi32(quarters, _MM_PERM_BADC));
  const __m512i sums = _mm512_add_epi32(pairs, _mm512_shuffle_epi32(pairs, _MM_PERM_CDAB));
  const __m512i index = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 8, 4, 0);
  return _mm512_castsi512_si128(_mm512_permutexvar_epi32(index, sums));
}

/// Scores of kRows rows, without the keys' own scales.
// Bound: for each 32 elements of a key one conversion and kRows products, and 14 operations for the sums of four keys;
// the keys' way from memory limits where that is below some 8 bytes a cycle.
template <int kRows>
[[gnu::noinline]] void score_in_words(const AttentionTile& t, const WordWorking& w, int64_t row, const KeyBlock& b,
                                      const KeyBlock* next) {
  for (int64_t key = b.seen.begin / kWordKeys * kWordKeys; key < b.seen.end; key += kWordKeys) {
    if (next != nullptr) {
      for (int n = 0; n < kWordKeys; ++n) fetch_row(next->keys[key + n], 0, t.head_size);
    }
    __m512i sums[kRows][kWordKeys];
    for (int r = 0; r < kRows; ++r) {
      for (int n = 0; n < kWordKeys; ++n) sums[r][n] = _mm512_setzero_si512();
    }
    const auto add_step = [&]<bool kTail>(int64_t k) {
      __m512i vq[kRows];
      for (int r = 0; r < kRows; ++r) vq[r] = _mm512_loadu_si512(w.query(row + r) + k);
      for (int n = 0; n < kWordKeys; ++n) {
        const __m512i vk = load_words<kTail>(b.keys[key + n] + k, t.head_size - k);
        for (int r = 0; r < kRows; ++r) sums[r][n] = _mm512_dpwssd_epi32(sums[r][n], vq[r], vk);
      }
    };
    int64_t k = 0;
    for (; k + kWordLanes <= t.head_size; k += kWordLanes) add_step.template operator()<false>(k);
    if (k < t.head_size) add_step.template operator()<true>(k);
    for (int r = 0; r < kRows; ++r) {
      const __m128 whole = _mm_cvtepi32_ps(sums_of_whole(sums[r][0], sums[r][1], sums[r][2], sums[r][3]));
      _mm_storeu_ps(w.base.scores + (row + r) * kKeyBlock + key,
                    _mm_mul_ps(whole, _mm_set1_ps(w.query_scale[row + r])));
    }
  }
}

/// Rounds a row's weights; keys that are not seen have none.
inline void round_weights(const WordWorking& w, int64_t row, KeyRange seen) {
  float* const weights = w.base.scores + row * kKeyBlock;
  for (int64_t v = 0; v < kKeyBlock; v += kLanes) {
    store(weights + v, select(lanes_between(seen.begin - v, seen.end - v), load(weights + v), zero()));
  }
  w.weight_scale[row] = round_to_words(weights, kKeyBlock);
}

/// As add_values: 32 * kParts elements from d on, fewer in a tail, for kRows rows.
// Bound: for 32 elements of two keys two conversions, two permutations and 2 * kRows products.
template <int kRows, int kParts, bool kTail>
[[gnu::always_inline]] inline void add_values_in_words(const AttentionTile& t, const WordWorking& w, int64_t row,
                                                       int64_t d, const KeyBlock& b, const KeyBlock* next) {
  __m512i sums[kRows][kParts][2];
  for (int r = 0; r < kRows; ++r) {
    for (int part = 0; part < kParts; ++part) sums[r][part][0] = sums[r][part][1] = _mm512_setzero_si512();
  }
  for (int64_t key = b.seen.begin / 2 * 2; key < b.seen.end; key += 2) {
    if (next != nullptr) {
      fetch_row(next->values[key], d, kParts * kWordLanes);
      fetch_row(next->values[key + 1], d, kParts * kWordLanes);
    }
    __m512i pair[kRows];  // of weights
    for (int r = 0; r < kRows; ++r) {
      int32_t both;
      __builtin_memcpy(&both, w.weights(row + r) + key, sizeof(both));
      pair[r] = _mm512_set1_epi32(both);
    }
    for (int part = 0; part < kParts; ++part) {
      const int64_t at = d + part * kWordLanes;
      const __m512i first = load_words<kTail>(b.values[key] + at, t.head_size - at);
      const __m512i second = load_words<kTail>(b.values[key + 1] + at, t.head_size - at);
      const __m512i low = _mm512_unpacklo_epi16(first, second);  // elements 8 l to 8 l + 3 in lane l of four dwords
      const __m512i high = _mm512_unpackhi_epi16(first, second);
      for (int r = 0; r < kRows; ++r) {
        sums[r][part][0] = _mm512_dpwssd_epi32(sums[r][part][0], pair[r], low);
        sums[r][part][1] = _mm512_dpwssd_epi32(sums[r][part][1], pair[r], high);
      }
    }
  }
  const __m512i front = _mm512_set_epi32(23, 22, 21, 20, 7, 6, 5, 4, 19, 18, 17, 16, 3, 2, 1, 0);
  const __m512i back = _mm512_set_epi32(31, 30, 29, 28, 15, 14, 13, 12, 27, 26, 25, 24, 11, 10, 9, 8);
  for (int r = 0; r < kRows; ++r) {
    const Vector rescale = broadcast(w.base.rescale[row + r]), scale = broadcast(w.weight_scale[row + r]);
    for (int part = 0; part < kParts; ++part) {
      float* const target = w.base.sums + (row + r) * w.base.stride + d + part * kWordLanes;
      const auto add_to = [&](float* at, __m512i order) {
        const __m512i whole = _mm512_permutex2var_epi32(sums[r][part][0], order, sums[r][part][1]);
        store(at, multiply_add(_mm512_cvtepi32_ps(whole), scale, multiply(load(at), rescale)));
      };
      add_to(target, front);
      add_to(target + kLanes, back);
    }
  }
}

template <int kRows>
[[gnu::noinline]] void add_rows_in_words(const AttentionTile& t, const WordWorking& w, int64_t row, const KeyBlock& b,
                                         const KeyBlock* next) {
  int64_t d = 0;
  for (; d + 2 * kWordLanes <= t.head_size; d += 2 * kWordLanes) {
    add_values_in_words<kRows, 2, false>(t, w, row, d, b, next);
  }
  for (; d + kWordLanes <= t.head_size; d += kWordLanes) add_values_in_words<kRows, 1, false>(t, w, row, d, b, next);
  if (d < t.head_size) add_values_in_words<kRows, 1, true>(t, w, row, d, b, next);
}

/// One step of attention over a block, for `attention` below.
struct InWords {
  using Kv = Int8Kv;
  WordWorking w;
  explicit InWords(const AttentionTile& t) : w(start_in_words(t)) {}
  [[nodiscard]] const Working& working() const { return w.base; }
  void attend(const AttentionTile& t, int64_t block, const KeyBlock& b, const KeyBlock* next) const {
    for_rows<kWordRows>(0, w.base.rows, [&]<int kRows>(int64_t row) {
      score_in_words<kRows>(t, w, row, b, row == 0 ? next : nullptr);
    });
    for (int64_t row = 0; row < w.base.rows; ++row) {
      weigh_visible<Kv>(t, w.base, row, block, b);
      round_weights(w, row, b.seen);
    }
    for_rows<kWordRows>(0, w.base.rows, [&]<int kRows>(int64_t row) {
      add_rows_in_words<kRows>(t, w, row, b, row == 0 ? next : nullptr);
    });
  }
};

}  // namespace
}  // namespace kedge::cpu
