#pragma once
// Attention of one kv head's queries, one block of keys after the other (online softmax: Milakov & Gimelshein 2018; Dao
// et al. 2022). Blocks start at fixed positions of the sequence and hidden keys weigh exactly 0, so that a query's
// result does not depend on the queries beside it. All rows of a group share one pass over keys and values. Include
// after vector.h, math.h and kv.h.

#include <cstddef>
#include <cstdint>

#include "cpu/isa/flush_to_zero.h"
#include "cpu/isa/key_range.h"
#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

/// The tile's working memory; rows are padded to whole cache lines.
struct Working {
  int64_t rows;
  int64_t stride;  // floats between rows of queries and sums
  float* scores;   // [rows][kKeyBlock]
  float* queries;  // [rows][stride]
  float* sums;     // [rows][stride]: weighted values
  float* largest;  // [rows]: the largest score so far
  float* total;    // [rows]: the sum of weights so far
  float* rescale;  // [rows]: what a new largest score does to the sums so far
};

inline Working start(const AttentionTile& t) {
  Working w{};
  w.rows = t.tokens * t.group;
  w.stride = (t.head_size + kKvGroup - 1) / kKvGroup * kKvGroup;
  w.scores = t.scratch;
  w.queries = w.scores + w.rows * kKeyBlock;
  w.sums = w.queries + w.rows * w.stride;
  w.largest = w.sums + w.rows * w.stride;
  w.total = w.largest + w.rows;
  w.rescale = w.total + w.rows;
  for (int64_t row = 0; row < w.rows; ++row) {
    const float* const q = t.q + row / t.group * t.q_stride + row % t.group * t.head_size;
    for (int64_t d = 0; d < w.stride; ++d) {
      w.queries[row * w.stride + d] = d < t.head_size ? q[d] : 0.0F;
      w.sums[row * w.stride + d] = 0.0F;
    }
    w.largest[row] = -__builtin_inff();
    w.total[row] = 0.0F;
  }
  return w;
}

/// Where a block's keys and values are, and their scales where they have any. Those beside the seen ones stand for the
/// nearest of them, so that steps of a few keys need no end.
struct KeyBlock {
  KeyRange seen;  // by any row; relative to the block
  const std::byte* keys[kKeyBlock];
  const std::byte* values[kKeyBlock];
  float key_scales[kKeyBlock];
  float value_scales[kKeyBlock];
};
constexpr int64_t kKeyStep = 8;

/// Blocks that are asked for while one is computed with.
constexpr int kBlocksAhead = 2;

/// Asks for bytes [from, from + count) of a row that is read soon. Any address will do, also none: of a block that ends
/// early.
inline void fetch_row(const std::byte* row, int64_t from, int64_t count) {
  const uintptr_t first = reinterpret_cast<uintptr_t>(row) + static_cast<uintptr_t>(from);
  for (uintptr_t at = first; at < first + static_cast<uintptr_t>(count); at += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T1);
  }
}

/// Calls visit(position, page, slot, count) for the tokens of each page of a range.
template <typename Visit>
[[gnu::always_inline]] inline void for_pages(const AttentionTile& t, KeyRange range, const Visit& visit) {
  for (int64_t position = range.begin; position < range.end;) {
    const int64_t slot = position % t.page_tokens;
    const int64_t end = common_part(range, {position, position + t.page_tokens - slot}).end;
    visit(position, position / t.page_tokens, slot, end - position);
    position = end;
  }
}

/// Reads the scales, which find_block asked for.
inline void take_scales(const AttentionTile& t, int64_t block, KeyBlock& b) {
  for_pages(t, {b.seen.begin + block, b.seen.end + block},
            [&](int64_t position, int64_t page, int64_t slot, int64_t n) {
              const size_t offset = t.head_offset + t.scales_offset + static_cast<size_t>(slot) * sizeof(float);
              const size_t bytes = static_cast<size_t>(n) * sizeof(float);
              __builtin_memcpy(b.key_scales + (position - block), t.keys[page] + offset, bytes);
              __builtin_memcpy(b.value_scales + (position - block), t.values[page] + offset, bytes);
            });
}

