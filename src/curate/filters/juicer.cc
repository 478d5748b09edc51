#include "curate/filters/juicer.h"

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <numeric>
#include <span>

#include "core/json.h"

namespace kedge::curate {

extern const std::string_view kSpecialCharacters;  // src/curate/data/special_characters.txt

namespace {

double share(size_t part, size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

double text_length(CodeView text, const JuicerSettings&) {
  return static_cast<double>(text.size());
}

/// Blanks, newlines and tabs separate words; other white space does not.
bool separates(char32_t c) {
  return c == U' ' || c == U'\n' || c == U'\t';
}

double word_count(CodeView text, const JuicerSettings&) {
  size_t words = 0;
  bool inside = false;
  for (const char32_t c : text) {
    if (!separates(c) && !inside) ++words;
    inside = !separates(c);
  }
  return static_cast<double>(words);
}

double mean_line_length(CodeView text, const JuicerSettings&) {
  return share(text.size(), split_lines(text).size());
}

double longest_line(CodeView text, const JuicerSettings&) {
  size_t most = 0;
  for (const CodeView line : split_lines(text)) most = std::max(most, line.size());
  return static_cast<double>(most);
}

/// str.isalnum(): letters and all that has a numeric value.
double alphanumeric_share(CodeView text, const JuicerSettings&) {
  const auto count = std::count_if(text.begin(), text.end(), [](char32_t c) { return is(c, kWord) && c != U'_'; });
  return share(static_cast<size_t>(count), text.size());
}

/// How often each different one occurs. Sorts them.
std::vector<size_t> frequencies(std::vector<uint64_t>& hashes) {
  std::sort(hashes.begin(), hashes.end());
  std::vector<size_t> counts;
  for (size_t i = 0; i < hashes.size();) {
    const size_t begin = i;
    while (i < hashes.size() && hashes[i] == hashes[begin]) ++i;
    counts.push_back(i - begin);
  }
  return counts;
}

/// Hashes of all runs of `length` things.
template <typename Thing>
std::vector<uint64_t> run_hashes(std::span<const Thing> things, size_t length) {
  std::vector<uint64_t> hashes;
  for (size_t i = 0; i + length <= things.size(); ++i) {
    hashes.push_back(XXH3_64bits(things.data() + i, length * sizeof(Thing)));
  }
  return hashes;
}

/// Of all runs of so many characters, the share that the most frequent ones have: those that occur more than once, and
/// at most the square root of the number of different ones. Runs are told apart by 64-bit hashes.
double repeated_share(CodeView text, const JuicerSettings& settings) {
  std::vector<uint64_t> hashes = run_hashes(std::span(text), settings.repetition_length);
  std::vector<size_t> counts = frequencies(hashes);
  const auto once = static_cast<size_t>(std::ranges::count(counts, size_t{1}));
  const auto root = static_cast<size_t>(std::sqrt(static_cast<double>(counts.size())));
  const auto taken = static_cast<ptrdiff_t>(std::min(root, counts.size() - once));
  std::partial_sort(counts.begin(), counts.begin() + taken, counts.end(), std::greater<>());
  return share(std::accumulate(counts.begin(), counts.begin() + taken, size_t{0}), hashes.size());
}

/// Of all runs of so many words, the share of those that occur more than once. By 64-bit hashes too.
double repeated_word_share(CodeView text, const JuicerSettings& settings) {
  std::vector<uint64_t> words;
  for (const std::u32string& word : juicer_words(text)) {
    words.push_back(XXH3_64bits(word.data(), word.size() * sizeof(char32_t)));
  }
  std::vector<uint64_t> hashes = run_hashes(std::span<const uint64_t>(words), settings.repetition_length);
  size_t repeated = 0;
  for (const size_t count : frequencies(hashes)) repeated += count > 1 ? count : 0;
  return share(repeated, hashes.size());
}

class SpecialCharacters {
 public:
  static const SpecialCharacters& instance() {
    static const auto* const all = new SpecialCharacters;  // lives as long as the program
    return *all;
  }
  [[nodiscard]] bool has(char32_t c) const {
    const auto behind = std::ranges::upper_bound(ranges_, c, {}, &Range::first);
    return behind != ranges_.begin() && c <= std::prev(behind)->last;
  }

 private:
  struct Range {
    char32_t first, last;
  };
  SpecialCharacters() {
    for (std::string_view rest = kSpecialCharacters; !rest.empty();) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
      if (line.starts_with('#')) continue;
      const char* const end = line.data() + line.size();
      uint32_t first = 0;
      const char* const dash = std::from_chars(line.data(), end, first, 16).ptr;
      uint32_t last = first;
      if (dash != end) std::from_chars(dash + 1, end, last, 16);
      ranges_.push_back({first, last});
    }
  }
  std::vector<Range> ranges_;  // ascending
};

bool is_special(char32_t c) {
  return SpecialCharacters::instance().has(c);
}

double special_share(CodeView text, const JuicerSettings&) {
  return share(static_cast<size_t>(std::ranges::count_if(text, is_special)), text.size());
}

/// How many of the words, and of groups of them, are in the set, by the number of words and groups.
double listed_share(CodeView text, const WordSet& list, const JuicerSettings& settings) {
  const std::vector<std::u32string> words = juicer_words(text);
  size_t all = words.size(), listed = 0;
  for (const std::u32string& word : words) listed += list.contains(word) ? 1 : 0;
  for (const size_t size : settings.group_sizes) {
    for (size_t i = 0; i + size <= words.size(); ++i, ++all) {
      std::u32string group = words[i];
      for (size_t k = 1; k < size; ++k) group += settings.join + words[i + k];
      listed += list.contains(group) ? 1 : 0;
    }
  }
  return share(listed, all);
}

double stop_word_share(CodeView text, const JuicerSettings& settings) {
  return settings.stop_words == nullptr ? 0 : listed_share(text, *settings.stop_words, settings);
}

double flagged_word_share(CodeView text, const JuicerSettings& settings) {
  return settings.flagged_words == nullptr ? 0 : listed_share(text, *settings.flagged_words, settings);
}

/// One file's words of a language are added; whether it has any entry for it.
Result<bool> add_words(const std::filesystem::path& path, const std::string& language, bool any_language,
                       WordSet& words) {
  KEDGE_ASSIGN(const Json json, read_json_file(path));
  const auto broken = [&] {
    return Error{ErrorKind::corrupt_data, path.string() + ": expected words by language: {\"en\": [\"a\", ...], ...}"};
  };
  if (!json.is_object()) return broken();
  bool found = false;
  for (const auto& [name, list] : json.items()) {
    if (!list.is_array()) return broken();
    if (name != language && !any_language) continue;
    found = true;
    for (const Json& word : list) {
      if (!word.is_string()) return broken();
      words.insert(to_codes(word.get<std::string>()));
    }
  }
  return found;
}

}  // namespace

const std::vector<JuicerStatistic>& juicer_statistics() {
  static const auto* all = new std::vector<JuicerStatistic>{
      // lives as long as the program
      {"alnum_ratio", alphanumeric_share, 0, 1},   {"avg_line_length", mean_line_length, 0, 500},
      {"char_rep_ratio", repeated_share, 0, 1},    {"flagged_words_ratio", flagged_word_share, 0, 0.2},
      {"max_line_length", longest_line, 0, 5000},  {"num_words", word_count, 0, 5000},
      {"special_char_ratio", special_share, 0, 1}, {"stopwords_ratio", stop_word_share, 0, 1},
      {"text_len", text_length, 0, 20000},         {"word_rep_ratio", repeated_word_share, 0, 1}};
  return *all;
}

std::vector<std::u32string> juicer_words(CodeView text) {
  std::vector<std::u32string> words;
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    while (i < text.size() && !separates(text[i])) ++i;
    std::u32string word = to_lower(text.substr(begin, i - begin));
    ++i;
    size_t first = 0, last = word.size();
    while (first < last && is_special(word[first])) ++first;
    while (last > first && is_special(word[last - 1])) --last;
    if (first < last) words.push_back(word.substr(first, last - first));
  }
  return words;
}

Result<WordSet> read_juicer_words(const std::filesystem::path& folder, std::string_view kind,
                                  const std::string& language) {
  std::vector<std::filesystem::path> files;
  std::error_code code;
  for (const auto& entry : std::filesystem::directory_iterator(folder, code)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".json") && name.find(kind) != std::string::npos) files.push_back(entry.path());
  }
  if (files.empty()) {
    return Error{ErrorKind::not_found,
                 fmt::format("{}: found no file *{}*.json, expected data-juicer's words by language: {{\"en\": [\"a\", "
                             "...], ...}}",
                             folder.string(), kind)};
  }
  for (const bool any_language : {false, true}) {
    WordSet words;
    bool found = false;
    for (const auto& path : files) {
      KEDGE_ASSIGN(const bool there, add_words(path, language, any_language, words));
      found = found || there;
    }
    if (found) return words;
    if (language != "all") break;
  }
  return Error{ErrorKind::not_found,
               fmt::format("{}: found no words of language '{}' in *{}*.json", folder.string(), language, kind)};
}

}  // namespace kedge::curate
