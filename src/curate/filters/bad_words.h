#pragma once
// The word list of C4's filter.

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "curate/code_text.h"

namespace kedge::curate {

/// Immutable; safe from any thread.
class BadWords {
 public:
  /// The English list, made at the first call.
  static const BadWords& english();

  /// Whether a word of the list is among `words`, or a phrase of it anywhere in `line`. REQUIRES: both lower-cased.
  [[nodiscard]] bool occur_in(CodeView line, const std::vector<CodeView>& words) const;

 private:
  explicit BadWords(std::string_view list);

  std::vector<std::u32string> storage_;
  std::unordered_set<CodeView> words_;
  std::unordered_map<uint64_t, std::vector<CodeView>> phrases_;  // by their first two characters
  std::vector<bool> starts_;                                     // which first characters there are, below 128
};

}  // namespace kedge::curate
