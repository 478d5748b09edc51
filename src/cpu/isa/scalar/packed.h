#pragma once
// The definition of products of packed weights: codes are summed exactly, scaled sums of groups are added from the
// first group on, with one rounding each.

#include <cstddef>
#include <cstdint>

#include "cpu/kernel_table.h"
#include "cpu/packed_layout.h"

namespace kedge::cpu {
namespace {

inline float half_at(const std::byte* bytes, int64_t index) {
  uint16_t code = 0;
  __builtin_memcpy(&code, bytes + 2 * index, sizeof(code));
  const uint32_t sign = static_cast<uint32_t>(code & 0x8000U) << 16;
  const uint32_t rest = code & 0x7fffU;
  uint32_t bits = sign | ((rest << 13) + 0x38000000U);
  if (rest >= 0x7c00U) bits = sign | 0x7f800000U | rest << 13;
  float value = 0.0F;
  __builtin_memcpy(&value, &bits, sizeof(value));
  if (rest < 0x400U) {  // zero and subnormals: units of 2^-24
    value = static_cast<float>(rest) * 0x1p-24F;
    return sign != 0 ? -value : value;
  }
  return value;
}

inline uint32_t byte_of(const std::byte* bytes, int64_t index) {
  return static_cast<uint32_t>(bytes[index]);
}

/// Bits of column `k` of a group's plane.
template <int kBits>
uint32_t plane_bits(const std::byte* plane, int64_t output, int64_t k) {
  constexpr int64_t kLineQuads = 8 / kBits;
  const int64_t quad = k / 4;
  const uint32_t byte = byte_of(plane, quad / kLineQuads * 64 + output * 4 + k % 4);
  return byte >> (kBits * (quad % kLineQuads)) & ((1U << kBits) - 1);
}

template <PackedShape kLayout>
int32_t stored_code(const std::byte* group, int64_t output, int64_t k) {
  uint32_t code = plane_bits<kLayout.low_bits>(group, output, k);
  if constexpr (kLayout.high_bits > 0) {
    code |= plane_bits<kLayout.high_bits>(group + 64 * kLayout.low_bits, output, k) << kLayout.low_bits;
  }
  return static_cast<int32_t>(code);
}
template <PackedShape kLayout>
int32_t table_code(const std::byte* group, int64_t output, int64_t k) {
  return kIq4Table.of[stored_code<kLayout>(group, output, k)];
}

/// What a part of a group is multiplied with: value = scale * (code - zero) - minimum.
struct Factors {
  float scale;
  int32_t zero;
  float minimum;
};
/// Of `part` of a group of one output. `block` is the group's block, `scales` what follows its codes.
using FactorsOf = Factors (*)(const std::byte* block, const std::byte* scales, int64_t output, int64_t part);

template <int32_t kZero>
Factors half_scale(const std::byte*, const std::byte* scales, int64_t output, int64_t) {
  return {half_at(scales, output), kZero, 0.0F};
}
inline Factors half_scale_and_minimum(const std::byte*, const std::byte* scales, int64_t output, int64_t) {
  return {half_at(scales, output), 0, half_at(scales + 32, output)};
}
template <int32_t kZero>
Factors byte_scale(const std::byte* block, const std::byte* scales, int64_t output, int64_t part) {
  const auto scale = static_cast<int8_t>(byte_of(scales, 16 * part + output));
  return {half_at(block, output) * static_cast<float>(scale), kZero, 0.0F};
}
inline Factors byte_scale_and_minimum(const std::byte* block, const std::byte* scales, int64_t output, int64_t) {
  return {half_at(block, output) * static_cast<float>(byte_of(scales, output)), 0,
          half_at(block + 32, output) * static_cast<float>(byte_of(scales, 16 + output))};
}
inline Factors nibble_scale_and_minimum(const std::byte* block, const std::byte* scales, int64_t output, int64_t part) {
  const uint32_t both = byte_of(scales, 16 * part + output);
  return {half_at(block, output) * static_cast<float>(both & 15U), 0,
          half_at(block + 32, output) * static_cast<float>(both >> 4)};
}
inline Factors scale_and_zero(const std::byte* block, const std::byte*, int64_t output, int64_t) {
  float scale = 0.0F;
  __builtin_memcpy(&scale, block + 4 * output, sizeof(scale));
  return {scale, static_cast<int32_t>(byte_of(block, 64 + output)), 0.0F};
}

/// One token's part of a group.
struct TokenGroup {
  const int8_t* codes;
  float scale;
  const int32_t* sums;  // of both halves
};

/// One layout: kParts of a group have factors of their own.
template <PackedShape kLayoutShape, FactorsOf kFactors, int kPartCount = 1, bool kMinimum = false,
          int32_t (*kCode)(const std::byte*, int64_t, int64_t) = stored_code<kLayoutShape>>
struct Layout {
  static constexpr PackedShape kShape = kLayoutShape;
  /// One group of one output added to the sum so far.
  static float add(const std::byte* block, const std::byte* group, int64_t output, const TokenGroup& x, float sum) {
    constexpr int64_t kColumns = kGroupColumns / kPartCount;
    for (int64_t part = 0; part < kPartCount; ++part) {
      const Factors factors = kFactors(block, group + kShape.code_bytes, output, part);
      const int32_t token_sum = kPartCount == 1 ? x.sums[0] + x.sums[1] : x.sums[part];
      int32_t codes = -factors.zero * token_sum;
      for (int64_t k = kColumns * part; k < kColumns * (part + 1); ++k) codes += kCode(group, output, k) * x.codes[k];
      sum = __builtin_fmaf(static_cast<float>(codes), factors.scale * x.scale, sum);
      if (kMinimum) sum = __builtin_fmaf(-factors.minimum, static_cast<float>(token_sum) * x.scale, sum);
    }
    return sum;
  }
};
using W4 = Layout<kW4Shape, half_scale<8>>;
using W5 = Layout<kW5Shape, half_scale<16>>;
using W8 = Layout<kW8Shape, half_scale<128>>;
using W4I = Layout<kW4Shape, half_scale<128>, 1, false, table_code<kW4Shape>>;
using W4M = Layout<kW4MShape, half_scale_and_minimum, 1, true>;
using W5M = Layout<kW5MShape, half_scale_and_minimum, 1, true>;
using W2K = Layout<kW2KShape, nibble_scale_and_minimum, 2, true>;
using W3K = Layout<kW3KShape, byte_scale<4>, 2>;
using W4K = Layout<kW4KShape, byte_scale_and_minimum, 1, true>;
using W5K = Layout<kW5KShape, byte_scale_and_minimum, 1, true>;
using W6K = Layout<kW6KShape, byte_scale<32>, 2>;
using W4IK = Layout<kW4IKShape, byte_scale<128>, 1, false, table_code<kW4IKShape>>;
using W4G = Layout<kW4GShape, scale_and_zero>;
using W8G = Layout<kW8GShape, scale_and_zero>;

template <typename Layout>
void packed_product(const PackedTile& t) {
  const PackedShape shape = with_block(Layout::kShape, t.block_columns);
  const int64_t groups = shape.block_columns / kGroupColumns;
  for (int64_t i = 0; i < t.count; ++i) {
    for (int64_t n = 0; n < t.outputs; ++n) {
      const std::byte* const panel = t.panels + static_cast<size_t>(n / kPanelOutputs) * t.panel_bytes;
      float sum = 0.0F;
      for (int64_t g = 0; g < t.columns / kGroupColumns; ++g) {
        const std::byte* const block = panel + g / groups * bytes_of_block(shape);
        const std::byte* const group = block + shape.head_bytes + g % groups * shape.group_bytes;
        const TokenGroup x{t.codes + i * t.columns + g * kGroupColumns, t.scales[i * (t.columns / kGroupColumns) + g],
                           t.sums + i * (t.columns / 16) + 2 * g};
        sum = Layout::add(block, group, n % kPanelOutputs, x, sum);
      }
      if (t.bias != nullptr) sum += t.bias[n];
      float& y = t.y[i * t.y_stride + n];
      y = t.added ? y + sum : sum;
    }
  }
}

/// Groups whose largest magnitude is below this are zeros: 127 divided by less could overflow.
constexpr float kSmallestGroup = 1e-30F;

inline void quantize_row(const float* x, int64_t columns, int8_t* codes, float* scales, int32_t* sums) {
  for (int64_t g = 0; g < columns / kGroupColumns; ++g, x += kGroupColumns, codes += kGroupColumns) {
    float largest = 0.0F;
    bool finite = true;
    for (int64_t k = 0; k < kGroupColumns; ++k) {
      const float magnitude = __builtin_fabsf(x[k]);
      finite = finite && magnitude <= 3.402823466e38F;
      largest = magnitude > largest ? magnitude : largest;
    }
    const bool zero = largest < kSmallestGroup || !finite;
    const float inverse = zero ? 0.0F : 127.0F / largest;
    scales[g] = !finite ? __builtin_nanf("") : zero ? 0.0F : largest / 127.0F;
    sums[2 * g] = sums[2 * g + 1] = 0;
    for (int64_t k = 0; k < kGroupColumns; ++k) {
      codes[k] = zero ? int8_t{0} : static_cast<int8_t>(__builtin_lrintf(x[k] * inverse));
      sums[2 * g + k / 16] += codes[k];
    }
  }
}

}  // namespace
}  // namespace kedge::cpu
