#include "cpu/tile_matmul.h"

#include <algorithm>
#include <cstring>

#include "cpu/dispatch.h"
#include "cpu/scratch.h"

namespace kedge::cpu {
namespace {

// The caches hold a worker's blocks (Sapphire Rapids: 48 KB and 2 MB a core): two tiles of weights by 256 columns and
// two of tokens (16 KB each) meet in the first; the tokens' 256 columns (256 KB), the panel's (128 KB) and its sums
// (512 KB) stay in the second. Of 128 to 2048 columns, 256 was the fastest: 2.2 of 3.2 TFLOP/s on one core, 512: 1.9.
constexpr int64_t kTokensMax = 512;
constexpr int64_t kPanelOutputs = 256;
constexpr int64_t kBlockColumns = 256;  // a multiple of every stored block
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
    pool.parallel_for(w_.rows, 2 * kTileSide, [&](int64_t begin, int64_t end, unsigned) {
      for (int64_t first = begin; first < end; first += kPanelOutputs) {
        multiply_panel({first, std::min(end, first + kPanelOutputs)});
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
      const int64_t end = std::min(columns_, first + kBlockColumns);
      product.columns = end - first;
      product.right = packed_ + packed_offset(first);
      product.right_stride = group_bytes(first);
      product.first = first == 0;
      product.last = end == columns_;
      set_weights(outputs, {first, std::min(end, w_.columns)}, product);
      table_.tile_product(product);
    }
  }

  /// Weights of the panel's rows and the block's columns as bf16: in place, or in this thread's scratch.
  void set_weights(Range outputs, Range columns, TileProduct& product) const {
    const DTypeInfo& info = info_of(w_.dtype);
    const size_t offset = static_cast<size_t>(columns.begin) / info.block_elements * info.block_bytes;
    const std::byte* const stored = w_.data + static_cast<size_t>(outputs.begin) * w_.row_stride + offset;
    if (w_.dtype == DType::bf16 && columns.size() == product.columns && x_.count < kCopyCountMin) {
      product.left = stored;
      product.left_stride = w_.row_stride;
      return;
    }
    thread_local Scratch scratch;
    product.left_stride = static_cast<size_t>(product.columns) * sizeof(uint16_t);
    std::byte* const panel = scratch.take(product.left_stride * static_cast<size_t>(outputs.size()));
    const size_t filled = static_cast<size_t>(columns.size()) * sizeof(uint16_t);
    for (int64_t n = 0; n < outputs.size(); ++n) {
      std::byte* const row = panel + static_cast<size_t>(n) * product.left_stride;
      narrow_row(stored + static_cast<size_t>(n) * w_.row_stride, columns.size(), reinterpret_cast<uint16_t*>(row));
      std::memset(row + filled, 0, product.left_stride - filled);
    }
    product.left = panel;
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

void tile_matmul(WorkerPool& pool, const KernelTable& table, const WeightView& w, const InputRows& x,
                 const OutputRows& y, const float* bias) {
  for (int64_t first = 0; first < x.count; first += kTokensMax) {
    const InputRows part{x.data + first * x.stride, x.stride, std::min(kTokensMax, x.count - first)};
    const OutputRows out{y.data + first * y.stride, y.stride};
    Pass(table, w, part, out, bias).run(pool);
  }
}

}  // namespace kedge::cpu
