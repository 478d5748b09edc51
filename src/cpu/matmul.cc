#include <algorithm>
#include <vector>

#include "core/check.h"
#include "cpu/caches.h"
#include "cpu/dispatch.h"
#include "cpu/gather.h"
#include "cpu/ops.h"
#include "cpu/scratch.h"
#include "cpu/tile_matmul.h"

namespace kedge::cpu {
namespace {

// Weight rows that are worked on together stay in the second-level cache while all activation rows pass by: a quarter
// of it, and no more than 256 KB (1 MB on Zen 4, 2 MB on Sapphire Rapids; more was not faster).
constexpr int64_t kPanelBytesMax = 256 * 1024;
constexpr int64_t kOutputGrain = 8;  // a multiple of every kernel's tile
constexpr int64_t kRowGrain = 12;    // likewise, of activation rows

// f32 rows whose length is a power of two share few sets of the first-level cache, which costs a third of the speed;
// from this many activation rows on, a padded copy of the weights costs less (512 x 2048 x 2048, one Zen 4 core: 67
// against 98 GFLOP/s).
constexpr int64_t kPaddedCountMin = 24;

/// How the weights reach the kernel.
enum class Source : uint8_t {
  stored,         // as they lie in memory
  panel_f32,      // rows dequantized
  panel_rounded,  // and rounded to bf16, kept in f32
  panel_bf16,     // and rounded to bf16
};

struct Plan {
  const KernelTable* table = nullptr;
  MatmulKernel kernel = nullptr;
  Source source = Source::stored;
  bool bf16_activations = false;
  bool rounded_activations = false;
};

bool is_plain(DType dtype) {
  return info_of(dtype).block_elements == 1;
}

Plan plan_of(DType dtype, int64_t count, MatmulCompute compute) {
  const KernelTable& table = kernels();
  const FormatKernels& format = format_of(table, dtype);
  const bool few = count <= kFusedCountMax;
  Plan plan{.table = &table};
  if (compute == MatmulCompute::bf16 && table.bf16.matmul_bf16 != nullptr) {
    plan.bf16_activations = true;
    const bool stored = format.matmul_bf16 != nullptr && (few || dtype == DType::bf16);
    plan.kernel = stored ? format.matmul_bf16 : table.bf16.matmul_bf16;
    plan.source = stored ? Source::stored : Source::panel_bf16;
    return plan;
  }
  plan.rounded_activations = compute == MatmulCompute::bf16;
  const bool exact = compute == MatmulCompute::f32 || dtype == DType::bf16;
  const bool padded = dtype == DType::f32 && count >= kPaddedCountMin;
  const bool stored = format.matmul_f32 != nullptr && exact && !padded && (few || is_plain(dtype));
  plan.kernel = stored ? format.matmul_f32 : table.f32.matmul_f32;
  plan.source = stored ? Source::stored : exact ? Source::panel_f32 : Source::panel_rounded;
  return plan;
}

/// Rows on cache-line borders, an odd number of lines apart: a power of two would put all rows of a tile into one set.
size_t panel_stride(int64_t columns, size_t element_bytes) {
  const size_t lines = (static_cast<size_t>(columns) * element_bytes + 63) / 64;
  return (lines | 1U) * 64;
}

/// `count` rows of activations in the form that the plan's kernel reads: as given, or converted into this thread's
/// scratch.
struct Activations {
  const std::byte* data = nullptr;
  size_t stride = 0;
};

Activations activations_of(WorkerPool& pool, const Plan& plan, const InputRows& x, int64_t columns) {
  if (!plan.bf16_activations && !plan.rounded_activations) {
    return {reinterpret_cast<const std::byte*>(x.data), static_cast<size_t>(x.stride) * sizeof(float)};
  }
  thread_local Scratch scratch;
  const size_t stride = panel_stride(columns, plan.bf16_activations ? sizeof(uint16_t) : sizeof(float));
  std::byte* const converted = scratch.take(stride * static_cast<size_t>(x.count));
  const int64_t grain = std::max<int64_t>(1, 32768 / columns);  // fewer elements are not worth waking a worker
  pool.parallel_for(x.count, grain, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) {
      std::byte* const row = converted + static_cast<size_t>(i) * stride;
      if (plan.bf16_activations) {
        plan.table->to_bf16(x.data + i * x.stride, columns, reinterpret_cast<uint16_t*>(row));
      } else {
        plan.table->round_to_bf16(x.data + i * x.stride, columns, reinterpret_cast<float*>(row));
      }
    }
  });
  return {converted, stride};
}