template <typename Kv>
void find_block(const AttentionTile& t, int64_t block, KeyRange seen, KeyBlock& found) {
  found.seen = {seen.begin - block, seen.end - block};
  for_pages(t, seen, [&](int64_t position, int64_t page, int64_t slot, int64_t count) {
    if constexpr (Kv::kScaled) {
      const size_t scales = t.head_offset + t.scales_offset + static_cast<size_t>(slot) * sizeof(float);
      fetch_row(t.keys[page] + scales, 0, count * 4);
      fetch_row(t.values[page] + scales, 0, count * 4);
    }
    size_t offset = t.head_offset + static_cast<size_t>(slot) * t.row_bytes;
    for (int64_t i = position - block; i < position - block + count; ++i, offset += t.row_bytes) {
      found.keys[i] = t.keys[page] + offset;
      found.values[i] = t.values[page] + offset;
    }
  });
  const auto repeat = [&](int64_t from, int64_t to) {
    found.keys[to] = found.keys[from];
    found.values[to] = found.values[from];
  };
  for (int64_t i = found.seen.begin; i % kKeyStep != 0; --i) repeat(i, i - 1);
  for (int64_t i = found.seen.end; i % kKeyStep != 0; ++i) repeat(i - 1, i);
}

/// Elements of a row that are read: with what it is filled up with, which meets zeros of the queries.
template <typename Kv>
int64_t row_size(const AttentionTile& t) {
  return Kv::kFilled ? (t.head_size + kKvGroup - 1) / kKvGroup * kKvGroup : t.head_size;
}

