// Goal: GPTQ is the algorithm of its paper, and on inputs that depend on each other it loses less than
// round-to-nearest. Method: seeded layers; the codes of the paper's own formulation (Cholesky factor of the inverse, in
// double) beside ours; output errors beside those of round-to-nearest; factors multiplied out.

#include "quantize/gptq.h"

#include <gtest/gtest.h>

#include "quantize/factor.h"
#include "quantize/input_statistics.h"
#include "quantize/random_for_tests.h"
#include "quantize/rounding.h"

namespace kedge::quantize {
namespace {

InputStatistics statistics_of(WorkerPool& pool, const Matrix& inputs) {
  InputStatistics statistics(inputs.columns, {.rows_expected = inputs.rows, .sample_rows_max = 64, .gram = true});
  // In pieces of different sizes, as batches come.
  for (int64_t first = 0, count = 1; first < inputs.rows; first += count, count = count % 97 + 30) {
    statistics.add(pool, {inputs.row(first), inputs.columns, std::min(count, inputs.rows - first)});
  }
  return statistics;
}

double output_error(WorkerPool& pool, const Matrix& weights, const CodedMatrix& coded, const Matrix& inputs) {
  return squared_distance(pool, outputs_of(pool, weights, inputs), outputs_of(pool, coded.values(pool), inputs));
}

TEST(Gptq, the_gram_matrix_is_the_sum_over_rows) {
  WorkerPool pool(2);
  const Matrix inputs = correlated_inputs(211, 300, 3);
  const InputStatistics statistics = statistics_of(pool, inputs);
  ASSERT_EQ(statistics.rows(), 211);
  for (const auto& [i, j] : {std::pair<int64_t, int64_t>{0, 0}, {299, 0}, {299, 299}, {257, 255}, {100, 37}}) {
    double sum = 0;
    for (int64_t row = 0; row < inputs.rows; ++row) sum += static_cast<double>(inputs.row(row)[i]) * inputs.row(row)[j];
    EXPECT_NEAR(statistics.gram().row(i)[j], sum, 1e-4 * std::abs(sum) + 1e-2) << i << "," << j;
  }
  EXPECT_EQ(statistics.sample().rows, 53);  // every fourth of 211
}

TEST(Gptq, the_factor_multiplies_out_to_the_matrix) {
  WorkerPool pool(2);
  for (const int64_t n : {1, 2, 37, 128, 129, 300}) {
    const Matrix inputs = correlated_inputs(2 * n + 5, n, static_cast<unsigned>(n));
    Matrix a = outputs_of(
        pool,
        [&] {
          Matrix columns(n, inputs.rows);
          for (int64_t i = 0; i < inputs.rows; ++i) {
            for (int64_t k = 0; k < n; ++k) columns.row(k)[i] = inputs.row(i)[k];
          }
          return columns;
        }(),
        [&] {
          Matrix columns(n, inputs.rows);
          for (int64_t i = 0; i < inputs.rows; ++i) {
            for (int64_t k = 0; k < n; ++k) columns.row(k)[i] = inputs.row(i)[k];
          }
          return columns;
        }());
    for (int64_t k = 0; k < n; ++k) a.row(k)[k] *= 1.01F;
    Matrix factor = a;
    ASSERT_TRUE(factor_from_the_end(pool, factor));
    double worst = 0;
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j <= i; ++j) {
        double sum = 0;
        for (int64_t k = i; k < n; ++k) sum += static_cast<double>(factor.row(k)[i]) * factor.row(k)[j];
        const double scale = std::sqrt(static_cast<double>(a.row(i)[i]) * a.row(j)[j]);
        worst = std::max(worst, std::abs(sum - a.row(i)[j]) / scale);
      }
    }
    EXPECT_LT(worst, 1e-5) << n;
  }
  Matrix negative(2, 2);
  negative.values = {1, 0, 2, 1};  // determinant 1 - 4
  EXPECT_FALSE(factor_from_the_end(pool, negative));
}

