#pragma once
// Unigram: the segmentation whose tokens have the greatest sum of scores.

#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "text/tokenizer/prefix_trie.h"
#include "text/tokenizer/token_model.h"
#include "text/tokenizer/vocabulary.h"

namespace kedge::text {

struct UnigramOptions {
  UnknownPolicy unknown;          // `unknown.unknown` is needed where a text has characters outside the vocabulary
  bool single_precision = false;  // sums in 32 bits, as SentencePiece has them: near-ties fall as there
};

/// Immutable once built. Takes time linear in the text (times the length of the longest token).
class UnigramModel : public TokenModel {
 public:
  UnigramModel(std::shared_ptr<const Vocabulary> vocabulary, UnigramOptions options)
      : vocabulary_(std::move(vocabulary)), options_(std::move(options)), scores_(vocabulary_->id_end()) {}

  /// Lets `id` take part with `score`. REQUIRES: id has a non-empty piece, score is finite.
  void add(TokenId id, double score);

  /// A piece that always wins where it occurs (a user-defined symbol of SentencePiece).
  /// REQUIRES: called after every `add`.
  void add_user_defined(TokenId id);

  void encode(std::string_view word, EncodeWorkspace& workspace, std::vector<TokenId>& ids) const override;

 private:
  void find_best_paths(std::string_view word, EncodeWorkspace::Paths& paths) const;
  [[nodiscard]] double sum(double a, double b) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
  UnigramOptions options_;
  PrefixTrie trie_;
  std::vector<double> scores_;
  double score_min_ = 0;
  double score_max_ = std::numeric_limits<float>::min();  // as SentencePiece starts: scores are negative, so it stays
  bool has_scores_ = false;
};

}  // namespace kedge::text
