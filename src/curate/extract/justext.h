#pragma once
// jusText: paragraphs are good or bad by their length, links and stop words, and short ones by their neighbours.

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "kedge/result.h"

namespace kedge::curate {

class StopWords {
 public:
  /// By language: "en". Fails with unsupported.
  static Result<const StopWords*> of(std::string_view language);
  /// REQUIRES: lower case, UTF-8.
  [[nodiscard]] bool contains(const std::string& word) const { return words_.contains(word); }

 private:
  explicit StopWords(std::string_view list);
  std::unordered_set<std::string> words_;
};

/// The good paragraphs, one a line.
std::string extract_justext(std::string_view html, const StopWords& stop_words);

}  // namespace kedge::curate
