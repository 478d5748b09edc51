#pragma once
// jusText: paragraphs are good or bad by their length, links and stop words, and short ones by their neighbours.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "kedge/result.h"

namespace kedge::curate {

class StopWords {
 public:
  /// By language: "en" (jusText's own), "de" and others of ours (data/stop_words.txt). Fails with unsupported.
  static Result<std::shared_ptr<const StopWords>> of(std::string_view language);
  /// A file of one word a line, at most 1 MB; lines that begin with "# " are left out. Fails with not_found or
  /// corrupt_data.
  static Result<std::shared_ptr<const StopWords>> read(const std::filesystem::path& file);
  /// REQUIRES: lower case, UTF-8.
  [[nodiscard]] bool contains(const std::string& word) const { return words_.contains(word); }

 private:
  explicit StopWords(std::string_view list);
  std::unordered_set<std::string> words_;
};

/// Chinese, Japanese, Korean and Thai: no white space tells stop words, so that every paragraph is kept, as NeMo
/// Curator does (is_boilerplate = False).
bool is_without_spaces(std::string_view language);

/// The good paragraphs, one a line; all of them where `stop_words` is null.
std::string extract_justext(std::string_view html, const StopWords* stop_words);

}  // namespace kedge::curate
