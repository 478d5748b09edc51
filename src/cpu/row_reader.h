#pragma once
// Rows of activations as products take them: as they are, or normalised on their way.

#include <cstdint>

#include "cpu/kernel_table.h"
#include "cpu/ops.h"
#include "cpu/scratch.h"

namespace kedge::cpu {

/// One at a time on each thread.
class RowReader {
 public:
  RowReader(const KernelTable& table, const InputRows& x) : table_(table), x_(x) {
    if (x.norm == nullptr) return;
    thread_local Scratch row;
    row_ = reinterpret_cast<float*>(row.take(static_cast<size_t>(x.norm->size) * sizeof(float)));
  }
  /// Valid until the next call, where rows are normalised.
  [[nodiscard]] const float* row(int64_t index) const {
    const float* const x = x_.data + index * x_.stride;
    if (x_.norm == nullptr) return x;
    normalise(index, row_);
    return row_;
  }
  /// REQUIRES: a norm.
  void normalise(int64_t index, float* out) const {
    const RmsNorm& norm = *x_.norm;
    table_.rms_norm({norm.weight, nullptr, norm.size, norm.epsilon, norm.weight_offset}, x_.data + index * x_.stride,
                    out);
  }

 private:
  const KernelTable& table_;
  const InputRows& x_;
  float* row_ = nullptr;
};

}  // namespace kedge::cpu
