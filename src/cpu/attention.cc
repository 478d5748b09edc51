#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/check.h"
#include "cpu/dispatch.h"
#include "cpu/ops.h"
#include "cpu/scratch.h"

namespace kedge::cpu {
namespace {

// Queries that pass over a block of keys together: enough to reuse it from the cache, few enough that their scores and
// sums (64 * (64 + head_size) floats) stay in the second-level cache beside it.
constexpr int64_t kTileRows = 64;

// The same in bf16 products, where a block's values are turned round for each tile (a fifth of the time with 512 rows,
// measured on a Xeon with AMX); queries and sums of 512 rows of 128 take 400 KB of the second-level cache.
constexpr int64_t kPromptTileRows = 512;

// Decoding deals a sequence's keys to the threads in parts of so many positions: the sums of a part are merged in
// order, so that the result does not depend on who computed it. 1024 keys of 64 elements are 256 KB.
constexpr int64_t kPartKeys = 1024;

/// The kernels for keys and values of one type; without one for prompts, the other takes them.
struct KvKernels {
  AttentionKernel any;
  AttentionKernel prompt;
};

KvKernels kernels_of(const KernelTable& table, KvType type) {
  switch (type) {
    case KvType::f32:
      return {table.attention_f32, nullptr};
    case KvType::bf16:
      return {table.attention_bf16, table.attention_prompt_bf16};
    case KvType::int8:
      return {table.attention_int8, table.attention_prompt_int8};
    case KvType::int4:
      break;
  }
  return {table.attention_int4, table.attention_prompt_int4};
}

int64_t rounded_up(int64_t value, int64_t step) {
  return (value + step - 1) / step * step;
}

/// Scores of one key block, accumulators, queries, and three numbers a row.
int64_t scratch_floats(int64_t rows, int64_t head_size) {
  return rows * (kKeyBlock + 2 * rounded_up(head_size, kKvGroup) + 16);
}

/// Of a prompt in bf16 products: queries, sums and two numbers a row; a block's keys and values; scores and weights;
/// 33 rows of elements.
int64_t prompt_scratch_floats(int64_t rows, int64_t head_size) {
  const int64_t columns = rounded_up(head_size, kTileColumns);
  const int64_t padded = rounded_up(rows, kPromptRows);
  return padded * (columns / 2 + columns + 2) + kPromptKeys * columns + kPromptKeys * kPromptRows * 3 / 2 +
         33 * columns / 2 + 16;
}

/// The order in which tiles are dealt: first, last, second, last but one, ..., so that contiguous ranges cost alike
/// although later tiles see more keys.
int64_t folded(int64_t index, int64_t count) {
  return index % 2 == 0 ? index / 2 : count - 1 - index / 2;
}

/// What one call of a kernel computes: some queries of a kv head over all their keys, or over a part of them.
struct Item {
  const AttentionRun* run = nullptr;
  int64_t row = 0;  // of the run's first query
  int64_t kv_head = 0;
  int64_t token = 0;  // of the run
  int64_t tokens = 0;
  int64_t part = 0;   // starts at position part * kPartKeys
  int64_t parts = 0;  // of these queries; this is number `index`. One part goes straight to the output
  int64_t index = 0;
  int64_t partial = 0;  // where the part's sums are, in floats
};

class Pass {
 public:
  Pass(const Attention& attention, std::span<const AttentionRun> runs, const InputRows& q, const OutputRows& out)
      : attention_(attention),
        runs_(runs),
        q_(q),
        out_(out),
        shape_(runs.front().kv),
        head_(kv_head_shape(shape_.type, shape_.page_tokens, shape_.head_size)),
        group_(attention.heads / shape_.kv_heads),
        kernels_(kernels_of(kernels(), shape_.type)),
        tiled_(attention.prompt && kernels_.prompt != nullptr) {
    KEDGE_DCHECK(attention.heads % shape_.kv_heads == 0);
  }

  void run(WorkerPool& pool) {
    thread_local std::vector<Item> items;
    thread_local Scratch partials;
    items.clear();
    int64_t row = 0;
    for (const AttentionRun& run : runs_) {
      add_items(run, row, tile_tokens(pool, run), items);
      row += run.count;
    }
    KEDGE_DCHECK(row == q_.count);
    if (partial_floats_ > 0) {
      partials_ = reinterpret_cast<float*>(partials.take(static_cast<size_t>(partial_floats_) * sizeof(float)));
    }
    const std::span<const Item> all = items;
    pool.parallel_for_parts(static_cast<int64_t>(all.size()), 1, [&](int64_t begin, int64_t end, unsigned) {
      for (int64_t i = begin; i < end; ++i) attend(all[static_cast<size_t>(i)]);
    });
    if (partial_floats_ == 0) return;
    pool.parallel_for_parts(static_cast<int64_t>(all.size()), 1, [&](int64_t begin, int64_t end, unsigned) {
      for (int64_t i = begin; i < end; ++i) {
        const Item& item = all[static_cast<size_t>(i)];
        if (item.parts > 1 && item.index == 0)
          merge(all.subspan(static_cast<size_t>(i), static_cast<size_t>(item.parts)));
      }
    });
  }

 private:
  [[nodiscard]] int64_t rows_of(const Item& item) const { return item.tokens * group_; }

  /// Sums, the largest score and the sum of weights of each row.
  [[nodiscard]] int64_t partial_floats_of(const Item& item) const { return rows_of(item) * (shape_.head_size + 2); }

