#pragma once
// How common a text's words are, by a list of words and their counts.

#include <filesystem>
#include <memory>
#include <string>
#include <unordered_map>

#include "curate/code_text.h"
#include "kedge/result.h"

namespace kedge::curate {

/// DataTrove's UnigramLogProbFilter (after peS2o). Immutable; safe from any thread.
class Unigrams {
 public:
  /// CSV with a first line `word,count` (columns by name, no quotes). Fails with not_found or corrupt_data.
  static Result<std::unique_ptr<Unigrams>> open(const std::filesystem::path& path);
  /// `name` is for messages.
  static Result<std::unique_ptr<Unigrams>> parse(std::string_view csv, const std::string& name);

  /// The mean natural log of the shares of a text's words (spaCy's English tokens, lower case); 1e-9 for a word that
  /// is not listed, 0 for no words.
  [[nodiscard]] double mean_log_probability(CodeView text) const;

 private:
  std::unordered_map<std::string, double> shares_;
};

}  // namespace kedge::curate
