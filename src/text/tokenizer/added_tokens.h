#pragma once
// Tokens that are found in the text itself, before the model sees it: special tokens and other additions.

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kedge/result.h"
#include "kedge/tokenizer.h"
#include "text/tokenizer/prefix_trie.h"

namespace kedge::text {

struct AddedToken {
  TokenId id = 0;
  std::string content;
  bool special = false;      // dropped by decode(skip_special), read as plain text without parse_special
  bool left_strip = false;   // swallows white space before it
  bool right_strip = false;  // and after it
  bool single_word = false;  // only between non-word characters
  bool normalized = false;   // looked for in the normalized text
};

/// A stretch of a text: one added token, or what lies between them.
struct Fragment {
  std::optional<TokenId> token;
  std::string_view text;
};

/// The added tokens of one tokenizer. Immutable once built; safe from any thread.
class AddedTokens {
 public:
  /// Of two tokens with one content or one id the first stays.
  /// Fails with corrupt_data: a content that is empty or beyond its limit.
  Status add(AddedToken token);

  [[nodiscard]] const std::vector<AddedToken>& tokens() const { return tokens_; }
  [[nodiscard]] const AddedToken* find(TokenId id) const;
  [[nodiscard]] std::optional<TokenId> find(std::string_view content) const;
  [[nodiscard]] bool is_special(TokenId id) const;

  /// Tokens with `normalized` set, by what normalization makes of them, come second: `index_normalized` enters one.
  void index_normalized(std::string_view normalized_content, TokenId id);
  [[nodiscard]] bool any_normalized() const { return !normalized_.empty(); }

  /// Cuts `text` into fragments, leftmost and longest token first. `parse_special`: special tokens count.
  template <typename Visit>
  Status for_each_fragment(std::string_view text, bool parse_special, Visit&& visit) const {
    return visit_fragments(plain_, text, parse_special, visit);
  }

  /// The same for a normalized text and its tokens.
  template <typename Visit>
  Status for_each_normalized_fragment(std::string_view text, bool parse_special, Visit&& visit) const {
    return visit_fragments(normalized_, text, parse_special, visit);
  }

 private:
  struct Occurrence {
    TokenId id = 0;
    size_t begin = 0;
    size_t end = 0;
  };

  /// The next token at or behind `position`; `settled` is the end of the fragment before. Moves `position` on.
  [[nodiscard]] std::optional<Occurrence> next_occurrence(const PrefixTrie& trie, std::string_view text,
                                                          bool parse_special, size_t settled, size_t& position) const;

  template <typename Visit>
  Status visit_fragments(const PrefixTrie& trie, std::string_view text, bool parse_special, Visit& visit) const {
    size_t settled = 0;
    size_t position = 0;
    while (!trie.empty()) {
      const auto occurrence = next_occurrence(trie, text, parse_special, settled, position);
      if (!occurrence.has_value()) break;
      if (occurrence->begin > settled) {
        KEDGE_TRY(visit(Fragment{std::nullopt, text.substr(settled, occurrence->begin - settled)}));
      }
      KEDGE_TRY(visit(Fragment{occurrence->id, {}}));
      settled = occurrence->end;
    }
    if (settled < text.size()) KEDGE_TRY(visit(Fragment{std::nullopt, text.substr(settled)}));
    return Done{};
  }

  std::vector<AddedToken> tokens_;
  std::unordered_map<TokenId, size_t> index_;
  PrefixTrie plain_;
  PrefixTrie normalized_;
};

}  // namespace kedge::text
