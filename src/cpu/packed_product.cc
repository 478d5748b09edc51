// Products of packed weights: activations are rounded once, then workers take outputs in turn.

#include <algorithm>

#include "core/check.h"
#include "cpu/dispatch.h"
#include "cpu/gather.h"
#include "cpu/packed.h"
#include "cpu/packed_forms.h"
#include "cpu/packed_layout.h"
#include "cpu/product_output.h"
#include "cpu/row_reader.h"
#include "cpu/scratch.h"
#include "cpu/tile_matmul.h"

namespace kedge::cpu {
namespace {

/// Activations of 8 bits, in this thread's scratch.
class QuantizedInput {
 public:
  QuantizedInput(WorkerPool& pool, const PackedView& w, const InputRows& x)
      : form_(*packed_form(w.dtype)), columns_(w.columns), count_(x.count) {
    thread_local Scratch codes, scales, sums, starts;
    const auto size = static_cast<size_t>(count_ * columns_);
    codes_ = reinterpret_cast<int8_t*>(codes.take(size));
    scales_ = reinterpret_cast<float*>(scales.take(size / 32 * sizeof(float)));
    sums_ = reinterpret_cast<int32_t*>(sums.take(size / 16 * sizeof(int32_t)));
    starts_ = reinterpret_cast<int32_t*>(starts.take(size / 16 * sizeof(int32_t)));
    const int64_t grain = std::max<int64_t>(1, 32768 / columns_);  // fewer elements are not worth waking a worker
    pool.parallel_for(count_, grain, [&](int64_t begin, int64_t end, unsigned) {
      const RowReader rows(kernels(), x);
      for (int64_t i = begin; i < end; ++i) quantize(rows.row(i), i);
    });
  }

  /// Outputs that a worker takes at least.
  [[nodiscard]] int64_t grain() const { return count_ > 1 ? 4 * kPanelOutputs : kPanelOutputs; }
  /// And at most, where those of two products are to stay in its caches.
  [[nodiscard]] int64_t kept_outputs() const {
    constexpr int64_t kFloats = int64_t{1} << 16;
    return std::max<int64_t>(1, kFloats / count_ / kPanelOutputs) * kPanelOutputs;
  }

  void multiply(const Factor<PackedView>& factor, const OutputRange& outputs) const {
    thread_local Scratch scratch;
    const PackedView& w = factor.w;
    const size_t bytes = panel_bytes(shape_of(form_, w), columns_);
    const size_t scratch_bytes = static_cast<size_t>(count_ * kPackedScratch) * sizeof(float);
    (kernels().*form_.kernel)({.panels = w.data + static_cast<size_t>(outputs.first / kPanelOutputs) * bytes,
                               .panel_bytes = bytes,
                               .outputs = outputs.count,
                               .columns = columns_,
                               .block_columns = w.block_columns,
                               .codes = codes_,
                               .scales = scales_,
                               .sums = sums_,
                               .starts = starts_,
                               .count = count_,
                               .y = outputs.y,
                               .y_stride = outputs.y_stride,
                               .bias = factor.bias != nullptr ? factor.bias + outputs.first : nullptr,
                               .added = outputs.added,
                               .scratch = reinterpret_cast<float*>(scratch.take(scratch_bytes))});
  }

 private:
  void quantize(const float* row, int64_t i) {
    const int64_t groups = columns_ / 32;
    kernels().quantize_row(row, columns_, codes_ + i * columns_, scales_ + i * groups, sums_ + 2 * i * groups);
    for (int64_t g = i * groups; g < (i + 1) * groups; ++g) form_.starts(sums_ + 2 * g, scales_[g], starts_ + 2 * g);
  }

  const PackedForm& form_;
  int64_t columns_;
  int64_t count_;
  int8_t* codes_ = nullptr;
  float* scales_ = nullptr;
  int32_t* sums_ = nullptr;
  int32_t* starts_ = nullptr;
};

/// Activations as bf16, block of columns by block of columns, in this thread's scratch: for tile registers.
class TileInput {
 public:
  // A worker's blocks stay in its second-level cache (2 MB on Sapphire Rapids): 512 columns of the tokens and the sums
  // of 256 outputs (half a megabyte each). What comes from beyond it, tokens, is used 256 times.
  static constexpr int64_t kTokensMax = 512;

  TileInput(WorkerPool& pool, const PackedView& w, const InputRows& x)
      : form_(*packed_form(w.dtype)),
        columns_(w.columns),
        count_(x.count),
        unit_(tile_outputs_at_once(w.rows, pool.size())) {
    thread_local Scratch scratch;
    const int64_t blocks = (columns_ + kColumns - 1) / kColumns;
    tokens_ = scratch.take(static_cast<size_t>(blocks * count_) * PackedTileProduct::kTokenStride);
    pool.parallel_for(count_, 16, [&](int64_t begin, int64_t end, unsigned) {
      const RowReader rows(kernels(), x);
      for (int64_t i = begin; i < end; ++i) narrow(rows.row(i), i);
    });
  }

  /// As of QuantizedInput.
  [[nodiscard]] int64_t grain() const { return unit_; }
  [[nodiscard]] int64_t kept_outputs() const { return std::max(2 * kPanelOutputs, unit_ / 2); }

