#pragma once
// Updates of low rank: rows of y plus rows of few numbers times panels of sixteen outputs. A sum runs over the ranks
// from the first one on, whatever rows stand beside it. Include after matmul.h.

#include <cstddef>
#include <cstdint>

#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

template <typename Row>
struct PlainPanels {
  static const std::byte* at(const LowRankTile& t, int64_t panel) {
    return t.panels + panel * t.rank * kLowRankOutputs * Row::kElementBytes;
  }
  static Vector load(const std::byte* panel, int64_t k) { return Row::load(panel, k); }
  static Vector scaled(const std::byte* /*panel*/, Vector sum) { return sum; }
};
struct CodePanels {
  static const std::byte* at(const LowRankTile& t, int64_t panel) {
    return t.panels + panel * (4 + t.rank * kLowRankOutputs);
  }
  static Vector load(const std::byte* panel, int64_t k) { return load_i8(panel + 4 + k); }
  static Vector scaled(const std::byte* panel, Vector sum) {
    float scale = 0;
    __builtin_memcpy(&scale, panel, sizeof(scale));
    return multiply(broadcast(scale), sum);
  }
};

/// Outputs [first, first + kLanes) of kRows rows.
// Bound: kRows multiply-adds for one vector of the panel and kRows broadcasts; with one row the panel's way from
// memory.
template <typename Panels, int kRows>
[[gnu::always_inline]] inline void low_rank_lanes(const LowRankTile& t, int64_t row, int64_t first) {
  const std::byte* const panel = Panels::at(t, first / kLowRankOutputs);
  const int64_t lane = first % kLowRankOutputs;
  const float* const projected = t.projected + row * t.projected_stride;
  Vector sums[kRows];
  for (int i = 0; i < kRows; ++i) sums[i] = zero();
  for (int64_t r = 0; r < t.rank; ++r) {
    const Vector b = Panels::load(panel, r * kLowRankOutputs + lane);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      sums[i] = multiply_add(broadcast(projected[i * t.projected_stride + r]), b, sums[i]);
    }
  }
  const int64_t count = t.outputs - first < kLanes ? t.outputs - first : kLanes;
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
    float* const y = t.y + (row + i) * t.y_stride + first;
    Vector old = load_first(y, count);
    if (t.gain != nullptr) old = multiply(old, load_first(t.gain + first, count));
    if (t.offset != nullptr) old = add(old, load_first(t.offset + first, count));
    store_first(y, count, add(old, Panels::scaled(panel, sums[i])));
  }
}

template <typename Panels, int kRows>
[[gnu::noinline]] void low_rank_block(const LowRankTile& t, int64_t row) {
  for (int64_t first = 0; first < t.outputs; first += kLanes) low_rank_lanes<Panels, kRows>(t, row, first);
}

template <typename Panels>
void low_rank(const LowRankTile& t) {
  int64_t row = 0;
  for (; row + 6 <= t.count; row += 6) low_rank_block<Panels, 6>(t, row);
  for (; row + 2 <= t.count; row += 2) low_rank_block<Panels, 2>(t, row);
  if (row < t.count) low_rank_block<Panels, 1>(t, row);
}

}  // namespace
}  // namespace kedge::cpu
