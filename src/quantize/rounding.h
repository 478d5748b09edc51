#pragma once
// Round to nearest: each group by its own smallest and largest weight, or with a grid that is drawn in where that costs
// less.

#include <span>

#include "quantize/matrix.h"

namespace kedge::quantize {

/// The grid of the weights, from the smallest to the largest of them.
Grid grid_of(const Format& format, DType scale_type, std::span<const float> weights);

/// Of grids of 55 to 100 % of the reach (symmetric ones to 107 %, others at each end), the one with the least sum of
/// importance[i] * (rounded - weight)^2.
Grid least_error_grid(const Format& format, DType scale_type, std::span<const float> weights,
                      std::span<const float> importance);

/// Every weight to its nearest code.
CodedMatrix round_to_nearest(WorkerPool& pool, const Matrix& weights, const Format& format, DType scale_type);

/// Every weight to the nearest code of grids that are there already.
void assign_codes(WorkerPool& pool, const Matrix& weights, CodedMatrix& coded);

}  // namespace kedge::quantize
