#include "quantize/gptq.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/check.h"
#include "quantize/factor.h"
#include "quantize/rounding.h"

namespace kedge::quantize {
namespace {

constexpr int64_t kBlockColumns = 128;
constexpr int64_t kRowGrain = 8;
constexpr double kDampingMax = 1e3;

std::vector<int64_t> column_order(const Matrix& gram, bool by_strength) {
  std::vector<int64_t> order(static_cast<size_t>(gram.rows));
  std::iota(order.begin(), order.end(), 0);
  if (by_strength) std::ranges::stable_sort(order, std::greater<>(), [&](int64_t k) { return gram.row(k)[k]; });
  return order;
}

/// The factor G of the damped gram matrix, as unit[j] = G[j] / G[j, j], and the squares of its diagonal.
struct Factor {
  Matrix unit;
  std::vector<float> squares;
};

/// `order`: of rows and columns.
Factor unit_factor(WorkerPool& pool, const Matrix& gram, const std::vector<int64_t>& order, double damping) {
  const int64_t n = gram.rows;
  double mean = 0;
  for (int64_t k = 0; k < n; ++k) mean += static_cast<double>(gram.row(k)[k]) / static_cast<double>(n);
  if (!(mean > 0)) mean = 1;  // no input at all: every column by itself
  Matrix factor(n, n);
  for (;; damping *= 10) {
    KEDGE_CHECK(damping < kDampingMax);  // a gram matrix is never negative
    pool.parallel_for(n, kRowGrain, [&](int64_t begin, int64_t end, unsigned) {
      for (int64_t i = begin; i < end; ++i) {
        for (int64_t j = 0; j <= i; ++j) {
          const int64_t a = order[static_cast<size_t>(i)], b = order[static_cast<size_t>(j)];
          factor.row(i)[j] = gram.row(std::max(a, b))[std::min(a, b)];
        }
        factor.row(i)[i] += static_cast<float>(damping * mean);
      }
    });
    if (factor_from_the_end(pool, factor)) break;
  }
  std::vector<float> squares;
  for (int64_t i = 0; i < n; ++i) {
    const float diagonal = factor.row(i)[i];
    squares.push_back(diagonal * diagonal);
    for (int64_t j = 0; j <= i; ++j) factor.row(i)[j] /= diagonal;
  }
  return {std::move(factor), std::move(squares)};
}

/// What the source's inputs want of each output beyond what ours give it: w (x_source - x_own) x_own^T, summed, in this
/// order of columns.
Matrix wanted_beyond(WorkerPool& pool, const Matrix& weights, const Matrix& gram, const Matrix& cross,
                     const std::vector<int64_t>& order) {
  const int64_t n = gram.rows;
  Matrix difference(n, n);
  pool.parallel_for(n, kRowGrain, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t j = begin; j < end; ++j) {
      const int64_t own = order[static_cast<size_t>(j)];
      for (int64_t k = 0; k < n; ++k) {
        difference.row(j)[k] = cross.row(own)[k] - gram.row(std::max(own, k))[std::min(own, k)];
      }
    }
  });
  return outputs_of(pool, difference, weights);
}

/// Solves z U = e for the unit triangular factor U, in place of e, from the last column on; then z[j] over the square
/// of the diagonal is what column j is to be shifted by.
void solve_shifts(WorkerPool& pool, const Factor& factor, Matrix& e) {
  const int64_t n = e.columns;
  Matrix carried(e.rows, kBlockColumns);
  for (int64_t end = n; end > 0;) {
    const int64_t first = (end - 1) / kBlockColumns * kBlockColumns;
    const int64_t width = end - first;
    if (end < n) {
      Matrix columns(width, n - end);  // U's columns of the block, below it
      for (int64_t i = end; i < n; ++i) {
        for (int64_t j = first; j < end; ++j) columns.row(j - first)[i - end] = factor.unit.row(i)[j];
      }
      cpu::matmul(pool, columns.view(), {e.values.data() + end, n, e.rows}, {carried.values.data(), kBlockColumns},
                  nullptr, cpu::MatmulCompute::f32);
    }
    pool.parallel_for(e.rows, kRowGrain, [&](int64_t begin, int64_t stop, unsigned) {
      for (int64_t row = begin; row < stop; ++row) {
        float* z = e.row(row);
        for (int64_t j = end - 1; j >= first; --j) {
          z[j] -= carried.row(row)[j - first];
          for (int64_t i = j + 1; i < end; ++i) z[j] -= z[i] * factor.unit.row(i)[j];
        }
      }
    });
    end = first;
  }
  for (int64_t row = 0; row < e.rows; ++row) {
    for (int64_t j = 0; j < n; ++j) e.row(row)[j] /= factor.squares[static_cast<size_t>(j)];
  }
}

}  // namespace

