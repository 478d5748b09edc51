#include "cpu/packed.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/check.h"
#include "cpu/dispatch.h"
#include "cpu/gather.h"
#include "cpu/packed_forms.h"
#include "cpu/packed_layout.h"
#include "cpu/scratch.h"
#include "cpu/tile_matmul.h"

namespace kedge::cpu {
namespace {

static_assert(kPackedRows == kPanelOutputs);

int64_t panels_of(int64_t rows) {
  return (rows + kPanelOutputs - 1) / kPanelOutputs;
}
size_t panel_bytes(const PackedShape& shape, int64_t columns) {
  return static_cast<size_t>(columns / shape.block_columns * bytes_of_block(shape));
}

constexpr int64_t kHeadColumnsMax = 256;
static_assert(kPackedTileColumns % kHeadColumnsMax == 0);

/// Where a layout leaves it open: the most columns, up to kHeadColumnsMax, that share a scale and come out even.
PackedShape shape_of(const PackedForm& form, const WeightView& w) {
  int64_t columns = kHeadColumnsMax;
  while (columns > kGroupColumns &&
         (w.columns % columns != 0 || w.scale_columns % columns != 0 || w.scale_columns == 0)) {
    columns /= 2;
  }
  return with_block(form.layout, columns);
}
PackedShape shape_of(const PackedForm& form, const PackedView& w) {
  return with_block(form.layout, w.block_columns);
}

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

/// Activations of 8 bits in this thread's scratch.
struct Quantized {
  int8_t* codes = nullptr;
  float* scales = nullptr;
  int32_t* sums = nullptr;
  int32_t* starts = nullptr;
};

Quantized quantize(WorkerPool& pool, const KernelTable& table, const InputRows& x, int64_t columns,
                   PackedForm::StartsOf starts_of) {
  thread_local Scratch codes, scales, sums, starts;
  const auto size = static_cast<size_t>(x.count * columns);
  const Quantized q{reinterpret_cast<int8_t*>(codes.take(size)),
                    reinterpret_cast<float*>(scales.take(size / 32 * sizeof(float))),
                    reinterpret_cast<int32_t*>(sums.take(size / 16 * sizeof(int32_t))),
                    reinterpret_cast<int32_t*>(starts.take(size / 16 * sizeof(int32_t)))};
  const int64_t grain = std::max<int64_t>(1, 32768 / columns);  // fewer elements are not worth waking a worker
  pool.parallel_for(x.count, grain, [&](int64_t begin, int64_t end, unsigned) {
    const RowReader rows(table, x);
    for (int64_t i = begin; i < end; ++i) {
      table.quantize_row(rows.row(i), columns, q.codes + i * columns, q.scales + i * (columns / 32),
                         q.sums + i * (columns / 16));
      for (int64_t g = i * (columns / 32); g < (i + 1) * (columns / 32); ++g) {
        starts_of(q.sums + 2 * g, q.scales[g], q.starts + 2 * g);
      }
    }
  });
  return q;
}

// A worker's blocks stay in its second-level cache (2 MB on Sapphire Rapids): 512 columns of the tokens and the sums of
// 256 outputs (half a megabyte each). What comes from beyond it, tokens, is used 256 times.
constexpr int64_t kTilePassTokens = 512;

/// One pass of at most kTilePassTokens tokens through tile registers.
class TilePass {
 public:
  TilePass(const PackedView& w, const InputRows& x, const OutputRows& y, const float* bias)
      : form_(*packed_form(w.dtype)), shape_(shape_of(form_, w)), w_(w), x_(x), y_(y), bias_(bias) {}

  void run(WorkerPool& pool) {
    narrow_tokens(pool);
    const int64_t unit = tile_outputs_at_once(w_.rows, pool.size());
    pool.parallel_for_parts(w_.rows, unit, [&](int64_t begin, int64_t end, unsigned) {
      for (int64_t first = begin; first < end; first += unit) {
        multiply(first, std::min(unit, end - first));
      }
    });
  }

 private:
  static constexpr int64_t kColumns = kPackedTileColumns;

  /// Tokens as bf16, block of columns by block of columns.
  void narrow_tokens(WorkerPool& pool) {
    thread_local Scratch scratch;
    const int64_t blocks = (w_.columns + kColumns - 1) / kColumns;
    tokens_ = scratch.take(static_cast<size_t>(blocks * x_.count) * PackedTileProduct::kTokenStride);
    pool.parallel_for(x_.count, 16, [&](int64_t begin, int64_t end, unsigned) {
      const RowReader rows(kernels(), x_);
      for (int64_t i = begin; i < end; ++i) {
        const float* const row = rows.row(i);
        for (int64_t first = 0; first < w_.columns; first += kColumns) {
          const int64_t columns = std::min(kColumns, w_.columns - first);
          std::byte* const out =
              tokens_ + static_cast<size_t>(first / kColumns * x_.count + i) * PackedTileProduct::kTokenStride;
          kernels().to_bf16(row + first, columns, reinterpret_cast<uint16_t*>(out));
        }
      }
    });
  }

