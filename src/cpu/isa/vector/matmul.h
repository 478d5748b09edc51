#pragma once
// Rows of activations times rows of weights, both as they lie in memory: one vector of partial sums per (row, output),
// k in steps of one vector from 0 on, the lanes added at the end. That order is the same in every tile shape, so a
// row's result does not depend on the rows beside it. Include after vector.h.

#include <cstddef>
#include <cstdint>

#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

constexpr int kTileOutputs = 4;

struct F32Row {
  static constexpr int64_t kElementBytes = 4;
  static Vector load(const std::byte* row, int64_t k) { return cpu::load(reinterpret_cast<const float*>(row) + k); }
  static Vector load_first(const std::byte* row, int64_t k, int64_t count) {
    return cpu::load_first(reinterpret_cast<const float*>(row) + k, count);
  }
};
struct Bf16Row {
  static constexpr int64_t kElementBytes = 2;
  static Vector load(const std::byte* row, int64_t k) { return load_bf16(reinterpret_cast<const uint16_t*>(row) + k); }
  static Vector load_first(const std::byte* row, int64_t k, int64_t count) {
    return load_bf16_first(reinterpret_cast<const uint16_t*>(row) + k, count);
  }
};
struct F16Row {
  static constexpr int64_t kElementBytes = 2;
  static Vector load(const std::byte* row, int64_t k) { return load_f16(reinterpret_cast<const uint16_t*>(row) + k); }
  static Vector load_first(const std::byte* row, int64_t k, int64_t count) {
    return load_f16_first(reinterpret_cast<const uint16_t*>(row) + k, count);
  }
};

template <typename Row>
void dequantize_plain(const std::byte* row, int64_t columns, float* out) {
  int64_t k = 0;
  for (; k + kLanes <= columns; k += kLanes) store(out + k, Row::load(row, k));
  if (k < columns) store_first(out + k, columns - k, Row::load_first(row, k, columns - k));
}

/// f32 activations times weights widened to f32. A Dot says how many k one step takes, how rows are read, and what a
/// step adds.
template <typename WeightRow>
struct F32Dot {
  static constexpr int64_t kStep = kLanes;
  using Activations = F32Row;
  using Weights = WeightRow;
  static Vector add_products(Vector sum, Vector x, Vector w) { return multiply_add(x, w, sum); }
};

/// Writes four sums, or the first `count` of them where that is less, with their bias.
inline void finish(const MatmulTile& t, int64_t row, int64_t output, int64_t count, __m128 sums) {
  float* const y = t.y + row * t.y_stride + output;
  if (count >= kTileOutputs) {
    if (t.bias != nullptr) sums = _mm_add_ps(sums, _mm_loadu_ps(t.bias + output));
    _mm_storeu_ps(y, sums);
    return;
  }
  alignas(16) float lanes[kTileOutputs];
  _mm_store_ps(lanes, sums);
  for (int64_t n = 0; n < count; ++n) y[n] = t.bias != nullptr ? lanes[n] + t.bias[output + n] : lanes[n];
}

/// Few rows leave registers for more outputs: eight streams of weights come faster from memory than four (20 against 17
/// GB/s on one Zen 4 core with 4 KB pages).
template <int kRows>
constexpr int kOutputsOf = kRows * 8 * (kLanes == 16 ? 1 : 2) <= 16 ? 8 : kTileOutputs;

/// Where the partial sums of the tile at (row, output) are kept: tiles of a row lie side by side.
inline float* sums_at(const MatmulTile& t, int64_t row, int64_t output) {
  const int64_t in_row = (t.outputs + kSumsOutputs - 1) / kSumsOutputs * kSumsOutputs;
  return t.sums + (row * in_row + output * kTileRows) * kSumsOfProduct;
}

