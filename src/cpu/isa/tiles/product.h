#pragma once
// Products of bf16 in tile registers (TDPBF16PS). Written against a class of tiles, which the processor's registers and
// a plain emulation of them implement, so that the loops are tested on every machine. A sum runs over k in steps of one
// tile whatever the shape, so that a token's result does not depend on the tokens beside it.

#include <cstddef>
#include <cstdint>

#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

// Registers: sums 0 to 3, left operands 4 and 5, right operands 6 and 7.
constexpr int kLeftTile = 4;
constexpr int kRightTile = 6;

/// Rows and columns of a tile that hold sums.
struct TilePart {
  int64_t rows;
  int64_t columns;
};

/// Which operand the weights are, and so how sums become rows of outputs.
enum class WeightSide { left, right };

/// kLeft x kRight tiles of sums, from tile (`left`, `right`) on, `right_tiles` of them in a row of `sums`.
// Bound: (kLeft + kRight) KB from the caches for kLeft * kRight products of 16 cycles each: 2 x 2 tiles read 64 bytes a
// cycle, which only the first-level cache gives; hence blocks of few columns.
template <typename Tiles, int kLeft, int kRight>
[[gnu::noinline]] void multiply_tiles(const TileProduct& p, int64_t left, int64_t right, int64_t right_tiles) {
  constexpr size_t kTileBytes = 1024;
  float* const sums = p.sums + (left * right_tiles + right) * 256;
  const auto row_of_sums = static_cast<size_t>(right_tiles) * 256;
  const std::byte* a = p.left + static_cast<size_t>(left * kTileSide) * p.left_stride;
  const std::byte* b = p.right + static_cast<size_t>(right) * p.right_stride;
  const size_t next_left = static_cast<size_t>(kTileSide) * p.left_stride;
  if (p.first) {
    Tiles::template zero<0>();
    if constexpr (kRight > 1) Tiles::template zero<1>();
    if constexpr (kLeft > 1) Tiles::template zero<2>();
    if constexpr (kLeft > 1 && kRight > 1) Tiles::template zero<3>();
  } else {
    Tiles::template load<0>(sums, 64);
    if constexpr (kRight > 1) Tiles::template load<1>(sums + 256, 64);
    if constexpr (kLeft > 1) Tiles::template load<2>(sums + row_of_sums, 64);
    if constexpr (kLeft > 1 && kRight > 1) Tiles::template load<3>(sums + row_of_sums + 256, 64);
  }
  for (int64_t k = 0; k < p.columns; k += kTileColumns, a += 64, b += kTileBytes) {
    Tiles::template load<kRightTile>(b, 64);
    Tiles::template load<kLeftTile>(a, p.left_stride);
    if constexpr (kRight > 1) Tiles::template load<kRightTile + 1>(b + p.right_stride, 64);
    if constexpr (kLeft > 1) Tiles::template load<kLeftTile + 1>(a + next_left, p.left_stride);
    Tiles::template multiply<0, kLeftTile, kRightTile>();
    if constexpr (kRight > 1) Tiles::template multiply<1, kLeftTile, kRightTile + 1>();
    if constexpr (kLeft > 1) {
      Tiles::template multiply<2, kLeftTile + 1, kRightTile>();
      if constexpr (kRight > 1) Tiles::template multiply<3, kLeftTile + 1, kRightTile + 1>();
    }
  }
  Tiles::template store<0>(sums, 64);
  if constexpr (kRight > 1) Tiles::template store<1>(sums + 256, 64);
  if constexpr (kLeft > 1) Tiles::template store<2>(sums + row_of_sums, 64);
  if constexpr (kLeft > 1 && kRight > 1) Tiles::template store<3>(sums + row_of_sums + 256, 64);
}

/// The sums of one tile as outputs of tokens, with their bias.
template <typename Tiles, WeightSide kWeights>
void write_tile(const TileProduct& p, int64_t left, int64_t right, const float* sums) {
  const int64_t left_end = p.left_count - left * kTileSide, right_end = p.right_count - right * kTileSide;
  const int64_t rows = left_end < kTileSide ? left_end : kTileSide;
  const int64_t columns = right_end < kTileSide ? right_end : kTileSide;
  const int64_t output = (kWeights == WeightSide::left ? left : right) * kTileSide;
  const int64_t token = (kWeights == WeightSide::left ? right : left) * kTileSide;
  float* const y = p.y + token * p.y_stride + output;
  const float* const bias = p.bias != nullptr ? p.bias + output : nullptr;
  if constexpr (kWeights == WeightSide::left) {
    Tiles::write_transposed(sums, {rows, columns}, bias, y, p.y_stride);
  } else {
    Tiles::write(sums, {rows, columns}, bias, y, p.y_stride);
  }
}

/// Multiplies, and writes what is complete while it is still in the first-level cache.
template <typename Tiles, WeightSide kWeights, int kLeft, int kRight>
void finish_tiles(const TileProduct& p, int64_t left, int64_t right, int64_t right_tiles) {
  multiply_tiles<Tiles, kLeft, kRight>(p, left, right, right_tiles);
  if (!p.last) return;
  for (int64_t a = left; a < left + kLeft; ++a) {
    for (int64_t b = right; b < right + kRight; ++b) {
      write_tile<Tiles, kWeights>(p, a, b, p.sums + (a * right_tiles + b) * 256);
    }
  }
}

template <typename Tiles, WeightSide kWeights, int kLeft>
void row_of_tiles(const TileProduct& p, int64_t left) {
  const int64_t right_tiles = (p.right_count + kTileSide - 1) / kTileSide;
  int64_t right = 0;
  for (; right + 2 <= right_tiles; right += 2) finish_tiles<Tiles, kWeights, kLeft, 2>(p, left, right, right_tiles);
  if (right < right_tiles) finish_tiles<Tiles, kWeights, kLeft, 1>(p, left, right, right_tiles);
}

template <typename Tiles, WeightSide kWeights>
void tile_product(const TileProduct& p) {
  const int64_t whole = p.left_count / kTileSide;
  const auto rest = static_cast<int>(p.left_count % kTileSide);
  Tiles::begin(16);
  int64_t left = 0;
  for (; left + 2 <= whole; left += 2) row_of_tiles<Tiles, kWeights, 2>(p, left);
  if (left < whole) row_of_tiles<Tiles, kWeights, 1>(p, left++);
  if (rest > 0) {
    Tiles::begin(rest);  // left operands and sums of fewer rows: none past the end is read
    row_of_tiles<Tiles, kWeights, 1>(p, left);
  }
  Tiles::end();
}

}  // namespace
}  // namespace kedge::cpu
