#pragma once
// Attention of a prompt's queries with products of bf16, block of keys by block of keys (online softmax: Milakov &
// Gimelshein 2018; Dao et al. 2022). Everything is turned round so that lanes are queries: scores = keys * queries^T
// has the keys' rows as they are stored to its left, softmax runs down columns, and the weights that come of it are the
// right operand of outputs^T = values^T * weights as they lie.
//
// A query's result depends on that query alone: blocks start at fixed positions, sums run over keys from the first in
// steps of one tile, and a hidden key adds exactly 0 and leaves the largest score as it is. So steps that are hidden
// from all rows may be left out or not.
//
// Written against a class of products, of tile registers or of vectors; tested on an emulation of the former too.
// Include after a vector.h, vector/math.h and a pairs.h.

#include <cstddef>
#include <cstdint>

#include "cpu/isa/flush_to_zero.h"
#include "cpu/isa/key_range.h"
#include "cpu/isa/tiles/product.h"
#include "cpu/kernel_table.h"
#include "cpu/kv_layout.h"

namespace kedge::cpu {
namespace {

/// Products for the attention below: left_count a multiple of 32, right_count 32.
template <typename Tiles>
struct TileProducts {
  static void begin() { Tiles::begin(16); }
  static void end() { Tiles::end(); }
  static void multiply(const TileProduct& p) {
    for (int64_t left = 0; left < p.left_count / kTileSide; left += 2)
      multiply_tiles<Tiles, Side::right, 2, 2>(p, left, 0, 2);
  }
};

// How stored rows become rows of bf16. What is past `size` may be written, up to whole tiles.

struct Bf16Rows {
  static constexpr bool kAsStored = true;
  static constexpr bool kScaled = false;
  static void narrow(const std::byte* row, float /*scale*/, int64_t size, uint16_t* out) {
    __builtin_memcpy(out, row, static_cast<size_t>(size) * 2);
  }
};
struct Int8Rows {
  static constexpr bool kAsStored = false;
  static constexpr bool kScaled = true;
  static void narrow(const std::byte* row, float scale, int64_t size, uint16_t* out) {
    narrow_int8_row(row, scale, size, out);
  }
};
struct Int4Rows {
  static constexpr bool kAsStored = false;
  static constexpr bool kScaled = false;
  static void narrow(const std::byte* row, float /*scale*/, int64_t size, uint16_t* out) {
    narrow_int4_row(row, size, out);
  }
};

constexpr int64_t kRowsOfTiles = kPromptRows * kTileSide;  // floats: sixteen keys (or elements) of kPromptRows rows

struct PromptWorking {
  int64_t rows;
  int64_t columns;        // head size, rounded up to whole tiles
  std::byte* queries;     // [rows / 16] right operands of columns / 2 lines
  float* sums;            // [rows / 32][columns / 16][2] tiles: the weighted values, turned round
  float* largest;         // [rows]: the largest score so far, in units of log 2
  float* total;           // [rows]: the sum of weights so far
  std::byte* keys;        // [kPromptKeys][columns] of a block
  std::byte* values;      // [columns][kPromptKeys], turned round
  float* scores;          // [kPromptKeys / 16][2] tiles of kPromptRows rows
  std::byte* weights;     // [2] right operands of kPromptKeys / 2 lines
  std::byte* staged;      // [32][columns]
  const std::byte* none;  // [columns] zeros
};

/// Below any score; finite, so that differences are numbers.
constexpr float kNoScore = -3e38F;

/// 2^x, relative error below 3e-6, exactly 1 for 0 and 0 for -infinity. The polynomial is a minimax fit on [0, 1].
inline Vector two_to_the(Vector x) {
  const Vector r = fraction(x);
  Vector p = broadcast(0.0134266838F);
  p = multiply_add(p, r, broadcast(0.0522424728F));
  p = multiply_add(p, r, broadcast(0.241280198F));
  p = multiply_add(p, r, broadcast(0.693044841F));
  return scale_by_floor(multiply_add(p, r, broadcast(1.0F)), x);
}

/// Rounds the queries and lays them out as right operands; rows past the last are 0.
inline void pack_queries(const AttentionTile& t, const PromptWorking& w) {
  const auto line_bytes = static_cast<size_t>(w.columns) * 2;
  for (int64_t first = 0; first < w.rows; first += kTileSide) {
    for (int64_t i = 0; i < kTileSide; ++i) {
      const int64_t row = first + i;
      std::byte* const line = w.staged + static_cast<size_t>(i) * line_bytes;
      __builtin_memset(line, 0, line_bytes);
      if (row >= t.tokens * t.group) continue;
      const float* const q = t.q + row / t.group * t.q_stride + row % t.group * t.head_size;
      narrow_row(q, t.head_size, reinterpret_cast<uint16_t*>(line));
    }
    std::byte* out = w.queries + static_cast<size_t>(first) * line_bytes;
    for (size_t k = 0; k < line_bytes; k += 64, out += 1024) transpose(w.staged + k, line_bytes, out, 64);
  }
}

inline PromptWorking start_prompt(const AttentionTile& t) {
  PromptWorking w{};
  w.rows = (t.tokens * t.group + kPromptRows - 1) / kPromptRows * kPromptRows;
  w.columns = (t.head_size + kTileColumns - 1) / kTileColumns * kTileColumns;
  float* next = t.scratch;
  const auto take = [&next](int64_t floats) {
    float* const taken = next;
    next += floats;
    return taken;
  };
  const auto take_pairs = [&take](int64_t elements) { return reinterpret_cast<std::byte*>(take(elements / 2)); };
  w.queries = take_pairs(w.rows * w.columns);
  w.sums = take(w.rows * w.columns);
  w.largest = take(w.rows);
  w.total = take(w.rows);
  w.keys = take_pairs(kPromptKeys * w.columns);
  w.values = take_pairs(kPromptKeys * w.columns);
  w.scores = take(kPromptKeys * kPromptRows);
  w.weights = take_pairs(kPromptKeys * kPromptRows);
  w.staged = take_pairs(32 * w.columns);
  std::byte* const none = take_pairs(w.columns);
  __builtin_memset(none, 0, static_cast<size_t>(w.columns) * 2);
  w.none = none;
  for (int64_t i = 0; i < w.rows * w.columns; ++i) w.sums[i] = 0.0F;
  for (int64_t row = 0; row < w.rows; ++row) {
    w.largest[row] = kNoScore;
    w.total[row] = 0.0F;
  }
  pack_queries(t, w);
  return w;
}

/// A block's keys and values where they are stored; w.none for those that no row sees (memory that nobody may have
/// written).
struct StoredBlock {
  const std::byte* keys[kPromptKeys];
  const std::byte* values[kPromptKeys];
  float key_scales[kPromptKeys];  // where rows have any
  float value_scales[kPromptKeys];
  const std::byte* left[kPromptKeys / 32];  // 32 keys each, w.columns wide: where they are stored, or a copy
  int64_t begin, end;                       // those to look at, in whole tiles
};

template <typename Rows>
void find_rows(const AttentionTile& t, const PromptWorking& w, int64_t block, KeyRange seen, StoredBlock& found) {
  found.begin = found.end = 0;
  if (seen.begin >= seen.end) return;
  found.begin = (seen.begin - block) / 32 * 32;
  found.end = (seen.end - block + 31) / 32 * 32;
  for (int64_t key = found.begin; key < found.end; ++key) {
    found.keys[key] = found.values[key] = w.none;
    found.key_scales[key] = found.value_scales[key] = 0.0F;
  }
  for (int64_t position = seen.begin; position < seen.end;) {
    const int64_t page = position / t.page_tokens;
    const int64_t slot = position % t.page_tokens;
    const int64_t count = common_part(seen, {position, position + t.page_tokens - slot}).end - position;
    const size_t offset = t.head_offset + static_cast<size_t>(slot) * t.row_bytes;
    for (int64_t i = 0; i < count; ++i) {
      found.keys[position - block + i] = t.keys[page] + offset + static_cast<size_t>(i) * t.row_bytes;
      found.values[position - block + i] = t.values[page] + offset + static_cast<size_t>(i) * t.row_bytes;
    }
    if constexpr (Rows::kScaled) {
      const size_t scales = t.head_offset + t.scales_offset + static_cast<size_t>(slot) * sizeof(float);
      const size_t bytes = static_cast<size_t>(count) * sizeof(float);
      __builtin_memcpy(found.key_scales + (position - block), t.keys[page] + scales, bytes);
      __builtin_memcpy(found.value_scales + (position - block), t.values[page] + scales, bytes);
    }
    position += count;
  }
}

/// 32 rows of a head side by side in bf16, filled up with zeros to w.columns.
template <typename Rows>
void copy_rows(const AttentionTile& t, const PromptWorking& w, const std::byte* const* rows, const float* scales,
               std::byte* out) {
  const size_t bytes = static_cast<size_t>(t.head_size) * 2;
  const size_t padded = static_cast<size_t>(w.columns) * 2;
  for (int64_t i = 0; i < 32; ++i, out += padded) {
    Rows::narrow(rows[i], scales[i], t.head_size, reinterpret_cast<uint16_t*>(out));
    __builtin_memset(out + bytes, 0, padded - bytes);
  }
}

/// Whether 32 keys are a left operand as they are stored. (What lies beside the seen ones may be no numbers: those
/// scores are hidden.)
template <typename Rows>
bool taken_as_stored(const AttentionTile& t) {
  return Rows::kAsStored && t.page_tokens % 32 == 0 && t.head_size % kTileColumns == 0;
}

// Bound: both operands pass once from memory; turning the values round takes some 160 shuffles for 32 x 32 of them.
// Codes of fewer bits become bf16 on the way, some six operations for each 32. Shared by all rows of the tile.
template <typename Rows>
void pack_block(const AttentionTile& t, const PromptWorking& w, StoredBlock& stored, int64_t block) {
  const auto row_bytes = static_cast<size_t>(w.columns) * 2;
  for (int64_t key = stored.begin; key < stored.end; key += 32) {
    if (taken_as_stored<Rows>(t)) {
      const size_t row = static_cast<size_t>((block + key) % t.page_tokens);
      stored.left[key / 32] = t.keys[(block + key) / t.page_tokens] + t.head_offset + row * row_bytes;
    } else {
      std::byte* const copy = w.keys + static_cast<size_t>(key) * row_bytes;
      copy_rows<Rows>(t, w, stored.keys + key, stored.key_scales + key, copy);
      stored.left[key / 32] = copy;
    }
    const std::byte* rows[32];
    for (int64_t i = 0; i < 32; ++i) rows[i] = stored.values[key + i];
    if (!Rows::kAsStored || t.head_size < w.columns) {
      copy_rows<Rows>(t, w, rows, stored.value_scales + key, w.staged);
      for (int64_t i = 0; i < 32; ++i) rows[i] = w.staged + static_cast<size_t>(i) * row_bytes;
    }
    for (int64_t d = 0; d < w.columns; d += 32) {
      transpose_words(rows, static_cast<size_t>(d) * 2, w.values + (d * kPromptKeys + key) * 2, kPromptKeys * 2);
    }
  }
}

/// Asks for part `index` of `count` of the next block, while rows are computed with this one.
inline void fetch_part(const AttentionTile& t, const StoredBlock& next, int64_t index, int64_t count) {
  const int64_t keys = next.end - next.begin;
  const auto row_bytes = static_cast<int64_t>(t.row_bytes);
  for (int64_t key = next.begin + keys * index / count; key < next.begin + keys * (index + 1) / count; ++key) {
    for (int64_t i = 0; i < row_bytes; i += 64) {
      __builtin_prefetch(next.keys[key] + i, 0, 2);
      __builtin_prefetch(next.values[key] + i, 0, 2);
    }
  }
}

/// kPromptRows rows and the keys of a block that they look at.
struct Step {
  int64_t first;     // row
  int64_t block;     // position of the block
  KeyRange looked;   // keys of the block, in whole tiles
  KeyRange visible;  // to every row
};

inline float* scores_of(const PromptWorking& w, int64_t key, int64_t half) {
  return w.scores + key / kTileSide * kRowsOfTiles + half * 256 + key % kTileSide * 16;
}

/// Scores of keys that a row does not see become -infinity.
inline void hide(const AttentionTile& t, const PromptWorking& w, const Step& s) {
  float begin[kPromptRows], end[kPromptRows];
  for (int64_t i = 0; i < kPromptRows; ++i) {
    const int64_t row = s.first + i < t.tokens * t.group ? s.first + i : t.tokens * t.group - 1;
    const KeyRange visible = visible_to(t, row / t.group);
    begin[i] = static_cast<float>(visible.begin - s.block);
    end[i] = static_cast<float>(visible.end - s.block);
  }
  const auto hide_between = [&](int64_t from, int64_t to) {
    for (int64_t key = from; key < to; ++key) {
      const Vector index = broadcast(static_cast<float>(key));
      for (int64_t half = 0; half < 2; ++half) {
        float* const scores = scores_of(w, key, half);
        const Vector lowest = broadcast(-__builtin_inff());
        const Vector not_before = select(less(index, load(begin + half * 16)), lowest, load(scores));
        store(scores, select(less(index, load(end + half * 16)), not_before, lowest));
      }
    }
  };
  if (s.visible.begin >= s.visible.end) {
    hide_between(s.looked.begin, s.looked.end);
  } else {
    hide_between(s.looked.begin, s.visible.begin);
    hide_between(s.visible.end, s.looked.end);
  }
}

/// Soft capping; the scores become powers of two.
inline void cap(const AttentionTile& t, const PromptWorking& w, const Step& s) {
  const Vector inner = broadcast(t.scale / t.softcap);
  const Vector outer = broadcast(t.softcap * 1.44269504F);
  float* const end = scores_of(w, s.looked.end, 0);
  for (float* score = scores_of(w, s.looked.begin, 0); score < end; score += 16) {
    store(score, multiply(outer, hyperbolic_tangent(multiply(load(score), inner))));
  }
}

/// What a new largest score does to the sums so far.
inline void rescale(const PromptWorking& w, int64_t first, const Vector (&factor)[2]) {
  float* sums = w.sums + first * w.columns;
  for (int64_t tile = 0; tile < w.columns / kTileSide; ++tile, sums += kRowsOfTiles) {
    for (int64_t half = 0; half < 2; ++half) {
      float* const at = sums + half * 256;
      for (int64_t i = 0; i < 256; i += 16) store(at + i, multiply(load(at + i), factor[half]));
    }
  }
}

/// Brings the largest scores up to date; returns them.
inline void find_largest(const PromptWorking& w, const Step& s, Vector unit, Vector (&now)[2]) {
  Vector factor[2];
  bool grown = false;
  for (int64_t half = 0; half < 2; ++half) {
    Vector found[8];
    for (int i = 0; i < 8; ++i) found[i] = broadcast(-__builtin_inff());
    for (int64_t tile = s.looked.begin; tile < s.looked.end; tile += kTileSide) {
      const float* const scores = scores_of(w, tile, half);
      for (int i = 0; i < 16; ++i) found[i % 8] = larger(load(scores + 16 * i), found[i % 8]);
    }
    for (int step = 4; step > 0; step /= 2) {
      for (int i = 0; i < step; ++i) found[i] = larger(found[i], found[i + step]);
    }
    float* const kept = w.largest + s.first + half * 16;
    const Vector before = load(kept);
    now[half] = larger(multiply(found[0], unit), before);
    factor[half] = two_to_the(subtract(before, now[half]));
    grown = grown || bits_of(less(before, now[half])) != 0;
    store(kept, now[half]);
  }
  if (!grown) return;  // all factors are 1
  rescale(w, s.first, factor);
  for (int64_t half = 0; half < 2; ++half) {
    float* const total = w.total + s.first + half * 16;
    store(total, multiply(load(total), factor[half]));
  }
}

/// Turns scores into weights, a right operand, and adds them up.
// Bound: some 12 operations for each 16 weights. 2.5 ns of a Xeon whose tiles need 2.8 for these weights' products with
// heads of 128, and where vectors and tiles hardly work at the same time (taking turns in small steps gained nothing
// with blocks this long).
inline void weigh_scores(const AttentionTile& t, const PromptWorking& w, const Step& s) {
  const Vector unit = broadcast(t.softcap > 0.0F ? 1.0F : t.scale * 1.44269504F);
  Vector largest[2];
  find_largest(w, s, unit, largest);
  for (int64_t half = 0; half < 2; ++half) {
    const Vector shift = subtract(zero(), largest[half]);
    Vector even = zero(), odd = zero();
    for (int64_t tile = s.looked.begin; tile < s.looked.end; tile += kTileSide) {
      const float* const scores = scores_of(w, tile, half);
      std::byte* const weights = w.weights + half * (kPromptKeys * 32) + tile * 32;
      for (int i = 0; i < 16; i += 2) {
        const Vector first = two_to_the(multiply_add(load(scores + 16 * i), unit, shift));
        const Vector second = two_to_the(multiply_add(load(scores + 16 * i + 16), unit, shift));
        even = add(even, first);
        odd = add(odd, second);
        store_weights(weights + 32 * i, first, second);
      }
    }
    float* const total = w.total + s.first + half * 16;
    store(total, add(load(total), add(even, odd)));
  }
}

template <typename Products>
void attend_rows(const AttentionTile& t, const PromptWorking& w, int64_t first, int64_t block,
                 const StoredBlock& stored) {
  const int64_t last_row = first + kPromptRows < t.tokens * t.group ? first + kPromptRows - 1 : t.tokens * t.group - 1;
  const KeyRange to_first = visible_to(t, first / t.group), to_last = visible_to(t, last_row / t.group);
  const KeyRange any = common_part({to_first.begin, to_last.end}, {block, block + kPromptKeys});
  if (any.begin >= any.end) return;
  const KeyRange all = common_part({to_last.begin, to_first.end}, {block, block + kPromptKeys});
  const Step s{.first = first,
               .block = block,
               .looked = {(any.begin - block) / 32 * 32, (any.end - block + 31) / 32 * 32},
               .visible = {all.begin - block, all.end - block}};
  const auto row_bytes = static_cast<size_t>(w.columns) * 2;
  for (int64_t key = s.looked.begin; key < s.looked.end; key += 32) {
    Products::multiply({.left = stored.left[key / 32],
                        .left_stride = row_bytes,
                        .left_count = 32,
                        .columns = w.columns,
                        .right = w.queries + static_cast<size_t>(first) * row_bytes,
                        .right_stride = row_bytes * kTileSide,
                        .right_count = kPromptRows,
                        .sums = scores_of(w, key, 0)});
  }
  if (t.softcap > 0.0F) cap(t, w, s);
  if (s.visible.begin > s.looked.begin || s.visible.end < s.looked.end) hide(t, w, s);
  weigh_scores(t, w, s);
  Products::multiply({.left = w.values + s.looked.begin * 2,
                      .left_stride = kPromptKeys * 2,
                      .left_count = w.columns,
                      .columns = s.looked.end - s.looked.begin,
                      .right = w.weights + s.looked.begin * 32,
                      .right_stride = kPromptKeys * 32,
                      .right_count = kPromptRows,
                      .sums = w.sums + first * w.columns,
                      .first = false});
}

/// Divides by the sums of weights and turns the outputs back.
inline void write_outputs(const AttentionTile& t, const PromptWorking& w) {
  auto* const turned = reinterpret_cast<float*>(w.staged);  // a tile
  for (int64_t first = 0; first < t.tokens * t.group; first += kTileSide) {
    const Vector inverse = divide(broadcast(1.0F), load(w.total + first));
    const int64_t left = t.tokens * t.group - first;
    const int64_t count = left < kTileSide ? left : kTileSide;
    float* rows[kTileSide];
    for (int64_t i = 0; i < count; ++i) {
      rows[i] = t.out + (first + i) / t.group * t.out_stride + (first + i) % t.group * t.head_size;
    }
    float* tile = w.sums + first / kPromptRows * kPromptRows * w.columns + first % kPromptRows * 16;
    for (int64_t d = 0; d < t.head_size; d += 16, tile += kRowsOfTiles) {
      for (int64_t i = 0; i < 256; i += 16) store(tile + i, multiply(load(tile + i), inverse));
      transpose(tile, 64, turned, 64);
      const int64_t size = t.head_size - d < 16 ? t.head_size - d : 16;
      for (int64_t i = 0; i < count; ++i) {
        __builtin_memcpy(rows[i] + d, turned + i * 16, static_cast<size_t>(size) * sizeof(float));
      }
    }
  }
}

template <typename Products, typename Rows>
void prompt_attention(const AttentionTile& t) {
  const FlushToZero small_weights;
  const PromptWorking w = start_prompt(t);
  const KeyRange all{visible_to(t, 0).begin, visible_to(t, t.tokens - 1).end};
  const auto find = [&](int64_t block, StoredBlock& found) {
    find_rows<Rows>(t, w, block, common_part(all, {block, block + kPromptKeys}), found);
  };
  StoredBlock blocks[2];
  int64_t block = all.begin / kPromptKeys * kPromptKeys;
  find(block, blocks[0]);
  Products::begin();
  for (int index = 0; block < all.end; block += kPromptKeys, index ^= 1) {
    pack_block<Rows>(t, w, blocks[index], block);
    find(block + kPromptKeys, blocks[index ^ 1]);
    for (int64_t first = 0; first < w.rows; first += kPromptRows) {
      fetch_part(t, blocks[index ^ 1], first / kPromptRows, w.rows / kPromptRows);
      attend_rows<Products>(t, w, first, block, blocks[index]);
    }
  }
  Products::end();
  write_outputs(t, w);
}

}  // namespace
}  // namespace kedge::cpu
