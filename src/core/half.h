#pragma once
// The narrow floating-point types that weights are stored in, to and from float32. Bit for bit what the x86
// conversion instructions do (round to nearest even, signalling NaNs become quiet), except that no subnormal is ever
// flushed to zero.

#include <bit>
#include <cstdint>

namespace kedge {

/// IEEE binary16 to float32. Exact.
constexpr float f16_to_f32(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000U) << 16;
  const uint32_t exponent = (half >> 10) & 0x1FU;
  const uint32_t mantissa = half & 0x3FFU;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
  }
  if (exponent == 0x1F) {
    const uint32_t quiet = mantissa == 0 ? 0 : 0x400000U;
    return std::bit_cast<float>(sign | 0x7F800000U | quiet | (mantissa << 13));
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

/// float32 to IEEE binary16, to nearest even; from 65520 on infinity.
constexpr uint16_t f32_to_f16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000U);
  const uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) return static_cast<uint16_t>(sign | 0x7E00U | ((magnitude >> 13) & 0x3FFU));
  if (magnitude >= 0x477FF000U) return static_cast<uint16_t>(sign | 0x7C00U);
  if (magnitude >= 0x38800000U) {  // at least 2^-14: a normal number
    const uint32_t rebiased = magnitude - (112U << 23);
    return static_cast<uint16_t>(sign | ((rebiased + 0xFFFU + ((rebiased >> 13) & 1U)) >> 13));
  }
  if (magnitude <= 0x33000000U) return sign;  // at most half of the smallest subnormal, 2^-24
  const uint32_t mantissa = (magnitude & 0x7FFFFFU) | 0x800000U;
  const uint32_t shift = 126U - (magnitude >> 23);  // 14 to 24: mantissa >> shift counts units of 2^-24
  const uint32_t units = mantissa >> shift;
  const uint32_t rest = mantissa & ((1U << shift) - 1);
  const uint32_t half_unit = 1U << (shift - 1);
  const bool up = rest > half_unit || (rest == half_unit && (units & 1U) != 0);
  return static_cast<uint16_t>(sign | (units + (up ? 1U : 0U)));
}

/// bfloat16 to float32. Exact, also for NaNs.
constexpr float bf16_to_f32(uint16_t value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value) << 16);
}

/// float32 to bfloat16, to nearest even; a NaN stays one.
constexpr uint16_t f32_to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<uint16_t>((bits >> 16) | 0x40U);
  return static_cast<uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

/// FP8 E4M3 in the "finite" form (Micikevicius et al. 2022): no infinities, 0x7F and 0xFF are NaN. Exact.
constexpr float f8_e4m3_to_f32(uint8_t value) {
  const uint32_t sign = static_cast<uint32_t>(value & 0x80U) << 24;
  const uint32_t exponent = (value >> 3) & 0xFU;
  const uint32_t mantissa = value & 0x7U;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-9F;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
  }
  if ((value & 0x7FU) == 0x7FU) return std::bit_cast<float>(sign | 0x7FC00000U);
  return std::bit_cast<float>(sign | ((exponent + 120) << 23) | (mantissa << 20));
}

/// float32 to FP8 E4M3, to nearest even; beyond 464 (half a step past the largest, 448) NaN.
constexpr uint8_t f32_to_f8_e4m3(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint8_t>(bits >> 24 & 0x80U);
  const uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x43E80000U) return static_cast<uint8_t>(sign | 0x7FU);
  if (magnitude >= 0x3C800000U) {  // at least 2^-6: a normal number
    const uint32_t rebiased = magnitude - (120U << 23);
    return static_cast<uint8_t>(sign | ((rebiased + 0x7FFFFU + ((rebiased >> 20) & 1U)) >> 20));
  }
  if (magnitude <= 0x3A800000U) return sign;  // at most half of the smallest subnormal, 2^-9
  const uint32_t mantissa = (magnitude & 0x7FFFFFU) | 0x800000U;
  const uint32_t shift = 141U - (magnitude >> 23);  // 21 to 24: mantissa >> shift counts units of 2^-9
  const uint32_t units = mantissa >> shift;
  const uint32_t rest = mantissa & ((1U << shift) - 1);
  const uint32_t half_unit = 1U << (shift - 1);
  const bool up = rest > half_unit || (rest == half_unit && (units & 1U) != 0);
  return static_cast<uint8_t>(sign | (units + (up ? 1U : 0U)));
}

}  // namespace kedge
