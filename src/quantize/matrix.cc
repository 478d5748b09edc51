#include "quantize/matrix.h"

#include "core/check.h"

namespace kedge::quantize {
namespace {

constexpr int64_t kRowGrain = 8;

/// The sum over rows of function(row), added up in their order.
template <typename Function>
double sum_of_rows(WorkerPool& pool, int64_t rows, Function function) {
  std::vector<double> sums(static_cast<size_t>(rows), 0.0);
  pool.parallel_for(rows, kRowGrain, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) sums[static_cast<size_t>(i)] = function(i);
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace

cpu::WeightView rows_view(const float* data, int64_t count, int64_t columns, int64_t stride) {
  return {.dtype = DType::f32,
          .data = reinterpret_cast<const std::byte*>(data),
          .rows = count,
          .columns = columns,
          .row_stride = static_cast<size_t>(stride) * sizeof(float)};
}

cpu::WeightView Matrix::view() const {
  return rows_view(values.data(), rows, columns, columns);
}

Matrix widened(WorkerPool& pool, const cpu::WeightView& stored) {
  Matrix matrix(stored.rows, stored.columns);
  pool.parallel_for(stored.rows, kRowGrain, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) cpu::dequantize_row(stored, i, matrix.row(i));
  });
  return matrix;
}

CodedMatrix::CodedMatrix(int64_t row_count, int64_t column_count, const Format& its_format, DType its_scale_type)
    : rows(row_count),
      columns(column_count),
      format(its_format),
      scale_type(its_scale_type),
      codes(static_cast<size_t>(row_count * column_count)) {
  KEDGE_CHECK(format.fits(columns));
  grids.resize(static_cast<size_t>(rows * groups()));
}

Matrix CodedMatrix::values(WorkerPool& pool) const {
  Matrix matrix(rows, columns);
  pool.parallel_for(rows, kRowGrain, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) {
      const uint8_t* code = codes.data() + i * columns;
      float* out = matrix.row(i);
      for (int64_t k = 0; k < columns; ++k) out[k] = grid(i, k).value(code[k]);
    }
  });
  return matrix;
}

Matrix outputs_of(WorkerPool& pool, const Matrix& weights, const Matrix& inputs) {
  Matrix outputs(inputs.rows, weights.rows);
  cpu::matmul(pool, weights.view(), {inputs.values.data(), inputs.columns, inputs.rows},
              {outputs.values.data(), weights.rows}, nullptr, cpu::MatmulCompute::f32);
  return outputs;
}

double squared_length(WorkerPool& pool, const Matrix& a) {
  return sum_of_rows(pool, a.rows, [&](int64_t i) {
    double sum = 0;
    for (int64_t j = 0; j < a.columns; ++j) sum += static_cast<double>(a.row(i)[j]) * static_cast<double>(a.row(i)[j]);
    return sum;
  });
}

double squared_distance(WorkerPool& pool, const Matrix& a, const Matrix& b) {
  KEDGE_CHECK(a.rows == b.rows && a.columns == b.columns);
  return sum_of_rows(pool, a.rows, [&](int64_t i) {
    double sum = 0;
    for (int64_t j = 0; j < a.columns; ++j) {
      const double difference = static_cast<double>(a.row(i)[j]) - static_cast<double>(b.row(i)[j]);
      sum += difference * difference;
    }
    return sum;
  });
}

}  // namespace kedge::quantize
