#include "quantize/input_statistics.h"

#include <algorithm>
#include <cmath>

namespace kedge::quantize {
namespace {

constexpr int64_t kColumnGrain = 16;
constexpr int64_t kBlockRows = 256;  // of the gram matrix, computed in one product

/// out[k, i] = x[i, k].
void transpose(WorkerPool& pool, const cpu::InputRows& x, int64_t columns, std::vector<float>& out) {
  out.resize(static_cast<size_t>(columns * x.count));
  pool.parallel_for(columns, kColumnGrain, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t k = begin; k < end; ++k) {
      float* row = out.data() + k * x.count;
      for (int64_t i = 0; i < x.count; ++i) row[i] = x.data[i * x.stride + k];
    }
  });
}

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
  if (options_.cross) cross_ = Matrix(columns, columns);
  sample_.columns = columns;
}

void InputStatistics::add(WorkerPool& pool, const cpu::InputRows& x, const float* source) {
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
  if (options_.gram) add_gram(pool, x, source);
  rows_ += x.count;
}

std::vector<float> InputStatistics::mean_magnitudes() const {
  std::vector<float> means;
  if (rows_ == 0) return means;
  for (const double sum : magnitude_sums_) means.push_back(static_cast<float>(sum / static_cast<double>(rows_)));
  return means;
}

/// With x^T laid out, the sum of x x^T over the rows is a product of two matrices with the rows as inner dimension.
void InputStatistics::add_gram(WorkerPool& pool, const cpu::InputRows& x, const float* source) {
  transpose(pool, x, columns_, transposed_);
  if (options_.cross) transpose(pool, {source, columns_, x.count}, columns_, source_);
  product_.resize(static_cast<size_t>(kBlockRows * columns_));
  const auto add_block = [&](const std::vector<float>& other, int64_t first, int64_t width, bool triangle,
                             Matrix& sums) {
    const int64_t count = std::min(columns_, first + kBlockRows) - first;
    cpu::matmul(pool, rows_view(other.data(), width, x.count, x.count),
                {transposed_.data() + first * x.count, x.count, count}, {product_.data(), columns_}, nullptr,
                cpu::MatmulCompute::f32);
    pool.parallel_for(count, kColumnGrain, [&](int64_t begin, int64_t stop, unsigned) {
      for (int64_t i = begin; i < stop; ++i) {
        const float* found = product_.data() + i * columns_;
        float* out = sums.row(first + i);
        const int64_t end = triangle ? first + i + 1 : width;
        for (int64_t j = 0; j < end; ++j) out[j] += found[j];
      }
    });
  };
  for (int64_t first = 0; first < columns_; first += kBlockRows) {
    add_block(transposed_, first, std::min(columns_, first + kBlockRows), true, gram_);
    if (options_.cross) add_block(source_, first, columns_, false, cross_);
  }
}

}  // namespace kedge::quantize
