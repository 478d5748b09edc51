#include "models/relative_attention.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/check.h"

namespace kedge::models {
namespace {

/// Distances up to half of the buckets have one each; beyond, they share one the more the farther (transformers'
/// make_log_bucket_position, in its single precision). In [-distance, distance].
int64_t bucket_of(const RelativeAttentionSpec& spec, int64_t distance) {
  const int64_t middle = spec.buckets / 2;
  const int64_t length = std::abs(distance);
  if (spec.buckets == 0 || length <= middle) return distance;
  const auto half = static_cast<float>(middle);
  const auto longest = static_cast<float>(static_cast<double>(spec.distance_max - 1) / static_cast<double>(middle));
  const float share = std::log(static_cast<float>(length) / half) / std::log(longest);
  const auto bucket = static_cast<int64_t>(std::ceil(share * (half - 1.0F)) + half);
  return distance < 0 ? -bucket : bucket;
}

/// Rows [first, first + rows) of activations, as a product's weights.
cpu::WeightView weights_of(const float* data, int64_t rows, int64_t columns, int64_t stride) {
  return {.data = reinterpret_cast<const std::byte*>(data),
          .rows = rows,
          .columns = columns,
          .row_stride = static_cast<size_t>(stride) * sizeof(float)};
}

size_t layer_floats(const EncoderSpec& spec) {
  return static_cast<size_t>(2 * spec.relative.span() * spec.hidden_size);
}

struct Sizes {
  size_t keys, queries, values, scores, key_scores;
};

Sizes sizes_of(const EncoderSpec& spec) {
  const auto tokens = static_cast<size_t>(spec.context_tokens());
  const auto rows = static_cast<size_t>(2 * spec.relative.span());
  const size_t positions = static_cast<size_t>(spec.layer_count) * layer_floats(spec);
  const bool keys = spec.relative.content_to_position;
  const bool queries = spec.relative.position_to_content;
  return {.keys = keys ? positions : 0,
          .queries = queries ? positions : 0,
          .values = static_cast<size_t>(spec.hidden_size) * tokens,
          .scores = tokens * (tokens + (keys ? rows : 0)),
          .key_scores = queries ? rows * tokens : 0};
}

}  // namespace

RelativeRows::RelativeRows(const RelativeAttentionSpec& spec, int64_t context) : context_(context) {
  const int64_t span = spec.span();
  rows_.reserve(static_cast<size_t>(2 * context - 1));
  for (int64_t distance = 1 - context; distance < context; ++distance) {
    const int64_t row = bucket_of(spec, distance) + span;
    rows_.push_back(static_cast<int32_t>(std::clamp<int64_t>(row, 0, 2 * span - 1)));
  }
}

/// One head's share of a sequence.
struct RelativeAttention::Head {
  const float* query = nullptr;         // rows of 3 x hidden_size floats, as key
  const float* key = nullptr;           //
  const float* position_key = nullptr;  // rows of hidden_size floats, from first_row on, as position_query
  const float* position_query = nullptr;
  int64_t count = 0;
  int64_t first_row = 0, row_count = 0;  // of the table, that the sequence's distances have
  int64_t stride = 0;                    // of scores_
};

uint64_t RelativeAttention::buffer_bytes(const EncoderSpec& spec) {
  const Sizes sizes = sizes_of(spec);
  uint64_t bytes = 0;
  for (const size_t floats : {sizes.keys, sizes.queries, sizes.values, sizes.scores, sizes.key_scores}) {
    bytes += Arena::padded(floats * sizeof(float));
  }
  return bytes;
}

RelativeAttention::RelativeAttention(const EncoderSpec& spec, Arena& arena)
    : spec_(spec), rows_(spec.relative, spec.context_tokens()) {
  KEDGE_CHECK(spec.relative.used());
  const Sizes sizes = sizes_of(spec);
  position_keys_ = arena.take<float>(sizes.keys);
  position_queries_ = arena.take<float>(sizes.queries);
  values_ = arena.take<float>(sizes.values);
  scores_ = arena.take<float>(sizes.scores);
  key_scores_ = arena.take<float>(sizes.key_scores);
}

void RelativeAttention::project(WorkerPool& pool, const std::vector<float>& table, size_t layer, const Linear* key,
                                const Linear* query) {
  const int64_t hidden = spec_.hidden_size;
  const cpu::InputRows input{table.data(), hidden, 2 * spec_.relative.span()};
  const auto run = [&](const Linear* product, std::span<float> out) {
    if (product == nullptr) return;
    cpu::matmul(pool, product->weight, input, {out.data() + layer * layer_floats(spec_), hidden}, product->bias_data(),
                cpu::MatmulCompute::f32);
  };
  run(key, position_keys_);
  run(query, position_queries_);
}

/// Products read weights by rows of inputs, and a value's inputs are tokens.
void RelativeAttention::turn_values(WorkerPool& pool, const float* values, int64_t count) {
  constexpr int64_t kTokens = 16;  // a cache line of what is written
  const int64_t hidden = spec_.hidden_size;
  pool.parallel_for((count + kTokens - 1) / kTokens, 1, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t last = std::min(count, (block + 1) * kTokens);
      for (int64_t column = 0; column < hidden; ++column) {
        for (int64_t i = block * kTokens; i < last; ++i) {
          values_[static_cast<size_t>(column * count + i)] = values[i * 3 * hidden + column];
        }
      }
    }
  });
}

