#pragma once
// What lies beside a vocabulary: tokenizer_config.json, special_tokens_map.json and added_tokens.json.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "kedge/result.h"
#include "text/tokenizer/added_tokens.h"

namespace kedge::text {

struct TokenizerConfig {
  std::optional<std::string> bos_token;
  std::optional<std::string> eos_token;
  std::optional<bool> add_bos_token;
  std::optional<bool> add_eos_token;
  std::optional<bool> lower_case;      // vocab.txt only
  std::optional<bool> split_by_punct;  // DeBERTa's
  bool pair_begins_once = false;       // SentencePiece: bos a eos b eos, and the vocabulary must have both
  bool legacy = true;                  // SentencePiece: the dummy prefix also follows special tokens
  std::vector<AddedToken> added;
};

/// Reads the files of `folder` that exist. Fails with corrupt_data.
Result<TokenizerConfig> read_tokenizer_config(const std::filesystem::path& folder);

}  // namespace kedge::text
