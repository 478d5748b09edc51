// Goal: every weight becomes the nearest value of its group's grid, scales are what a checkpoint can hold, and drawing
// a grid in never costs more than leaving it. Method: seeded weights through every format, compared with all values of
// the grid; hand-made groups for the edges.

#include "quantize/rounding.h"

#include <gtest/gtest.h>

#include "core/half.h"
#include "quantize/random_for_tests.h"

namespace kedge::quantize {
namespace {

std::vector<Format> formats() {
  std::vector<Format> all;
  for (const int bits : {4, 8}) {
    for (const int64_t group : {32, 64, 128, 0}) {
      for (const bool symmetric : {true, false}) all.push_back({bits, group, symmetric});
    }
  }
  return all;
}

TEST(Rounding, every_weight_is_the_nearest_value_of_its_grid) {
  WorkerPool pool(2);
  const Matrix weights = random_matrix(9, 256, 11, 0.02F);
  for (const Format& format : formats()) {
    const CodedMatrix coded = round_to_nearest(pool, weights, format, DType::bf16);
    const Matrix values = coded.values(pool);
    for (int64_t i = 0; i < weights.rows; ++i) {
      for (int64_t k = 0; k < weights.columns; ++k) {
        const Grid& grid = coded.grid(i, k);
        float nearest = grid.value(0);
        for (int code = 1; code <= grid.code_max; ++code) {
          const float value = grid.value(static_cast<uint8_t>(code));
          if (std::abs(value - weights.row(i)[k]) < std::abs(nearest - weights.row(i)[k])) nearest = value;
        }
        ASSERT_NEAR(std::abs(values.row(i)[k] - weights.row(i)[k]), std::abs(nearest - weights.row(i)[k]), 1e-7F)
            << name_of(format) << " row " << i << " column " << k;
      }
    }
  }
}

TEST(Rounding, scales_are_exact_in_the_type_that_stores_them) {
  WorkerPool pool(1);
  const Matrix weights = random_matrix(5, 64, 12);
  for (const DType type : {DType::bf16, DType::f16}) {
    const CodedMatrix coded = round_to_nearest(pool, weights, {4, 32, true}, type);
    for (const Grid& grid : coded.grids) {
      const float stored =
          type == DType::f16 ? f16_to_f32(f32_to_f16(grid.scale)) : bf16_to_f32(f32_to_bf16(grid.scale));
      EXPECT_EQ(grid.scale, stored);
    }
  }
}

TEST(Rounding, zero_stays_zero_in_every_format) {
  for (const Format& format : formats()) {
    for (const auto& [smallest, largest] : {std::pair(0.0F, 0.0F), std::pair(1.0F, 3.0F), std::pair(-5.0F, -1.0F)}) {
      const Grid grid = grid_between(format, DType::bf16, smallest, largest);
      EXPECT_EQ(grid.rounded(0.0F), 0.0F) << name_of(format) << " " << smallest;
      EXPECT_TRUE(std::isfinite(grid.scale) && grid.scale > 0);
    }
  }
}

TEST(Rounding, very_large_and_very_small_weights_have_usable_grids) {
  for (const DType type : {DType::bf16, DType::f16}) {
    for (const float reach : {1e-30F, 1e-6F, 1e6F, 1e30F}) {
      const Grid grid = grid_between({4, 32, true}, type, -reach, reach);
      EXPECT_TRUE(std::isfinite(grid.scale) && grid.scale > 0) << reach;
      EXPECT_TRUE(std::isfinite(grid.rounded(reach))) << reach;
    }
  }
}

TEST(Rounding, a_drawn_in_grid_costs_no_more_than_the_whole_one) {
  const Matrix weights = random_matrix(20, 64, 13);
  const std::vector<float> importance(64, 1.0F);
  for (int64_t i = 0; i < weights.rows; ++i) {
    const std::span<const float> row(weights.row(i), 64);
    const auto error = [&](const Grid& grid) {
      double sum = 0;
      for (const float value : row) sum += std::pow(grid.rounded(value) - value, 2.0);
      return sum;
    };
    const Format format{4, 64, i % 2 == 0};
    EXPECT_LE(error(least_error_grid(format, DType::bf16, row, importance)), error(grid_of(format, DType::bf16, row)));
  }
}

TEST(Rounding, bits_count_scales_and_zero_points) {
  EXPECT_DOUBLE_EQ(bits_per_weight({4, 64, true}, 256), 4.25);
  EXPECT_DOUBLE_EQ(bits_per_weight({4, 128, true}, 256), 4.125);
  EXPECT_DOUBLE_EQ(bits_per_weight({4, 64, false}, 256), 4.3125);
  EXPECT_DOUBLE_EQ(bits_per_weight({8, 0, true}, 256), 8.0625);
  EXPECT_EQ(name_of({4, 64, false}), "int4-g64");
  EXPECT_EQ(name_of({4, 64, true}), "int4-g64-symmetric");
  EXPECT_EQ(name_of({8, 0, true}), "int8");
}

}  // namespace
}  // namespace kedge::quantize
