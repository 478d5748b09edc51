#include "cpu/tile_matmul.h"

#include <algorithm>
#include <cstring>

#include "cpu/caches.h"
#include "cpu/dispatch.h"
#include "cpu/row_reader.h"
#include "cpu/scratch.h"

namespace kedge::cpu {
namespace {

// The caches hold a worker's blocks (Sapphire Rapids: 48 KB and 2 MB a core): two tiles of weights by 512 columns (32
// KB) stay in the first, which tokens pass by; 512 columns of the tokens, the sums (512 KB each) and 512 columns of the
// panel (256 KB) stay in the second. A token's byte that comes from beyond it is used 256 times.
constexpr int64_t kBlockColumns = 512;  // a multiple of every stored block
// From here on a copy of the weights pays: rows that lie a power of two apart meet in few sets of the first cache.
constexpr int64_t kCopyCountMin = 64;

int64_t rounded_up(int64_t value, int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  [[nodiscard]] int64_t size() const { return end - begin; }
};

const std::byte* stored_at(const WeightView& w, int64_t row, int64_t column) {
  const DTypeInfo& info = info_of(w.dtype);
  const size_t offset = static_cast<size_t>(column) / info.block_elements * info.block_bytes;
  return w.data + static_cast<size_t>(row) * w.row_stride + offset;
}

void narrow_row(const KernelTable& table, DType dtype, const std::byte* stored, int64_t columns, uint16_t* out) {
  if (dtype == DType::bf16) {
    std::memcpy(out, stored, static_cast<size_t>(columns) * sizeof(uint16_t));
    return;
  }
  const auto kernel = format_of(table, dtype).dequantize_bf16;
  if (kernel != nullptr) {
    kernel(stored, columns, out);
    return;
  }
  alignas(64) float wide[kBlockColumns];
  dequantize(table, dtype, stored, columns, wide);
  table.to_bf16(wide, columns, out);
}

/// The weights of some rows and of columns that begin and end with a block, zeros behind the last one, as bf16 in this
/// thread's scratch.
const std::byte* narrow_block(const KernelTable& table, const WeightView& w, Range outputs, Range columns) {
  thread_local Scratch scratch;
  auto* const block = reinterpret_cast<uint16_t*>(
      scratch.take(static_cast<size_t>(outputs.size() * columns.size()) * sizeof(uint16_t)));
  const int64_t filled = std::min(columns.end, w.columns) - columns.begin;
  for (int64_t n = 0; n < outputs.size(); ++n) {
    const std::byte* const row = stored_at(w, outputs.begin + n, columns.begin);
    // The next block's part of this row: too short a run for the hardware to fetch ahead.
    const std::byte* const next = stored_at(w, outputs.begin + n, std::min(columns.end, w.columns));
    for (const std::byte* line = next; line < next + (next - row); line += 64) __builtin_prefetch(line, 0, 2);
    uint16_t* const out = block + n * columns.size();
    narrow_row(table, w.dtype, row, filled, out);
    std::memset(out + filled, 0, static_cast<size_t>(columns.size() - filled) * sizeof(uint16_t));
  }
  return reinterpret_cast<const std::byte*>(block);
}

}  // namespace

int64_t tile_outputs_at_once(int64_t rows, int64_t workers) {
  const int64_t sums_of_output = TileRows::kTokensMax * static_cast<int64_t>(sizeof(float));
  const int64_t in_cache = cache_sizes().second / 4 / sums_of_output / (2 * kTileSide) * (2 * kTileSide);
  int64_t outputs = std::clamp(in_cache, 2 * kTileSide, kTileOutputsMax);
  const auto units = [&] { return (rows + outputs - 1) / outputs; };
  while (outputs > 2 * kTileSide && units() < 4 * workers && units() % workers != 0) outputs /= 2;
  return outputs;
}

TileRows::TileRows(WorkerPool& pool, const KernelTable& table, const WeightView& w, const InputRows& x)
    : table_(table),
      columns_(w.columns),
      all_columns_(rounded_up(w.columns, kTileColumns)),
      count_(x.count),
      groups_(rounded_up(x.count, kTileSide) / kTileSide),
      unit_(tile_outputs_at_once(w.rows, pool.size())) {
  thread_local Scratch scratch;
  packed_ = scratch.take(packed_offset(all_columns_));
  pack(pool, x);
}

/// All tokens of a block of columns lie together: a power of two apart they would meet in few sets of the caches.
void TileRows::pack(WorkerPool& pool, const InputRows& x) {
  pool.parallel_for(groups_, 1, [&](int64_t begin, int64_t end, unsigned) {
    thread_local Scratch scratch;
    const RowReader rows(table_, x);
    for (int64_t group = begin; group < end; ++group) {
      const int64_t token = group * kTileSide;
      const int64_t tokens = std::min(kTileSide, count_ - token);
      InputRows some{x.data + token * x.stride, x.stride};
      if (x.norm != nullptr) {
        auto* const normed =
            reinterpret_cast<float*>(scratch.take(static_cast<size_t>(kTileSide * columns_) * sizeof(float)));
        for (int64_t i = 0; i < tokens; ++i) rows.normalise(token + i, normed + i * columns_);
        some = {normed, columns_};
      }
      for (int64_t first = 0; first < all_columns_; first += kBlockColumns) {
        table_.pack_tokens(some.data + first, some.stride, tokens, std::min(kBlockColumns, columns_ - first),
                           packed_ + packed_offset(first) + static_cast<size_t>(group) * group_bytes(first));
      }
    }
  });
}

/// Bytes of a group of tokens in the block of columns that begins at `first`.
size_t TileRows::group_bytes(int64_t first) const {
  const int64_t columns = std::min(kBlockColumns, all_columns_ - first);
  return static_cast<size_t>(columns * kTileSide) * sizeof(uint16_t);
}

/// Where that block lies. `first`: a multiple of kBlockColumns, or all_columns_.
size_t TileRows::packed_offset(int64_t first) const {
  return static_cast<size_t>(first * groups_ * kTileSide) * sizeof(uint16_t);
}

void TileRows::multiply(const Factor<WeightView>& factor, const OutputRange& outputs) const {
  in_steps(outputs, unit_, [&](const OutputRange& some) { multiply_panel(factor, some); });
}

void TileRows::multiply_panel(const Factor<WeightView>& factor, const OutputRange& outputs) const {
  thread_local Scratch sums;
  const WeightView& w = factor.w;
  TileProduct product{.left_count = outputs.count,
                      .right_count = count_,
                      .y = outputs.y,
                      .y_stride = outputs.y_stride,
                      .bias = factor.bias != nullptr ? factor.bias + outputs.first : nullptr,
                      .added = outputs.added,
                      .read_next = outputs.read_next};
  const int64_t tiles = rounded_up(product.left_count, kTileSide) * rounded_up(product.right_count, kTileSide);
  product.sums = reinterpret_cast<float*>(sums.take(static_cast<size_t>(tiles) * sizeof(float)));
  const bool in_place = w.dtype == DType::bf16 && columns_ == all_columns_ && count_ < kCopyCountMin;
  for (int64_t first = 0; first < all_columns_; first += kBlockColumns) {
    product.columns = std::min(all_columns_, first + kBlockColumns) - first;
    product.right = packed_ + packed_offset(first);
    product.right_stride = group_bytes(first);
    product.first = first == 0;
    product.last = first + product.columns == all_columns_;
    if (in_place) {
      product.left = stored_at(w, outputs.first, first);
      product.left_stride = w.row_stride;
    } else {
      product.left =
          narrow_block(table_, w, {outputs.first, outputs.first + outputs.count}, {first, first + product.columns});
      product.left_stride = static_cast<size_t>(product.columns) * sizeof(uint16_t);
    }
    table_.tile_product(product);
  }
}

// Bound: the rows' way from memory and into the packed form; 512 columns of them then stay in the second-level cache.
void multiply_few_in_tiles(const KernelTable& table, const WeightView& w, const InputRows& x, const OutputRows& y) {
  KEDGE_DCHECK(x.norm == nullptr && !y.added && y.update == nullptr && y.activation == nullptr);
  thread_local Scratch sums, packed;
  TileProduct product{.left_count = w.rows, .right_count = x.count, .y = y.data, .y_stride = y.stride};
  const int64_t groups = rounded_up(x.count, kTileSide) / kTileSide;
  const int64_t tiles = rounded_up(w.rows, kTileSide) * groups * kTileSide;
  product.sums = reinterpret_cast<float*>(sums.take(static_cast<size_t>(tiles) * sizeof(float)));
  const int64_t all_columns = rounded_up(w.columns, kTileColumns);
  product.right = packed.take(static_cast<size_t>(groups * kTileSide * kBlockColumns) * sizeof(uint16_t));
  for (int64_t first = 0; first < all_columns; first += kBlockColumns) {
    product.columns = std::min(all_columns, first + kBlockColumns) - first;
    product.right_stride = static_cast<size_t>(product.columns * kTileSide) * sizeof(uint16_t);
    for (int64_t group = 0; group < groups; ++group) {
      const int64_t token = group * kTileSide;
      table.pack_tokens(x.data + token * x.stride + first, x.stride, std::min(kTileSide, x.count - token),
                        std::min(product.columns, w.columns - first),
                        const_cast<std::byte*>(product.right) + static_cast<size_t>(group) * product.right_stride);
    }
    product.left = narrow_block(table, w, {0, w.rows}, {first, first + product.columns});
    product.left_stride = static_cast<size_t>(product.columns) * sizeof(uint16_t);
    product.first = first == 0;
    product.last = first + product.columns == all_columns;
    table.tile_product(product);
  }
}

}  // namespace kedge::cpu
