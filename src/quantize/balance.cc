#include "quantize/balance.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/input_rounding.h"
#include "quantize/rounding.h"

namespace kedge::quantize {
namespace {

constexpr int64_t kRowGrain = 8;
constexpr int kExponentSteps = 20;
constexpr float kMagnitudeMin = 1e-5F;
constexpr int64_t kClippedGroupMax = 256;
constexpr int kClipSteps = 20;    // of 2.5 %
constexpr int kWidenedSteps = 3;  // symmetric codes reach half a step less far up than down: 7.5 / 7 makes up for it

/// Columns that one row computes get the mean of their values.
void share(const ProductInput& input, std::vector<float>& values) {
  if (input.repeats <= 1) return;
  std::vector<float> sums(static_cast<size_t>(input.columns / input.repeats), 0.0F);
  for (int64_t k = 0; k < input.columns; ++k) {
    sums[static_cast<size_t>(input.row_of(k))] += values[static_cast<size_t>(k)] / static_cast<float>(input.repeats);
  }
  for (int64_t k = 0; k < input.columns; ++k) {
    values[static_cast<size_t>(k)] = sums[static_cast<size_t>(input.row_of(k))];
  }
}

/// The largest and the smallest become each other's inverse: factors move around 1.
void center(std::vector<float>& factors) {
  const auto [smallest, largest] = std::ranges::minmax(factors);
  const float middle = std::sqrt(smallest * largest);
  for (float& factor : factors) factor /= middle;
}

/// The squared error of all outputs when weights (and inputs, where they are) are rounded with these factors between.
class Trial {
 public:
  Trial(WorkerPool& pool, const Consumers& consumers, const Matrix& inputs)
      : pool_(pool), consumers_(consumers), inputs_(inputs) {
    for (const Matrix* weights : consumers.weights) wanted_.push_back(outputs_of(pool, *weights, inputs));
  }

  double error(std::span<const float> factors) {
    Matrix inputs = inputs_;
    divide_columns(pool_, inputs, factors);
    if (consumers_.round_inputs) inputs = rounded_rows(pool_, inputs);
    double sum = 0;
    for (size_t i = 0; i < consumers_.weights.size(); ++i) {
      Matrix weights = *consumers_.weights[i];
      multiply_columns(pool_, weights, factors);
      weights = round_to_nearest(pool_, weights, consumers_.format, consumers_.scale_type).values(pool_);
      sum += squared_distance(pool_, outputs_of(pool_, weights, inputs), wanted_[i]);
    }
    return sum;
  }

 private:
  WorkerPool& pool_;
  const Consumers& consumers_;
  const Matrix& inputs_;
  std::vector<Matrix> wanted_;
};

/// Of the candidates and no factors at all, those with the least error.
std::vector<float> best_of(WorkerPool& pool, const Consumers& consumers, const Matrix& inputs,
                           std::span<const std::vector<float>> candidates) {
  Trial trial(pool, consumers, inputs);
  std::vector<float> best;
  double least = trial.error({});
  for (const std::vector<float>& factors : candidates) {
    const double error = trial.error(factors);
    if (error >= least) continue;
    least = error;
    best = factors;
  }
  return best;
}

/// x_g x_g^T over the rows of inputs, of one group's columns.
Matrix group_gram(WorkerPool& pool, const Matrix& inputs, int64_t first, int64_t group) {
  Matrix columns(group, inputs.rows);
  for (int64_t i = 0; i < inputs.rows; ++i) {
    for (int64_t k = 0; k < group; ++k) columns.row(k)[i] = inputs.row(i)[first + k];
  }
  return outputs_of(pool, columns, columns);
}

/// For each row the grid of columns [first, first + group) that costs the least; `gram` is theirs.
void clip_group(WorkerPool& pool, const Matrix& weights, const Matrix& gram, int64_t first, CodedMatrix& coded) {
  const int64_t group = gram.rows;
  std::vector<double> least(static_cast<size_t>(weights.rows), std::numeric_limits<double>::infinity());
  std::vector<Grid> grids(static_cast<size_t>(weights.rows));
  Matrix lost(weights.rows, group);
  for (int step = coded.format.symmetric ? -kWidenedSteps : 0; step <= kClipSteps; ++step) {
    const float reach = 1.0F - 0.025F * static_cast<float>(step);
    pool.parallel_for(weights.rows, kRowGrain, [&](int64_t begin, int64_t end, unsigned) {
      for (int64_t i = begin; i < end; ++i) {
        const std::span<const float> part(weights.row(i) + first, static_cast<size_t>(group));
        const auto [smallest, largest] = std::ranges::minmax(part);
        Grid& grid = grids[static_cast<size_t>(i)];
        grid = grid_between(coded.format, coded.scale_type, smallest * reach, largest * reach);
        for (int64_t k = 0; k < group; ++k) lost.row(i)[k] = grid.rounded(part[static_cast<size_t>(k)]) - part[k];
      }
    });
    const Matrix weighed = outputs_of(pool, gram, lost);
    for (int64_t i = 0; i < weights.rows; ++i) {
      double error = 0;
      for (int64_t k = 0; k < group; ++k) {
        error += static_cast<double>(lost.row(i)[k]) * static_cast<double>(weighed.row(i)[k]);
      }
      if (error >= least[static_cast<size_t>(i)]) continue;
      least[static_cast<size_t>(i)] = error;
      coded.grid_of_group(i, first / group) = grids[static_cast<size_t>(i)];
    }
  }
}

template <typename Operation>
void change_columns(WorkerPool& pool, Matrix& matrix, std::span<const float> factors, Operation operation) {
  if (factors.empty()) return;
  pool.parallel_for(matrix.rows, kRowGrain, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) {
      float* row = matrix.row(i);
      for (int64_t k = 0; k < matrix.columns; ++k) row[k] = operation(row[k], factors[static_cast<size_t>(k)]);
    }
  });
}

}  // namespace

