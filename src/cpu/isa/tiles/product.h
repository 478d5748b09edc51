#pragma once
// Products of bf16 in tile registers (TDPBF16PS): sixteen weight rows as they lie in memory times pairs of sixteen
// tokens. Written against a class of tiles, which the processor's registers and a plain emulation of them implement, so
// that the loops are tested on every machine. A sum runs over k in steps of one tile whatever the shape, so that a
// token's result does not depend on the tokens beside it.

#include <cstddef>
#include <cstdint>

#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

// Registers: sums 0 to 3, weights 4 and 5, activations 6 and 7.
constexpr int kWeightTile = 4;
constexpr int kTokenTile = 6;

/// kOutputs x kTokens tiles of sums, from tile (`output`, `token`) on, `token_tiles` of them in a row of `sums`.
// Bound: (kOutputs + kTokens) KB from the caches for kOutputs * kTokens products of 16 cycles each: 2 x 2 tiles read 64
// bytes a cycle, which only the first-level cache gives; hence blocks of few columns.
template <typename Tiles, int kOutputs, int kTokens>
[[gnu::noinline]] void multiply_tiles(const TileProduct& p, int64_t output, int64_t token, int64_t token_tiles) {
  constexpr size_t kTileBytes = 1024;
  float* const sums = p.sums + (output * token_tiles + token) * 256;
  const auto row_of_sums = static_cast<size_t>(token_tiles) * 256;
  const std::byte* const w = p.weights + static_cast<size_t>(output * kTileSide) * p.weight_stride;
  const std::byte* const x = p.x + static_cast<size_t>(token) * p.x_stride;
  const size_t next_weights = static_cast<size_t>(kTileSide) * p.weight_stride;
  if (p.first) {
    Tiles::template zero<0>();
    if constexpr (kTokens > 1) Tiles::template zero<1>();
    if constexpr (kOutputs > 1) Tiles::template zero<2>();
    if constexpr (kOutputs > 1 && kTokens > 1) Tiles::template zero<3>();
  } else {
    Tiles::template load<0>(sums, 64);
    if constexpr (kTokens > 1) Tiles::template load<1>(sums + 256, 64);
    if constexpr (kOutputs > 1) Tiles::template load<2>(sums + row_of_sums, 64);
    if constexpr (kOutputs > 1 && kTokens > 1) Tiles::template load<3>(sums + row_of_sums + 256, 64);
  }
  for (int64_t step = 0; step < p.columns / kTileColumns; ++step) {
    const std::byte* const wk = w + static_cast<size_t>(step) * 64;
    const std::byte* const xk = x + static_cast<size_t>(step) * kTileBytes;
    Tiles::template load<kTokenTile>(xk, 64);
    Tiles::template load<kWeightTile>(wk, p.weight_stride);
    if constexpr (kTokens > 1) Tiles::template load<kTokenTile + 1>(xk + p.x_stride, 64);
    if constexpr (kOutputs > 1) Tiles::template load<kWeightTile + 1>(wk + next_weights, p.weight_stride);
    Tiles::template multiply<0, kWeightTile, kTokenTile>();
    if constexpr (kTokens > 1) Tiles::template multiply<1, kWeightTile, kTokenTile + 1>();
    if constexpr (kOutputs > 1) {
      Tiles::template multiply<2, kWeightTile + 1, kTokenTile>();
      if constexpr (kTokens > 1) Tiles::template multiply<3, kWeightTile + 1, kTokenTile + 1>();
    }
  }
  Tiles::template store<0>(sums, 64);
  if constexpr (kTokens > 1) Tiles::template store<1>(sums + 256, 64);
  if constexpr (kOutputs > 1) Tiles::template store<2>(sums + row_of_sums, 64);
  if constexpr (kOutputs > 1 && kTokens > 1) Tiles::template store<3>(sums + row_of_sums + 256, 64);
}

/// The sums of one tile, turned round, with their bias.
template <typename Tiles>
void write_tile(const TileProduct& p, int64_t output, int64_t token, const float* sums) {
  const int64_t outputs_left = p.outputs - output * kTileSide;
  const int64_t tokens_left = p.count - token * kTileSide;
  Tiles::write_transposed(sums, outputs_left < kTileSide ? outputs_left : kTileSide,
                          tokens_left < kTileSide ? tokens_left : kTileSide,
                          p.bias != nullptr ? p.bias + output * kTileSide : nullptr,
                          p.y + token * kTileSide * p.y_stride + output * kTileSide, p.y_stride);
}

/// Multiplies, and writes what is complete while it is still in the first-level cache.
template <typename Tiles, int kOutputs, int kTokens>
void finish_tiles(const TileProduct& p, int64_t output, int64_t token, int64_t token_tiles) {
  multiply_tiles<Tiles, kOutputs, kTokens>(p, output, token, token_tiles);
  if (!p.last) return;
  for (int64_t o = output; o < output + kOutputs; ++o) {
    for (int64_t t = token; t < token + kTokens; ++t) write_tile<Tiles>(p, o, t, p.sums + (o * token_tiles + t) * 256);
  }
}

template <typename Tiles, int kOutputs>
void row_of_tiles(const TileProduct& p, int64_t output) {
  const int64_t token_tiles = (p.count + kTileSide - 1) / kTileSide;
  int64_t token = 0;
  for (; token + 2 <= token_tiles; token += 2) finish_tiles<Tiles, kOutputs, 2>(p, output, token, token_tiles);
  if (token < token_tiles) finish_tiles<Tiles, kOutputs, 1>(p, output, token, token_tiles);
}

template <typename Tiles>
void tile_product(const TileProduct& p) {
  const int64_t whole = p.outputs / kTileSide;
  const auto rest = static_cast<int>(p.outputs % kTileSide);
  Tiles::begin(16);
  int64_t output = 0;
  for (; output + 2 <= whole; output += 2) row_of_tiles<Tiles, 2>(p, output);
  if (output < whole) row_of_tiles<Tiles, 1>(p, output++);
  if (rest > 0) {
    Tiles::begin(rest);  // weights and sums of fewer rows: none past the end is read
    row_of_tiles<Tiles, 1>(p, output);
  }
  Tiles::end();
}

}  // namespace
}  // namespace kedge::cpu
