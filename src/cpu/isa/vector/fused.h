#pragma once
// Block formats times few activation rows: each part of a block is expanded in registers and used at once. The values
// and the order of the sum over k are those of a dequantized row in matmul.h. Include after formats.h and matmul.h.

#include <cstddef>
#include <cstdint>

#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

/// f32 activations times one part of 32 weights.
struct F32Part {
  static constexpr int64_t kActivationBytes = 4;
  static Vector add_products(Vector sum, const std::byte* x, const Group (&w)[2]) {
    const auto* const values = reinterpret_cast<const float*>(x);
    for (int g = 0; g < 2; ++g) {
      for (int p = 0; p < 16 / kLanes; ++p) {
        sum = multiply_add(load(values + g * 16 + p * kLanes), w[g].part[p], sum);
      }
    }
    return sum;
  }
};

/// Adds part kPart of a block of one weight row to its sums.
template <typename Format, typename Part, int kPart, int kRows, typename Scales>
[[gnu::always_inline]] inline void add_part(const std::byte* block, const Scales& scales,
                                            const std::byte* const (&x)[kRows], Vector (&sums)[kRows]) {
  Group w[2];
  Format::template expand<kPart>(block, scales, w);
  for (int r = 0; r < kRows; ++r) {
    sums[r] = Part::add_products(sums[r], x[r] + 32 * kPart * Part::kActivationBytes, w);
  }
}

/// Adds a block of each of four weight rows, part by part in turn: the sums of one row wait for one another.
template <typename Format, typename Part, int kPart, int kRows, typename Scales>
[[gnu::always_inline]] inline void add_blocks(const std::byte* const (&block)[kTileOutputs],
                                              const Scales (&scales)[kTileOutputs], const std::byte* const (&x)[kRows],
                                              Vector (&sums)[kTileOutputs][kRows]) {
  if constexpr (kPart < Format::kParts) {
    add_part<Format, Part, kPart>(block[0], scales[0], x, sums[0]);
    add_part<Format, Part, kPart>(block[1], scales[1], x, sums[1]);
    add_part<Format, Part, kPart>(block[2], scales[2], x, sums[2]);
    add_part<Format, Part, kPart>(block[3], scales[3], x, sums[3]);
    add_blocks<Format, Part, kPart + 1>(block, scales, x, sums);
  }
}

/// Asks for the bytes of the next four rows that lie where `block` does in these. Rows of few bits are too short for
/// the hardware to find out where the next ones start (Q4_0, 2048 columns, one Zen 4 core: 10.3 against 6.6 GB/s).
template <typename Format>
[[gnu::always_inline]] inline void fetch_next_rows(const MatmulTile& t, const std::byte* block) {
  const std::byte* const next = block + kTileOutputs * t.weight_stride;
  for (int64_t offset = 0; offset < Format::kBytes; offset += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(next + offset), _MM_HINT_T0);
  }
}

/// kRows activation rows times four outputs (fewer at the end: the last is computed again).
// Bound: the weights' way from memory, as long as a block expands faster than it arrives: 18 bytes (Q4_0) make two
// vectors of weights with about ten operations.
template <typename Format, typename Part, int kRows>
[[gnu::noinline]] void fused_rows(const MatmulTile& t) {
  using Scales = decltype(Format::open(nullptr));
  constexpr int64_t kElements = 32 * Format::kParts;
  for (int64_t output = 0; output < t.outputs; output += kTileOutputs) {
    const int64_t count = t.outputs - output < kTileOutputs ? t.outputs - output : kTileOutputs;
    const std::byte* block[kTileOutputs];
    const std::byte* x[kRows];
    Vector sums[kTileOutputs][kRows];
    for (int r = 0; r < kRows; ++r) x[r] = t.x + static_cast<size_t>(r) * t.x_stride;
    for (int n = 0; n < kTileOutputs; ++n) {
      block[n] = t.weights + static_cast<size_t>(output + (n < count ? n : count - 1)) * t.weight_stride;
      for (int r = 0; r < kRows; ++r) sums[n][r] = zero();
    }
    for (int64_t k = 0; k < t.columns; k += kElements) {
      for (int n = 0; n < kTileOutputs; ++n) fetch_next_rows<Format>(t, block[n]);
      const Scales scales[kTileOutputs] = {Format::open(block[0]), Format::open(block[1]), Format::open(block[2]),
                                           Format::open(block[3])};
      add_blocks<Format, Part, 0>(block, scales, x, sums);
      for (int n = 0; n < kTileOutputs; ++n) block[n] += Format::kBytes;
      for (int r = 0; r < kRows; ++r) x[r] += kElements * Part::kActivationBytes;
    }
    for (int r = 0; r < kRows; ++r)
      finish(t, r, output, count, sums_of(sums[0][r], sums[1][r], sums[2][r], sums[3][r]));
  }
}

template <typename Format, typename Part>
void fused(const MatmulTile& t) {
  static_assert(kFusedCountMax == 3);
  switch (t.count) {
    case 1:
      return fused_rows<Format, Part, 1>(t);
    case 2:
      return fused_rows<Format, Part, 2>(t);
    case 3:
      return fused_rows<Format, Part, 3>(t);
    default:
      __builtin_trap();
  }
}

template <typename Format>
constexpr FormatKernels kF32BlockKernels = {.matmul_f32 = fused<Format, F32Part>, .dequantize = dequantize<Format>};

}  // namespace
}  // namespace kedge::cpu
