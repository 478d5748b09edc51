// Goal: factors leave the function of a layer as it is and lower the error of its rounded form; clipping never costs
// more than the whole reach on the inputs that it is fitted to. Method: seeded layers with a few strong input columns;
// outputs before and after, with and without factors.

#include "quantize/balance.h"

#include <gtest/gtest.h>

#include "quantize/random_for_tests.h"
#include "quantize/rounding.h"

namespace kedge::quantize {
namespace {

struct Layer {
  Matrix weights, inputs;
  InputStatistics statistics;
  ProductInput input;
};

Layer layer_of(WorkerPool& pool, unsigned seed, int64_t repeats = 1) {
  Layer layer{random_matrix(48, 128, seed),
              correlated_inputs(300, 128, seed + 1),
              InputStatistics(128, {.rows_expected = 300, .sample_rows_max = 300}),
              {}};
  layer.statistics.add(pool, {layer.inputs.values.data(), 128, 300});
  layer.input = {.name = "test", .columns = 128, .head_size = repeats == 1 ? 128 : 16, .repeats = repeats};
  return layer;
}

double rounded_error(WorkerPool& pool, const Layer& layer, const Consumers& consumers, std::span<const float> factors) {
  Matrix weights = layer.weights, inputs = layer.inputs;
  multiply_columns(pool, weights, factors);
  divide_columns(pool, inputs, factors);
  const CodedMatrix coded = round_to_nearest(pool, weights, consumers.format, consumers.scale_type);
  if (consumers.round_inputs) inputs = rounded_rows(pool, inputs);
  return squared_distance(pool, outputs_of(pool, layer.weights, layer.inputs),
                          outputs_of(pool, coded.values(pool), inputs));
}

TEST(Balance, factors_leave_the_outputs_alone) {
  WorkerPool pool(2);
  const Layer layer = layer_of(pool, 3);
  const std::vector<float> factors =
      awq_factors(pool, {.weights = {&layer.weights}, .format = {4, 32, true}}, layer.input, layer.statistics);
  ASSERT_EQ(factors.size(), 128U);
  Matrix weights = layer.weights, inputs = layer.inputs;
  multiply_columns(pool, weights, factors);
  divide_columns(pool, inputs, factors);
  const Matrix before = outputs_of(pool, layer.weights, layer.inputs);
  EXPECT_LT(squared_distance(pool, before, outputs_of(pool, weights, inputs)), 1e-10 * squared_length(pool, before));
}

TEST(Balance, awq_lowers_the_error_where_some_inputs_are_strong) {
  WorkerPool pool(2);
  for (const unsigned seed : {1U, 2U, 3U}) {
    const Layer layer = layer_of(pool, seed);
    const Consumers consumers{.weights = {&layer.weights}, .format = {4, 32, true}};
    const std::vector<float> factors = awq_factors(pool, consumers, layer.input, layer.statistics);
    EXPECT_LT(rounded_error(pool, layer, consumers, factors), 0.8 * rounded_error(pool, layer, consumers, {}));
  }
}

TEST(Balance, smoothing_lowers_the_error_where_inputs_are_rounded_too) {
  WorkerPool pool(2);
  for (const unsigned seed : {1U, 2U, 3U}) {
    const Layer layer = layer_of(pool, seed);
    const Consumers consumers{.weights = {&layer.weights}, .format = {8, 0, true}, .round_inputs = true};
    const std::vector<float> factors = smooth_factors(pool, consumers, layer.input, layer.statistics);
    ASSERT_FALSE(factors.empty());
    EXPECT_LT(rounded_error(pool, layer, consumers, factors), 0.7 * rounded_error(pool, layer, consumers, {}));
  }
}

TEST(Balance, columns_of_one_row_share_a_factor) {
  WorkerPool pool(1);
  const Layer layer = layer_of(pool, 9, 2);
  for (const bool smooth : {false, true}) {
    const Consumers consumers{.weights = {&layer.weights}, .format = {4, 32, true}};
    const std::vector<float> factors = smooth ? smooth_factors(pool, consumers, layer.input, layer.statistics)
                                              : awq_factors(pool, consumers, layer.input, layer.statistics);
    for (size_t k = 0; k < factors.size(); ++k) {
      // Heads of 16 columns; two in a row have the same rows.
      const size_t twin = k / 32 * 32 + k % 16;
      EXPECT_EQ(factors[k], factors[twin]) << k;
      EXPECT_EQ(layer.input.row_of(static_cast<int64_t>(k)), layer.input.row_of(static_cast<int64_t>(twin)));
    }
  }
}

TEST(Balance, no_input_means_no_factors) {
  WorkerPool pool(1);
  const Layer layer = layer_of(pool, 9);
  const InputStatistics nothing(128, {});
  const Consumers consumers{.weights = {&layer.weights}, .format = {4, 32, true}};
  EXPECT_TRUE(awq_factors(pool, consumers, layer.input, nothing).empty());
  EXPECT_TRUE(smooth_factors(pool, consumers, layer.input, nothing).empty());
}

TEST(Balance, clipping_costs_no_more_than_the_whole_reach) {
  WorkerPool pool(2);
  const Layer layer = layer_of(pool, 21);
  const Matrix wanted = outputs_of(pool, layer.weights, layer.inputs);
  for (const Format& format : {Format{4, 32, true}, Format{4, 64, false}, Format{4, 0, true}}) {
    const auto error = [&](const CodedMatrix& coded) {
      return squared_distance(pool, wanted, outputs_of(pool, coded.values(pool), layer.inputs));
    };
    const CodedMatrix whole = round_to_nearest(pool, layer.weights, format, DType::bf16);
    const CodedMatrix drawn_in = clipped(pool, layer.weights, layer.inputs, format, DType::bf16);
    EXPECT_LT(error(drawn_in), 1.02 * error(whole)) << name_of(format);
  }
}

}  // namespace
}  // namespace kedge::quantize