  void multiply(int64_t output, int64_t outputs) const {
    thread_local Scratch sums;
    const int64_t pairs = (outputs + 2 * kPanelOutputs - 1) / (2 * kPanelOutputs);
    const int64_t pair_sums = (x_.count + kTileSide - 1) / kTileSide * kTileSide * 2 * kPanelOutputs;
    const size_t panel = panel_bytes(shape_, w_.columns);
    (kernels().*form_.tile_kernel)(
        {.panels = w_.data + static_cast<size_t>(output / kPanelOutputs) * panel,
         .panel_bytes = panel,
         .outputs = outputs,
         .columns = w_.columns,
         .block_columns = shape_.block_columns,
         .tokens = tokens_,
         .count = x_.count,
         .sums = reinterpret_cast<float*>(sums.take(static_cast<size_t>(pairs * pair_sums) * sizeof(float))),
         .y = y_.data + output,
         .y_stride = y_.stride,
         .bias = bias_ != nullptr ? bias_ + output : nullptr,
         .added = y_.added});
  }

  const PackedForm& form_;
  PackedShape shape_;
  const PackedView& w_;
  const InputRows& x_;
  OutputRows y_;
  const float* bias_;
  std::byte* tokens_ = nullptr;
};

}  // namespace

std::span<const DType> packable_types() {
  static const auto types = [] {
    std::vector<DType> all;
    for (const PackedForm& form : packed_forms()) all.push_back(form.dtype);
    return all;
  }();
  return types;
}

bool has_packed_form(DType dtype) {
  return packed_form(dtype) != nullptr;
}

size_t packed_bytes(const WeightView& w) {
  const PackedForm* const form = packed_form(w.dtype);
  KEDGE_CHECK(form != nullptr);
  return static_cast<size_t>(panels_of(w.rows)) * panel_bytes(shape_of(*form, w), w.columns);
}

PackedView pack(WorkerPool& pool, const WeightView& w, std::byte* out) {
  const PackedForm& form = *packed_form(w.dtype);
  const PackedShape shape = shape_of(form, w);
  const size_t bytes = panel_bytes(shape, w.columns);
  const int64_t blocks = w.columns / shape.block_columns;
  // A packed block is as much of sixteen rows: one stored block of each, or several of one scale.
  const DTypeInfo& info = info_of(w.dtype);
  const size_t stored_bytes = static_cast<size_t>(shape.block_columns) / info.block_elements * info.block_bytes;
  pool.parallel_for(panels_of(w.rows), 1, [&](int64_t begin, int64_t end, unsigned) {
    PackedBlock block{.groups = static_cast<size_t>(shape.block_columns / kGroupColumns)};
    for (int64_t panel = begin; panel < end; ++panel) {
      std::byte* const target = out + static_cast<size_t>(panel) * bytes;
      const int64_t first = panel * kPanelOutputs;
      const int64_t count = std::min(kPanelOutputs, w.rows - first);
      if (count < kPanelOutputs) std::memset(target, 0, bytes);
      for (int64_t b = 0; b < blocks; ++b) {
        for (int64_t n = 0; n < count; ++n) {
          const std::byte* const row = w.data + static_cast<size_t>(first + n) * w.row_stride;
          form.read(row + static_cast<size_t>(b) * stored_bytes, block);
          write_block(form, block, static_cast<size_t>(n), target + b * bytes_of_block(shape));
        }
      }
    }
  });
  return packed_view(w, out);
}

PackedView packed_view(const WeightView& w, const std::byte* data) {
  return {w.dtype, data, w.rows, w.columns, shape_of(*packed_form(w.dtype), w).block_columns, w.column_order};
}

void packed_matmul(WorkerPool& pool, const PackedView& w, const InputRows& x, const OutputRows& y, const float* bias,
                   MatmulCompute compute) {
  if (x.count <= 0 || w.rows <= 0) return;
  const KernelTable& table = kernels();
  KEDGE_DCHECK(x.norm == nullptr || (x.norm->size == w.columns && w.column_order == nullptr));
  if (w.column_order != nullptr) {
    PackedView in_order = w;
    in_order.column_order = nullptr;
    return packed_matmul(pool, in_order, gathered(pool, x, w.column_order, w.columns), y, bias, compute);
  }
  if (compute == MatmulCompute::bf16_tiles) {
    for (int64_t first = 0; first < x.count; first += kTilePassTokens) {
      const InputRows part{x.data + first * x.stride, x.stride, std::min(kTilePassTokens, x.count - first), x.norm};
      TilePass(w, part, {y.data + first * y.stride, y.stride, y.added}, bias).run(pool);
    }
    return;
  }
  KEDGE_DCHECK(compute == MatmulCompute::int8);
  const PackedForm& form = *packed_form(w.dtype);
  const PackedKernel kernel = table.*form.kernel;
  const Quantized q = quantize(pool, table, x, w.columns, form.starts);
  const size_t bytes = panel_bytes(shape_of(form, w), w.columns);
  const size_t scratch_bytes = static_cast<size_t>(x.count * kPackedScratch) * sizeof(float);
  pool.parallel_for_parts(panels_of(w.rows), x.count > 1 ? 4 : 1, [&](int64_t begin, int64_t end, unsigned) {
    thread_local Scratch scratch;
    const int64_t first = begin * kPanelOutputs;
    kernel({.panels = w.data + static_cast<size_t>(begin) * bytes,
            .panel_bytes = bytes,
            .outputs = std::min(w.rows, end * kPanelOutputs) - first,
            .columns = w.columns,
            .block_columns = w.block_columns,
            .codes = q.codes,
            .scales = q.scales,
            .sums = q.sums,
            .starts = q.starts,
            .count = x.count,
            .y = y.data + first,
            .y_stride = y.stride,
            .bias = bias != nullptr ? bias + first : nullptr,
            .added = y.added,
            .scratch = reinterpret_cast<float*>(scratch.take(scratch_bytes))});
  });
}

}  // namespace kedge::cpu
