#include "cpu/tile_matmul.h"

#include <algorithm>
#include <cstring>

#include "cpu/caches.h"
#include "cpu/dispatch.h"
#include "cpu/scratch.h"

namespace kedge::cpu {
namespace {

// The caches hold a worker's blocks (Sapphire Rapids: 48 KB and 2 MB a core): two tiles of weights by 512 columns (32
// KB) stay in the first, which tokens pass by; 512 columns of the tokens, the sums (512 KB each) and 512 columns of the
// panel (256 KB) stay in the second. A token's byte that comes from beyond it is used 256 times.
constexpr int64_t kTokensMax = 512;
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

/// One pass of at most kTokensMax tokens.
class Pass {
 public:
  Pass(const KernelTable& table, const WeightView& w, const InputRows& x, const OutputRows& y, const float* bias)
      : table_(table),
        w_(w),
        x_(x),
        y_(y),
        bias_(bias),
        columns_(rounded_up(w.columns, kTileColumns)),
        groups_(rounded_up(x.count, kTileSide) / kTileSide) {}

  void run(WorkerPool& pool) {
    pack(pool);
    const int64_t unit = tile_outputs_at_once(w_.rows, pool.size());
    pool.parallel_for_parts(w_.rows, unit, [&](int64_t begin, int64_t end, unsigned) {
      for (int64_t first = begin; first < end; first += unit) {
        multiply_panel({first, std::min(end, first + unit)});
      }
    });
  }

 private:
  /// All tokens of a block of columns lie together: a power of two apart they would meet in few sets of the caches.
  void pack(WorkerPool& pool) {
    thread_local Scratch scratch;
    packed_ = scratch.take(packed_offset(columns_));
    pool.parallel_for(groups_, 1, [&](int64_t begin, int64_t end, unsigned) {
      for (int64_t group = begin; group < end; ++group) {
        const int64_t token = group * kTileSide;
        const int64_t tokens = std::min(kTileSide, x_.count - token);
        for (int64_t first = 0; first < columns_; first += kBlockColumns) {
          const int64_t columns = std::min(kBlockColumns, w_.columns - first);
          table_.pack_tokens(x_.data + token * x_.stride + first, x_.stride, tokens, columns,
                             packed_ + packed_offset(first) + static_cast<size_t>(group) * group_bytes(first));
        }
      }
    });
  }

  /// Bytes of a group of tokens in the block of columns that begins at `first`.
  [[nodiscard]] size_t group_bytes(int64_t first) const {
    const int64_t columns = std::min(kBlockColumns, columns_ - first);
    return static_cast<size_t>(columns * kTileSide) * sizeof(uint16_t);
  }
  /// Where that block lies. `first`: a multiple of kBlockColumns, or columns_.
  [[nodiscard]] size_t packed_offset(int64_t first) const {
    return static_cast<size_t>(first * groups_ * kTileSide) * sizeof(uint16_t);
  }

  void multiply_panel(Range outputs) const {
    thread_local Scratch sums;
    TileProduct product{.left_count = outputs.size(),
                        .right_count = x_.count,
                        .y = y_.data + outputs.begin,
                        .y_stride = y_.stride,
                        .bias = bias_ != nullptr ? bias_ + outputs.begin : nullptr};
    const int64_t tiles = rounded_up(product.left_count, kTileSide) * rounded_up(product.right_count, kTileSide);
    product.sums = reinterpret_cast<float*>(sums.take(static_cast<size_t>(tiles) * sizeof(float)));
    for (int64_t first = 0; first < columns_; first += kBlockColumns) {
      product.columns = std::min(columns_, first + kBlockColumns) - first;
      product.right = packed_ + packed_offset(first);
      product.right_stride = group_bytes(first);
      product.first = first == 0;
      product.last = first + product.columns == columns_;
      if (in_place()) {
        product.left = stored(outputs.begin, first);
        product.left_stride = w_.row_stride;
      } else {
        product.left = narrow_block(outputs, {first, first + product.columns});
        product.left_stride = static_cast<size_t>(product.columns) * sizeof(uint16_t);
      }
      table_.tile_product(product);
    }
  }

