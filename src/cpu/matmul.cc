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

// From this many activation rows on, a product goes block of columns by block of columns: those of some tokens and
// outputs stay in the second-level cache with their partial sums (of a vector each), those of six tokens in the first.
constexpr int64_t kBlockedCountMin = 24;
constexpr int64_t kBlockColumns = 512;  // a multiple of every stored block
constexpr int64_t kBlockTokens = 126;   // a multiple of every kernel's rows; by 64 outputs 0.5 MB of sums
constexpr int64_t kBlockOutputs = 64;

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
  // Rows of f32 whose length is a power of two would share few sets of the first-level cache.
  const bool padded = dtype == DType::f32 && count >= kBlockedCountMin;
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

struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  [[nodiscard]] int64_t size() const { return end - begin; }
};

/// Points the tile at its weight rows [first, first + tile.outputs) and columns [k.begin, k.end), which begin and end
/// with a block, in the form that the kernel reads.
void set_weights(const Plan& plan, const WeightView& w, int64_t first, Range k, MatmulTile& tile) {
  const DTypeInfo& info = info_of(w.dtype);
  const std::byte* const stored = w.data + static_cast<size_t>(first) * w.row_stride +
                                  static_cast<size_t>(k.begin) / info.block_elements * info.block_bytes;
  if (plan.source == Source::stored) {
    tile.weights = stored;
    tile.weight_stride = w.row_stride;
    return;
  }
  thread_local Scratch scratch;
  thread_local Scratch row_scratch;
  const bool narrow = plan.source == Source::panel_bf16;
  const FormatKernels& format = format_of(*plan.table, w.dtype);
  tile.weight_stride = panel_stride(k.size(), narrow ? sizeof(uint16_t) : sizeof(float));
  std::byte* const panel = scratch.take(tile.weight_stride * static_cast<size_t>(tile.outputs));
  for (int64_t n = 0; n < tile.outputs; ++n) {
    const std::byte* const row = stored + static_cast<size_t>(n) * w.row_stride;
    std::byte* const out = panel + static_cast<size_t>(n) * tile.weight_stride;
    if (narrow && format.dequantize_bf16 != nullptr) {
      format.dequantize_bf16(row, k.size(), reinterpret_cast<uint16_t*>(out));
      continue;
    }
    std::byte* const taken = narrow ? row_scratch.take(static_cast<size_t>(k.size()) * sizeof(float)) : out;
    auto* const wide = reinterpret_cast<float*>(taken);
    dequantize(*plan.table, w.dtype, row, k.size(), wide);
    if (plan.source == Source::panel_rounded) plan.table->round_to_bf16(wide, k.size(), wide);
    if (narrow) plan.table->to_bf16(wide, k.size(), reinterpret_cast<uint16_t*>(out));
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

/// The operands of a product.
struct Product {
  const Plan& plan;
  const WeightView& w;
  Activations x;
  const OutputRows& y;
  const float* bias;
};

/// Where the tile's outputs go, with its first activation row and output.
MatmulTile tile_at(const Product& p, Range rows, int64_t output) {
  return {.columns = p.w.columns,
          .x = p.x.data + static_cast<size_t>(rows.begin) * p.x.stride,
          .x_stride = p.x.stride,
          .count = rows.size(),
          .y = p.y.data + rows.begin * p.y.stride + output,
          .y_stride = p.y.stride,
          .bias = p.bias != nullptr ? p.bias + output : nullptr};
}

/// All columns of some outputs after the other.
void multiply_panels(const Product& p, Range rows, Range outputs) {
  const int64_t panel = panel_rows(p.plan, p.w, rows.size());
  for (int64_t first = outputs.begin; first < outputs.end; first += panel) {
    MatmulTile tile = tile_at(p, rows, first);
    tile.outputs = std::min(panel, outputs.end - first);
    set_weights(p.plan, p.w, first, {0, p.w.columns}, tile);
    p.plan.kernel(tile);
  }
}

int64_t rounded_up(int64_t value, int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

/// Block of columns by block of columns.
void multiply_blocks(const Product& p, Range rows, Range outputs) {
  thread_local Scratch sums;
  const size_t x_bytes = p.plan.bf16_activations ? sizeof(uint16_t) : sizeof(float);
  for (int64_t row = rows.begin; row < rows.end; row += kBlockTokens) {
    for (int64_t first = outputs.begin; first < outputs.end; first += kBlockOutputs) {
      MatmulTile tile = tile_at(p, {row, std::min(rows.end, row + kBlockTokens)}, first);
      tile.outputs = std::min(kBlockOutputs, outputs.end - first);
      const int64_t kept = rounded_up(tile.count, kSumsRows) * rounded_up(tile.outputs, kSumsOutputs);
      tile.sums = reinterpret_cast<float*>(sums.take(static_cast<size_t>(kept * kSumsOfProduct) * sizeof(float)));
      const std::byte* const x = tile.x;
      for (int64_t k = 0; k < p.w.columns; k += kBlockColumns) {
        const Range columns{k, std::min(p.w.columns, k + kBlockColumns)};
        tile.x = x + static_cast<size_t>(k) * x_bytes;
        tile.columns = columns.size();
        tile.first = k == 0;
        tile.last = columns.end == p.w.columns;
        set_weights(p.plan, p.w, first, columns, tile);
        p.plan.kernel(tile);
      }
    }
  }
}

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
  const Product product{plan, w, activations, y, bias};
  const auto block = [&](Range rows, Range outputs) {
    (count < kBlockedCountMin ? multiply_panels : multiply_blocks)(product, rows, outputs);
  };
  // Weights are read once where the workers share them out; a matrix with few rows is shared out by activations.
  const auto workers = static_cast<int64_t>(pool.size());
  if (w.rows < workers * 4 * kOutputGrain && count >= workers * kRowGrain) {
    pool.parallel_for(count, kRowGrain,
                      [&](int64_t begin, int64_t end, unsigned) { block({begin, end}, {0, w.rows}); });
  } else {
    pool.parallel_for_parts(w.rows, count < kBlockedCountMin ? kOutputGrain : kBlockOutputs / 2,
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
