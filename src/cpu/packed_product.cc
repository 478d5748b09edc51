// Products of packed weights: activations are rounded once, then workers take outputs in turn.

#include <algorithm>

#include "core/check.h"
#include "cpu/dispatch.h"
#include "cpu/gather.h"
#include "cpu/low_rank.h"
#include "cpu/packed.h"
#include "cpu/packed_forms.h"
#include "cpu/packed_layout.h"
#include "cpu/scratch.h"
#include "cpu/tile_matmul.h"

namespace kedge::cpu {
namespace {

/// Rows of activations as products take them: as they are, or normalised into this object's memory.
class RowReader {
 public:
  RowReader(const KernelTable& table, const InputRows& x) : table_(table), x_(x) {
    if (x.norm == nullptr) return;
    thread_local Scratch row;
    row_ = reinterpret_cast<float*>(row.take(static_cast<size_t>(x.norm->size) * sizeof(float)));
  }
  /// Valid until the next call.
  [[nodiscard]] const float* row(int64_t index) const {
    const float* const x = x_.data + index * x_.stride;
    if (x_.norm == nullptr) return x;
    const RmsNorm& norm = *x_.norm;
    table_.rms_norm({norm.weight, nullptr, norm.size, norm.epsilon, norm.weight_offset}, x, row_);
    return row_;
  }

 private:
  const KernelTable& table_;
  const InputRows& x_;
  float* row_ = nullptr;
};

/// Some of a matrix's rows and where their outputs go.
struct OutputRange {
  int64_t first = 0;
  int64_t count = 0;
  float* y = nullptr;  // of output `first`, token 0
  int64_t y_stride = 0;
  bool added = false;
  bool read_next = false;  // by this thread: outputs should stay in the caches
};

/// The weights of a product.
struct Factor {
  PackedView w;
  const float* bias = nullptr;
};

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

  void multiply(const Factor& factor, const OutputRange& outputs) const {
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

  void multiply(const Factor& factor, const OutputRange& outputs) const {
    for (int64_t done = 0; done < outputs.count; done += unit_) {
      OutputRange some = outputs;
      some.first += done;
      some.count = std::min(unit_, outputs.count - done);
      some.y += done;
      multiply_some(factor, some);
    }
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

  void multiply_some(const Factor& factor, const OutputRange& outputs) const {
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

/// Where the rows of a part of the input are: some of a batch's.
struct RowsOfBatch {
  int64_t first = 0;
  int64_t count = 0;
};

/// Some outputs, and what updates add to them while they are in the caches.
template <typename Input>
void multiply_updated(const Input& input, const Factor& factor, const LowRankProjection* update,
                      const RowsOfBatch& rows, OutputRange outputs) {
  outputs.read_next = outputs.read_next || update != nullptr;
  input.multiply(factor, outputs);
  if (update == nullptr) return;
  low_rank_apply(*update, {rows.first, rows.count, outputs.first, outputs.count, outputs.y, outputs.y_stride});
}

template <typename Input>
void multiply(WorkerPool& pool, const Input& input, const Factor& factor, const RowsOfBatch& rows,
              const OutputRows& y) {
  pool.parallel_for_parts(factor.w.rows, input.grain(), [&](int64_t begin, int64_t end, unsigned) {
    const int64_t step = y.update != nullptr ? input.kept_outputs() : end - begin;
    for (int64_t first = begin; first < end; first += step) {
      const OutputRange some{first, std::min(step, end - first), y.data + first, y.stride, y.added};
      multiply_updated(input, factor, y.update, rows, some);
    }
  });
}

/// Some outputs of both halves, then what one makes of the other, while they are in the caches.
template <typename Input>
void multiply_gated(WorkerPool& pool, const Input& input, const Factor& factor, GateKernel gate,
                    const RowsOfBatch& rows, const OutputRows& y) {
  const int64_t size = factor.w.rows / 2;
  const int64_t kept = input.kept_outputs();
  const int64_t grain = std::min(kept, input.grain());
  pool.parallel_for_parts(size, grain, [&](int64_t begin, int64_t end, unsigned) {
    thread_local Scratch scratch;
    const int64_t most = std::min(kept, end - begin);
    auto* const gates =
        reinterpret_cast<float*>(scratch.take(static_cast<size_t>(2 * rows.count * most) * sizeof(float)));
    float* const values = gates + rows.count * most;
    for (int64_t first = begin; first < end; first += kept) {
      const int64_t count = std::min(kept, end - first);
      multiply_updated(input, factor, y.update, rows, {first, count, gates, most, false, true});
      multiply_updated(input, factor, y.update, rows, {size + first, count, values, most, false, true});
      for (int64_t i = 0; i < rows.count; ++i) {
        gate(gates + i * most, values + i * most, y.data + i * y.stride + first, count);
      }
    }
  });
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
  KEDGE_DCHECK(!y.added || y.update == nullptr);
  with_input(pool, w, x, y, compute, [&](const auto& input, const RowsOfBatch& rows, const OutputRows& part) {
    multiply(pool, input, {w, bias}, rows, part);
  });
}

void packed_gated_matmul(WorkerPool& pool, const PackedView& w, const Gate& gate, const InputRows& x,
                         const OutputRows& y, MatmulCompute compute) {
  if (x.count <= 0 || w.rows <= 0) return;
  KEDGE_DCHECK(w.rows % (2 * kPackedRows) == 0 && w.column_order == nullptr && !y.added);
  const GateKernel kernel = gate_kernel(kernels(), gate.activation);
  with_input(pool, w, x, y, compute, [&](const auto& input, const RowsOfBatch& rows, const OutputRows& part) {
    multiply_gated(pool, input, {w, gate.bias}, kernel, rows, part);
  });
}

}  // namespace kedge::cpu
