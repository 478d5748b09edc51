#pragma once
// data-juicer's statistics of texts (1.6.1), as its filters of the same names count them. Lengths are code points.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "curate/code_text.h"
#include "kedge/result.h"

namespace kedge::curate {

using WordSet = std::unordered_set<std::u32string>;

/// What the statistics are told.
struct JuicerSettings {
  size_t repetition_length = 10;                 // rep_len: characters, or words, in a run
  std::shared_ptr<const WordSet> stop_words;     // of stopwords_ratio
  std::shared_ptr<const WordSet> flagged_words;  // of flagged_words_ratio
  std::vector<size_t> group_sizes;               // so many words in a row are one more word; empty: use_words_aug off
  std::u32string join;                           // between them
};

struct JuicerStatistic {
  std::string_view name;  // data-juicer's: text_len, num_words, ...
  double (*measure)(CodeView text, const JuicerSettings& settings);
  double low, high;  // of a chart
};

/// alnum_ratio, avg_line_length, char_rep_ratio, flagged_words_ratio, max_line_length, num_words, special_char_ratio,
/// stopwords_ratio, text_len, word_rep_ratio.
const std::vector<JuicerStatistic>& juicer_statistics();

/// Words of data-juicer's: between blanks, tabs and newlines, lower case, its special characters off both ends; none
/// that is empty then.
std::vector<std::u32string> juicer_words(CodeView text);

/// Of a folder's files whose names hold `kind` (stopwords, flagged_words) and end in .json the words of one language;
/// of "all" those of all where there is no such entry. A file is an object of lists: {"en": ["a", ...]}. Fails with
/// not_found (no such file, or no such language) or corrupt_data.
Result<WordSet> read_juicer_words(const std::filesystem::path& folder, std::string_view kind,
                                  const std::string& language);

}  // namespace kedge::curate
