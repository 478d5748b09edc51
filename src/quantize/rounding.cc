#include "quantize/rounding.h"

#include <limits>

namespace kedge::quantize {
namespace {

constexpr int64_t kRowGrain = 8;
constexpr float kStep = 0.025F;
constexpr int kDrawnInSteps = 18;
constexpr int kRounds = 2;
constexpr int kWidenedSteps = 3;  // symmetric codes reach half a step less far up than down: 7.5 / 7 makes up for it

constexpr size_t kChunk = 16;  // weights whose differences are taken at once, in vectors
constexpr size_t kSums = 4;

/// What kChunk weights lose in the grid.
void differences(const Grid& grid, const float* weights, float* out) {
  const auto zero = static_cast<float>(grid.zero), most = static_cast<float>(grid.code_max);
  for (size_t i = 0; i < kChunk; ++i) {
    const float steps = std::nearbyint(weights[i] / grid.scale) + zero;
    const float code = std::min(std::max(steps, 0.0F), most);
    out[i] = grid.scale * (code - zero) - weights[i];
  }
}

/// Of grids that lose `enough` and more it is not known how much.
double weighed_error(const Grid& grid, std::span<const float> weights, std::span<const float> importance,
                     double enough) {
  double sums[kSums] = {};
  const auto sum = [&] { return sums[0] + sums[1] + (sums[2] + sums[3]); };
  size_t first = 0;
  for (; first + kChunk <= weights.size(); first += kChunk) {
    float lost[kChunk];
    differences(grid, weights.data() + first, lost);
    for (size_t i = 0; i < kChunk; i += kSums) {
      for (size_t k = 0; k < kSums; ++k) {
        const double difference = lost[i + k];
        sums[k] += static_cast<double>(importance[first + i + k]) * difference * difference;
      }
    }
    if (sum() >= enough) return sum();
  }
  for (; first < weights.size(); ++first) {
    const double difference = grid.rounded(weights[first]) - weights[first];
    sums[0] += static_cast<double>(importance[first]) * difference * difference;
  }
  return sum();
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
    const double error = weighed_error(grid, weights, importance, best_error);
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
