// Dolma's taggers gopher_v1, gopher_v2 (its lines alone) and c4_v1.
#include <algorithm>
#include <array>
#include <unordered_set>

#include "curate/code_text.h"
#include "curate/filters/bad_words.h"
#include "curate/filters/profiles.h"
#include "curate/filters/score.h"
#include "curate/filters/stop_words.h"
#include "curate/ngrams.h"
#include "data/json_text.h"

namespace kedge::curate {
namespace {

/// Shares of lines, over a total that is at least 1.
struct LineShares {
  double bullets = 0, ellipses = 0, duplicates = 0, duplicate_characters = 0;
};

LineShares share_lines(const std::vector<CodeView>& lines, size_t word_characters) {
  StringNumbers numbers;
  const std::vector<uint32_t> number = numbers.number(lines);
  std::vector<uint32_t> counts(numbers.size(), 0);
  for (const uint32_t i : number) ++counts[i];
  size_t bullets = 0, ellipses = 0, duplicates = 0, characters = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].starts_with(U'*') || lines[i].starts_with(U'-')) ++bullets;
    if (lines[i].ends_with(char32_t{0x2026})) ++ellipses;
    if (counts[number[i]] > 1) {
      ++duplicates;
      characters += lines[i].size();
    }
  }
  const auto count = static_cast<double>(std::max<size_t>(lines.size(), 1));
  return {static_cast<double>(bullets) / count, static_cast<double>(ellipses) / count,
          static_cast<double>(duplicates) / count,
          static_cast<double>(characters) / static_cast<double>(std::max<size_t>(word_characters, 1))};
}

std::vector<CodeView> without_empty_runs(CodeView text) {
  // re.split("\n+"): runs of newlines separate; an empty part may stand first and last.
  std::vector<CodeView> lines;
  for (;;) {
    const size_t newline = text.find(U'\n');
    lines.push_back(text.substr(0, newline));
    if (newline == CodeView::npos) return lines;
    text.remove_prefix(newline);
    while (text.starts_with(U'\n')) text.remove_prefix(1);
  }
}

class Gopher {
 public:
  explicit Gopher(CodeView text) : text_(text), words_(split_words(text)) {
    for (const CodeView word : words_) word_characters_ += word.size();
  }

  void append_v1(std::string& line) const {
    number(line, "character_count", static_cast<double>(text_.size()));
    number(line, "word_count", static_cast<double>(words_.size()));
    number(line, "median_word_length", median_length());
    append_word_shares(line);
    const LineShares lines = text_.empty() ? LineShares{} : share_lines(split_at(text_, U"\n"), word_characters_);
    number(line, "fraction_of_lines_starting_with_bullet_point", lines.bullets);
    number(line, "fraction_of_lines_ending_with_ellipsis", lines.ellipses);
    number(line, "fraction_of_duplicate_lines", lines.duplicates);
    number(line, "fraction_of_characters_in_duplicate_lines", lines.duplicate_characters);
    append_ngrams(line);
  }

  void append_v2_lines(std::string& line) const {
    const LineShares lines = text_.empty() ? LineShares{} : share_lines(without_empty_runs(text_), word_characters_);
    number(line, "dup_lines", lines.duplicates);
    number(line, "dup_line_chars", lines.duplicate_characters);
    number(line, "bullet", lines.bullets);
    number(line, "ellipsis", lines.ellipses);
  }

 private:
  static void number(std::string& line, std::string_view name, std::optional<double> value) {
    append_key(line, name);
    append_optional(line, value);
  }

  [[nodiscard]] double median_length() const {
    if (words_.empty()) return 0;
    std::vector<size_t> lengths;
    for (const CodeView word : words_) lengths.push_back(word.size());
    std::sort(lengths.begin(), lengths.end());
    const size_t half = lengths.size() / 2;
    if (lengths.size() % 2 == 1) return static_cast<double>(lengths[half]);
    return static_cast<double>(lengths[half - 1] + lengths[half]) / 2;
  }

  void append_word_shares(std::string& line) const {
    size_t symbols = 0, alpha = 0, required = 0;
    for (const CodeView word : words_) {
      if (word.find(U'#') != CodeView::npos || word.find(char32_t{0x2026}) != CodeView::npos) ++symbols;
      if (std::any_of(word.begin(), word.end(), [](char32_t c) { return is(c, kAlpha); })) ++alpha;
      if (std::find(kGopherStopWords.begin(), kGopherStopWords.end(), word) != kGopherStopWords.end()) ++required;
    }
    const auto count = static_cast<double>(std::max<size_t>(words_.size(), 1));
    number(line, "symbol_to_word_ratio", static_cast<double>(symbols) / count);
    number(line, "fraction_of_words_with_alpha_character", static_cast<double>(alpha) / count);
    number(line, "required_word_count", static_cast<double>(required));
  }

