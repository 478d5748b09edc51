#include "curate/filters/juicer.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace kedge::curate {
namespace {

double share(size_t part, size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

double text_length(CodeView text, size_t) {
  return static_cast<double>(text.size());
}

/// Blanks, newlines and tabs separate words; other white space does not.
double word_count(CodeView text, size_t) {
  size_t words = 0;
  bool inside = false;
  for (const char32_t c : text) {
    const bool separates = c == U' ' || c == U'\n' || c == U'\t';
    if (!separates && !inside) ++words;
    inside = !separates;
  }
  return static_cast<double>(words);
}

double mean_line_length(CodeView text, size_t) {
  return share(text.size(), split_lines(text).size());
}

double longest_line(CodeView text, size_t) {
  size_t most = 0;
  for (const CodeView line : split_lines(text)) most = std::max(most, line.size());
  return static_cast<double>(most);
}

/// str.isalnum(): letters and all that has a numeric value.
double alphanumeric_share(CodeView text, size_t) {
  const auto count = std::count_if(text.begin(), text.end(), [](char32_t c) { return is(c, kWord) && c != U'_'; });
  return share(static_cast<size_t>(count), text.size());
}

/// Of all runs of `length` characters, the share that the most frequent ones have: those that occur more than once, and
/// at most the square root of the number of different ones. Runs are told apart by 64-bit hashes.
double repeated_share(CodeView text, size_t length) {
  if (text.size() < length) return 0;
  std::vector<uint64_t> hashes;
  hashes.reserve(text.size() - length + 1);
  for (size_t i = 0; i + length <= text.size(); ++i) {
    hashes.push_back(XXH3_64bits(text.data() + i, length * sizeof(char32_t)));
  }
  std::sort(hashes.begin(), hashes.end());
  std::vector<size_t> counts;
  size_t once = 0;
  for (size_t i = 0; i < hashes.size();) {
    const size_t begin = i;
    while (i < hashes.size() && hashes[i] == hashes[begin]) ++i;
    counts.push_back(i - begin);
    if (i - begin == 1) ++once;
  }
  const auto root = static_cast<size_t>(std::sqrt(static_cast<double>(counts.size())));
  const auto taken = static_cast<ptrdiff_t>(std::min(root, counts.size() - once));
  std::partial_sort(counts.begin(), counts.begin() + taken, counts.end(), std::greater<>());
  return share(std::accumulate(counts.begin(), counts.begin() + taken, size_t{0}), hashes.size());
}

}  // namespace

const std::vector<JuicerStatistic>& juicer_statistics() {
  static const auto* all = new std::vector<JuicerStatistic>{
      // lives as long as the program
      {"alnum_ratio", alphanumeric_share, 0, 1}, {"avg_line_length", mean_line_length, 0, 500},
      {"char_rep_ratio", repeated_share, 0, 1},  {"max_line_length", longest_line, 0, 5000},
      {"num_words", word_count, 0, 5000},        {"text_len", text_length, 0, 20000}};
  return *all;
}

}  // namespace kedge::curate
