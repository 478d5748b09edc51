#pragma once
// Disentangled attention (DeBERTa, He et al. 2021): scores of content and content, of content and position.

#include <cstdint>
#include <span>
#include <vector>

#include "core/aligned.h"
#include "core/thread_pool.h"
#include "models/decoder_weights.h"
#include "models/spec.h"

namespace kedge::models {

/// Which row of the table of positions stands for each distance of a query to a key; rows rise with the distance.
class RelativeRows {
 public:
  RelativeRows() = default;
  /// For distances (position of the query less that of the key) below `context` either way.
  RelativeRows(const RelativeAttentionSpec& spec, int64_t context);

  [[nodiscard]] int32_t row(int64_t distance) const { return rows_[static_cast<size_t>(distance + context_ - 1)]; }

 private:
  int64_t context_ = 0;
  std::vector<int32_t> rows_;
};

/// Scores one sequence at a time, in buffers of an arena that must outlive it.
class RelativeAttention {
 public:
  /// What the constructor takes from the arena.
  static uint64_t buffer_bytes(const EncoderSpec& spec);
  /// REQUIRES: spec.relative.used().
  RelativeAttention(const EncoderSpec& spec, Arena& arena);

  /// Projects the table of positions (`table`: [2 x span, hidden_size], normed where the spec says so) for a layer; it
  /// depends on weights alone. Null: the spec has no such term.
  void project(WorkerPool& pool, const std::vector<float>& table, size_t layer, const Linear* key, const Linear* query);

  /// For each head of `layer` softmax_j((q_i k_j + q_i pk[r(i - j)] + k_j pq[r(i - j)]) * scale) v, with projected
  /// positions pk, pq and RelativeRows r. qkv: `count` rows of q, k and v; out: as many of hidden_size.
  void attend(WorkerPool& pool, size_t layer, const float* qkv, int64_t count, float* out);

 private:
  struct Head;
  void turn_values(WorkerPool& pool, const float* values, int64_t count);
  void score(WorkerPool& pool, const Head& head);
  void add_positions(WorkerPool& pool, const Head& head);

  EncoderSpec spec_;
  RelativeRows rows_;
  std::span<float> position_keys_, position_queries_;  // [layers, 2 x span, hidden_size]
  std::span<float> values_;                            // turned: [hidden_size, tokens]
  std::span<float> scores_;                            // [tokens, tokens + rows]: content, then the rows of c2p
  std::span<float> key_scores_;                        // [rows, tokens]: p2c
};

}  // namespace kedge::models