  /// Fewer in a tile where there would be too few tiles for the threads.
  [[nodiscard]] int64_t tile_tokens(const WorkerPool& pool, const AttentionRun& run) const {
    int64_t rows = kTileRows;
    if (tiled_) {
      const int64_t each = run.count * group_ * shape_.kv_heads / (4 * static_cast<int64_t>(pool.size()));
      rows = std::clamp(each / kPromptRows * kPromptRows, kTileRows, kPromptTileRows);
    }
    return std::max<int64_t>(1, rows / group_);
  }

  void add_items(const AttentionRun& run, int64_t row, int64_t tile_tokens, std::vector<Item>& items) {
    const int64_t tiles = (run.count + tile_tokens - 1) / tile_tokens;
    for (int64_t kv_head = 0; kv_head < shape_.kv_heads; ++kv_head) {
      for (int64_t tile = 0; tile < tiles; ++tile) {
        const int64_t token = folded(tile, tiles) * tile_tokens;
        Item item{.run = &run,
                  .row = row,
                  .kv_head = kv_head,
                  .token = token,
                  .tokens = std::min(tile_tokens, run.count - token),
                  .part = 0,
                  .parts = 1};
        if (!attention_.prompt) find_parts(item);
        for (; item.index < item.parts; ++item.index, ++item.part) {
          item.partial = partial_floats_;
          if (item.parts > 1) partial_floats_ += partial_floats_of(item);
          items.push_back(item);
        }
      }
    }
  }

  void find_parts(Item& item) const {
    const int64_t first = item.run->first + item.token;
    const int64_t begin = attention_.window > 0 ? std::max<int64_t>(0, first - attention_.window + 1) : 0;
    const int64_t end = attention_.causal ? first + item.tokens : item.run->context;
    item.part = begin / kPartKeys;
    item.parts = (end - 1) / kPartKeys - item.part + 1;
  }

  void attend(const Item& item) const {
    thread_local Scratch scratch;
    const KvView& kv = item.run->kv;
    const int64_t floats =
        tiled_ ? prompt_scratch_floats(rows_of(item), kv.head_size) : scratch_floats(rows_of(item), kv.head_size);
    const int64_t row = item.row + item.token;
    const int64_t column = item.kv_head * group_ * kv.head_size;
    AttentionTile tile{.q = q_.data + row * q_.stride + column,
                       .q_stride = q_.stride,
                       .out = out_.data + row * out_.stride + column,
                       .out_stride = out_.stride,
                       .tokens = item.tokens,
                       .group = group_,
                       .head_size = kv.head_size,
                       .keys = kv.keys.data(),
                       .values = kv.values.data(),
                       .head_offset = static_cast<size_t>(item.kv_head * head_.bytes),
                       .row_bytes = static_cast<size_t>(head_.row_bytes),
                       .scales_offset = static_cast<size_t>(head_.scales_offset),
                       .page_tokens = kv.page_tokens,
                       .first = item.run->first + item.token,
                       .context = item.run->context,
                       .window = attention_.window,
                       .causal = attention_.causal,
                       .scale = attention_.scale,
                       .softcap = attention_.softcap,
                       .scratch = reinterpret_cast<float*>(scratch.take(static_cast<size_t>(floats) * sizeof(float)))};
    if (item.parts > 1) {
      tile.keys_begin = item.part * kPartKeys;
      tile.keys_end = tile.keys_begin + kPartKeys;
      tile.out = partials_ + item.partial;
      tile.out_stride = group_ * kv.head_size;
      tile.part_largest = tile.out + rows_of(item) * kv.head_size;
      tile.part_total = tile.part_largest + rows_of(item);
    }
    (tiled_ ? kernels_.prompt : kernels_.any)(tile);
  }

  /// Adds up the parts of some queries, first to last.
  // Bound: each part's sums are read once, head_size floats a row for kPartKeys keys and values: nothing.
  void merge(std::span<const Item> parts) const {
    const Item& item = parts.front();
    const int64_t size = shape_.head_size;
    const int64_t rows = rows_of(item);
    for (int64_t row = 0; row < rows; ++row) {
      float* const out = out_.data + (item.row + item.token + row / group_) * out_.stride +
                         (item.kv_head * group_ + row % group_) * size;
      const auto largest_of = [&](const Item& part) { return partials_[part.partial + rows * size + row]; };
      float largest = -std::numeric_limits<float>::infinity();
      for (const Item& part : parts) largest = std::max(largest, largest_of(part));
      float total = 0.0F;
      std::fill_n(out, size, 0.0F);
      for (const Item& part : parts) {
        const float factor = std::exp(largest_of(part) - largest);
        const float* const sums = partials_ + part.partial + row * size;
        total += factor * partials_[part.partial + rows * (size + 1) + row];
        for (int64_t d = 0; d < size; ++d) out[d] += factor * sums[d];
      }
      const float inverse = 1.0F / total;
      for (int64_t d = 0; d < size; ++d) out[d] *= inverse;
    }
  }

  const Attention& attention_;
  std::span<const AttentionRun> runs_;
  const InputRows& q_;
  const OutputRows& out_;
  const KvView& shape_;
  KvHeadShape head_;
  int64_t group_;
  KvKernels kernels_;
  bool tiled_;
  int64_t partial_floats_ = 0;
  float* partials_ = nullptr;
};

}  // namespace

void attention(WorkerPool& pool, const Attention& attention, std::span<const AttentionRun> runs, const InputRows& q,
               const OutputRows& out) {
  if (q.count > 0) Pass(attention, runs, q, out).run(pool);
}

}  // namespace kedge::cpu