CodedMatrix grids_for_inputs(WorkerPool& pool, const Matrix& weights, const Matrix& gram, const Format& format,
                             DType scale_type) {
  CodedMatrix coded(weights.rows, weights.columns, format, scale_type);
  const int64_t group = format.group_columns(weights.columns);
  std::vector<float> importance(static_cast<size_t>(weights.columns));
  for (int64_t k = 0; k < weights.columns; ++k) importance[static_cast<size_t>(k)] = gram.row(k)[k];
  pool.parallel_for(weights.rows, kRowGrain, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t g = 0; g < coded.groups(); ++g) {
        const std::span<const float> part(weights.row(i) + g * group, static_cast<size_t>(group));
        const std::span<const float> strength(importance.data() + g * group, static_cast<size_t>(group));
        coded.grid_of_group(i, g) = least_error_grid(format, scale_type, part, strength);
      }
    }
  });
  return coded;
}

/// With A = G^T G the error of a row, (w - q) A (w - q)^T, is the squared length of (w - q) G^T, whose element j holds
/// differences up to column j alone. So column after column, q[j] is the code nearest to
///     w[j] + sum over i < j of (w[i] - q[i]) G[j, i] / G[j, j],
/// which is where GPTQ's updates of the remaining weights lead (Chen et al. 2025 show the equivalence), without the
/// inverse of A. Blocks of columns take the sum over earlier blocks from one matrix product.
CodedMatrix gptq(WorkerPool& pool, const Matrix& weights, const Matrix& gram, CodedMatrix coded,
                 const GptqOptions& options) {
  const int64_t rows = weights.rows, columns = weights.columns;
  KEDGE_CHECK(gram.rows == columns);
  const std::vector<int64_t> order = column_order(gram, options.activation_order);
  const Factor factor = unit_factor(pool, gram, order, options.damping);
  Matrix
      shifts;  // by which the source's inputs move w[j]; with a gram matrix C of both, w C (G^-1) takes w G^T's place
  if (options.cross != nullptr) {
    shifts = wanted_beyond(pool, weights, gram, *options.cross, order);
    solve_shifts(pool, factor, shifts);
  }
  Matrix lost(rows, columns);  // w - q, in this order of columns
  Matrix carried(rows, kBlockColumns);
  for (int64_t first = 0; first < columns; first += kBlockColumns) {
    const int64_t end = std::min(columns, first + kBlockColumns);
    if (first > 0) {
      cpu::matmul(pool, rows_view(factor.unit.row(first), end - first, first, columns),
                  {lost.values.data(), columns, rows}, {carried.values.data(), kBlockColumns}, nullptr,
                  cpu::MatmulCompute::f32);
    }
    pool.parallel_for(rows, kRowGrain, [&](int64_t begin, int64_t stop, unsigned) {
      for (int64_t row = begin; row < stop; ++row) {
        float* difference = lost.row(row);
        for (int64_t j = first; j < end; ++j) {
          float wanted = carried.row(row)[j - first];
          if (shifts.rows > 0) wanted += shifts.row(row)[j];
          for (int64_t i = first; i < j; ++i) wanted += difference[i] * factor.unit.row(j)[i];
          const int64_t column = order[static_cast<size_t>(j)];
          const float weight = weights.row(row)[column];
          const Grid& grid = coded.grid(row, column);
          const uint8_t code = grid.code(weight + wanted);
          coded.codes[static_cast<size_t>(row * columns + column)] = code;
          difference[j] = weight - grid.value(code);
        }
      }
    });
  }
  return coded;
}

}  // namespace kedge::quantize
