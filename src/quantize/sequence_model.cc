#include "quantize/sequence_model.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace kedge::quantize {
namespace {

/// What one position adds to a comparison.
struct Position {
  double divergence = 0;
  double source_loss = 0, loss = 0;  // of the next token
  bool same_choice = false;
};

Position compare_position(std::span<const float> source, std::span<const float> other, int32_t following) {
  const auto size = static_cast<int64_t>(source.size());
  const double source_sum = cpu::log_sum_exp(source.data(), size);
  const double other_sum = cpu::log_sum_exp(other.data(), size);
  Position position;
  for (size_t i = 0; i < source.size(); ++i) {
    const double log_p = source[i] - source_sum;
    position.divergence += std::exp(log_p) * (log_p - (other[i] - other_sum));
  }
  position.same_choice = cpu::argmax(source.data(), size) == cpu::argmax(other.data(), size);
  if (following >= 0) {
    position.source_loss = source_sum - source[static_cast<size_t>(following)];
    position.loss = other_sum - other[static_cast<size_t>(following)];
  }
  return position;
}

}  // namespace

Result<std::unique_ptr<SequenceModel>> SequenceModel::open(WorkerPool& pool, const models::DecoderSpec& spec,
                                                           std::shared_ptr<const models::WeightSource> source,
                                                           bool round_inputs, int64_t length_max) {
  auto model = std::make_unique<SequenceModel>();
  KEDGE_ASSIGN(
      model->decoder_,
      models::Decoder::open(pool, spec, std::move(source),
                            {.round_inputs = round_inputs, .tokens_max = kChunkTokens, .outputs_max = kChunkTokens}));
  KEDGE_ASSIGN(model->kv_pool_,
               engine::KvPool::create(engine::KvLayout::plan(spec, cpu::KvType::f32, length_max, 1, kChunkTokens)));
  model->cache_ = std::make_unique<engine::SequenceKv>(*model->kv_pool_);
  return model;
}

void SequenceModel::begin(int64_t length) {
  cache_->clear();
  length_ = length;
}

std::span<const float> SequenceModel::next(WorkerPool& pool, std::span<const int32_t> tokens) {
  const auto count = static_cast<int64_t>(tokens.size());
  KEDGE_CHECK(cache_->reserve(count));
  const models::TokenRun run{
      .tokens = tokens, .first = cache_->length(), .length = length_, .cache = cache_.get(), .output_from = 0};
  const std::span<const float> logits = decoder_->forward(pool, models::Phase::prefill, {&run, 1});
  cache_->advance(count);
  return logits;
}

Json json_of(const Comparison& comparison, const std::string& text) {
  return {{"text", text},
          {"tokens", comparison.tokens},
          {"kl_divergence", comparison.divergence},
          {"same_choice", comparison.same_choice},
          {"source_perplexity", comparison.source_perplexity},
          {"perplexity", comparison.perplexity}};
}

Result<Comparison> compare(WorkerPool& pool, SequenceModel& source, SequenceModel& other,
                           const TokenSequences& sequences, const std::stop_token& stop) {
  const auto vocabulary = static_cast<size_t>(source.vocabulary_size());
  Comparison result;
  double source_loss = 0, loss = 0;
  int64_t predicted = 0, same = 0;
  for (const std::vector<int32_t>& sequence : sequences) {
    source.begin(static_cast<int64_t>(sequence.size()));
    other.begin(static_cast<int64_t>(sequence.size()));
    for (size_t first = 0; first < sequence.size(); first += SequenceModel::kChunkTokens) {
      if (stop.stop_requested()) return Error{ErrorKind::cancelled, "stopped"};
      const size_t count = std::min<size_t>(SequenceModel::kChunkTokens, sequence.size() - first);
      const std::span<const int32_t> tokens(sequence.data() + first, count);
      const std::span<const float> a = source.next(pool, tokens);
      const std::span<const float> b = other.next(pool, tokens);
      std::vector<Position> positions(count);
      pool.parallel_for(static_cast<int64_t>(count), 4, [&](int64_t begin, int64_t end, unsigned) {
        for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
          const size_t next = first + i + 1;
          positions[i] = compare_position(a.subspan(i * vocabulary, vocabulary), b.subspan(i * vocabulary, vocabulary),
                                          next < sequence.size() ? sequence[next] : -1);
        }
      });
      for (const Position& position : positions) {
        result.divergence += position.divergence;
        source_loss += position.source_loss;
        loss += position.loss;
        same += position.same_choice ? 1 : 0;
      }
      result.tokens += static_cast<int64_t>(count);
    }
    predicted += static_cast<int64_t>(sequence.size()) - 1;
  }
  if (result.tokens == 0 || predicted == 0) return result;
  const auto positions = static_cast<double>(result.tokens);
  result.divergence /= positions;
  result.same_choice = static_cast<double>(same) / positions;
  result.source_perplexity = std::exp(source_loss / static_cast<double>(predicted));
  result.perplexity = std::exp(loss / static_cast<double>(predicted));
  return result;
}

}  // namespace kedge::quantize