  void append_ngrams(std::string& line) const {
    constexpr std::array<std::string_view, 11> kNames = {
        "",          "",          "most_common_2gram", "most_common_3gram", "most_common_4gram", "dup_5gram",
        "dup_6gram", "dup_7gram", "dup_8gram",         "dup_9gram",         "dup_10gram"};
    StringNumbers numbers;
    NgramWalk walk(numbers.number(words_));
    for (size_t n = 2; n <= 10; ++n) {
      walk.lengthen();
      if (words_.size() < n) {
        number(line, kNames[n], std::nullopt);
      } else {
        number(line, kNames[n], n <= 4 ? most_common(walk) : duplicates(walk));
      }
    }
  }

  [[nodiscard]] size_t characters(size_t begin, size_t count) const {
    size_t sum = 0;
    for (size_t i = begin; i < begin + count; ++i) sum += words_[i].size();
    return sum;
  }

  [[nodiscard]] double most_common(const NgramWalk& walk) const {
    const MostFrequent best = most_frequent(walk.grams(), walk.distinct());
    return static_cast<double>(best.count * characters(best.index, walk.length())) /
           static_cast<double>(std::max<size_t>(word_characters_, 1));
  }

  /// Characters in runs that occur more than once, of the characters in all runs.
  [[nodiscard]] double duplicates(const NgramWalk& walk) const {
    std::vector<uint32_t> counts(walk.distinct(), 0);
    for (const uint32_t gram : walk.grams()) ++counts[gram];
    size_t all = 0, repeated = 0;
    size_t here = characters(0, walk.length());
    for (size_t i = 0; i < walk.grams().size(); ++i) {
      if (i > 0) here += words_[i + walk.length() - 1].size() - words_[i - 1].size();
      all += here;
      if (counts[walk.grams()[i]] > 1) repeated += here;
    }
    return static_cast<double>(repeated) / static_cast<double>(std::max<size_t>(all, 1));
  }

  CodeView text_;
  std::vector<CodeView> words_;
  size_t word_characters_ = 0;
};

void append_c4(std::string& line, CodeView text) {
  size_t no_end = 0, few_words = 0, lines = 0;
  bool naughty = false, javascript = false, lorem = false, curly = false;
  for (const CodeView original : split_at(text, U"\n")) {
    ++lines;
    const std::u32string lower = to_lower(original);
    const CodeView stripped = strip(lower);
    if (!ends_with_any(stripped, U".?!\"")) ++no_end;
    const std::vector<CodeView> words = split_words(stripped);
    if (words.size() < 3) ++few_words;
    naughty = naughty || BadWords::english().occur_in(stripped, words);
    javascript = javascript || std::find(words.begin(), words.end(), U"javascript") != words.end();
    lorem = lorem || contains(stripped, U"lorem ipsum");
    curly = curly || stripped.find(U'{') != CodeView::npos;
  }
  append_key(line, "no_end_punct");
  data::append_json_number(line, static_cast<int64_t>(no_end));
  append_key(line, "too_few_words");
  data::append_json_number(line, static_cast<int64_t>(few_words));
  const std::array<std::pair<std::string_view, bool>, 4> flags = {
      {{"naughty", naughty}, {"javascript", javascript}, {"lorem", lorem}, {"curly", curly}}};
  for (const auto& [name, value] : flags) {
    append_key(line, name);
    append_bool(line, value);
  }
  append_key(line, "lines");
  data::append_json_number(line, static_cast<int64_t>(lines));
}

class DolmaProfile final : public Operator {
 public:
  void annotate(const data::Document& document, std::string& line) const override {
    const std::u32string codes = to_codes(document.text);
    const Gopher gopher(codes);
    open_line(line, document.id_json);
    append_key(line, "gopher_v1");
    line += '{';
    gopher.append_v1(line);
    line += '}';
    append_key(line, "gopher_v2_lines");
    line += '{';
    gopher.append_v2_lines(line);
    line += '}';
    append_key(line, "c4");
    line += '{';
    append_c4(line, codes);
    line += "}}";
  }
};

}  // namespace

std::unique_ptr<Operator> make_dolma_profile() {
  return std::make_unique<DolmaProfile>();
}

}  // namespace kedge::curate
