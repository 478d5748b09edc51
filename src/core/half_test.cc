// Goal: the narrow floating-point types convert exactly, and to the nearest even where they can't.
// Method: every 16-bit pattern there and back; halfway points and their neighbours around every value; the edges by
// their bits. The expected values come from the definition (sign, exponent, mantissa) in double arithmetic.

#include "core/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace kedge {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// The value of a small float with the given widths, by the definition of IEEE 754.
double value_of(uint32_t bits, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const auto mantissa = static_cast<double>(bits & ((1U << mantissa_bits) - 1));
  const int exponent = static_cast<int>(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const double sign = (bits >> (mantissa_bits + exponent_bits)) != 0 ? -1.0 : 1.0;
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp(1.0 + std::ldexp(mantissa, -mantissa_bits), exponent - bias);
}

TEST(Half, every_f16_has_the_value_of_its_bits) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float found = f16_to_f32(static_cast<uint16_t>(bits));
    const bool top = (bits & 0x7C00U) == 0x7C00U;
    if (top && (bits & 0x3FFU) != 0) {
      ASSERT_TRUE(std::isnan(found)) << std::hex << bits;
      ASSERT_EQ(f32_to_f16(found), bits | 0x200U);  // quiet, payload kept
    } else {
      if (top) {
        ASSERT_EQ(found, (bits & 0x8000U) != 0 ? -kInfinity : kInfinity);
      } else {
        ASSERT_EQ(static_cast<double>(found), value_of(bits, 5, 10)) << std::hex << bits;
      }
      ASSERT_EQ(f32_to_f16(found), bits) << std::hex << bits;
    }
  }
}

TEST(Half, f32_to_f16_rounds_to_nearest_even) {
  for (uint32_t bits = 0; bits < 0x7BFF; ++bits) {
    const float low = f16_to_f32(static_cast<uint16_t>(bits));
    const float high = f16_to_f32(static_cast<uint16_t>(bits + 1));
    const float middle = (low + high) / 2;  // exact: float32 has the bit
    const uint32_t even = bits % 2 == 0 ? bits : bits + 1;
    ASSERT_EQ(f32_to_f16(middle), even) << std::hex << bits;
    ASSERT_EQ(f32_to_f16(-middle), even | 0x8000U) << std::hex << bits;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, low)), bits) << std::hex << bits;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, high)), bits + 1) << std::hex << bits;
  }
}

TEST(Half, f32_to_f16_at_the_edges) {
  EXPECT_EQ(f32_to_f16(65504.0F), 0x7BFF);
  EXPECT_EQ(f32_to_f16(std::nextafter(65520.0F, 0.0F)), 0x7BFF);
  EXPECT_EQ(f32_to_f16(65520.0F), 0x7C00);
  EXPECT_EQ(f32_to_f16(-3e38F), 0xFC00);
  EXPECT_EQ(f32_to_f16(kInfinity), 0x7C00);
  EXPECT_EQ(f32_to_f16(0x1p-25F), 0x0000);  // halfway to the smallest subnormal: even is zero
  EXPECT_EQ(f32_to_f16(std::nextafter(0x1p-25F, 1.0F)), 0x0001);
  EXPECT_EQ(f32_to_f16(-0.0F), 0x8000);
  EXPECT_EQ(f32_to_f16(std::bit_cast<float>(0x7F800001U)), 0x7E00);  // a signalling NaN whose payload is cut off
}

TEST(Half, every_bf16_has_the_value_of_its_bits) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float found = bf16_to_f32(static_cast<uint16_t>(bits));
    ASSERT_EQ(std::bit_cast<uint32_t>(found), bits << 16);
    const uint32_t expected = std::isnan(found) ? bits | 0x40U : bits;
    ASSERT_EQ(f32_to_bf16(found), expected) << std::hex << bits;
  }
}

TEST(Half, f32_to_bf16_rounds_to_nearest_even) {
  for (uint32_t bits = 0; bits < 0x7F80; ++bits) {
    const uint32_t even = bits % 2 == 0 ? bits : bits + 1;  // the one after the largest is infinity
    const uint32_t middle = (bits << 16) | 0x8000U;
    ASSERT_EQ(f32_to_bf16(std::bit_cast<float>(middle)), even) << std::hex << bits;
    ASSERT_EQ(f32_to_bf16(std::bit_cast<float>(middle | 0x80000000U)), even | 0x8000U) << std::hex << bits;
    ASSERT_EQ(f32_to_bf16(std::bit_cast<float>(middle - 1)), bits) << std::hex << bits;
    ASSERT_EQ(f32_to_bf16(std::bit_cast<float>(middle + 1)), bits + 1) << std::hex << bits;
  }
  // A NaN whose upper half looks like infinity must not become infinity, nor overflow into zero.
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7F800001U)))));
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0xFFFFFFFFU)))));
}

TEST(Half, f8_e4m3_rounds_to_the_nearest_and_ties_to_even) {
  for (uint32_t code = 0; code < 0x7E; ++code) {
    const float low = f8_e4m3_to_f32(static_cast<uint8_t>(code));
    const float high = f8_e4m3_to_f32(static_cast<uint8_t>(code + 1));
    const float middle = (low + high) / 2;
    EXPECT_EQ(f32_to_f8_e4m3(low), code);
    EXPECT_EQ(f32_to_f8_e4m3(-low), code | 0x80U);
    EXPECT_EQ(f32_to_f8_e4m3(middle), code % 2 == 0 ? code : code + 1);
    EXPECT_EQ(f32_to_f8_e4m3(std::nextafter(middle, 0.0F)), code);
    EXPECT_EQ(f32_to_f8_e4m3(std::nextafter(middle, 1e9F)), code + 1);
  }
}

TEST(Half, every_f8_e4m3_has_the_value_of_its_bits) {
  for (uint32_t bits = 0; bits < 0x100; ++bits) {
    const float found = f8_e4m3_to_f32(static_cast<uint8_t>(bits));
    if ((bits & 0x7FU) == 0x7FU) {
      EXPECT_TRUE(std::isnan(found));
      EXPECT_EQ(std::signbit(found), bits == 0xFF);
    } else {
      EXPECT_EQ(static_cast<double>(found), value_of(bits, 4, 3)) << std::hex << bits;
      EXPECT_EQ(std::signbit(found), bits >= 0x80);
    }
  }
}

// Usable in constant expressions, as tables of kernels need.
static_assert(f16_to_f32(0x3C00) == 1.0F);
static_assert(f32_to_f16(1.0F) == 0x3C00);
static_assert(f32_to_bf16(1.0F) == 0x3F80);
static_assert(f8_e4m3_to_f32(0x7E) == 448.0F);
static_assert(f32_to_f8_e4m3(464.0F) == 0x7E && f32_to_f8_e4m3(464.1F) == 0x7F && f32_to_f8_e4m3(-1e30F) == 0xFF);
static_assert(f32_to_f8_e4m3(0x1p-10F) == 0 && f32_to_f8_e4m3(0x1.01p-10F) == 1 && f32_to_f8_e4m3(-0.0F) == 0x80);

}  // namespace
}  // namespace kedge
