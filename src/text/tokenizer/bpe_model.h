#pragma once
// Byte pair encoding over bytes (GPT-2 and its heirs) or over characters (SentencePiece).

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "text/tokenizer/bpe_merger.h"
#include "text/tokenizer/character_joins.h"
#include "text/tokenizer/character_symbols.h"
#include "text/tokenizer/prefix_trie.h"
#include "text/tokenizer/token_model.h"
#include "text/tokenizer/vocabulary.h"

namespace kedge::text {

struct BpeOptions {
  enum class Symbols { bytes, characters };

  Symbols symbols = Symbols::bytes;
  bool whole_words_first = false;  // a word that is a token is that token, whatever the merges say
  UnknownPolicy unknown;
};

/// Immutable once built. Takes n log n time for a word of n bytes.
///
/// Over characters a word may be a whole text. It is cut between two characters that stand side by side in no merged
/// token: no merge can ever cross such a cut, so the parts merge independently and their ids are those of the whole.
/// The parts are short and repeat, which is what makes the word cache work.
class BpeModel : public TokenModel {
 public:
  BpeModel(std::shared_ptr<const Vocabulary> vocabulary, BpeOptions options);

  /// Merges `left` and `right` into `merged` (ids of the vocabulary). Fails with unsupported when the unknown token or
  /// a byte token takes part.
  Status add_merge(TokenId left, TokenId right, TokenId merged, uint32_t rank);

  /// Every way to put a token together from two parts that are ranked tokens or single symbols: what SentencePiece and
  /// tiktoken mean by a vocabulary without a list of merges. `ranks`: by id; kUnranked for what no merge makes.
  /// Fails with unsupported when the tokens are so long that this would take minutes.
  Status add_merges_by_rank(std::span<const uint32_t> ranks);

  static constexpr uint32_t kUnranked = PairTable::kNone;

  /// A piece that stays whole wherever it occurs (a user-defined symbol of SentencePiece). The longest one wins.
  void add_frozen(TokenId id) { frozen_.add(vocabulary_->piece(id), static_cast<uint32_t>(id)); }

  /// Begins to fetch what `add_merge` of these two will need.
  [[gnu::always_inline]] void prefetch_merge(TokenId left, TokenId right) const {
    merger_.prefetch(static_cast<uint32_t>(left), static_cast<uint32_t>(right));
  }

  void reserve_merges(size_t count) { merger_.reserve(count); }

  void encode(std::string_view word, EncodeWorkspace& workspace, std::vector<TokenId>& ids) const override;

 private:
  static constexpr uint32_t kUnknownSymbol = 0xFFFFFFFE;
  static constexpr size_t kSplitWorkMax = size_t{1} << 32;  // sum of squared sizes; Gemma's 256,000 tokens: 2^24

  struct Split {
    TokenTable::Search left;
    TokenTable::Search right;
  };

  void index_characters();
  [[nodiscard]] uint32_t ranked_part(const TokenTable::Search& search, std::span<const uint32_t> ranks);
  void add_splits(TokenId id, std::span<const uint32_t> ranks, std::vector<Split>& splits);
  void encode_text(std::string_view text, EncodeWorkspace& workspace, std::vector<TokenId>& ids) const;
  void encode_part(std::string_view part, EncodeWorkspace& workspace, std::vector<TokenId>& ids,
                   bool& after_unknown) const;
  [[nodiscard]] bool make_symbols(std::string_view part, EncodeWorkspace::Symbols& symbols) const;
  void emit(std::string_view text, uint32_t symbol, std::vector<TokenId>& ids, bool& after_unknown) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
  BpeOptions options_;
  BpeMerger merger_;
  std::vector<uint32_t> byte_symbols_;  // over bytes
  CharacterSymbols character_symbols_;  // over characters
  CharacterJoins joins_;
  PrefixTrie frozen_;
  uint32_t token_end_;  // symbols below are tokens; above: characters that occur only inside tokens
  uint32_t symbol_end_;
  std::vector<bool> stands_for_unknown_;  // by id: the unknown token and the byte tokens, which take part in no merge
  std::vector<bool> noted_;               // by id: joins_ has its characters
};

}  // namespace kedge::text