  void multiply(const Factor<PackedView>& factor, const OutputRange& outputs) const {
    in_steps(outputs, unit_, [&](const OutputRange& some) { multiply_some(factor, some); });
  }

 private:
  static constexpr int64_t kColumns = kPackedTileColumns;

  void narrow(const float* row, int64_t i) const {
    for (int64_t first = 0; first < columns_; first += kColumns) {
      std::byte* const out =
          tokens_ + static_cast<size_t>(first / kColumns * count_ + i) * PackedTileProduct::kTokenStride;
      kernels().to_bf16(row + first, std::min(kColumns, columns_ - first), reinterpret_cast<uint16_t*>(out));
    }
  }

  void multiply_some(const Factor<PackedView>& factor, const OutputRange& outputs) const {
    thread_local Scratch sums;
    const PackedShape shape = shape_of(form_, factor.w);
    const size_t panel = panel_bytes(shape, columns_);
    const int64_t pairs = (outputs.count + 2 * kPanelOutputs - 1) / (2 * kPanelOutputs);
    const int64_t pair_sums = (count_ + kTileSide - 1) / kTileSide * kTileSide * 2 * kPanelOutputs;
    (kernels().*form_.tile_kernel)(
        {.panels = factor.w.data + static_cast<size_t>(outputs.first / kPanelOutputs) * panel,
         .panel_bytes = panel,
         .outputs = outputs.count,
         .columns = columns_,
         .block_columns = shape.block_columns,
         .tokens = tokens_,
         .count = count_,
         .sums = reinterpret_cast<float*>(sums.take(static_cast<size_t>(pairs * pair_sums) * sizeof(float))),
         .y = outputs.y,
         .y_stride = outputs.y_stride,
         .bias = factor.bias != nullptr ? factor.bias + outputs.first : nullptr,
         .added = outputs.added,
         .read_next = outputs.read_next});
  }

  const PackedForm& form_;
  int64_t columns_;
  int64_t count_;
  int64_t unit_;  // outputs whose sums stay in the second-level cache
  std::byte* tokens_ = nullptr;
};

/// Rows [first, first + count). REQUIRES: first is a multiple of kPanelOutputs.
PackedView rows_of(const PackedView& w, int64_t first, int64_t count) {
  PackedView part = w;
  part.data += static_cast<size_t>(first / kPanelOutputs) * panel_bytes(shape_of(*packed_form(w.dtype), w), w.columns);
  part.rows = count;
  return part;
}

/// Calls function(input, which rows, rows of y) with `x` as `w` takes it, or some of its rows after the others.
template <typename Function>
void with_input(WorkerPool& pool, const PackedView& w, const InputRows& x, const OutputRows& y, MatmulCompute compute,
                Function function) {
  KEDGE_DCHECK(x.norm == nullptr || (x.norm->size == w.columns && w.column_order == nullptr));
  if (compute != MatmulCompute::bf16_tiles) {
    KEDGE_DCHECK(compute == MatmulCompute::int8);
    return function(QuantizedInput(pool, w, x), RowsOfBatch{0, x.count}, y);
  }
  for (int64_t first = 0; first < x.count; first += TileInput::kTokensMax) {
    const int64_t count = std::min(TileInput::kTokensMax, x.count - first);
    const InputRows part{x.data + first * x.stride, x.stride, count, x.norm};
    function(TileInput(pool, w, part), RowsOfBatch{first, count},
             OutputRows{y.data + first * y.stride, y.stride, y.added, y.update});
  }
}

}  // namespace

void packed_matmul(WorkerPool& pool, const PackedView& w, const InputRows& x, const OutputRows& y, const float* bias,
                   MatmulCompute compute) {
  if (x.count <= 0 || w.rows <= 0) return;
  if (w.column_order != nullptr) {
    PackedView in_order = w;
    in_order.column_order = nullptr;
    return packed_matmul(pool, in_order, gathered(pool, x, w.column_order, w.columns), y, bias, compute);
  }
  with_input(pool, w, x, y, compute, [&](const auto& input, const RowsOfBatch& rows, const OutputRows& part) {
    cpu::multiply(pool, input, Factor<PackedView>{w, bias}, rows, part);
  });
}

void packed_gated_matmul(WorkerPool& pool, const PackedView& w, const Gate& gate, const InputRows& x,
                         const OutputRows& y, MatmulCompute compute) {
  if (x.count <= 0 || w.rows <= 0) return;
  KEDGE_DCHECK(w.rows % (2 * kPackedRows) == 0 && w.column_order == nullptr);
  const int64_t size = w.rows / 2;
  const GatedFactors<PackedView> factors{{rows_of(w, 0, size), gate.bias},
                                         {rows_of(w, size, size), gate.bias != nullptr ? gate.bias + size : nullptr},
                                         gate_kernel(kernels(), gate.activation)};
  with_input(pool, w, x, y, compute, [&](const auto& input, const RowsOfBatch& rows, const OutputRows& part) {
    multiply_gated(pool, input, factors, rows, part);
  });
}

}  // namespace kedge::cpu
