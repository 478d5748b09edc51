#pragma once
// A matrix of floats in memory, and the same matrix in codes.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/thread_pool.h"
#include "cpu/ops.h"
#include "quantize/format.h"

namespace kedge::quantize {

/// Row-major.
struct Matrix {
  int64_t rows = 0, columns = 0;
  std::vector<float> values;

  Matrix() = default;
  Matrix(int64_t row_count, int64_t column_count)
      : rows(row_count), columns(column_count), values(static_cast<size_t>(row_count * column_count)) {}

  [[nodiscard]] float* row(int64_t index) { return values.data() + index * columns; }
  [[nodiscard]] const float* row(int64_t index) const { return values.data() + index * columns; }
  [[nodiscard]] cpu::WeightView view() const;
};

/// `count` rows of floats, `stride` floats apart, as the weights of a product over their first `columns`.
cpu::WeightView rows_view(const float* data, int64_t count, int64_t columns, int64_t stride);

/// A stored matrix, widened.
Matrix widened(WorkerPool& pool, const cpu::WeightView& stored);

/// Codes from 0 to 2^bits - 1, one a byte, and a grid for each group of a row.
struct CodedMatrix {
  int64_t rows = 0, columns = 0;
  Format format;
  DType scale_type = DType::bf16;
  std::vector<uint8_t> codes;  // [rows, columns]
  std::vector<Grid> grids;     // [rows, groups]

  CodedMatrix() = default;
  CodedMatrix(int64_t row_count, int64_t column_count, const Format& its_format, DType its_scale_type);

  [[nodiscard]] int64_t groups() const { return columns / format.group_columns(columns); }
  [[nodiscard]] const Grid& grid(int64_t row, int64_t column) const {
    return grids[static_cast<size_t>(row * groups() + column / format.group_columns(columns))];
  }
  [[nodiscard]] Grid& grid_of_group(int64_t row, int64_t group) {
    return grids[static_cast<size_t>(row * groups() + group)];
  }
  /// What the codes stand for.
  [[nodiscard]] Matrix values(WorkerPool& pool) const;
};

/// weights x for each row x of `inputs`: [inputs.rows, weights.rows].
Matrix outputs_of(WorkerPool& pool, const Matrix& weights, const Matrix& inputs);

/// Sums over all elements: of their squares, and of those of a - b. The same for any number of threads.
double squared_length(WorkerPool& pool, const Matrix& a);
double squared_distance(WorkerPool& pool, const Matrix& a, const Matrix& b);

}  // namespace kedge::quantize
