#pragma once
// WordPiece: the longest token that begins the word, then the longest continuation, and so on.

#include <memory>
#include <string>

#include "text/tokenizer/prefix_trie.h"
#include "text/tokenizer/token_model.h"
#include "text/tokenizer/vocabulary.h"

namespace kedge::text {

struct WordPieceOptions {
  TokenId unknown = 0;                     // what a word becomes that the tokens do not cover
  std::string continuation_prefix = "##";  // of tokens that do not begin a word
  size_t word_characters_max = 100;        // longer words are unknown
};

/// Immutable once built.
class WordPieceModel : public TokenModel {
 public:
  WordPieceModel(std::shared_ptr<const Vocabulary> vocabulary, WordPieceOptions options);

  void encode(std::string_view word, EncodeWorkspace& workspace, std::vector<TokenId>& ids) const override;

 private:
  [[nodiscard]] bool append_pieces(std::string_view word, std::vector<TokenId>& ids) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
  WordPieceOptions options_;
  PrefixTrie initial_;        // tokens as they stand
  PrefixTrie continuations_;  // tokens without the prefix
};

}  // namespace kedge::text
