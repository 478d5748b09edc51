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

/// Adds one block of one weight row to the sums of all activation rows.
template <typename Format, typename Part, int kRows, int kPart = 0>
[[gnu::always_inline]] inline void add_block(const std::byte* block, const std::byte* const (&x)[kRows],
                                             Vector (&sums)[kRows]) {
  if constexpr (kPart < Format::kParts) {
    Group w[2];
    Format::template expand<kPart>(block, w);
    for (int r = 0; r < kRows; ++r) {
      sums[r] = Part::add_products(sums[r], x[r] + 32 * kPart * Part::kActivationBytes, w);
    }
    add_block<Format, Part, kRows, kPart + 1>(block, x, sums);
  }
}

/// kRows activation rows times four outputs (fewer at the end: the last is computed again).
// Bound: the weights' way from memory, as long as a block expands faster than it arrives: 18 bytes (Q4_0) make two
// vectors of weights with about ten operations.
template <typename Format, typename Part, int kRows>
[[gnu::noinline]] void fused_rows(const MatmulTile& t) {
  constexpr int64_t kElements = 32 * Format::kParts;
  for (int64_t output = 0; output < t.outputs; output += kTileOutputs) {
    const int64_t count = t.outputs - output < kTileOutputs ? t.outputs - output : kTileOutputs;
    const std::byte* w[kTileOutputs];
    for (int n = 0; n < kTileOutputs; ++n) {
      w[n] = t.weights + static_cast<size_t>(output + (n < count ? n : count - 1)) * t.weight_stride;
    }
    const std::byte* x[kRows];
    Vector a[kRows], b[kRows], c[kRows], d[kRows];
    for (int r = 0; r < kRows; ++r) {
      x[r] = t.x + static_cast<size_t>(r) * t.x_stride;
      a[r] = b[r] = c[r] = d[r] = zero();
    }
    int64_t offset = 0;
    for (int64_t k = 0; k < t.columns; k += kElements, offset += Format::kBytes) {
      add_block<Format, Part, kRows>(w[0] + offset, x, a);
      add_block<Format, Part, kRows>(w[1] + offset, x, b);
      add_block<Format, Part, kRows>(w[2] + offset, x, c);
      add_block<Format, Part, kRows>(w[3] + offset, x, d);
      for (int r = 0; r < kRows; ++r) x[r] += kElements * Part::kActivationBytes;
    }
    for (int r = 0; r < kRows; ++r) finish(t, r, output, count, sums_of(a[r], b[r], c[r], d[r]));
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
