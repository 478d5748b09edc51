#include "quantize/rounding.h"

#include <limits>

namespace kedge::quantize {
namespace {

constexpr int64_t kRowGrain = 8;
constexpr float kStep = 0.025F;
constexpr int kDrawnInSteps = 18;
constexpr int kRounds = 2;
constexpr int kWidenedSteps = 3;  // symmetric codes reach half a step less far up than down: 7.5 / 7 makes up for it

double weighed_error(const Grid& grid, std::span<const float> weights, std::span<const float> importance) {
  double error = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double difference = grid.rounded(weights[i]) - weights[i];
    error += static_cast<double>(importance[i]) * difference * difference;
  }
  return error;
}

}  // namespace

Grid grid_of(const Format& format, DType scale_type, std::span<const float> weights) {
  const auto [smallest, largest] = std::ranges::minmax(weights);
  return grid_between(format, scale_type, smallest, largest);
}

/// First both ends together, then, where each can be had alone, one end after the other.
Grid least_error_grid(const Format& format, DType scale_type, std::span<const float> weights,
                      std::span<const float> importance) {
  const auto [smallest, largest] = std::ranges::minmax(weights);
  Grid best;
  double best_error = std::numeric_limits<double>::infinity();
  int best_low = 0, best_high = 0;
  const auto attempt = [&](int low, int high) {
    const Grid grid = grid_between(format, scale_type, smallest * (1.0F - kStep * static_cast<float>(low)),
                                   largest * (1.0F - kStep * static_cast<float>(high)));
    const double error = weighed_error(grid, weights, importance);
    if (error >= best_error) return;
    best_error = error;
    best = grid;
    best_low = low;
    best_high = high;
  };
  for (int step = format.symmetric ? -kWidenedSteps : 0; step <= kDrawnInSteps; ++step) attempt(step, step);
  for (int round = 0; round < kRounds && !format.symmetric; ++round) {
    for (int low = 0; low <= kDrawnInSteps; ++low) attempt(low, best_high);
    for (int high = 0; high <= kDrawnInSteps; ++high) attempt(best_low, high);
  }
  return best;
}

void assign_codes(WorkerPool& pool, const Matrix& weights, CodedMatrix& coded) {
  pool.parallel_for(weights.rows, kRowGrain, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) {
      const float* w = weights.row(i);
      uint8_t* code = coded.codes.data() + i * weights.columns;
      for (int64_t k = 0; k < weights.columns; ++k) code[k] = coded.grid(i, k).code(w[k]);
    }
  });
}

CodedMatrix round_to_nearest(WorkerPool& pool, const Matrix& weights, const Format& format, DType scale_type) {
  CodedMatrix coded(weights.rows, weights.columns, format, scale_type);
  const int64_t group = format.group_columns(weights.columns);
  pool.parallel_for(weights.rows, kRowGrain, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t g = 0; g < coded.groups(); ++g) {
        const std::span<const float> part(weights.row(i) + g * group, static_cast<size_t>(group));
        coded.grid_of_group(i, g) = grid_of(format, scale_type, part);
      }
    }
  });
  assign_codes(pool, weights, coded);
  return coded;
}

}  // namespace kedge::quantize
