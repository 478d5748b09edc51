#pragma once
// Attention of one kv head's queries, one block of keys after the other (online softmax: Milakov & Gimelshein 2018; Dao
// et al. 2022). Blocks start at fixed positions of the sequence and hidden keys weigh exactly 0, so that a query's
// result does not depend on the queries beside it. Include after vector.h, math.h and matmul.h.

#include <cstddef>
#include <cstdint>

#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

struct KeyRange {
  int64_t begin;
  int64_t end;
};

inline KeyRange visible_to(const AttentionTile& t, int64_t token) {
  const int64_t position = t.first + token;
  const int64_t begin = position - t.window + 1;
  return {t.window > 0 && begin > 0 ? begin : 0, t.causal ? position + 1 : t.context};
}

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
  w.stride = (t.head_size + 15) / 16 * 16;
  w.scores = t.scratch;
  w.queries = w.scores + w.rows * kKeyBlock;
  w.sums = w.queries + w.rows * w.stride;
  w.largest = w.sums + w.rows * w.stride;
  w.total = w.largest + w.rows;
  w.rescale = w.total + w.rows;
  for (int64_t row = 0; row < w.rows; ++row) {
    const float* const q = t.q + row / t.group * t.q_stride + row % t.group * t.head_size;
    for (int64_t d = 0; d < t.head_size; ++d) w.queries[row * w.stride + d] = q[d];
    for (int64_t d = 0; d < w.stride; ++d) w.sums[row * w.stride + d] = 0.0F;
    w.largest[row] = -__builtin_inff();
    w.total[row] = 0.0F;
  }
  return w;
}

/// Turns one row's scores of a block into weights. `seen` and `visible` are relative to the block: keys in `visible`
/// are this row's, the others in `seen` get weight 0.
inline void weigh(const AttentionTile& t, const Working& w, int64_t row, KeyRange seen, KeyRange visible) {
  constexpr int kVectors = kKeyBlock / kLanes;
  const int first = static_cast<int>(seen.begin / kLanes);
  const int last = static_cast<int>((seen.end + kLanes - 1) / kLanes);
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
    Vector score = multiply(load(scores + v * kLanes), scale);
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
    store(scores + v * kLanes, weight);
    total = add(total, weight);
  }
  const float rescale = first_of(exponential(broadcast(before - now)));
  w.largest[row] = now;
  w.rescale[row] = rescale;
  w.total[row] = w.total[row] * rescale + sum_of(total);
}

