#pragma once
// Passing the hidden states of calibration text through one layer after the other.

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "engine/kv_cache.h"
#include "models/decoder.h"

namespace kedge::quantize {

using TokenSequences = std::vector<std::vector<int32_t>>;

int64_t token_count(const TokenSequences& sequences);

/// The states that enter layer 0: [token_count, hidden_size]. Fails as WeightSource::matrix does.
Result<std::vector<float>> embedded(const models::DecoderSpec& spec, const models::WeightSource& source,
                                    const TokenSequences& sequences);

/// One layer of a model, ready to run over sequences of at most `length_max` tokens.
class LayerRunner {
 public:
  /// `source`: a LayerSource of layer `index` of the model that `spec` describes. `round_inputs`: as
  /// DecoderOptions::round_inputs. Fails as Decoder::open does.
  static Result<std::unique_ptr<LayerRunner>> open(WorkerPool& pool, const models::DecoderSpec& spec, int64_t index,
                                                   std::shared_ptr<const models::WeightSource> source,
                                                   const models::DecoderOptions& options);

  [[nodiscard]] const models::DecoderLayerWeights& weights() const { return decoder_->weights().layers.front(); }

  /// States of all sequences, in their order, and who is told of the rows that enter products (may be null).
  struct States {
    LayerRunner* runner = nullptr;  // the same layer, perhaps with other weights
    std::span<float> states;
    models::ProductSink sink = nullptr;
    void* sink_context = nullptr;
  };
  /// Takes each of `all` through its layer, one after the other for each batch of sequences. Fails with cancelled.
  /// REQUIRES: runners of the same layer and options.
  static Status run(WorkerPool& pool, const TokenSequences& sequences, std::span<const States> all,
                    const std::stop_token& stop);

 private:
  std::unique_ptr<models::Decoder> decoder_;
  std::unique_ptr<engine::KvPool> kv_pool_;
  int64_t tokens_max_ = 0;
};

/// tokens_max of LayerRunner's options: a batch that holds each of the sequences.
int64_t batch_tokens(const TokenSequences& sequences);

}  // namespace kedge::quantize
