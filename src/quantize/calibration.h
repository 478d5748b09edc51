#pragma once
// The text that quantization is fitted to and measured on: a file's, or, where there is none, text that the model
// writes itself (Liu et al. 2023, LLM-QAT), which is of the kind that it was trained on.

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string_view>

#include "kedge/tokenizer.h"
#include "models/spec.h"
#include "models/weight_source.h"
#include "quantize/layer_runner.h"

namespace kedge::quantize {

/// `text` in sequences of exactly `length` tokens, each after the tokenizer's BOS where it has one; at most `count` of
/// them, spread over the text. Fails with invalid_input where the text is shorter than one of them.
Result<TokenSequences> sequences_of_text(const Tokenizer& tokenizer, std::string_view text, int64_t count,
                                         int64_t length);

struct WritingOptions {
  int64_t tokens = 0;      // to be written in all, or a few more
  int64_t length_max = 0;  // of one document
  uint64_t seed = 0;
  std::vector<int32_t> end_tokens;
  std::function<void(int64_t tokens)> on_progress;
  std::stop_token stop;
};

/// Documents that the model writes after its BOS (a random token where it has none), at temperature 1, until an end
/// token or length_max. The same for the same seed. Fails as Decoder::open does, or with cancelled.
Result<TokenSequences> written_by_model(WorkerPool& pool, const models::DecoderSpec& spec,
                                        const std::shared_ptr<const models::WeightSource>& source,
                                        const WritingOptions& options);

}  // namespace kedge::quantize
