#include <algorithm>
#include <vector>

#include "core/check.h"
#include "cpu/caches.h"
#include "cpu/dispatch.h"
#include "cpu/gather.h"
#include "cpu/ops.h"
#include "cpu/product_output.h"
#include "cpu/row_reader.h"
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

/// Rows of activations in the form that a plan's kernel reads: as given, or converted into this thread's scratch.
struct Activations {
  const std::byte* data = nullptr;
  size_t stride = 0;
};

Activations activations_of(WorkerPool& pool, const Plan& plan, const InputRows& x, int64_t columns) {
  if (!plan.bf16_activations && !plan.rounded_activations && x.norm == nullptr) {
    return {reinterpret_cast<const std::byte*>(x.data), static_cast<size_t>(x.stride) * sizeof(float)};
  }
  thread_local Scratch scratch;
  const size_t stride = panel_stride(columns, plan.bf16_activations ? sizeof(uint16_t) : sizeof(float));
  std::byte* const converted = scratch.take(stride * static_cast<size_t>(x.count));
  const int64_t grain = std::max<int64_t>(1, 32768 / columns);  // fewer elements are not worth waking a worker
  pool.parallel_for(x.count, grain, [&](int64_t begin, int64_t end, unsigned) {
    const RowReader rows(*plan.table, x);
    for (int64_t i = begin; i < end; ++i) {
      std::byte* const row = converted + static_cast<size_t>(i) * stride;
      if (plan.bf16_activations) {
        plan.table->to_bf16(rows.row(i), columns, reinterpret_cast<uint16_t*>(row));
      } else if (plan.rounded_activations) {
        plan.table->round_to_bf16(rows.row(i), columns, reinterpret_cast<float*>(row));
      } else {
        rows.normalise(i, reinterpret_cast<float*>(row));
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
  const Factor<WeightView>& factor;
  Activations x;
  int64_t count = 0;  // rows of x
};

/// Where the tile's outputs go, with its first activation row and output.
MatmulTile tile_at(const Product& p, const OutputRange& outputs, Range rows, int64_t done) {
  return {.columns = p.factor.w.columns,
          .x = p.x.data + static_cast<size_t>(rows.begin) * p.x.stride,
          .x_stride = p.x.stride,
          .count = rows.size(),
          .y = outputs.y + rows.begin * outputs.y_stride + done,
          .y_stride = outputs.y_stride,
          .bias = p.factor.bias != nullptr ? p.factor.bias + outputs.first + done : nullptr};
}

/// All columns of some outputs after the other.
void multiply_panels(const Product& p, const OutputRange& outputs) {
  const int64_t panel = panel_rows(p.plan, p.factor.w, p.count);
  for (int64_t done = 0; done < outputs.count; done += panel) {
    MatmulTile tile = tile_at(p, outputs, {0, p.count}, done);
    tile.outputs = std::min(panel, outputs.count - done);
    set_weights(p.plan, p.factor.w, outputs.first + done, {0, p.factor.w.columns}, tile);
    p.plan.kernel(tile);
  }
}

int64_t rounded_up(int64_t value, int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

/// All columns of some rows and outputs, block after block.
void multiply_block(const Product& p, const OutputRange& outputs, Range rows, int64_t done) {
  thread_local Scratch sums;
  const size_t x_bytes = p.plan.bf16_activations ? sizeof(uint16_t) : sizeof(float);
  MatmulTile tile = tile_at(p, outputs, rows, done);
  tile.outputs = std::min(kBlockOutputs, outputs.count - done);
  const int64_t kept = rounded_up(tile.count, kSumsRows) * rounded_up(tile.outputs, kSumsOutputs);
  tile.sums = reinterpret_cast<float*>(sums.take(static_cast<size_t>(kept * kSumsOfProduct) * sizeof(float)));
  const std::byte* const x = tile.x;
  for (int64_t k = 0; k < p.factor.w.columns; k += kBlockColumns) {
    const Range columns{k, std::min(p.factor.w.columns, k + kBlockColumns)};
    tile.x = x + static_cast<size_t>(k) * x_bytes;
    tile.columns = columns.size();
    tile.first = k == 0;
    tile.last = columns.end == p.factor.w.columns;
    set_weights(p.plan, p.factor.w, outputs.first + done, columns, tile);
    p.plan.kernel(tile);
  }
}

void multiply_blocks(const Product& p, const OutputRange& outputs) {
  for (int64_t row = 0; row < p.count; row += kBlockTokens) {
    for (int64_t done = 0; done < outputs.count; done += kBlockOutputs) {
      multiply_block(p, outputs, {row, std::min(p.count, row + kBlockTokens)}, done);
    }
  }
}

/// Activations for products in vectors (product_output.h says what an input is).
class VectorInput {
 public:
  VectorInput(WorkerPool& pool, const WeightView& w, const InputRows& x, MatmulCompute compute)
      : compute_(compute),
        batch_(x.count),
        count_(x.count),
        x_(activations_of(pool, plan_of(w.dtype, x.count, compute), x, w.columns)) {}

  [[nodiscard]] int64_t grain() const { return batch_ < kBlockedCountMin ? kOutputGrain : kBlockOutputs / 2; }
  [[nodiscard]] int64_t kept_outputs() const {
    constexpr int64_t kFloats = int64_t{1} << 15;
    return std::max(kBlockOutputs, kFloats / count_ / kBlockOutputs * kBlockOutputs);
  }
  /// Some of its rows, which are computed as in the whole.
  [[nodiscard]] VectorInput part(const RowsOfBatch& rows) const {
    VectorInput result = *this;
    result.count_ = rows.count;
    result.x_.data += static_cast<size_t>(rows.first) * x_.stride;
    return result;
  }

  void multiply(const Factor<WeightView>& factor, const OutputRange& outputs) const {
    const Plan plan = plan_of(factor.w.dtype, batch_, compute_);
    const Product product{plan, factor, x_, count_};
    const auto compute = batch_ < kBlockedCountMin ? multiply_panels : multiply_blocks;
    if (!outputs.added) return compute(product, outputs);
    thread_local Scratch scratch;
    const int64_t most = std::min(kept_outputs(), outputs.count);
    auto* const sums = reinterpret_cast<float*>(scratch.take(static_cast<size_t>(count_ * most) * sizeof(float)));
    in_steps(outputs, most, [&](const OutputRange& some) {
      compute(product, {some.first, some.count, sums, most});
      for (int64_t i = 0; i < count_; ++i) {
        plan.table->add_scaled(1.0F, sums + i * most, some.y + i * some.y_stride, some.count);
      }
    });
  }

 private:
  MatmulCompute compute_;
  int64_t batch_;  // rows of the whole input: they choose the kernel
  int64_t count_;
  Activations x_;
};

/// Weights are read once where the workers share them out; a matrix with few rows is shared out by activations.
void multiply_vectors(WorkerPool& pool, const VectorInput& input, const Factor<WeightView>& factor, int64_t count,
                      const OutputRows& y, int64_t before) {
  const auto workers = static_cast<int64_t>(pool.size());
  if (factor.w.rows >= workers * 4 * kOutputGrain || count < workers * kRowGrain) {
    return multiply(pool, input, factor, RowsOfBatch{0, count}, y, before);
  }
  pool.parallel_for(count, kRowGrain, [&](int64_t begin, int64_t end, unsigned) {
    const RowsOfBatch rows{begin, end - begin};
    const OutputRange all{0, factor.w.rows, y.data + begin * y.stride, y.stride, y.added};
    multiply_updated(input.part(rows), factor, y.update, rows, all, before);
    if (y.activation != nullptr) activate(kernels(), *y.activation, rows, all);
  });
}

/// Without tile registers bf16 in tiles is bf16.
MatmulCompute possible(MatmulCompute compute) {
  KEDGE_DCHECK(compute != MatmulCompute::int8);  // weights are not packed here
  return compute == MatmulCompute::bf16_tiles && kernels().tile_product == nullptr ? MatmulCompute::bf16 : compute;
}

/// Calls function(input, which rows, rows of y) with `x` for tile registers, some rows after the others.
template <typename Function>
void with_tiles(WorkerPool& pool, const WeightView& w, const InputRows& x, const OutputRows& y, Function function) {
  for (int64_t first = 0; first < x.count; first += TileRows::kTokensMax) {
    const int64_t count = std::min(TileRows::kTokensMax, x.count - first);
    const InputRows part{x.data + first * x.stride, x.stride, count, x.norm};
    function(TileRows(pool, kernels(), w, part), RowsOfBatch{first, count},
             OutputRows{y.data + first * y.stride, y.stride, y.added, y.update, y.activation});
  }
}

}  // namespace

void matmul(WorkerPool& pool, const WeightView& w, const InputRows& x, const OutputRows& y, const float* bias,
            MatmulCompute compute) {
  if (x.count <= 0) return;
  BiasedWeights weights{w, bias};
  weights.weight.column_order = nullptr;
  if (w.column_order == nullptr) return stacked_matmul(pool, {&weights, 1}, x, y, compute);
  KEDGE_DCHECK(x.norm == nullptr);
  stacked_matmul(pool, {&weights, 1}, gathered(pool, x, w.column_order, w.columns), y, compute);
}

void stacked_matmul(WorkerPool& pool, std::span<const BiasedWeights> stack, const InputRows& x, const OutputRows& y,
                    MatmulCompute compute) {
  if (x.count <= 0 || stack.empty()) return;
  compute = possible(compute);
  const WeightView& shape = stack.front().weight;
  KEDGE_DCHECK(x.norm == nullptr || x.norm->size == shape.columns);
  const auto each = [&](const OutputRows& all, const auto& function) {
    OutputRows some = all;
    for (const BiasedWeights& part : stack) {
      KEDGE_DCHECK(part.weight.columns == shape.columns && part.weight.column_order == nullptr);
      function(Factor<WeightView>{part.weight, part.bias}, some, some.data - all.data);
      some.data += part.weight.rows;
    }
  };
  if (compute != MatmulCompute::bf16_tiles) {
    const VectorInput input(pool, shape, x, compute);
    return each(y, [&](const Factor<WeightView>& factor, const OutputRows& some, int64_t before) {
      multiply_vectors(pool, input, factor, x.count, some, before);
    });
  }
  with_tiles(pool, shape, x, y, [&](const TileRows& input, const RowsOfBatch& rows, const OutputRows& all) {
    each(all, [&](const Factor<WeightView>& factor, const OutputRows& some, int64_t before) {
      multiply(pool, input, factor, rows, some, before);
    });
  });
}

void gated_matmul(WorkerPool& pool, const GatedWeights& w, const InputRows& x, const OutputRows& y,
                  MatmulCompute compute) {
  const WeightView& gate = w.gate.weight;
  if (x.count <= 0 || gate.rows <= 0) return;
  KEDGE_DCHECK(gate.rows == w.up.weight.rows && gate.columns == w.up.weight.columns);
  KEDGE_DCHECK(gate.column_order == nullptr && w.up.weight.column_order == nullptr);
  compute = possible(compute);
  const GatedFactors<WeightView> factors{
      {gate, w.gate.bias}, {w.up.weight, w.up.bias}, gate_kernel(kernels(), w.activation)};
  if (compute != MatmulCompute::bf16_tiles) {
    return multiply_gated(pool, VectorInput(pool, gate, x, compute), factors, RowsOfBatch{0, x.count}, y);
  }
  with_tiles(pool, gate, x, y, [&](const TileRows& input, const RowsOfBatch& rows, const OutputRows& part) {
    multiply_gated(pool, input, factors, rows, part);
  });
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