  /// Whether products read the weights where they are stored.
  [[nodiscard]] bool in_place() const {
    return w_.dtype == DType::bf16 && w_.columns == columns_ && x_.count < kCopyCountMin;
  }

  [[nodiscard]] const std::byte* stored(int64_t row, int64_t column) const {
    const DTypeInfo& info = info_of(w_.dtype);
    const size_t offset = static_cast<size_t>(column) / info.block_elements * info.block_bytes;
    return w_.data + static_cast<size_t>(row) * w_.row_stride + offset;
  }

  /// The weights of a panel's rows and a block's columns as bf16 in this thread's scratch.
  [[nodiscard]] const std::byte* narrow_block(Range outputs, Range columns) const {
    thread_local Scratch scratch;
    auto* const block = reinterpret_cast<uint16_t*>(
        scratch.take(static_cast<size_t>(outputs.size() * columns.size()) * sizeof(uint16_t)));
    const int64_t filled = std::min(columns.end, w_.columns) - columns.begin;
    for (int64_t n = 0; n < outputs.size(); ++n) {
      const std::byte* const row = stored(outputs.begin + n, columns.begin);
      // The next block's part of this row: too short a run for the hardware to fetch ahead.
      const std::byte* const next = stored(outputs.begin + n, std::min(columns.end, w_.columns));
      for (const std::byte* line = next; line < next + (next - row); line += 64) __builtin_prefetch(line, 0, 2);
      uint16_t* const out = block + n * columns.size();
      narrow_row(row, filled, out);
      std::memset(out + filled, 0, static_cast<size_t>(columns.size() - filled) * sizeof(uint16_t));
    }
    return reinterpret_cast<const std::byte*>(block);
  }

  void narrow_row(const std::byte* stored, int64_t columns, uint16_t* out) const {
    if (w_.dtype == DType::bf16) {
      std::memcpy(out, stored, static_cast<size_t>(columns) * sizeof(uint16_t));
      return;
    }
    const auto kernel = format_of(table_, w_.dtype).dequantize_bf16;
    if (kernel != nullptr) {
      kernel(stored, columns, out);
      return;
    }
    alignas(64) float wide[kBlockColumns];
    dequantize(table_, w_.dtype, stored, columns, wide);
    table_.to_bf16(wide, columns, out);
  }

  const KernelTable& table_;
  const WeightView& w_;
  const InputRows& x_;
  const OutputRows& y_;
  const float* bias_;
  int64_t columns_;  // of the packed tokens
  int64_t groups_;   // of tokens
  std::byte* packed_ = nullptr;
};

}  // namespace

int64_t tile_outputs_at_once(int64_t rows, int64_t workers) {
  const int64_t sums_of_output = kTokensMax * static_cast<int64_t>(sizeof(float));
  const int64_t in_cache = cache_sizes().second / 4 / sums_of_output / (2 * kTileSide) * (2 * kTileSide);
  int64_t outputs = std::clamp(in_cache, 2 * kTileSide, kTileOutputsMax);
  const auto units = [&] { return (rows + outputs - 1) / outputs; };
  while (outputs > 2 * kTileSide && units() < 4 * workers && units() % workers != 0) outputs /= 2;
  return outputs;
}

void tile_matmul(WorkerPool& pool, const KernelTable& table, const WeightView& w, const InputRows& x,
                 const OutputRows& y, const float* bias) {
  for (int64_t first = 0; first < x.count; first += kTokensMax) {
    const InputRows part{x.data + first * x.stride, x.stride, std::min(kTokensMax, x.count - first)};
    const OutputRows out{y.data + first * y.stride, y.stride};
    Pass(table, w, part, out, bias).run(pool);
  }
}

}  // namespace kedge::cpu