/// Points the tile at its weight rows [first, first + tile.outputs) in the form that the kernel reads.
void set_weights(const Plan& plan, const WeightView& w, int64_t first, MatmulTile& tile) {
  const std::byte* const stored = w.data + static_cast<size_t>(first) * w.row_stride;
  if (plan.source == Source::stored) {
    tile.weights = stored;
    tile.weight_stride = w.row_stride;
    return;
  }
  thread_local Scratch scratch;
  thread_local Scratch row_scratch;
  const bool narrow = plan.source == Source::panel_bf16;
  const FormatKernels& format = format_of(*plan.table, w.dtype);
  tile.weight_stride = panel_stride(w.columns, narrow ? sizeof(uint16_t) : sizeof(float));
  std::byte* const panel = scratch.take(tile.weight_stride * static_cast<size_t>(tile.outputs));
  for (int64_t n = 0; n < tile.outputs; ++n) {
    std::byte* const out = panel + static_cast<size_t>(n) * tile.weight_stride;
    if (narrow && format.dequantize_bf16 != nullptr) {
      format.dequantize_bf16(stored + static_cast<size_t>(n) * w.row_stride, w.columns,
                             reinterpret_cast<uint16_t*>(out));
      continue;
    }
    std::byte* const wide = narrow ? row_scratch.take(static_cast<size_t>(w.columns) * sizeof(float)) : out;
    auto* const row = reinterpret_cast<float*>(wide);
    dequantize(*plan.table, w.dtype, stored + static_cast<size_t>(n) * w.row_stride, w.columns, row);
    if (plan.source == Source::panel_rounded) plan.table->round_to_bf16(row, w.columns, row);
    if (narrow) plan.table->to_bf16(row, w.columns, reinterpret_cast<uint16_t*>(out));
  }
  tile.weights = panel;
}

int64_t panel_rows(const Plan& plan, const WeightView& w, int64_t count) {
  if (plan.source == Source::stored && count <= kRowGrain) return w.rows;  // each weight is read once anyway
  const bool narrow = plan.bf16_activations;
  const auto row_bytes = static_cast<int64_t>(panel_stride(w.columns, narrow ? sizeof(uint16_t) : sizeof(float)));
  const int64_t bytes = std::min(cache_sizes().second / 4, kPanelBytesMax);
  return std::max<int64_t>(kOutputGrain, bytes / row_bytes / kOutputGrain * kOutputGrain);
}

struct Range {
  int64_t begin = 0;
  int64_t end = 0;
};

}  // namespace

void matmul(WorkerPool& pool, const WeightView& w, const InputRows& x, const OutputRows& y, const float* bias,
            MatmulCompute compute) {
  const int64_t count = x.count;
  if (count <= 0 || w.rows <= 0) return;
  KEDGE_DCHECK(compute != MatmulCompute::int8);  // weights are not packed here
  if (w.column_order != nullptr) {
    WeightView in_order = w;
    in_order.column_order = nullptr;
    return matmul(pool, in_order, gathered(pool, x, w.column_order, w.columns), y, bias, compute);
  }
  if (compute == MatmulCompute::bf16_tiles) {
    if (kernels().tile_product != nullptr) return tile_matmul(pool, kernels(), w, x, y, bias);
    compute = MatmulCompute::bf16;
  }
  const Plan plan = plan_of(w.dtype, count, compute);
  const Activations activations = activations_of(pool, plan, x, w.columns);
  const int64_t panel = panel_rows(plan, w, count);
  const auto block = [&](Range rows, Range outputs) {
    MatmulTile tile{.columns = w.columns,
                    .x = activations.data + static_cast<size_t>(rows.begin) * activations.stride,
                    .x_stride = activations.stride,
                    .count = rows.end - rows.begin,
                    .y_stride = y.stride};
    for (int64_t first = outputs.begin; first < outputs.end; first += panel) {
      tile.outputs = std::min(panel, outputs.end - first);
      tile.y = y.data + rows.begin * y.stride + first;
      tile.bias = bias != nullptr ? bias + first : nullptr;
      set_weights(plan, w, first, tile);
      plan.kernel(tile);
    }
  };
  // Weights are read once where the workers share them out; a matrix with few rows is shared out by activations.
  const auto workers = static_cast<int64_t>(pool.size());
  if (w.rows < workers * 4 * kOutputGrain && count >= workers * kRowGrain) {
    pool.parallel_for(count, kRowGrain,
                      [&](int64_t begin, int64_t end, unsigned) { block({begin, end}, {0, w.rows}); });
  } else {
    pool.parallel_for_parts(w.rows, kOutputGrain,
                            [&](int64_t begin, int64_t end, unsigned) { block({0, count}, {begin, end}); });
  }
}

MatmulCompute for_stored_weights(MatmulCompute compute) {
  if (compute != MatmulCompute::int8) return compute;
  return kernels().bf16.matmul_bf16 != nullptr ? MatmulCompute::bf16 : MatmulCompute::f32;
}

MatmulCompute for_many_tokens(MatmulCompute compute) {
  if (compute == MatmulCompute::f32 || kernels().tile_product == nullptr) return compute;
  return MatmulCompute::bf16_tiles;
}

MatmulCompute for_decoding(MatmulCompute compute, const WeightView& w) {
  const bool as_stored = w.dtype == DType::bf16 && w.columns % kTileColumns == 0 && w.column_order == nullptr;
  return compute == MatmulCompute::bf16 && as_stored ? for_many_tokens(compute) : compute;
}

void dequantize_row(const WeightView& w, int64_t row, float* out) {
  const std::byte* const stored = w.data + static_cast<size_t>(row) * w.row_stride;
  if (w.column_order == nullptr) return dequantize(kernels(), w.dtype, stored, w.columns, out);
  std::vector<float> values(static_cast<size_t>(w.columns));
  dequantize(kernels(), w.dtype, stored, w.columns, values.data());
  for (int64_t k = 0; k < w.columns; ++k) out[w.column_order[k]] = values[static_cast<size_t>(k)];
}

}  // namespace kedge::cpu
