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

/// Where they go, as of TileProduct.
struct TileOutput {
  const float* bias;
  float* y;
  int64_t y_stride;
  bool added;
  bool read_next;
};

/// Which operand the weights are: they are kept in the first-level cache.
enum class Side { left, right };

/// Weights stay in the first-level cache for all tokens; tokens pass it by, which would only push the weights out.
template <typename Tiles, int kTile, bool kStays>
[[gnu::always_inline]] inline void load_operand(const std::byte* rows, size_t stride) {
  if constexpr (kStays) {
    Tiles::template load<kTile>(rows, stride);
  } else {
    Tiles::template load_past<kTile>(rows, stride);
  }
}

/// Two lines into the first-level cache.
inline void fetch_pair(const std::byte* lines) {
  __builtin_prefetch(lines, 1, 3);
  __builtin_prefetch(lines + 64, 1, 3);
}

/// kLeft x kRight tiles of sums, from tile (`left`, `right`) on, `right_tiles` of them in a row of `sums`.
// Bound: (kLeft + kRight) KB from the caches for kLeft * kRight products of 16 cycles each: 2 x 2 tiles read 64 bytes a
// cycle, half of them from the first-level cache, which holds the weights of 512 columns, half from the second.
template <typename Tiles, Side kKept, int kLeft, int kRight>
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
    Tiles::template load_past<0>(sums, 64);
    if constexpr (kRight > 1) Tiles::template load_past<1>(sums + 256, 64);
    if constexpr (kLeft > 1) Tiles::template load_past<2>(sums + row_of_sums, 64);
    if constexpr (kLeft > 1 && kRight > 1) Tiles::template load_past<3>(sums + row_of_sums + 256, 64);
  }
  // Sums that are loaded next: a tile waits for the last of its sixteen lines.
  const auto* next_sums = reinterpret_cast<const std::byte*>(
      sums + (kKept == Side::right ? kLeft * row_of_sums : static_cast<size_t>(kRight) * 256));
  for (int64_t k = 0; k < p.columns; k += kTileColumns, a += 64, b += kTileBytes, next_sums += 128) {
    fetch_pair(next_sums);
    fetch_pair(next_sums + row_of_sums * sizeof(float));
    load_operand<Tiles, kRightTile, kKept == Side::right>(b, 64);
    load_operand<Tiles, kLeftTile, kKept == Side::left>(a, p.left_stride);
    if constexpr (kRight > 1) {
      load_operand<Tiles, kRightTile + 1, kKept == Side::right>(b + p.right_stride, 64);
    }
    if constexpr (kLeft > 1) {
      load_operand<Tiles, kLeftTile + 1, kKept == Side::left>(a + next_left, p.left_stride);
    }
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

template <typename Tiles, Side kKept, int kLeft>
void row_of_tiles(const TileProduct& p, int64_t left) {
  const int64_t right_tiles = (p.right_count + kTileSide - 1) / kTileSide;
  int64_t right = 0;
  for (; right + 2 <= right_tiles; right += 2) multiply_tiles<Tiles, kKept, kLeft, 2>(p, left, right, right_tiles);
  if (right < right_tiles) multiply_tiles<Tiles, kKept, kLeft, 1>(p, left, right, right_tiles);
}

/// All sums. `between(tiles)` runs after each row of tiles: how many of those to the left are done.
template <typename Tiles, Side kKept, typename Between>
[[gnu::always_inline]] inline void sum_tiles(const TileProduct& p, Between&& between) {
  const int64_t whole = p.left_count / kTileSide;
  const auto rest = static_cast<int>(p.left_count % kTileSide);
  Tiles::begin(16);
  int64_t left = 0;
  for (; left + 2 <= whole; left += 2) {
    row_of_tiles<Tiles, kKept, 2>(p, left);
    between(left + 2);
  }
  if (left < whole) {
    row_of_tiles<Tiles, kKept, 1>(p, left++);
    between(left);
  }
  if (rest > 0) {
    Tiles::begin(rest);  // left operands and sums of fewer rows: none past the end is read
    row_of_tiles<Tiles, kKept, 1>(p, left);
    between(left + 1);
  }
  Tiles::end();
}

/// Sums become outputs with their bias, token by token, so that outputs side by side are written together.
template <typename Tiles>
void write_sums(const TileProduct& p) {
  const int64_t right_tiles = (p.right_count + kTileSide - 1) / kTileSide;
  for (int64_t right = 0; right < right_tiles; ++right) {
    const int64_t token = right * kTileSide;
    const int64_t tokens = p.right_count - token < kTileSide ? p.right_count - token : kTileSide;
    for (int64_t output = 0; output < p.left_count; output += kTileSide) {
      const int64_t outputs = p.left_count - output < kTileSide ? p.left_count - output : kTileSide;
      const float* const sums = p.sums + (output / kTileSide * right_tiles + right) * 256;
      Tiles::write_transposed(sums, {outputs, tokens},
                              {.bias = p.bias != nullptr ? p.bias + output : nullptr,
                               .y = p.y + token * p.y_stride + output,
                               .y_stride = p.y_stride,
                               .added = p.added,
                               .read_next = p.read_next});
    }
  }
  Tiles::end_writing();
}

/// KernelTable::tile_product.
template <typename Tiles>
void tile_product(const TileProduct& p) {
  sum_tiles<Tiles, Side::left>(p, [](int64_t) {});
  if (p.last) write_sums<Tiles>(p);
}

}  // namespace
}  // namespace kedge::cpu
