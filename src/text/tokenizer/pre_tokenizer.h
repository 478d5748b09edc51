#pragma once
// Cuts a normalized text into the words that the model sees one at a time.

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/result.h"
#include "text/tokenizer/word_scanner.h"

namespace kedge::text {

struct Piece {
  std::string_view text;
  bool at_start = false;  // begins where the whole text begins
};

/// Pieces between two steps, and the strings of those that are no part of the original text.
struct PieceList {
  std::vector<Piece> pieces;
  std::deque<std::string> owned;

  std::string_view own(std::string text) { return owned.emplace_back(std::move(text)); }
};

/// One step. Immutable; safe from any thread.
class PreTokenizerStep {
 public:
  virtual ~PreTokenizerStep() = default;

  /// Appends to `out.pieces` what becomes of `piece`; empty pieces are dropped by the caller.
  virtual Status apply(const Piece& piece, PieceList& out) const = 0;
};

/// How a delimiter and its neighbours become pieces, in the words of tokenizer.json.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

enum class CharacterKind { digit, white_space, punctuation };

enum class PrependScheme { always, first, never };

std::unique_ptr<const PreTokenizerStep> make_character_split(CharacterKind kind, SplitBehavior behavior);
std::unique_ptr<const PreTokenizerStep> make_string_split(std::string delimiter, SplitBehavior behavior, bool invert);

/// Fails as RegexPattern::compile does. Well-known patterns are best given to PreTokenizer::set_scanner.
Result<std::unique_ptr<const PreTokenizerStep>> make_regex_split(std::string_view pattern, SplitBehavior behavior,
                                                                 bool invert);
std::unique_ptr<const PreTokenizerStep> make_scanner_split(WordScanner scanner);

/// Runs of word characters and runs of other non-spaces.
std::unique_ptr<const PreTokenizerStep> make_word_split();
std::unique_ptr<const PreTokenizerStep> make_metaspace(std::string replacement, PrependScheme scheme, bool split);
std::unique_ptr<const PreTokenizerStep> make_prefix_space();

/// Spells bytes in the byte alphabet, and back: for steps that look at the spelled text.
std::unique_ptr<const PreTokenizerStep> make_byte_speller();
std::unique_ptr<const PreTokenizerStep> make_byte_unspeller();

class PreTokenizer {
 public:
  void add(std::unique_ptr<const PreTokenizerStep> step) { steps_.push_back(std::move(step)); }

  /// The last step as a scanner: its words need not be stored.
  void set_scanner(WordScanner scanner) { scanner_ = scanner; }

  /// Calls visit(word) for each word of `text`, in order.
  template <typename Visit>
  Status for_each_word(std::string_view text, bool at_start, Visit&& visit) const {
    if (steps_.empty()) {
      visit_words(text, visit);
      return Done{};
    }
    PieceList list;
    KEDGE_TRY(run_steps({text, at_start}, list));
    for (const Piece& piece : list.pieces) visit_words(piece.text, visit);
    return Done{};
  }

 private:
  template <typename Visit>
  void visit_words(std::string_view text, Visit& visit) const {
    if (scanner_ == nullptr) {
      if (!text.empty()) visit(text);
      return;
    }
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = scanner_(text, begin);
      visit(text.substr(begin, end - begin));
      begin = end;
    }
  }

  Status run_steps(const Piece& text, PieceList& list) const;

  std::vector<std::unique_ptr<const PreTokenizerStep>> steps_;
  WordScanner scanner_ = nullptr;
};

}  // namespace kedge::text