/// scores_: q k and, behind them, q with each row that is met; key_scores_: each row with k.
void RelativeAttention::score(WorkerPool& pool, const Head& head) {
  const int64_t hidden = spec_.hidden_size;
  const int64_t size = hidden / spec_.heads;
  const cpu::WeightView keys = weights_of(head.key, head.count, size, 3 * hidden);
  const cpu::InputRows queries{head.query, 3 * hidden, head.count};
  const cpu::OutputRows out{scores_.data(), head.stride};
  if (head.position_key != nullptr) {
    const std::array<cpu::BiasedWeights, 2> both{
        {{keys}, {weights_of(head.position_key, head.row_count, size, hidden)}}};
    cpu::stacked_matmul(pool, both, queries, out, cpu::MatmulCompute::f32);
  } else {
    cpu::matmul(pool, keys, queries, out, nullptr, cpu::MatmulCompute::f32);
  }
  if (head.position_query == nullptr) return;
  cpu::matmul(pool, keys, {head.position_query, hidden, head.row_count}, {key_scores_.data(), head.count}, nullptr,
              cpu::MatmulCompute::f32);
}

/// scores_ become the weights of the values. Bound: a load each of the three terms, which lie in the caches.
void RelativeAttention::add_positions(WorkerPool& pool, const Head& head) {
  const bool c2p = head.position_key != nullptr;
  const bool p2c = head.position_query != nullptr;
  const int64_t grain = std::max<int64_t>(1, 16384 / head.count);  // fewer scores are not worth waking a worker
  pool.parallel_for(head.count, grain, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) {
      float* const content = scores_.data() + i * head.stride;
      const float* const positions = content + head.count;
      for (int64_t j = 0; j < head.count; ++j) {
        const int64_t row = rows_.row(i - j) - head.first_row;
        float sum = content[j];
        if (c2p) sum += positions[row];
        if (p2c) sum += key_scores_[static_cast<size_t>(row * head.count + j)];
        content[j] = sum * spec_.attention_scale;
      }
      cpu::softmax(content, head.count);
    }
  });
}

void RelativeAttention::attend(WorkerPool& pool, size_t layer, const float* qkv, int64_t count, float* out) {
  const int64_t hidden = spec_.hidden_size;
  const int64_t size = hidden / spec_.heads;
  Head head{.count = count, .first_row = rows_.row(1 - count)};
  head.row_count = rows_.row(count - 1) - head.first_row + 1;
  head.stride = count + (position_keys_.empty() ? 0 : head.row_count);
  const size_t rows = layer * layer_floats(spec_) + static_cast<size_t>(head.first_row * hidden);
  turn_values(pool, qkv + 2 * hidden, count);
  for (int64_t first = 0; first < hidden; first += size) {
    head.query = qkv + first;
    head.key = head.query + hidden;
    if (!position_keys_.empty()) head.position_key = position_keys_.data() + rows + first;
    if (!position_queries_.empty()) head.position_query = position_queries_.data() + rows + first;
    score(pool, head);
    add_positions(pool, head);
    cpu::matmul(pool, weights_of(values_.data() + first * count, size, count, count),
                {scores_.data(), head.stride, count}, {out + first, hidden}, nullptr, cpu::MatmulCompute::f32);
  }
}

}  // namespace kedge::models
