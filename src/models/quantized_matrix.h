#pragma once
// One weight matrix of a quantized checkpoint: where its codes, scales and zero points lie, whatever the layout, and
// the same values as rows of blocks (core/dtype.h), which the kernels read.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/thread_pool.h"
#include "cpu/input_rounding.h"
#include "cpu/ops.h"
#include "kedge/result.h"
#include "models/quantization.h"

namespace kedge::models {

class WeightSource;

/// Small whole numbers in words of 32 bits (or in bytes), element (n, k) of each: several of one row, or of one column,
/// share a word.
struct CodeGrid {
  const std::byte* data = nullptr;
  int bits = 0;
  int64_t along_k = 1;  // elements of a row in one word
  int64_t along_n = 1;  // elements of a column in one word; either is 1
  size_t k_stride = 0;  // bytes between words
  size_t n_stride = 0;
  bool interleaved = false;  // along_n: in AWQ's order of nibbles

  /// Elements [0, count) of row n.
  void read_row(int64_t n, int64_t count, uint8_t* out) const;
};

/// Immutable; the checkpoint's tensors outlive it.
class QuantizedMatrix {
 public:
  /// The matrix [rows, columns] `name` (without ".weight"), or null where the checkpoint holds it unquantized or not at
  /// all. Fails with corrupt_data or unsupported, naming file, tensor, found and expected.
  static Result<std::shared_ptr<const QuantizedMatrix>> find(const WeightSource& source,
                                                             const Quantization& quantization, std::string_view name,
                                                             int64_t rows, int64_t columns);

  /// What `lay_out` makes of it, to be read at `data`.
  [[nodiscard]] cpu::WeightView view(const std::byte* data) const;
  [[nodiscard]] size_t laid_out_bytes() const { return static_cast<size_t>(rows_) * row_bytes_; }
  /// Bytes of the checkpoint that nothing reads any more once the matrix is laid out.
  [[nodiscard]] uint64_t stored_bytes() const { return stored_bytes_; }
  /// The codes as stored.
  [[nodiscard]] std::span<const std::byte> stored_codes() const { return stored_codes_; }
  /// out: laid_out_bytes() bytes.
  void lay_out(WorkerPool& pool, std::byte* out) const;

  [[nodiscard]] const cpu::InputRounding& input() const { return input_; }

 private:
  friend class QuantizedMatrixReader;
  QuantizedMatrix() = default;

  /// One row's codes in the order of the columns that it is laid out in; `stored` is working memory for a row.
  void read_codes(int64_t row, std::vector<uint8_t>& stored, std::vector<uint8_t>& codes) const;

  DType dtype_ = DType::int4_scaled;
  int64_t rows_ = 0, columns_ = 0;
  size_t row_bytes_ = 0;
  uint64_t stored_bytes_ = 0;
  std::span<const std::byte> stored_codes_;
  CodeGrid codes_;
  uint8_t code_flip_ = 0;  // turns a code of 8 bits into a signed one

  // Element (n, k) has scale and zero (n / row_group, k / column_group).
  int64_t row_group_ = 1, column_group_ = 1;
  std::vector<float> scales_;   // [row groups, column groups]
  std::vector<int16_t> zeros_;  // likewise; empty: zero_ for all
  int16_t zero_ = 0;
  std::vector<int32_t> column_order_;  // empty: as stored
  cpu::InputRounding input_;
};

}  // namespace kedge::models
