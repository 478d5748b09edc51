#pragma once
// Sixteen floats in plain C++: what isa/tiles/attention.h is written in, for its test on any machine. The same bits as
// isa/avx512/vector.h and isa/avx512_bf16/pairs.h.

#include <array>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/half.h"
#include "cpu/kv_layout.h"

namespace kedge::cpu {
namespace {

struct Vector {
  std::array<float, 16> lanes;
};
using LaneMask = std::array<bool, 16>;

template <typename Function, typename... Vectors>
Vector lane_by_lane(Function function, const Vectors&... vectors) {
  Vector result;
  for (size_t i = 0; i < 16; ++i) result.lanes[i] = function(vectors.lanes[i]...);
  return result;
}

inline Vector broadcast(float a) {
  Vector result;
  result.lanes.fill(a);
  return result;
}
inline Vector zero() {
  return broadcast(0.0F);
}
inline Vector load(const float* p) {
  Vector result;
  std::memcpy(&result, p, sizeof(result));
  return result;
}
inline void store(float* p, const Vector& a) {
  std::memcpy(p, &a, sizeof(a));
}
inline Vector add(const Vector& a, const Vector& b) {
  return lane_by_lane([](float x, float y) { return x + y; }, a, b);
}
inline Vector subtract(const Vector& a, const Vector& b) {
  return lane_by_lane([](float x, float y) { return x - y; }, a, b);
}
inline Vector multiply(const Vector& a, const Vector& b) {
  return lane_by_lane([](float x, float y) { return x * y; }, a, b);
}
inline Vector divide(const Vector& a, const Vector& b) {
  return lane_by_lane([](float x, float y) { return x / y; }, a, b);
}
inline Vector multiply_add(const Vector& a, const Vector& b, const Vector& c) {
  return lane_by_lane([](float x, float y, float z) { return std::fma(x, y, z); }, a, b, c);
}
inline Vector negated_multiply_add(const Vector& a, const Vector& b, const Vector& c) {
  return lane_by_lane([](float x, float y, float z) { return std::fma(-x, y, z); }, a, b, c);
}
inline Vector larger(const Vector& a, const Vector& b) {
  return lane_by_lane([](float x, float y) { return x > y ? x : y; }, a, b);
}
inline Vector smaller(const Vector& a, const Vector& b) {
  return lane_by_lane([](float x, float y) { return x < y ? x : y; }, a, b);
}
inline Vector magnitude(const Vector& a) {
  return lane_by_lane([](float x) { return std::fabs(x); }, a);
}
inline Vector with_sign_of(const Vector& a, const Vector& sign) {
  return lane_by_lane([](float x, float y) { return std::copysign(x, y); }, a, sign);
}
inline Vector to_nearest(const Vector& a) {
  return lane_by_lane([](float x) { return std::nearbyint(x); }, a);
}
inline Vector scale_by_power(const Vector& a, const Vector& n) {
  return lane_by_lane([](float x, float power) { return std::ldexp(x, static_cast<int>(power)); }, a, n);
}
/// The instruction rounds the difference as it rounds to a whole number: down.
inline float fraction_of(float x) {
  if (std::isinf(x)) return 0.0F;
  const double exact = static_cast<double>(x) - std::floor(static_cast<double>(x));
  const auto nearest = static_cast<float>(exact);
  return static_cast<double>(nearest) > exact ? std::nextafter(nearest, 0.0F) : nearest;
}
inline Vector fraction(const Vector& a) {
  return lane_by_lane(fraction_of, a);
}
inline Vector scale_by_floor(const Vector& a, const Vector& n) {
  // Beyond these the result is 0 or infinity.
  const auto power = [](float x) { return static_cast<int>(std::floor(std::fmin(std::fmax(x, -300.0F), 300.0F))); };
  return lane_by_lane([&](float x, float y) { return std::ldexp(x, power(y)); }, a, n);
}
inline LaneMask less(const Vector& a, const Vector& b) {
  LaneMask mask;
  for (size_t i = 0; i < 16; ++i) mask[i] = a.lanes[i] < b.lanes[i];
  return mask;
}
inline uint32_t bits_of(const LaneMask& mask) {
  uint32_t bits = 0;
  for (size_t i = 0; i < 16; ++i) bits |= (mask[i] ? 1U : 0U) << i;
  return bits;
}
inline Vector select(const LaneMask& mask, const Vector& yes, const Vector& no) {
  Vector result;
  for (size_t i = 0; i < 16; ++i) result.lanes[i] = mask[i] ? yes.lanes[i] : no.lanes[i];
  return result;
}

inline void transpose(const void* in, size_t in_stride, void* out, size_t out_stride) {
  uint32_t dwords[16][16];
  for (size_t i = 0; i < 16; ++i) std::memcpy(dwords[i], static_cast<const std::byte*>(in) + i * in_stride, 64);
  for (size_t i = 0; i < 16; ++i) {
    for (size_t j = 0; j < 16; ++j) {
      std::memcpy(static_cast<std::byte*>(out) + i * out_stride + 4 * j, &dwords[j][i], 4);
    }
  }
}
inline void transpose_words(const std::byte* const* rows, size_t offset, std::byte* out, size_t out_stride) {
  for (size_t i = 0; i < 32; ++i) {
    for (size_t j = 0; j < 32; ++j) std::memcpy(out + i * out_stride + 2 * j, rows[j] + offset + 2 * i, 2);
  }
}
/// The instruction takes denormal numbers as 0.
inline uint16_t narrowed(float x) {
  return f32_to_bf16(std::fabs(x) < FLT_MIN ? std::copysign(0.0F, x) : x);
}
inline void store_weights(std::byte* line, const Vector& first, const Vector& second) {
  for (size_t i = 0; i < 16; ++i) {
    uint32_t bits[2] = {};
    std::memcpy(&bits[0], &first.lanes[i], 4);
    std::memcpy(&bits[1], &second.lanes[i], 4);
    const uint32_t pair = (bits[0] + 0x8000U) >> 16 | ((bits[1] + 0x8000U) & 0xffff0000U);
    std::memcpy(line + 4 * i, &pair, sizeof(pair));
  }
}
inline void narrow_row(const float* x, int64_t size, uint16_t* out) {
  for (int64_t i = 0; i < size; ++i) out[i] = narrowed(x[i]);
}
inline void narrow_int8_row(const std::byte* codes, float scale, int64_t size, uint16_t* out) {
  for (int64_t i = 0; i < size; ++i) out[i] = narrowed(static_cast<float>(static_cast<int8_t>(codes[i])) * scale);
}
inline void narrow_int4_row(const std::byte* row, int64_t size, uint16_t* out) {
  for (int64_t i = 0; i < size; ++i) {
    const std::byte* const group = row + i / kKvGroup * kKvGroupBytes;
    uint16_t head[2];
    std::memcpy(head, group, sizeof(head));
    const auto pair = std::to_integer<uint32_t>(group[4 + i % 16]);
    const uint32_t code = i % kKvGroup < 16 ? pair & 15U : pair >> 4;
    out[i] = narrowed(std::fma(static_cast<float>(code), bf16_to_f32(head[0]), bf16_to_f32(head[1])));
  }
}

}  // namespace
}  // namespace kedge::cpu
