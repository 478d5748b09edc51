#pragma once
// Tile registers in plain C++ (Intel SDM, TDPBF16PS). Include after isa/tiles/product.h.

#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/half.h"

namespace kedge::cpu {
namespace {

/// The instructions take denormal numbers as 0, and give none.
inline float without_denormals(float value) {
  return std::fabs(value) < FLT_MIN ? std::copysign(0.0F, value) : value;
}

/// Eight registers of 16 rows of 64 bytes.
struct EmulatedTiles {
  static inline uint8_t registers[8][16][64];
  static inline int rows_of[8];

  static void begin(int rows) {
    std::memset(registers, 0xee, sizeof(registers));  // nothing may be read that was not loaded
    for (int tile = 0; tile < 8; ++tile) rows_of[tile] = tile < kRightTile ? rows : 16;
  }
  static void end() {}
  template <int kTile>
  static void zero() {
    std::memset(registers[kTile], 0, sizeof(registers[kTile]));
  }
  template <int kTile>
  static void load(const void* rows, size_t stride) {
    for (int row = 0; row < rows_of[kTile]; ++row) {
      std::memcpy(registers[kTile][row], static_cast<const std::byte*>(rows) + static_cast<size_t>(row) * stride, 64);
    }
  }
  template <int kTile>
  static void load_past(const void* rows, size_t stride) {
    load<kTile>(rows, stride);
  }
  template <int kTile>
  static void store(float* rows, size_t stride) {
    auto* const out = reinterpret_cast<std::byte*>(rows);
    for (int row = 0; row < rows_of[kTile]; ++row) {
      std::memcpy(out + static_cast<size_t>(row) * stride, registers[kTile][row], 64);
    }
  }
  static float bf16_of(int tile, int row, int index) {
    uint16_t code = 0;
    std::memcpy(&code, &registers[tile][row][2 * index], sizeof(code));
    return without_denormals(bf16_to_f32(code));
  }
  template <int kSums, int kLeft, int kRight>
  static void multiply() {
    for (int m = 0; m < rows_of[kSums]; ++m) {
      for (int n = 0; n < 16; ++n) {
        float even = 0.0F, odd = 0.0F, sum = 0.0F;
        for (int k = 0; k < 16; ++k) {
          even = without_denormals(std::fma(bf16_of(kLeft, m, 2 * k), bf16_of(kRight, k, 2 * n), even));
          odd = without_denormals(std::fma(bf16_of(kLeft, m, 2 * k + 1), bf16_of(kRight, k, 2 * n + 1), odd));
        }
        std::memcpy(&sum, &registers[kSums][m][4 * n], sizeof(sum));
        sum = without_denormals(sum + without_denormals(even + odd));
        std::memcpy(&registers[kSums][m][4 * n], &sum, sizeof(sum));
      }
    }
  }
  static void end_writing() {}
  static void write_transposed(const float* sums, TilePart part, const TileOutput& out) {
    for (int64_t token = 0; token < part.columns; ++token) {
      for (int64_t n = 0; n < part.rows; ++n) {
        float& y = out.y[token * out.y_stride + n];
        const float value = sums[n * 16 + token] + (out.bias != nullptr ? out.bias[n] : 0.0F);
        y = out.added ? y + value : value;
      }
    }
  }
};

}  // namespace
}  // namespace kedge::cpu
