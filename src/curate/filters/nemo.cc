// NeMo Curator's 29 heuristic filters. Words are what white space separates, sentences are the lines that are not
// blank, paragraphs lie between empty lines. Where its code would divide by nothing the score is null and the document
// is dropped. Among equally frequent n-grams it takes any; here it is the one that occurs first.
#include <algorithm>
#include <array>
#include <map>

#include "curate/code_text.h"
#include "curate/filters/nemo_limits.h"
#include "curate/filters/policies.h"
#include "curate/filters/profiles.h"
#include "curate/filters/score.h"
#include "curate/filters/stop_words.h"
#include "curate/filters/urls.h"
#include "curate/ngrams.h"
#include "data/json_text.h"

namespace kedge::curate {
namespace {

constexpr CodeView kBullets = U"\u2022\u2023\u2043\u204C\u204D\u2219\u25CB\u25CF\u25D8\u25E6\u29BE\u29BF";
constexpr CodeView kEndMarks = U".?!\"'";
constexpr std::array<CodeView, 8> kEllipses = {U"...",      U"[...]",   U"\u2026",      U"(...)",
                                               U"[\u2026]", U"-\u00BB", U"read more..", U"read more"};

struct Named {
  std::string_view name;
  Score score;
};

/// What single characters say.
struct CharacterCounts {
  size_t plain = 0, digits = 0, spaces = 0, brackets = 0;
};

CharacterCounts count_characters(CodeView text) {
  CharacterCounts counts;
  for (const char32_t c : text) {
    if (c >= U'0' && c <= U'9') ++counts.digits;
    if ((c >= U'0' && c <= U'9') || (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z') || c == U'\n' || c == U'?' ||
        c == U'!' || c == U',' || c == U'.') {
      ++counts.plain;
    }
    if (c == U' ' || c == U'\n' || c == U'\t' || c == U'\r' || c == U'\b') ++counts.spaces;
    if (c == U'{' || c == U'}' || c == U'[' || c == U']' || c == U'(' || c == U')' || c == 0x27E8 || c == 0x27E9) {
      ++counts.brackets;
    }
  }
  return counts;
}

class Scores {
 public:
  explicit Scores(CodeView text) : text_(text), size_(static_cast<double>(text.size())), words_(split_words(text)) {
    for (const CodeView line : split_at(text, U"\n")) {
      if (!is_blank(line)) lines_.push_back(line);
    }
    paragraphs_ = split_at(text, U"\n\n");
  }

  std::vector<Named> all() {
    score_characters();
    score_words();
    score_lines();
    score_boilerplate();
    score_repeated();
    score_ngrams();
    return in_order();
  }

 private:
  void add(std::string_view name, std::optional<double> value) { values_.emplace(name, value); }

  std::vector<Named> in_order() const {
    std::vector<Named> ordered;
    for (const NemoLimit& limit : nemo_limits()) {
      ordered.push_back({limit.name, between(values_.at(limit.name), limit.least, limit.most)});
    }
    return ordered;
  }

  /// Share of the document's characters; 1 for none.
  [[nodiscard]] double of_text(double part) const { return size_ > 0 ? part / size_ : 1.0; }

  void score_characters() {
    const CharacterCounts counts = count_characters(text_);
    add("non_alpha_numeric", of_text(size_ - static_cast<double>(counts.plain)));
    add("numbers", of_text(static_cast<double>(counts.digits)));
    add("white_space", of_text(static_cast<double>(counts.spaces)));
    add("parentheses", of_text(static_cast<double>(counts.brackets)));
    size_t url_characters = 0;
    bool pornographic = false;
    for (const CodeView url : find_urls(text_)) {
      url_characters += url.size();
      pornographic = pornographic || contains(url, U"porn");
    }
    add("urls", of_text(static_cast<double>(url_characters)));
    add("pornographic_urls", pornographic ? 1 : 0);
  }

  void score_words() {
    size_t symbols = 0, characters = 0, longest = 0, common = 0, alphabetic = 0;
    for (const CodeView word : words_) {
      characters += word.size();
      longest = std::max(longest, word.size());
      if (is_symbol(word)) ++symbols;
      if (std::find(kGopherStopWords.begin(), kGopherStopWords.end(), word) != kGopherStopWords.end()) ++common;
      if (std::any_of(word.begin(), word.end(), [](char32_t c) { return is(c, kAlphabetic); })) ++alphabetic;
    }
    const auto count = static_cast<double>(words_.size());
    add("symbols_to_words", share(static_cast<double>(symbols), count));
    add("long_word", words_.empty() ? std::nullopt : std::optional<double>(longest));
    add("word_count", count);
    add("mean_word_length", share(static_cast<double>(characters), count));
    add("common_english_words", static_cast<double>(common));
    add("words_without_alphabets", share(static_cast<double>(alphabetic), count));
  }

  static bool is_symbol(CodeView word) {
    if (std::find(kEllipses.begin(), kEllipses.end(), word) != kEllipses.end()) return true;
    size_t hashes = 0;  // runs of '#'
    for (size_t i = 0; i < word.size(); ++i) {
      if (word[i] == U'#' && (i == 0 || word[i - 1] != U'#')) ++hashes;
    }
    return static_cast<double>(hashes) / static_cast<double>(word.size()) > 0.5;
  }

  void score_lines() {
    size_t bullets = 0, open = 0, ellipses = 0;
    for (const CodeView line : lines_) {
      const CodeView stripped = strip(line);
      if (kBullets.find(stripped.front()) != CodeView::npos) ++bullets;
      if (!ends_with_any(stripped, kEndMarks)) ++open;
      // The longest mark has 11 characters, and none of them becomes a capital's two.
      const std::u32string tail = to_lower(stripped.substr(stripped.size() - std::min<size_t>(stripped.size(), 16)));
      if (std::any_of(kEllipses.begin(), kEllipses.end(), [&](CodeView mark) { return tail.ends_with(mark); })) {
        ++ellipses;
      }
    }
    const auto count = static_cast<double>(lines_.size());
    add("bullets", share(static_cast<double>(bullets), count));
    add("punctuation", share(static_cast<double>(open), count));
    add("ellipsis", share(static_cast<double>(ellipses), count));
  }

  void score_boilerplate() {
    size_t boilerplate = 0;
    for (const CodeView paragraph : paragraphs_) {
      const std::u32string lower = to_lower(paragraph);
      if (contains(lower, U"lorem ipsum")) return add("boilerplate", 1.0);
      // Every phrase but "privacy overview" has one of these, which are quick to look for.
      const bool possible =
          contains(lower, U"cookie") || contains(lower, U"privacy") || contains(lower, U"terms of use");
      if (possible &&
          std::any_of(kNemoPolicies.begin(), kNemoPolicies.end(), [&](CodeView p) { return contains(lower, p); })) {
        ++boilerplate;
      }
    }
    add("boilerplate", share(static_cast<double>(boilerplate), static_cast<double>(paragraphs_.size())));
  }

  void score_repeated() {
    add_repeated(lines_, "repeated_lines", "repeated_lines_char");
    add_repeated(paragraphs_, "repeated_paragraphs", "repeated_paragraphs_char");
  }

  void add_repeated(const std::vector<CodeView>& parts, std::string_view by_count, std::string_view by_characters) {
    StringNumbers numbers;
    const std::vector<uint32_t> number = numbers.number(parts);
    size_t all = 0, unique = 0;
    uint32_t seen = 0;
    for (size_t i = 0; i < parts.size(); ++i) {
      all += parts[i].size();
      if (number[i] != seen) continue;
      unique += parts[i].size();
      ++seen;
    }
    const auto count = static_cast<double>(parts.size());
    add(by_count, share(numbers.size(), count));
    add(by_characters, share(static_cast<double>(unique), static_cast<double>(all)));
  }

  void score_ngrams() {
    constexpr std::array<std::string_view, 11> kNames = {"",          "",          "top_2gram", "top_3gram",
                                                         "top_4gram", "dup_5gram", "dup_6gram", "dup_7gram",
                                                         "dup_8gram", "dup_9gram", "dup_10gram"};
    StringNumbers numbers;
    NgramWalk walk(numbers.number(words_));
    for (size_t n = 2; n <= 10; ++n) {
      walk.lengthen();
      const double value = words_.size() < n ? 1.0 : n <= 4 ? top_ngram(walk) : duplicate_ngrams(walk);
      add(kNames[n], value);
    }
  }

  /// What the text loses when the most frequent run, its words one space apart, is taken out.
  [[nodiscard]] double top_ngram(const NgramWalk& walk) const {
    const MostFrequent best = most_frequent(walk.grams(), walk.distinct());
    std::u32string run;
    for (size_t i = best.index; i < best.index + walk.length(); ++i) {
      if (!run.empty()) run += U' ';
      run += words_[i];
    }
    return static_cast<double>(count_of(text_, run) * run.size()) / size_;
  }

  /// Characters of runs seen before, and the spaces within them; words that two such runs share count once.
  [[nodiscard]] double duplicate_ngrams(const NgramWalk& walk) const {
    const size_t n = walk.length();
    size_t characters = 0, counted = 0;  // words of this run that the one before has counted
    uint32_t seen = 0;
    for (size_t i = 0; i < walk.grams().size(); ++i) {
      if (walk.grams()[i] == seen) {
        ++seen;
      } else {
        for (size_t k = counted; k < n; ++k) characters += words_[i + k].size();
        characters += std::min(n - counted, n - 1);
        counted = n;
      }
      if (counted > 0) --counted;
    }
    return static_cast<double>(characters) / size_;
  }

  CodeView text_;
  double size_;
  std::vector<CodeView> words_, lines_, paragraphs_;
  std::map<std::string_view, std::optional<double>> values_;
};

class NemoProfile final : public Operator {
 public:
  void annotate(const data::Document& document, std::string& line) const override {
    const std::u32string codes = to_codes(document.text);
    const std::vector<Named> scores = Scores(codes).all();
    const auto dropped = std::find_if(scores.begin(), scores.end(), [](const Named& s) { return !s.score.keep; });
    open_line(line, document.id_json);
    append_key(line, "keep");
    append_bool(line, dropped == scores.end());
    append_key(line, "reason");
    if (dropped == scores.end()) {
      line += "null";
    } else {
      data::append_json_string(line, dropped->name);
    }
    append_key(line, "scores");
    line += '{';
    for (const Named& named : scores) append_score(line, named.name, named.score);
    line += "}}";
  }
};

}  // namespace

std::unique_ptr<Operator> make_nemo_profile() {
  return std::make_unique<NemoProfile>();
}

}  // namespace kedge::curate