/// Scores of kRows rows and kKeys keys, without the keys' own scales.
// Bound: kRows * kKeys multiply-adds for kRows + kKeys loads. With few rows the way from memory limits: while keys are
// computed with, the block's values are asked for, and while values are, the next block's keys.
template <typename Kv, int kRows, int kKeys>
[[gnu::always_inline]] inline void score_keys(const AttentionTile& t, const Working& w, int64_t row, const KeyBlock& b,
                                              int64_t key) {
  constexpr int kParts = Kv::kParts;
  Vector sums[kRows][kKeys];
  const float* const q = w.queries + row * w.stride;
  for (int r = 0; r < kRows; ++r) {
    for (int n = 0; n < kKeys; ++n) sums[r][n] = zero();
  }
  int64_t k = 0;
  for (; k + kParts * kLanes <= row_size<Kv>(t); k += kParts * kLanes) {
    Vector vq[kParts][kRows];
    for (int part = 0; part < kParts; ++part) {
      for (int r = 0; r < kRows; ++r) vq[part][r] = load(q + r * w.stride + k + part * kLanes);
    }
    for (int n = 0; n < kKeys; ++n) {
      Vector vk[kParts];
      Kv::load(b.keys[key + n], k, vk);
      for (int part = 0; part < kParts; ++part) {
        for (int r = 0; r < kRows; ++r) sums[r][n] = multiply_add(vq[part][r], vk[part], sums[r][n]);
      }
    }
  }
  if constexpr (!Kv::kFilled) {
    for (int n = 0; n < kKeys && k < t.head_size; ++n) {
      Vector vk[1];
      Kv::load_first(b.keys[key + n], k, t.head_size - k, vk);
      for (int r = 0; r < kRows; ++r) sums[r][n] = multiply_add(load(q + r * w.stride + k), vk[0], sums[r][n]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    float* const scores = w.scores + (row + r) * kKeyBlock + key;
    for (int n = 0; n < kKeys; n += 4) {
      _mm_storeu_ps(scores + n, sums_of(sums[r][n], sums[r][n + 1], sums[r][n + 2], sums[r][n + 3]));
    }
  }
}

template <typename Kv, int kRows>
[[gnu::noinline]] void score_rows(const AttentionTile& t, const Working& w, int64_t row, const KeyBlock& b,
                                  const KeyBlock* next) {
  constexpr int kKeys = kOutputsOf<kRows>;
  static_assert(kKeyStep % kKeys == 0);
  for (int64_t key = b.seen.begin / kKeys * kKeys; key < b.seen.end; key += kKeys) {
    if (next != nullptr) {
      for (int n = 0; n < kKeys; ++n) fetch_row(next->keys[key + n], 0, static_cast<int64_t>(t.row_bytes));
    }
    score_keys<Kv, kRows, kKeys>(t, w, row, b, key);
  }
}

/// Turns one row's scores of a block into weights, of values with scales times these. `visible` is relative to the
/// block: keys in it are this row's, the others that are seen get weight 0.
template <typename Kv>
void weigh(const AttentionTile& t, const Working& w, int64_t row, const KeyBlock& b, KeyRange visible) {
  constexpr int kVectors = kKeyBlock / kLanes;
  const int first = static_cast<int>(b.seen.begin / kLanes);
  const int last = static_cast<int>((b.seen.end + kLanes - 1) / kLanes);
  float* const scores = w.scores + row * kKeyBlock;
  if (visible.begin >= visible.end) {
    for (int v = first; v < last; ++v) store(scores + v * kLanes, zero());
    w.rescale[row] = 1.0F;
    return;
  }
  const Vector lowest = broadcast(-__builtin_inff());
  const Vector scale = broadcast(t.scale);
  const Vector cap = broadcast(t.softcap);
  Vector block[kVectors];
  Vector largest = lowest;
  for (int v = first; v < last; ++v) {
    Vector score = load(scores + v * kLanes);
    if constexpr (Kv::kScaled) score = multiply(score, load(b.key_scales + v * kLanes));
    score = multiply(score, scale);
    if (t.softcap > 0.0F) score = multiply(cap, hyperbolic_tangent(divide(score, cap)));
    block[v] = select(lanes_between(visible.begin - v * kLanes, visible.end - v * kLanes), score, lowest);
    largest = larger(block[v], largest);
  }
  const float before = w.largest[row];
  const float found = largest_of(largest);
  const float now = found > before ? found : before;
  const Vector shift = broadcast(now);
  Vector total = zero();
  for (int v = first; v < last; ++v) {
    const Vector weight = exponential(subtract(block[v], shift));
    total = add(total, weight);
    store(scores + v * kLanes, Kv::kScaled ? multiply(weight, load(b.value_scales + v * kLanes)) : weight);
  }
  const float rescale = first_of(exponential(broadcast(before - now)));
  w.largest[row] = now;
  w.rescale[row] = rescale;
  w.total[row] = w.total[row] * rescale + sum_of(total);
}

template <typename Kv>
void weigh_visible(const AttentionTile& t, const Working& w, int64_t row, int64_t block, const KeyBlock& b) {
  const KeyRange visible = common_part(visible_to(t, row / t.group), {b.seen.begin + block, b.seen.end + block});
  weigh<Kv>(t, w, row, b, {visible.begin - block, visible.end - block});
}

/// sums[r][...] = rescale[r] * sums[r][...] + weights[r][keys] * values[keys][...] for kRows rows and kVectors vectors.
// Bound: kRows * kVectors multiply-adds for kRows + kVectors loads a key; the multiply-add units limit with many rows,
// the values' way from memory with few.
template <typename Kv, int kRows, int kVectors>
[[gnu::always_inline]] inline void add_values(const Working& w, int64_t row, int64_t d, const KeyBlock& b,
                                              const KeyBlock* next, int64_t tail) {
  Vector sums[kRows][kVectors];
  float* target[kRows];
  const float* weights[kRows];
  for (int r = 0; r < kRows; ++r) {
    target[r] = w.sums + (row + r) * w.stride + d;
    weights[r] = w.scores + (row + r) * kKeyBlock;
    const Vector rescale = broadcast(w.rescale[row + r]);
    for (int v = 0; v < kVectors; ++v) sums[r][v] = multiply(load(target[r] + v * kLanes), rescale);
  }
  for (int64_t key = b.seen.begin; key < b.seen.end; ++key) {
    const std::byte* const value = b.values[key];
    if (next != nullptr) fetch_row(next->values[key], Kv::bytes_of(d), Kv::bytes_of(kVectors * kLanes));
    Vector weight[kRows];
    for (int r = 0; r < kRows; ++r) weight[r] = broadcast(weights[r][key]);
    for (int v = 0; v < kVectors; v += Kv::kParts) {
      Vector vv[Kv::kParts];
      if constexpr (Kv::kFilled) {
        Kv::load(value, d + v * kLanes, vv);
      } else if (tail > 0) {
        Kv::load_first(value, d, tail, vv);
      } else {
        Kv::load(value, d + v * kLanes, vv);
      }
      for (int part = 0; part < Kv::kParts; ++part) {
        for (int r = 0; r < kRows; ++r) sums[r][v + part] = multiply_add(weight[r], vv[part], sums[r][v + part]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) store(target[r] + v * kLanes, sums[r][v]);
  }
}

template <typename Kv, int kRows>
[[gnu::noinline]] void add_values_to_rows(const AttentionTile& t, const Working& w, int64_t row, const KeyBlock& b,
                                          const KeyBlock* next) {
  int64_t d = 0;
  constexpr int64_t kStep = Kv::kParts * kLanes;
  const int64_t size = row_size<Kv>(t);
  for (; d + 4 * kLanes <= size; d += 4 * kLanes) add_values<Kv, kRows, 4>(w, row, d, b, next, 0);
  for (; d + kStep <= size; d += kStep) add_values<Kv, kRows, Kv::kParts>(w, row, d, b, next, 0);
  if (!Kv::kFilled && d < size) add_values<Kv, kRows, Kv::kParts>(w, row, d, b, next, size - d);
}

/// Calls step.operator()<kRows>(row) for kTileRows rows at a time, and for those that are left.
template <int kRows = kTileRows, typename StepOfRows>
[[gnu::always_inline]] inline void for_rows(int64_t row, int64_t rows, const StepOfRows& step) {
  if constexpr (kRows > 0) {
    for (; row + kRows <= rows; row += kRows) step.template operator()<kRows>(row);
    if (row < rows) for_rows<kRows - 1>(row, rows, step);
  }
}

/// What is done with a block of keys, in floats.
template <typename Kind>
struct InFloats {
  using Kv = Kind;
  Working w;
  explicit InFloats(const AttentionTile& t) : w(start(t)) {}
  [[nodiscard]] const Working& working() const { return w; }
  /// Scores, weights, weighted values. `next` is the block after it, or null.
  void attend(const AttentionTile& t, int64_t block, const KeyBlock& b, const KeyBlock* next) const {
    for_rows(0, w.rows,
             [&]<int kRows>(int64_t row) { score_rows<Kv, kRows>(t, w, row, b, row == 0 ? next : nullptr); });
    for (int64_t row = 0; row < w.rows; ++row) weigh_visible<Kv>(t, w, row, block, b);
    for_rows(0, w.rows,
             [&]<int kRows>(int64_t row) { add_values_to_rows<Kv, kRows>(t, w, row, b, row == 0 ? next : nullptr); });
  }
};

template <typename Steps>
void attention(const AttentionTile& t) {
  const FlushToZero small_weights;
  using Kv = typename Steps::Kv;
  const Steps steps(t);
  const Working& w = steps.working();
  const KeyRange all{visible_to(t, 0).begin, visible_to(t, t.tokens - 1).end};
  const auto find = [&](int64_t block, KeyBlock& found) {
    find_block<Kv>(t, block, common_part(all, {block, block + kKeyBlock}), found);
  };
  KeyBlock blocks[kBlocksAhead + 1] = {};
  const int64_t first = all.begin / kKeyBlock * kKeyBlock;
  for (int ahead = 0; ahead < kBlocksAhead; ++ahead) {
    if (first + ahead * kKeyBlock < all.end) find(first + ahead * kKeyBlock, blocks[ahead]);
  }
  int now = 0;
  for (int64_t block = first; block < all.end; block += kKeyBlock) {
    KeyBlock& later = blocks[(now + kBlocksAhead) % (kBlocksAhead + 1)];
    const bool more = block + kBlocksAhead * kKeyBlock < all.end;
    if constexpr (Kv::kScaled) take_scales(t, block, blocks[now]);
    if (more) find(block + kBlocksAhead * kKeyBlock, later);
    steps.attend(t, block, blocks[now], more ? &later : nullptr);
    now = (now + 1) % (kBlocksAhead + 1);
  }
  for (int64_t row = 0; row < w.rows; ++row) {
    float* const out = t.out + row / t.group * t.out_stride + row % t.group * t.head_size;
    const float* const sums = w.sums + row * w.stride;
    const float inverse = t.part_total == nullptr ? 1.0F / w.total[row] : 1.0F;
    for (int64_t d = 0; d < t.head_size; ++d) out[d] = sums[d] * inverse;
    if (t.part_total == nullptr) continue;
    t.part_largest[row] = w.largest[row];
    t.part_total[row] = w.total[row];
  }
}

}  // namespace
}  // namespace kedge::cpu
