#pragma once
// Updates of low rank in tile registers: y itself is the tile of sums. Include after vector/low_rank.h and product.h.

#include <cstddef>
#include <cstdint>

#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

constexpr int64_t kLowRankBlock = 256;                                       // ranks at once
constexpr int64_t kLowRankPanelBytes = kLowRankBlock * kLowRankOutputs * 2;  // of a panel that is expanded

/// One or two panels, and some of their ranks as right operands.
struct LowRankPanels {
  int64_t first_rank = 0;
  int64_t ranks = 0;  // whole tiles
  const std::byte* expanded = nullptr;
  int64_t first = 0;  // panel
  int64_t count = 0;
};

/// Sixteen outputs' columns of B as a right operand: line p holds those of ranks 2 p and 2 p + 1. Ranks from t.rank on
/// are 0.
template <typename Panels>
void expand_panel(const LowRankTile& t, int64_t panel, int64_t first_rank, int64_t ranks, std::byte* out) {
  const std::byte* const b = Panels::at(t, panel);
  const auto of_rank = [&](int64_t r) {
    return r < t.rank ? Panels::scaled(b, Panels::load(b, r * kLowRankOutputs)) : zero();
  };
  for (int64_t r = first_rank; r < first_rank + ranks; r += 2, out += 64) store_pairs(out, of_rank(r), of_rank(r + 1));
}

/// Sixteen rows (or as many as Tiles::begin was told of) by the outputs of kPanels panels.
template <typename Tiles, int kPanels>
[[gnu::always_inline]] inline void update_tiles(const LowRankTile& t, int64_t row, const LowRankPanels& panels) {
  float* const y = t.y + row * t.y_stride + panels.first * kLowRankOutputs;
  const size_t y_stride = static_cast<size_t>(t.y_stride) * sizeof(float);
  const std::byte* left =
      t.narrow + static_cast<size_t>(row) * t.narrow_stride + static_cast<size_t>(panels.first_rank) * sizeof(uint16_t);
  const std::byte* right = panels.expanded;
  Tiles::template load<0>(y, y_stride);
  if constexpr (kPanels > 1) Tiles::template load<1>(y + kLowRankOutputs, y_stride);
  for (int64_t r = 0; r < panels.ranks; r += kTileColumns, left += 64, right += 1024) {
    Tiles::template load<kLeftTile>(left, t.narrow_stride);
    Tiles::template load<kRightTile>(right, 64);
    Tiles::template multiply<0, kLeftTile, kRightTile>();
    if constexpr (kPanels > 1) {
      Tiles::template load<kRightTile + 1>(right + kLowRankPanelBytes, 64);
      Tiles::template multiply<1, kLeftTile, kRightTile + 1>();
    }
  }
  Tiles::template store<0>(y, y_stride);
  if constexpr (kPanels > 1) Tiles::template store<1>(y + kLowRankOutputs, y_stride);
}

template <typename Tiles>
void update_rows(const LowRankTile& t, const LowRankPanels& panels, int64_t row) {
  panels.count > 1 ? update_tiles<Tiles, 2>(t, row, panels) : update_tiles<Tiles, 1>(t, row, panels);
}

/// KernelTable::low_rank_tiles. A sum begins with y and runs over the ranks in steps of one tile, whatever rows stand
/// beside it.
// Bound: y's way from and to the second-level cache, 2 KB for each product of 16 cycles.
template <typename Tiles, typename Panels>
void low_rank_tiles(const LowRankTile& t) {
  alignas(64) std::byte expanded[2 * kLowRankPanelBytes];
  const int64_t all = t.outputs / kLowRankOutputs;
  const int64_t whole_rows = t.count / kTileSide * kTileSide;
  for (int64_t first_rank = 0; first_rank < t.rank; first_rank += kLowRankBlock) {
    const int64_t left = t.rank - first_rank < kLowRankBlock ? t.rank - first_rank : kLowRankBlock;
    LowRankPanels panels{.first_rank = first_rank,
                         .ranks = (left + kTileColumns - 1) / kTileColumns * kTileColumns,
                         .expanded = expanded};
    for (panels.first = 0; panels.first < all; panels.first += 2) {
      panels.count = all - panels.first < 2 ? 1 : 2;
      for (int64_t i = 0; i < panels.count; ++i) {
        expand_panel<Panels>(t, panels.first + i, first_rank, panels.ranks, expanded + i * kLowRankPanelBytes);
      }
      Tiles::begin(16);
      for (int64_t row = 0; row < whole_rows; row += kTileSide) update_rows<Tiles>(t, panels, row);
      if (whole_rows < t.count) {
        Tiles::begin(static_cast<int>(t.count - whole_rows));
        update_rows<Tiles>(t, panels, whole_rows);
      }
    }
  }
  Tiles::end();
}

}  // namespace
}  // namespace kedge::cpu
