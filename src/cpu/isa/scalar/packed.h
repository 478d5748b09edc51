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

/// Code of column `k` of a group.
inline int32_t nibble_code(const std::byte* group, int64_t output, int64_t k) {
  const int64_t quad = k / 4;
  return static_cast<int32_t>(byte_of(group, quad / 2 * 64 + output * 4 + k % 4) >> (4 * (quad % 2)) & 15U);
}
inline int32_t byte_code(const std::byte* group, int64_t output, int64_t k) {
  return static_cast<int32_t>(byte_of(group, k / 4 * 64 + output * 4 + k % 4));
}
inline int32_t six_bit_code(const std::byte* group, int64_t output, int64_t k) {
  const int64_t quad = k / 4;
  const uint32_t high = byte_of(group, 256 + quad / 4 * 64 + output * 4 + k % 4) >> (2 * (quad % 4)) & 3U;
  return nibble_code(group, output, k) | static_cast<int32_t>(high << 4);
}

/// One token's part of a group.
struct TokenGroup {
  const int8_t* codes;
  float scale;
  const int32_t* sums;  // of both halves
};

template <int32_t (*kCode)(const std::byte*, int64_t, int64_t)>
int32_t dot(const std::byte* group, int64_t output, const TokenGroup& x, int64_t begin, int64_t end) {
  int32_t sum = 0;
  for (int64_t k = begin; k < end; ++k) sum += kCode(group, output, k) * x.codes[k];
  return sum;
}

// One group of one output added to the sum so far. `block` is the group's block, `group` the group itself.

inline float add_w4(const std::byte*, const std::byte* group, int64_t output, const TokenGroup& x, float sum) {
  const int32_t codes = dot<nibble_code>(group, output, x, 0, 32) - 8 * (x.sums[0] + x.sums[1]);
  return __builtin_fmaf(static_cast<float>(codes), half_at(group + 256, output) * x.scale, sum);
}
inline float add_w8(const std::byte*, const std::byte* group, int64_t output, const TokenGroup& x, float sum) {
  const int32_t codes = dot<byte_code>(group, output, x, 0, 32) - 128 * (x.sums[0] + x.sums[1]);
  return __builtin_fmaf(static_cast<float>(codes), half_at(group + 512, output) * x.scale, sum);
}
inline float add_w4_k(const std::byte* block, const std::byte* group, int64_t output, const TokenGroup& x, float sum) {
  const float scale = half_at(block, output) * static_cast<float>(byte_of(group, 256 + output));
  const float minimum = half_at(block + 32, output) * static_cast<float>(byte_of(group, 272 + output));
  const auto codes = static_cast<float>(dot<nibble_code>(group, output, x, 0, 32));
  const float with_codes = __builtin_fmaf(codes, scale * x.scale, sum);
  return __builtin_fmaf(-minimum, static_cast<float>(x.sums[0] + x.sums[1]) * x.scale, with_codes);
}
inline float add_w6_k(const std::byte* block, const std::byte* group, int64_t output, const TokenGroup& x, float sum) {
  for (int64_t half = 0; half < 2; ++half) {
    const auto group_scale = static_cast<int8_t>(byte_of(group, 384 + 16 * half + output));
    const float scale = half_at(block, output) * static_cast<float>(group_scale);
    const int32_t codes = dot<six_bit_code>(group, output, x, 16 * half, 16 * half + 16) - 32 * x.sums[half];
    sum = __builtin_fmaf(static_cast<float>(codes), scale * x.scale, sum);
  }
  return sum;
}

inline float scale_at(const std::byte* block, int64_t output) {
  float scale = 0.0F;
  __builtin_memcpy(&scale, block + 4 * output, sizeof(scale));
  return scale;
}
inline float add_w4_g(const std::byte* block, const std::byte* group, int64_t output, const TokenGroup& x, float sum) {
  const auto zero = static_cast<int32_t>(byte_of(block, 64 + output));
  const int32_t codes = dot<nibble_code>(group, output, x, 0, 32) - zero * (x.sums[0] + x.sums[1]);
  return __builtin_fmaf(static_cast<float>(codes), scale_at(block, output) * x.scale, sum);
}
inline float add_w8_g(const std::byte* block, const std::byte* group, int64_t output, const TokenGroup& x, float sum) {
  const auto zero = static_cast<int32_t>(byte_of(block, 64 + output));
  const int32_t codes = dot<byte_code>(group, output, x, 0, 32) - zero * (x.sums[0] + x.sums[1]);
  return __builtin_fmaf(static_cast<float>(codes), scale_at(block, output) * x.scale, sum);
}

template <const PackedShape& kLayout,
          float (*kAdd)(const std::byte*, const std::byte*, int64_t, const TokenGroup&, float)>
void packed_product(const PackedTile& t) {
  const PackedShape shape = with_block(kLayout, t.block_columns);
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
        sum = kAdd(block, group, n % kPanelOutputs, x, sum);
      }
      t.y[i * t.y_stride + n] = t.bias != nullptr ? sum + t.bias[n] : sum;
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
