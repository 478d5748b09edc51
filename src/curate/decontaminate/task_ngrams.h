#pragma once
// Runs of words of evaluation items in documents, and documents without them, as NeMo Curator 0.8's
// TaskDecontamination and its tasks define both.

#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "curate/code_text.h"

namespace kedge::curate {

/// Code points [begin, end) of a text.
struct CodeSpan {
  size_t begin = 0, end = 0;
  bool operator==(const CodeSpan&) const = default;
};

/// NeMo's parameters and their defaults.
struct RemovalLimits {
  uint64_t max_matches = 10;         // a run that is found more often, in all documents, is common and stays
  size_t min_document_length = 200;  // what is left beside a run counts only where it is longer, in code points
  size_t remove_char_each_side = 200;
  size_t max_splits = 10;  // a document of more pieces goes
};

/// Words lie between blanks, in lower case, without ASCII punctuation. Of a question of 13 words and more all runs of
/// 13, of 8 to 12 the whole, of fewer none. Runs are told apart by 64-bit hashes. Immutable.
class TaskNgrams {
 public:
  explicit TaskNgrams(const std::vector<std::u32string>& questions);

  [[nodiscard]] size_t size() const { return lengths_.size(); }
  /// Indices of the runs that NeMo counts in a text, in order, as often as it does: each time the text goes on behind
  /// the run. A text of fewer than 13 words has none, one of 13 only what begins it.
  ///
  /// NeMo takes places among lower-cased characters without punctuation for places in the text; the text goes on too
  /// early by as much, and a run behind much punctuation can count more than once. That is part of the definition.
  [[nodiscard]] std::vector<uint32_t> found_in(CodeView text) const;
  /// What is left of a text without those runs for which `removed` says so: around each, `remove_char_each_side`
  /// characters and on to the next mark of ".!?" go. The whole text where there is none of them; ascending, apart.
  [[nodiscard]] std::vector<CodeSpan> pieces_of(CodeView text, const std::vector<bool>& removed,
                                                const RemovalLimits& limits) const;

 private:
  friend class NgramScan;

  std::unordered_map<uint64_t, uint32_t> numbers_;  // by a run's hash
  std::vector<size_t> lengths_;                     // by number: code points, words one blank apart
  std::set<size_t> word_counts_;                    // of all runs
};

}  // namespace kedge::curate
