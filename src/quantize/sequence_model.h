#pragma once
// A whole model that gives logits of sequences: to write calibration text with, and to compare two models.

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "core/json.h"
#include "engine/kv_cache.h"
#include "models/decoder.h"
#include "quantize/layer_runner.h"

namespace kedge::quantize {

/// One sequence at a time, one thread.
class SequenceModel {
 public:
  static constexpr int64_t kChunkTokens = 256;

  /// Fails as Decoder::open does.
  static Result<std::unique_ptr<SequenceModel>> open(WorkerPool& pool, const models::DecoderSpec& spec,
                                                     std::shared_ptr<const models::WeightSource> source,
                                                     bool round_inputs, int64_t length_max);

  /// Starts a sequence that will have `length` tokens.
  void begin(int64_t length);
  /// Appends at most kChunkTokens tokens; their logits, [tokens, vocabulary_size], are valid until the next call.
  std::span<const float> next(WorkerPool& pool, std::span<const int32_t> tokens);

  [[nodiscard]] int64_t vocabulary_size() const { return decoder_->spec().vocabulary_size; }

 private:
  std::unique_ptr<models::Decoder> decoder_;
  std::unique_ptr<engine::KvPool> kv_pool_;
  std::unique_ptr<engine::SequenceKv> cache_;
  int64_t length_ = 0;
};

struct Comparison {
  int64_t tokens = 0;            // positions compared
  double divergence = 0;         // mean KL(source || other) of a position, in nats
  double source_perplexity = 0;  // of the next tokens
  double perplexity = 0;         // of the other model
  double same_choice = 0;        // share of the positions where both have the same likeliest token
};

/// As reports have it; `text` says which text was compared on.
Json json_of(const Comparison& comparison, const std::string& text);

/// Every position of the sequences, in both models. Fails with cancelled.
Result<Comparison> compare(WorkerPool& pool, SequenceModel& source, SequenceModel& other,
                           const TokenSequences& sequences, const std::stop_token& stop);

}  // namespace kedge::quantize