/// sums[r][...] = rescale[r] * sums[r][...] + weights[r][keys] * values[keys][...] for kRows rows and kVectors vectors.
// Bound: kRows * kVectors multiply-adds for kRows + kVectors loads a key; the multiply-add units limit with many rows,
// the values' way from memory with few.
template <typename ValueRow, int kRows, int kVectors>
[[gnu::always_inline]] inline void add_values(const Working& w, int64_t row, int64_t d, const std::byte* values,
                                              size_t value_stride, KeyRange keys, int64_t tail) {
  Vector sums[kRows][kVectors];
  float* target[kRows];
  const float* weights[kRows];
  for (int r = 0; r < kRows; ++r) {
    target[r] = w.sums + (row + r) * w.stride + d;
    weights[r] = w.scores + (row + r) * kKeyBlock;
    const Vector rescale = broadcast(w.rescale[row + r]);
    for (int v = 0; v < kVectors; ++v) sums[r][v] = multiply(load(target[r] + v * kLanes), rescale);
  }
  for (int64_t key = keys.begin; key < keys.end; ++key) {
    const std::byte* const value = values + static_cast<size_t>(key) * value_stride;
    Vector weight[kRows];
    for (int r = 0; r < kRows; ++r) weight[r] = broadcast(weights[r][key]);
    for (int v = 0; v < kVectors; ++v) {
      const Vector vv = tail > 0 ? ValueRow::load_first(value, d, tail) : ValueRow::load(value, d + v * kLanes);
      for (int r = 0; r < kRows; ++r) sums[r][v] = multiply_add(weight[r], vv, sums[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) store(target[r] + v * kLanes, sums[r][v]);
  }
}

template <typename ValueRow, int kRows>
[[gnu::noinline]] void add_values_to_rows(const Working& w, int64_t row, int64_t head_size, const std::byte* values,
                                          size_t value_stride, KeyRange keys) {
  int64_t d = 0;
  for (; d + 4 * kLanes <= head_size; d += 4 * kLanes) {
    add_values<ValueRow, kRows, 4>(w, row, d, values, value_stride, keys, 0);
  }
  for (; d + kLanes <= head_size; d += kLanes) {
    add_values<ValueRow, kRows, 1>(w, row, d, values, value_stride, keys, 0);
  }
  if (d < head_size) add_values<ValueRow, kRows, 1>(w, row, d, values, value_stride, keys, head_size - d);
}

/// Rows [row, rows), fewer than kTileRows of them.
template <typename ValueRow, int kRows = kTileRows - 1>
void add_values_to_last(const Working& w, int64_t row, int64_t head_size, const std::byte* values, size_t value_stride,
                        KeyRange keys) {
  if constexpr (kRows > 0) {
    if (w.rows - row == kRows) {
      add_values_to_rows<ValueRow, kRows>(w, row, head_size, values, value_stride, keys);
    } else {
      add_values_to_last<ValueRow, kRows - 1>(w, row, head_size, values, value_stride, keys);
    }
  }
}

/// One block: scores, weights, weighted values. `block` is the position of its first key; `seen` the positions in it
/// that any row sees.
template <typename KeyRow>
void attend_to_block(const AttentionTile& t, const Working& w, int64_t block, KeyRange seen) {
  const size_t row_bytes = static_cast<size_t>(t.head_size * KeyRow::kElementBytes);
  const size_t offset = t.head_offset + static_cast<size_t>(block % t.page_tokens) * row_bytes;
  const std::byte* const keys = t.keys[block / t.page_tokens] + offset;
  const std::byte* const values = t.values[block / t.page_tokens] + offset;
  const KeyRange inside{seen.begin - block, seen.end - block};
  matmul<F32Dot<KeyRow>>({.weights = keys + static_cast<size_t>(inside.begin) * row_bytes,
                          .weight_stride = row_bytes,
                          .outputs = inside.end - inside.begin,
                          .columns = t.head_size,
                          .x = reinterpret_cast<const std::byte*>(w.queries),
                          .x_stride = static_cast<size_t>(w.stride) * sizeof(float),
                          .count = w.rows,
                          .y = w.scores + inside.begin,
                          .y_stride = kKeyBlock,
                          .bias = nullptr});
  for (int64_t row = 0; row < w.rows; ++row) {
    const KeyRange all = visible_to(t, row / t.group);
    const KeyRange visible{all.begin > seen.begin ? all.begin : seen.begin, all.end < seen.end ? all.end : seen.end};
    weigh(t, w, row, inside, {visible.begin - block, visible.end - block});
  }
  int64_t row = 0;
  for (; row + kTileRows <= w.rows; row += kTileRows) {
    add_values_to_rows<KeyRow, kTileRows>(w, row, t.head_size, values, row_bytes, inside);
  }
  add_values_to_last<KeyRow>(w, row, t.head_size, values, row_bytes, inside);
}

template <typename KeyRow>
void attention(const AttentionTile& t) {
  const Working w = start(t);
  const int64_t begin = visible_to(t, 0).begin;
  const int64_t end = visible_to(t, t.tokens - 1).end;
  for (int64_t position = begin; position < end;) {
    const int64_t slot = position % t.page_tokens;
    const int64_t block = position - slot % kKeyBlock;
    const int64_t page_end = position - slot + t.page_tokens;
    int64_t block_end = block + kKeyBlock < page_end ? block + kKeyBlock : page_end;
    block_end = block_end < end ? block_end : end;
    attend_to_block<KeyRow>(t, w, block, {position, block_end});
    position = block_end;
  }
  for (int64_t row = 0; row < w.rows; ++row) {
    float* const out = t.out + row / t.group * t.out_stride + row % t.group * t.head_size;
    const float* const sums = w.sums + row * w.stride;
    const float inverse = 1.0F / w.total[row];
    for (int64_t d = 0; d < t.head_size; ++d) out[d] = sums[d] * inverse;
  }
}

}  // namespace
}  // namespace kedge::cpu
