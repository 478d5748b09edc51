#pragma once
// Byte-level vocabularies given as byte strings with ranks: tiktoken files (Llama 3's tokenizer.model) and tekken.json.

#include <string_view>

#include "kedge/result.h"
#include "text/tokenizer/pipeline.h"
#include "text/tokenizer/tokenizer_config.h"

namespace kedge::text {

/// Lines of base64 bytes and a rank. Whether `bytes` looks like such a file.
bool is_tiktoken_file(std::string_view bytes);

/// Llama 3's original tokenizer.model, with the special tokens of `config` or else those of Llama 3.1.
/// `name` begins the messages. Fails with corrupt_data.
Result<std::shared_ptr<const Tokenizer>> load_tiktoken_file(std::string_view bytes, std::string_view name,
                                                            const TokenizerConfig& config);

/// Mistral's tekken.json. BOS and EOS both go around a text. `readable_after` as JsonDocument::parse has it.
Result<std::shared_ptr<const Tokenizer>> load_tekken_json(std::string_view text, std::string_view name,
                                                          const TokenizerConfig& config, size_t readable_after = 0);

/// The model over a vocabulary whose ids are ordered by rank: `ranks` by id, BpeModel::kUnranked for special tokens.
/// Fails as BpeModel::add_merges_by_rank does.
Result<std::unique_ptr<const TokenModel>> make_byte_rank_model(const std::shared_ptr<const Vocabulary>& vocabulary,
                                                               std::span<const uint32_t> ranks);

/// Sets the split pattern: a scanner where the pattern is well known.
Status set_split_pattern(std::string_view pattern, PreTokenizer& pre_tokenizer);

}  // namespace kedge::text
