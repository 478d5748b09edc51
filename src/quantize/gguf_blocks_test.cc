// Goal: blocks are those of the reference where it defines them, and no worse than plain rounding where it searches.
// Method: hand-computed blocks of Q8_0 and Q4_0; seeded rows through every type and back, beside the error that the
// type's step allows; rows of zeros, one peak, tiny and huge numbers.

#include "quantize/gguf_blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/half.h"
#include "cpu/dequantize.h"
#include "quantize/random_for_tests.h"

namespace kedge::quantize {
namespace {

constexpr DType kTypes[] = {DType::q8_0, DType::q5_0, DType::q4_0, DType::q4_k, DType::q6_k};

std::vector<float> through(DType dtype, const std::vector<float>& values) {
  const auto columns = static_cast<int64_t>(values.size());
  std::vector<std::byte> bytes(row_bytes(dtype, values.size()).value());
  encode_row(dtype, values.data(), columns, bytes.data());
  std::vector<float> back(values.size());
  cpu::dequantize_row_scalar(dtype, bytes.data(), columns, back.data());
  return back;
}

double error(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0, whole = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    sum += std::pow(static_cast<double>(a[i]) - b[i], 2);
    whole += std::pow(static_cast<double>(a[i]), 2);
  }
  return std::sqrt(sum / whole);
}

TEST(GgufBlocks, q8_0_rounds_halves_away_from_zero) {
  std::vector<float> x(32, 0.0F);
  x[0] = 127.0F;
  x[1] = 2.5F;
  x[2] = -2.5F;
  x[3] = 3.49F;
  std::byte block[34];
  encode_row(DType::q8_0, x.data(), 32, block);
  EXPECT_EQ(static_cast<uint8_t>(block[0]) | static_cast<uint8_t>(block[1]) << 8, f32_to_f16(1.0F));
  const int expected[] = {127, 3, -3, 3, 0};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(static_cast<int8_t>(block[2 + i]), expected[i]) << i;
}

TEST(GgufBlocks, q4_0_gives_the_widest_element_the_lowest_code) {
  std::vector<float> x(32, 0.0F);
  x[0] = 8.0F;  // code 0, so that the scale is -1
  x[1] = -8.0F;
  x[2] = 0.5F;  // -0.5 + 8.5 cut off: 8
  x[16] = -7.0F;
  x[17] = 1.0F;
  std::byte block[18];
  encode_row(DType::q4_0, x.data(), 32, block);
  EXPECT_EQ(static_cast<uint8_t>(block[0]) | static_cast<uint8_t>(block[1]) << 8, f32_to_f16(-1.0F));
  EXPECT_EQ(static_cast<uint8_t>(block[2]), 0 | 15 << 4);  // elements 0 and 16
  EXPECT_EQ(static_cast<uint8_t>(block[3]), 15 | 7 << 4);  // -8 would be code 16
  EXPECT_EQ(static_cast<uint8_t>(block[4]), 8 | 8 << 4);
}

TEST(GgufBlocks, random_rows_come_back_within_the_step_of_their_type) {
  const double bounds[] = {0.006, 0.05, 0.1, 0.075, 0.022};
  for (size_t type = 0; type < std::size(kTypes); ++type) {
    for (const float deviation : {1e-3F, 1.0F, 300.0F}) {
      const Matrix row = random_matrix(1, 1024, 7, deviation);
      EXPECT_LT(error(row.values, through(kTypes[type], row.values)), bounds[type])
          << name_of(kTypes[type]) << " " << deviation;
    }
  }
}

TEST(GgufBlocks, the_search_of_q4_k_beats_plain_rounding_to_the_same_number_of_steps) {
  const Matrix row = random_matrix(1, 4096, 9);
  std::vector<float> plain;
  for (size_t first = 0; first < row.values.size(); first += 32) {
    const std::span<const float> part(row.values.data() + first, 32);
    const auto [smallest, largest] = std::ranges::minmax(part);
    const float step = (largest - smallest) / 15.0F;
    for (const float value : part) plain.push_back(std::nearbyint((value - smallest) / step) * step + smallest);
  }
  EXPECT_LT(error(row.values, through(DType::q4_k, row.values)), error(row.values, plain));
}

TEST(GgufBlocks, edges_come_back_finite) {
  std::mt19937 random(3);
  std::vector<std::vector<float>> rows(6, std::vector<float>(256, 0.0F));
  rows[1][200] = 1.0F;
  rows[2].assign(256, 1e-30F);
  for (float& value : rows[3]) value = random() % 2 == 0 ? 6e4F : -6e4F;
  rows[4].assign(256, -0.25F);
  for (size_t i = 0; i < 256; ++i) rows[5][i] = i < 32 ? 1e-40F : 1.0F;
  for (const DType type : kTypes) {
    for (const auto& row : rows) {
      for (const float value : through(type, row)) EXPECT_TRUE(std::isfinite(value)) << name_of(type);
    }
    EXPECT_EQ(through(type, rows[0]), rows[0]) << name_of(type);
    EXPECT_NEAR(through(type, rows[4])[17], -0.25F, 0.02F) << name_of(type);
  }
}

}  // namespace
}  // namespace kedge::quantize