std::vector<float> awq_factors(WorkerPool& pool, const Consumers& consumers, const ProductInput& input,
                               const InputStatistics& statistics) {
  std::vector<float> magnitudes = statistics.mean_magnitudes();
  if (magnitudes.empty()) return {};
  share(input, magnitudes);
  std::vector<std::vector<float>> candidates;
  for (int step = 1; step <= kExponentSteps; ++step) {
    const float exponent = static_cast<float>(step) / kExponentSteps;
    std::vector<float>& factors = candidates.emplace_back();
    for (const float magnitude : magnitudes) {
      factors.push_back(std::max(std::pow(std::max(magnitude, kMagnitudeMin), exponent), 1e-4F));
    }
    center(factors);
  }
  return best_of(pool, consumers, statistics.sample(), candidates);
}

std::vector<float> smooth_factors(WorkerPool& pool, const Consumers& consumers, const ProductInput& input,
                                  const InputStatistics& statistics) {
  if (statistics.rows() == 0) return {};
  std::vector<float> weights(static_cast<size_t>(input.columns), kMagnitudeMin);
  for (const Matrix* matrix : consumers.weights) {
    for (int64_t i = 0; i < matrix->rows; ++i) {
      for (size_t k = 0; k < weights.size(); ++k) weights[k] = std::max(weights[k], std::abs(matrix->row(i)[k]));
    }
  }
  std::vector<float> magnitudes = statistics.largest_magnitudes();
  share(input, magnitudes);
  share(input, weights);
  std::vector<std::vector<float>> candidates;
  for (int step = 3; step <= 9; ++step) {
    const float alpha = 0.1F * static_cast<float>(step);
    std::vector<float>& factors = candidates.emplace_back();
    for (size_t k = 0; k < weights.size(); ++k) {
      factors.push_back(std::pow(std::max(magnitudes[k], kMagnitudeMin), alpha) / std::pow(weights[k], 1.0F - alpha));
    }
    center(factors);
  }
  return best_of(pool, consumers, statistics.sample(), candidates);
}

void multiply_columns(WorkerPool& pool, Matrix& matrix, std::span<const float> factors) {
  change_columns(pool, matrix, factors, [](float value, float factor) { return value * factor; });
}

void divide_columns(WorkerPool& pool, Matrix& matrix, std::span<const float> factors) {
  change_columns(pool, matrix, factors, [](float value, float factor) { return value / factor; });
}

Matrix rounded_rows(WorkerPool& pool, const Matrix& inputs) {
  if (inputs.rows == 0) return inputs;
  const cpu::InputRows rounded = cpu::rounded_inputs(pool, {inputs.values.data(), inputs.columns, inputs.rows},
                                                     inputs.columns, {.kind = cpu::InputRoundingKind::int8_token});
  Matrix result(inputs.rows, inputs.columns);
  for (int64_t i = 0; i < inputs.rows; ++i) {
    std::copy_n(rounded.data + i * rounded.stride, inputs.columns, result.row(i));
  }
  return result;
}

CodedMatrix clipped(WorkerPool& pool, const Matrix& weights, const Matrix& inputs, const Format& format,
                    DType scale_type) {
  const int64_t group = format.group_columns(weights.columns);
  if (group > kClippedGroupMax || inputs.rows == 0) return round_to_nearest(pool, weights, format, scale_type);
  CodedMatrix coded(weights.rows, weights.columns, format, scale_type);
  for (int64_t first = 0; first < weights.columns; first += group) {
    clip_group(pool, weights, group_gram(pool, inputs, first, group), first, coded);
  }
  assign_codes(pool, weights, coded);
  return coded;
}

}  // namespace kedge::quantize
