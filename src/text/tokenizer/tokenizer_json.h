#pragma once
// tokenizer.json, the format of Hugging Face tokenizers. Entry: load_tokenizer_json.

#include <string_view>

#include "kedge/result.h"
#include "text/tokenizer/json_view.h"
#include "text/tokenizer/pipeline.h"
#include "text/tokenizer/tokenizer_config.h"

namespace kedge::text {

/// `name` begins the messages; `readable_after` as JsonDocument::parse has it. Fails with corrupt_data, or unsupported
/// naming the part that is not implemented.
Result<std::shared_ptr<const Tokenizer>> load_tokenizer_json(std::string_view text, std::string_view name,
                                                             const TokenizerConfig& config, size_t readable_after = 0);

// The parts, each in its own file.

struct JsonModel {
  std::shared_ptr<const Vocabulary> vocabulary;
  std::unique_ptr<const TokenModel> model;
};

/// `byte_level`: the vocabulary spells bytes.
Result<JsonModel> load_json_model(const JsonView& model, bool byte_level);

Status load_json_normalizer(const JsonView& normalizer, NormalizerChain& chain, size_t depth = 0);

/// Whether the pre-tokenizer has a ByteLevel step.
bool has_byte_level(const JsonView& pre_tokenizer, size_t depth = 0);
Result<PreTokenizer> load_json_pre_tokenizer(const JsonView& pre_tokenizer);
Result<DecoderOptions> load_json_decoder(const JsonView& decoder, bool byte_level);

/// Nothing when no processor adds special tokens.
Result<std::optional<SequenceTemplate>> load_json_post_processor(const JsonView& post_processor, size_t depth = 0);

/// "unsupported: <part> of type '<type>'", with what would be read instead.
Error unsupported_part(std::string_view part, std::string_view type);

/// {"String": ...} or {"Regex": ...}.
struct JsonPattern {
  std::string_view text;
  bool regex = false;
};
Result<JsonPattern> load_json_pattern(const JsonView& pattern, std::string_view part);

}  // namespace kedge::text
