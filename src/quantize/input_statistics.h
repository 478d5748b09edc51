#pragma once
// What is remembered of the rows that enter a product while calibration text passes.

#include <cstdint>
#include <vector>

#include "core/thread_pool.h"
#include "cpu/ops.h"
#include "quantize/matrix.h"

namespace kedge::quantize {

/// Sums over rows x of `columns` floats. Not thread-safe.
class InputStatistics {
 public:
  struct Options {
    int64_t rows_expected = 0;    // about so many will come: rows of the sample are spread over them
    int64_t sample_rows_max = 0;  // rows to keep
    bool gram = false;            // sum up x x^T
    bool cross = false;           // and x y^T, with the row y that enters the product in the source model
  };
  InputStatistics(int64_t columns, const Options& options);

  /// `source`: as many rows of `columns` floats, side by side; null unless `cross` was asked for.
  void add(WorkerPool& pool, const cpu::InputRows& x, const float* source = nullptr);

  [[nodiscard]] int64_t rows() const { return rows_; }
  [[nodiscard]] int64_t columns() const { return columns_; }
  /// Mean of |x[k]|; empty when no row came.
  [[nodiscard]] std::vector<float> mean_magnitudes() const;
  /// Largest |x[k]|.
  [[nodiscard]] const std::vector<float>& largest_magnitudes() const { return largest_; }
  /// Sum of x[i] x[j] for j <= i (the rest is undefined): [columns, columns]. Empty unless asked for.
  [[nodiscard]] const Matrix& gram() const { return gram_; }
  /// Sum of x[i] y[j]: [columns, columns]. Empty unless asked for.
  [[nodiscard]] const Matrix& cross() const { return cross_; }
  [[nodiscard]] const Matrix& sample() const { return sample_; }

 private:
  void add_gram(WorkerPool& pool, const cpu::InputRows& x, const float* source);

  int64_t columns_;
  Options options_;
  int64_t stride_ = 1;  // every so-manieth row is kept
  int64_t rows_ = 0;
  std::vector<double> magnitude_sums_;
  std::vector<float> largest_;
  Matrix gram_, cross_, sample_;
  std::vector<float> transposed_, source_, product_;  // working memory of add_gram
};

}  // namespace kedge::quantize
