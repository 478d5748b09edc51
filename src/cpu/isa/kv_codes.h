#pragma once
// Scales of keys and values in 8 and 4 bits (cpu/kv_layout.h), once for all instruction sets: from what a row's largest
// and smallest elements are to what is stored and what elements are multiplied by.

#include <cstdint>

namespace kedge::cpu {
namespace {

/// Below this a range counts as 0: codes divided by less could overflow.
constexpr float kSmallestKvRange = 1e-30F;

struct Int8Scale {
  float scale;
  float inverse;  // code = x * inverse, rounded to nearest even; 0: all codes are 0
};

inline Int8Scale int8_scale(float largest_magnitude, bool finite) {
  if (!finite) return {__builtin_nanf(""), 0.0F};
  if (largest_magnitude < kSmallestKvRange) return {0.0F, 0.0F};
  return {largest_magnitude / 127.0F, 127.0F / largest_magnitude};
}

/// The nearest bf16 (even) of a finite number, in the upper half.
inline uint32_t nearest_bf16(float x) {
  uint32_t bits = 0;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  return (bits + 0x7fffU + ((bits >> 16) & 1U)) & 0xffff0000U;
}

struct Int4Scale {
  uint32_t stored;  // scale in the lower half, minimum in the upper
  float minimum;
  float inverse;  // code = (x - minimum) * inverse, rounded and held to 0 to 15
};

inline Int4Scale int4_scale(float smallest, float largest, bool finite) {
  const float range = largest - smallest;
  if (!finite || !(range <= 3.402823466e38F)) return {0x7fc0U, 0.0F, 0.0F};
  Int4Scale s{nearest_bf16(smallest + 0.0F), 0.0F, 0.0F};  // no -0: which of two zeros is smaller is anybody's guess
  __builtin_memcpy(&s.minimum, &s.stored, sizeof(s.minimum));
  if (range < kSmallestKvRange) return s;
  const uint32_t scale_bits = nearest_bf16(range / 15.0F);
  float scale = 0.0F;
  __builtin_memcpy(&scale, &scale_bits, sizeof(scale));
  s.inverse = 1.0F / scale;
  s.stored |= scale_bits >> 16;
  return s;
}

}  // namespace
}  // namespace kedge::cpu
