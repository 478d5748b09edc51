#include "quantize/layer_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "core/check.h"

namespace kedge::quantize {
namespace {

constexpr int64_t kBatchTokens = 1024;
constexpr int64_t kBatchSequences = 32;

}  // namespace

int64_t token_count(const TokenSequences& sequences) {
  int64_t count = 0;
  for (const auto& sequence : sequences) count += static_cast<int64_t>(sequence.size());
  return count;
}

int64_t batch_tokens(const TokenSequences& sequences) {
  int64_t longest = kBatchTokens;
  for (const auto& sequence : sequences) longest = std::max(longest, static_cast<int64_t>(sequence.size()));
  return longest;
}

Result<std::vector<float>> embedded(const models::DecoderSpec& spec, const models::WeightSource& source,
                                    const TokenSequences& sequences) {
  KEDGE_ASSIGN(const cpu::WeightView embedding, source.matrix("model.embed_tokens.weight", spec.vocabulary_size,
                                                              spec.hidden_size, "vocab_size x hidden_size"));
  const auto hidden = static_cast<size_t>(spec.hidden_size);
  std::vector<float> states(static_cast<size_t>(token_count(sequences)) * hidden);
  float* out = states.data();
  for (const auto& sequence : sequences) {
    for (const int32_t token : sequence) {
      cpu::dequantize_row(embedding, token, out);
      for (size_t i = 0; i < hidden; ++i) out[i] *= spec.embedding_scale;
      out += hidden;
    }
  }
  return states;
}

Result<std::unique_ptr<LayerRunner>> LayerRunner::open(WorkerPool& pool, const models::DecoderSpec& spec, int64_t index,
                                                       std::shared_ptr<const models::WeightSource> source,
                                                       const models::DecoderOptions& options) {
  models::DecoderSpec alone = spec;
  alone.layer_count = 1;
  alone.layers = {spec.layers[static_cast<size_t>(index)]};
  auto runner = std::make_unique<LayerRunner>();
  runner->tokens_max_ = options.tokens_max;
  KEDGE_ASSIGN(runner->decoder_, models::Decoder::open(pool, alone, std::move(source), options));
  KEDGE_ASSIGN(runner->kv_pool_,
               engine::KvPool::create(engine::KvLayout::plan(alone, cpu::KvType::f32, options.tokens_max,
                                                             kBatchSequences, options.tokens_max)));
  return runner;
}

Status LayerRunner::run(WorkerPool& pool, const TokenSequences& sequences, std::span<const States> all,
                        const std::stop_token& stop) {
  LayerRunner& first = *all.front().runner;  // whose pages serve all: they are of one shape
  const auto hidden = static_cast<size_t>(first.decoder_->spec().hidden_size);
  size_t next = 0, offset = 0;
  while (next < sequences.size()) {
    if (stop.stop_requested()) return Error{ErrorKind::cancelled, "stopped"};
    std::deque<engine::SequenceKv> caches;
    std::vector<models::TokenRun> runs;
    int64_t tokens = 0;
    for (; next < sequences.size() && static_cast<int64_t>(runs.size()) < kBatchSequences; ++next) {
      const auto length = static_cast<int64_t>(sequences[next].size());
      if (tokens + length > first.tokens_max_) break;
      engine::SequenceKv& cache = caches.emplace_back(*first.kv_pool_);
      KEDGE_CHECK(cache.reserve(length));
      runs.push_back({.tokens = sequences[next], .first = 0, .length = length, .cache = &cache, .output_from = length});
      tokens += length;
    }
    KEDGE_CHECK(!runs.empty());  // batch_tokens() holds each sequence
    const size_t count = static_cast<size_t>(tokens) * hidden;
    for (const States& each : all) {
      each.runner->decoder_->run_layer(pool, runs, 0, each.states.subspan(offset, count), each.sink, each.sink_context);
    }
    offset += count;
  }
  return Done{};
}

}  // namespace kedge::quantize
