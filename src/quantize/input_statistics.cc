#include "quantize/input_statistics.h"

#include <algorithm>
#include <cmath>

namespace kedge::quantize {
namespace {

constexpr int64_t kColumnGrain = 16;
constexpr int64_t kBlockRows = 256;  // of the gram matrix, computed in one product

}  // namespace

InputStatistics::InputStatistics(int64_t columns, const Options& options)
    : columns_(columns),
      options_(options),
      magnitude_sums_(static_cast<size_t>(columns), 0.0),
      largest_(static_cast<size_t>(columns), 0.0F) {
  if (options_.sample_rows_max > 0) {
    stride_ = std::max<int64_t>(1, (options_.rows_expected + options_.sample_rows_max - 1) / options_.sample_rows_max);
  }
  if (options_.gram) gram_ = Matrix(columns, columns);
  sample_.columns = columns;
}

void InputStatistics::add(WorkerPool& pool, const cpu::InputRows& x) {
  pool.parallel_for(columns_, kColumnGrain, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = 0; i < x.count; ++i) {
      const float* row = x.data + i * x.stride;
      for (int64_t k = begin; k < end; ++k) {
        const float magnitude = std::abs(row[k]);
        magnitude_sums_[static_cast<size_t>(k)] += static_cast<double>(magnitude);
        largest_[static_cast<size_t>(k)] = std::max(largest_[static_cast<size_t>(k)], magnitude);
      }
    }
  });
  for (int64_t i = 0; i < x.count; ++i) {
    if ((rows_ + i) % stride_ != 0 || sample_.rows >= options_.sample_rows_max) continue;
    const float* row = x.data + i * x.stride;
    sample_.values.insert(sample_.values.end(), row, row + columns_);
    ++sample_.rows;
  }
  if (options_.gram) add_gram(pool, x);
  rows_ += x.count;
}

std::vector<float> InputStatistics::mean_magnitudes() const {
  std::vector<float> means;
  if (rows_ == 0) return means;
  for (const double sum : magnitude_sums_) means.push_back(static_cast<float>(sum / static_cast<double>(rows_)));
  return means;
}

/// With x^T laid out, the sum of x x^T over the rows is a product of two matrices with the rows as inner dimension.
void InputStatistics::add_gram(WorkerPool& pool, const cpu::InputRows& x) {
  transposed_.resize(static_cast<size_t>(columns_ * x.count));
  pool.parallel_for(columns_, kColumnGrain, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t k = begin; k < end; ++k) {
      float* out = transposed_.data() + k * x.count;
      for (int64_t i = 0; i < x.count; ++i) out[i] = x.data[i * x.stride + k];
    }
  });
  product_.resize(static_cast<size_t>(kBlockRows * columns_));
  for (int64_t first = 0; first < columns_; first += kBlockRows) {
    const int64_t end = std::min(columns_, first + kBlockRows);
    cpu::matmul(pool, rows_view(transposed_.data(), end, x.count, x.count),
                {transposed_.data() + first * x.count, x.count, end - first}, {product_.data(), columns_}, nullptr,
                cpu::MatmulCompute::f32);
    pool.parallel_for(end - first, kColumnGrain, [&](int64_t begin, int64_t stop, unsigned) {
      for (int64_t i = begin; i < stop; ++i) {
        const float* sums = product_.data() + i * columns_;
        float* out = gram_.row(first + i);
        for (int64_t j = 0; j <= first + i; ++j) out[j] += sums[j];
      }
    });
  }
}

}  // namespace kedge::quantize