/// One tile: kRows activation rows from `row` on, times kOutputs (fewer at the end: the last is computed again).
// Bound: kRows * kOutputs multiply-adds for kRows + kOutputs vector loads. With 6 x 4 tiles the multiply-add units
// limit; with one row the weights' way from memory does. Loops over sums are unrolled by hand, or all sums would pass
// through the stack.
template <typename Dot, int kRows, int kOutputs>
[[gnu::always_inline]] inline void tile(const MatmulTile& t, int64_t row, int64_t output) {
  const int64_t count = t.outputs - output < kOutputs ? t.outputs - output : kOutputs;
  const std::byte* x[kRows];
  const std::byte* w[kOutputs];
  Vector sums[kRows][kOutputs];
  for (int r = 0; r < kRows; ++r) x[r] = t.x + static_cast<size_t>(row + r) * t.x_stride;
  float* const kept = t.sums == nullptr ? nullptr : sums_at(t, row, output);
  for (int n = 0; n < kOutputs; ++n) {
    w[n] = t.weights + static_cast<size_t>(output + (n < count ? n : count - 1)) * t.weight_stride;
    for (int r = 0; r < kRows; ++r) sums[r][n] = zero();
  }
  if (!t.first) {
#pragma GCC unroll 8
    for (int n = 0; n < kOutputs; ++n) {
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) sums[r][n] = load(kept + (r * kOutputs + n) * kLanes);
    }
  }
  int64_t k = 0;
  for (; k + Dot::kStep <= t.columns; k += Dot::kStep) {
    decltype(Dot::Activations::load(x[0], k)) vx[kRows];
    for (int r = 0; r < kRows; ++r) vx[r] = Dot::Activations::load(x[r], k);
    for (int n = 0; n < kOutputs; ++n) {
      const auto vw = Dot::Weights::load(w[n], k);
      // Rows of few pages are too short for the hardware to find out where the next ones start.
      if constexpr (kRows == 1) {
        const std::byte* const next = w[n] + kOutputs * t.weight_stride + k * Dot::Weights::kElementBytes;
        _mm_prefetch(reinterpret_cast<const char*>(next), _MM_HINT_T0);
      }
      for (int r = 0; r < kRows; ++r) sums[r][n] = Dot::add_products(sums[r][n], vx[r], vw);
    }
  }
  if (k < t.columns) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const auto vx = Dot::Activations::load_first(x[r], k, t.columns - k);
#pragma GCC unroll 8
      for (int n = 0; n < kOutputs; ++n) {
        sums[r][n] = Dot::add_products(sums[r][n], vx, Dot::Weights::load_first(w[n], k, t.columns - k));
      }
    }
  }
  if (!t.last) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
      for (int n = 0; n < kOutputs; ++n) store(kept + (r * kOutputs + n) * kLanes, sums[r][n]);
    }
    return;
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    for (int n = 0; n < kOutputs && n < count; n += kTileOutputs) {
      finish(t, row + r, output + n, count - n, sums_of(sums[r][n], sums[r][n + 1], sums[r][n + 2], sums[r][n + 3]));
    }
  }
}

template <typename Dot, int kRows>
[[gnu::noinline]] void row_block(const MatmulTile& t, int64_t row) {
  constexpr int kOutputs = kOutputsOf<kRows>;
  for (int64_t output = 0; output < t.outputs; output += kOutputs) tile<Dot, kRows, kOutputs>(t, row, output);
}

/// Rows [row, count), fewer than kTileRows of them.
template <typename Dot, int kRows = kTileRows - 1>
void last_rows(const MatmulTile& t, int64_t row) {
  if constexpr (kRows > 0) {
    if (t.count - row == kRows) {
      row_block<Dot, kRows>(t, row);
    } else {
      last_rows<Dot, kRows - 1>(t, row);
    }
  }
}

template <typename Dot>
void matmul(const MatmulTile& t) {
  int64_t row = 0;
  for (; row + kTileRows <= t.count; row += kTileRows) row_block<Dot, kTileRows>(t, row);
  last_rows<Dot>(t, row);
}

}  // namespace
}  // namespace kedge::cpu