/// Algorithm 1 of the paper, a column at a time, with the inverse by Gauss-Jordan.
CodedMatrix paper_gptq(const Matrix& weights, const Matrix& gram, CodedMatrix coded, double damping) {
  const int64_t n = weights.columns;
  const auto size = static_cast<size_t>(n);
  std::vector<std::vector<double>> a(size, std::vector<double>(2 * size, 0.0));
  double mean = 0;
  for (int64_t k = 0; k < n; ++k) mean += static_cast<double>(gram.row(k)[k]) / static_cast<double>(n);
  for (size_t i = 0; i < size; ++i) {
    for (size_t j = 0; j < size; ++j) {
      a[i][j] = gram.row(static_cast<int64_t>(std::max(i, j)))[std::min(i, j)];
    }
    a[i][i] += damping * mean;
    a[i][size + i] = 1;
  }
  for (size_t p = 0; p < size; ++p) {
    const double pivot = a[p][p];
    for (double& value : a[p]) value /= pivot;
    for (size_t i = 0; i < size; ++i) {
      if (i == p) continue;
      const double factor = a[i][p];
      for (size_t j = 0; j < 2 * size; ++j) a[i][j] -= factor * a[p][j];
    }
  }
  // Upper U with inverse = U^T U.
  std::vector<std::vector<double>> u(size, std::vector<double>(size, 0.0));
  for (size_t i = 0; i < size; ++i) {
    for (size_t j = i; j < size; ++j) {
      double sum = a[i][size + j];
      for (size_t k = 0; k < i; ++k) sum -= u[k][i] * u[k][j];
      u[i][j] = i == j ? std::sqrt(sum) : sum / u[i][i];
    }
  }
  for (int64_t row = 0; row < weights.rows; ++row) {
    std::vector<double> w(weights.row(row), weights.row(row) + n);
    for (size_t j = 0; j < size; ++j) {
      const Grid& grid = coded.grid(row, static_cast<int64_t>(j));
      const uint8_t code = grid.code(static_cast<float>(w[j]));
      coded.codes[static_cast<size_t>(row * n) + j] = code;
      const double error = (w[j] - grid.value(code)) / u[j][j];
      for (size_t k = j; k < size; ++k) w[k] -= error * u[j][k];
    }
  }
  return coded;
}

TEST(Gptq, codes_are_those_of_the_paper) {
  WorkerPool pool(2);
  const Matrix weights = random_matrix(24, 160, 21);
  const Matrix inputs = correlated_inputs(600, 160, 22);
  const InputStatistics statistics = statistics_of(pool, inputs);
  const CodedMatrix grids = grids_for_inputs(pool, weights, statistics.gram(), {4, 32, true}, DType::bf16);
  const CodedMatrix ours = gptq(pool, weights, statistics.gram(), grids, {.damping = 0.01, .activation_order = false});
  const CodedMatrix theirs = paper_gptq(weights, statistics.gram(), grids, 0.01);
  // A weight near a tie may fall to the other side in float32, and take those after it in its row with it.
  size_t different_rows = 0;
  for (int64_t row = 0; row < weights.rows; ++row) {
    const auto begin = static_cast<std::ptrdiff_t>(row * 160);
    different_rows +=
        std::equal(ours.codes.begin() + begin, ours.codes.begin() + begin + 160, theirs.codes.begin() + begin) ? 0 : 1;
  }
  EXPECT_LE(different_rows, 2U);
  EXPECT_NEAR(output_error(pool, weights, ours, inputs) / output_error(pool, weights, theirs, inputs), 1.0, 0.02);
}

