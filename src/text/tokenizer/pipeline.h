#pragma once
// A tokenizer as parts: every file format is read into these, and one class runs them.

#include <memory>
#include <optional>
#include <vector>

#include "kedge/tokenizer.h"
#include "text/tokenizer/added_tokens.h"
#include "text/tokenizer/decoder.h"
#include "text/tokenizer/limits.h"
#include "text/tokenizer/normalizer.h"
#include "text/tokenizer/pre_tokenizer.h"
#include "text/tokenizer/token_model.h"
#include "text/tokenizer/vocabulary.h"

namespace kedge::text {

/// Where special tokens go around one text, or around two.
struct SequenceTemplate {
  struct Item {
    enum class Kind { token, first_text, second_text };
    Kind kind = Kind::token;
    TokenId token = 0;
  };

  std::vector<Item> single = {{Item::Kind::first_text, 0}};
  std::vector<Item> pair = {{Item::Kind::first_text, 0}, {Item::Kind::second_text, 0}};

  /// `before` A `after`, and the same around each of a pair.
  static SequenceTemplate around(const std::vector<TokenId>& before, const std::vector<TokenId>& after);
};

struct TokenizerParts {
  std::shared_ptr<const Vocabulary> vocabulary;
  std::unique_ptr<const TokenModel> model;
  AddedTokens added;
  NormalizerChain normalizer;
  PreTokenizer pre_tokenizer;
  SequenceTemplate sequence_template;
  DecoderOptions decoder;
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  size_t text_bytes_max = kTextBytesMax;
};

/// Fails with corrupt_data or unsupported when an added token cannot be normalized.
Result<std::shared_ptr<const Tokenizer>> make_tokenizer(TokenizerParts parts);

}  // namespace kedge::text