TEST(Gptq, loses_less_than_rounding_where_inputs_depend_on_each_other) {
  WorkerPool pool(2);
  for (const unsigned seed : {1U, 2U, 3U}) {
    const Matrix weights = random_matrix(40, 192, 30 + seed);
    const Matrix inputs = correlated_inputs(800, 192, 40 + seed);
    const InputStatistics statistics = statistics_of(pool, inputs);
    for (const bool symmetric : {true, false}) {
      for (const bool activation_order : {true, false}) {
        const Format format{4, 64, symmetric};
        const CodedMatrix grids = grids_for_inputs(pool, weights, statistics.gram(), format, DType::bf16);
        const CodedMatrix coded = gptq(pool, weights, statistics.gram(), grids, {.activation_order = activation_order});
        EXPECT_LT(output_error(pool, weights, coded, inputs),
                  0.7 * output_error(pool, weights, round_to_nearest(pool, weights, format, DType::bf16), inputs));
      }
    }
  }
}

TEST(Gptq, what_earlier_layers_lost_is_made_good_where_the_inputs_of_the_source_are_known) {
  WorkerPool pool(2);
  const Matrix weights = random_matrix(40, 192, 71);
  const Matrix source = correlated_inputs(900, 192, 72);
  // Ours: less of each column, and some of its neighbour.
  Matrix own(source.rows, source.columns);
  for (int64_t i = 0; i < own.rows; ++i) {
    for (int64_t k = 0; k < own.columns; ++k) {
      own.row(i)[k] = 0.9F * source.row(i)[k] + 0.1F * source.row(i)[(k + 1) % own.columns];
    }
  }
  InputStatistics statistics(192, {.rows_expected = 900, .gram = true, .cross = true});
  statistics.add(pool, {own.row(0), 192, 500}, source.row(0));
  statistics.add(pool, {own.row(500), 192, 400}, source.row(500));
  double sum = 0;
  for (int64_t row = 0; row < 900; ++row) sum += static_cast<double>(own.row(row)[150]) * source.row(row)[7];
  EXPECT_NEAR(statistics.cross().row(150)[7], sum, 1e-4 * std::abs(sum) + 1e-2);

  const Matrix wanted = outputs_of(pool, weights, source);
  const CodedMatrix grids = grids_for_inputs(pool, weights, statistics.gram(), {4, 64, false}, DType::bf16);
  const auto error = [&](const GptqOptions& options) {
    const CodedMatrix coded = gptq(pool, weights, statistics.gram(), grids, options);
    return squared_distance(pool, wanted, outputs_of(pool, coded.values(pool), own));
  };
  EXPECT_LT(error({.cross = &statistics.cross()}), 0.5 * error({}));
  EXPECT_LT(error({.activation_order = false, .cross = &statistics.cross()}), 0.5 * error({.activation_order = false}));
}

TEST(Gptq, inputs_that_never_came_and_columns_without_input_do_no_harm) {
  WorkerPool pool(1);
  const Matrix weights = random_matrix(4, 64, 51);
  Matrix inputs = correlated_inputs(100, 64, 52);
  for (int64_t i = 0; i < inputs.rows; ++i) inputs.row(i)[7] = 0;
  const InputStatistics statistics = statistics_of(pool, inputs);
  const Format format{4, 32, true};
  for (const Matrix& gram : {statistics.gram(), Matrix(64, 64)}) {
    const CodedMatrix coded = gptq(pool, weights, gram, grids_for_inputs(pool, weights, gram, format, DType::bf16), {});
    for (const float value : coded.values(pool).values) EXPECT_TRUE(std::isfinite(value));
  }
}

TEST(Gptq, threads_change_nothing) {
  const Matrix weights = random_matrix(33, 320, 61);
  const Matrix inputs = correlated_inputs(400, 320, 62);
  std::vector<std::vector<uint8_t>> codes;
  for (const unsigned threads : {1U, 3U}) {
    WorkerPool pool(threads);
    const InputStatistics statistics = statistics_of(pool, inputs);
    const CodedMatrix grids = grids_for_inputs(pool, weights, statistics.gram(), {4, 64, true}, DType::bf16);
    codes.push_back(gptq(pool, weights, statistics.gram(), grids, {}).codes);
  }
  EXPECT_EQ(codes[0], codes[1]);
}

}  // namespace
}  // namespace kedge::quantize
