// DataTrove's filters: Gopher quality and repetition, FineWeb, C4 by paragraph and by line. Words are spaCy's English
// tokens; each filter sees the original text and gives the first reason that holds.
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "curate/code_text.h"
#include "curate/english/english_tokenizer.h"
#include "curate/english/marks.h"
#include "curate/filters/c4_lines.h"
#include "curate/filters/profiles.h"
#include "curate/filters/score.h"
#include "curate/filters/stop_words.h"
#include "curate/ngrams.h"
#include "data/json_text.h"

namespace kedge::curate {
namespace {

/// Why a filter drops a document; empty: it keeps it.
using Reason = std::string;

struct Value {
  std::string name;
  std::optional<double> value;
};

/// Copies: how many elements were seen before, and their characters.
struct Copies {
  size_t elements = 0, characters = 0;
};

Copies count_copies(const std::vector<CodeView>& parts) {
  StringNumbers numbers;
  const std::vector<uint32_t> number = numbers.number(parts);
  Copies copies;
  uint32_t seen = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (number[i] == seen) {
      ++seen;
      continue;
    }
    ++copies.elements;
    copies.characters += parts[i].size();
  }
  return copies;
}

/// re.split of runs of at least `least` newlines.
std::vector<CodeView> split_at_newlines(CodeView text, size_t least) {
  std::vector<CodeView> parts;
  size_t begin = 0;
  for (size_t i = 0; i < text.size();) {
    if (text[i] != U'\n') {
      ++i;
      continue;
    }
    const size_t end = std::min(text.find_first_not_of(U'\n', i), text.size());
    if (end - i >= least) {
      parts.push_back(text.substr(begin, i - begin));
      begin = end;
    }
    i = end;
  }
  parts.push_back(text.substr(begin));
  return parts;
}

/// Hashes of stretches of all words laid end to end, modulo 2^61 - 1: equal strings are equal, whatever words they
/// were cut into.
class StretchHash {
 public:
  explicit StretchHash(const std::vector<CodeView>& words) {
    size_t size = 0;
    for (const CodeView word : words) size += word.size();
    sums_.reserve(size + 1);
    sums_.push_back(0);
    for (const CodeView word : words) {
      for (const char32_t c : word) sums_.push_back(add(times(sums_.back(), kBase), c + 1));
    }
  }
  [[nodiscard]] uint64_t of(size_t begin, size_t end) {
    return add(sums_[end], kPrime - times(sums_[begin], power(end - begin)));
  }

 private:
  static constexpr uint64_t kPrime = (uint64_t{1} << 61) - 1;
  static constexpr uint64_t kBase = 0x1B873593CC9E2D51ULL % kPrime;

  static uint64_t add(uint64_t a, uint64_t b) {
    const uint64_t sum = a + b;
    return sum >= kPrime ? sum - kPrime : sum;
  }
  static uint64_t times(uint64_t a, uint64_t b) {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return add(static_cast<uint64_t>(product & kPrime), static_cast<uint64_t>(product >> 61));
  }

  /// Of the base; stretches are short.
  uint64_t power(size_t exponent) {
    while (powers_.size() <= exponent) powers_.push_back(times(powers_.back(), kBase));
    return powers_[exponent];
  }

  std::vector<uint64_t> sums_, powers_ = {1};
};

class Filters {
 public:
  explicit Filters(CodeView text) : text_(text), size_(static_cast<double>(text.size())) {
    for (const CodeView token : EnglishTokenizer::instance().tokenize(text)) {
      const CodeView word = strip(token);
      if (!word.empty()) words_.push_back(word);
    }
    measure_words();
    measure_lines();
    measure_repetition();
    measure_fineweb();
  }

  [[nodiscard]] const std::vector<Value>& values() const { return values_; }

  [[nodiscard]] Reason gopher_quality() const {
    const double n = *value("n_non_symbol_words");
    if (n < 50) return "gopher_short_doc";
    if (n > 100000) return "gopher_long_doc";
    if (*value("avg_word_length") < 3) return "gopher_below_avg_threshold";
    if (*value("avg_word_length") > 10) return "gopher_above_avg_threshold";
    if (*value("hash_ratio") > 0.1) return "gopher_too_many_hashes";
    if (*value("ellipsis_ratio") > 0.1) return "gopher_too_many_ellipsis";
    if (value("bullet_line_ratio").value_or(0) > 0.9) return "gopher_too_many_bullets";
    if (value("ellipsis_line_ratio").value_or(0) > 0.3) return "gopher_too_many_end_ellipsis";
    if (*value("alpha_word_ratio") < 0.8) return "gopher_below_alpha_threshold";
    if (*value("n_stop_words") < 2) return "gopher_enough_stop_words";
    return "";
  }

  [[nodiscard]] Reason gopher_repetition() const {
    if (text_.empty()) return "empty";
    const std::array<std::pair<const char*, double>, 4> parts = {
        {{"dup_para_frac", 0.3}, {"dup_para_char_frac", 0.2}, {"dup_line_frac", 0.3}, {"dup_line_char_frac", 0.2}}};
    for (const auto& [name, limit] : parts) {
      if (value(name).value_or(0) > limit) return name;
    }
    constexpr std::array<double, 11> kLimits = {0, 0, 0.2, 0.18, 0.16, 0.15, 0.14, 0.13, 0.12, 0.11, 0.1};
    for (size_t n = 2; n <= 10; ++n) {
      const std::string number = std::to_string(n);
      const std::string name = (n <= 4 ? "top_" : "dup_") + number + "gram";
      if (value(name).value_or(0) <= kLimits[n]) continue;
      return n <= 4 ? "top_" + number + "_gram" : "duplicated_" + number + "_n_grams";
    }
    return "";
  }

  [[nodiscard]] Reason fineweb() const {
    if (!value("fw_line_punct_ratio")) return "empty";
    if (*value("fw_line_punct_ratio") < 0.12) return "line_punct_ratio";
    if (*value("fw_short_line_ratio") > 0.67) return "short_line_ratio";
    if (*value("fw_char_dup_ratio") > 0.01) return "char_dup_ratio";
    if (value("newline_word_ratio").value_or(0) > 0.3) return "list_ratio";
    return "";
  }

  [[nodiscard]] Reason c4_paragraph() const {
    size_t long_lines = 0;
    for (const CodeView line : split_at(text_, U"\n")) long_lines += line.size() >= 200 ? 1 : 0;
    return long_lines >= 3 ? "" : "< 3 paragraphs";
  }

 private:
  void add(std::string name, std::optional<double> value) { values_.push_back({std::move(name), value}); }

  [[nodiscard]] std::optional<double> value(std::string_view name) const {
    return std::find_if(values_.begin(), values_.end(), [&](const Value& v) { return v.name == name; })->value;
  }

  void measure_words() {
    size_t plain = 0, characters = 0, alpha = 0;
    std::array<bool, kGopherStopWords.size()> stop{};
    for (const CodeView word : words_) {
      if (!std::all_of(word.begin(), word.end(), is_datatrove_symbol)) {
        ++plain;
        characters += word.size();
      }
      if (std::any_of(word.begin(), word.end(), [](char32_t c) { return is(c, kAlpha); })) ++alpha;
      const auto found = std::find(kGopherStopWords.begin(), kGopherStopWords.end(), word);
      if (found != kGopherStopWords.end()) stop[static_cast<size_t>(found - kGopherStopWords.begin())] = true;
    }
    const auto count = static_cast<double>(words_.size());
    add("n_words", count);
    add("n_non_symbol_words", static_cast<double>(plain));
    add("avg_word_length", share(static_cast<double>(characters), static_cast<double>(plain)));
    add("hash_ratio", share(static_cast<double>(count_of(text_, U"#")), count));
    add("ellipsis_ratio", share(static_cast<double>(count_of(text_, U"...") + count_of(text_, U"\u2026")), count));
    add("alpha_word_ratio", share(static_cast<double>(alpha), count));
    add("n_stop_words", static_cast<double>(std::count(stop.begin(), stop.end(), true)));
    add("newline_word_ratio", share(static_cast<double>(count_of(text_, U"\n")), count));
  }

  void measure_lines() {
    const std::vector<CodeView> lines = split_lines(text_);
    size_t bullets = 0, ellipses = 0;
    for (const CodeView line : lines) {
      const CodeView left = strip_left(line), right = strip_right(line);
      if (left.starts_with(char32_t{0x2022}) || left.starts_with(U'-')) ++bullets;
      if (right.ends_with(U"...") || right.ends_with(char32_t{0x2026})) ++ellipses;
    }
    const auto count = static_cast<double>(lines.size());
    add("bullet_line_ratio", share(static_cast<double>(bullets), count));
    add("ellipsis_line_ratio", share(static_cast<double>(ellipses), count));
  }

  void measure_repetition() {
    const std::vector<CodeView> paragraphs = split_at_newlines(strip(text_), 2);
    const std::vector<CodeView> lines = split_at_newlines(text_, 1);
    const Copies paragraph_copies = count_copies(paragraphs), line_copies = count_copies(lines);
    add("dup_para_frac", share(static_cast<double>(paragraph_copies.elements), static_cast<double>(paragraphs.size())));
    add("dup_para_char_frac", share(static_cast<double>(paragraph_copies.characters), size_));
    add("dup_line_frac", share(static_cast<double>(line_copies.elements), static_cast<double>(lines.size())));
    add("dup_line_char_frac", share(static_cast<double>(line_copies.characters), size_));
    StringNumbers numbers;
    NgramWalk walk(numbers.number(words_));
    for (size_t n = 2; n <= 4; ++n) {
      walk.lengthen();
      add("top_" + std::to_string(n) + "gram", words_.size() < n ? std::nullopt : top_ngram(walk));
    }
    measure_duplicates();
  }

  [[nodiscard]] std::optional<double> top_ngram(const NgramWalk& walk) const {
    const MostFrequent best = most_frequent(walk.grams(), walk.distinct());
    size_t characters = walk.length() - 1;
    for (size_t i = best.index; i < best.index + walk.length(); ++i) characters += words_[i].size();
    return share(static_cast<double>(characters * best.count), size_);
  }

  void measure_duplicates() {
    StretchHash hash(words_);
    std::vector<size_t> starts = {0};
    for (const CodeView word : words_) starts.push_back(starts.back() + word.size());
    PairNumbers seen;
    for (size_t n = 5; n <= 10; ++n) {
      seen.reset(words_.size());
      size_t repeated = 0;
      for (size_t i = 0; i + n <= words_.size();) {
        const uint32_t known = seen.size();
        const uint32_t number = seen.number(hash.of(starts[i], starts[i + n]));
        if (number == known) {
          ++i;
          continue;
        }
        repeated += starts[i + n] - starts[i];
        i += n;
      }
      add("dup_" + std::to_string(n) + "gram", share(static_cast<double>(repeated), size_));
    }
  }

  void measure_fineweb() {
    std::vector<CodeView> lines;
    for (const CodeView line : split_at(text_, U"\n")) {
      if (!is_blank(line)) lines.push_back(line);
    }
    size_t closed = 0, brief = 0;
    for (const CodeView line : lines) {
      if (is_terminal_mark(line.back())) ++closed;
      if (line.size() <= 30) ++brief;
    }
    const auto count = static_cast<double>(lines.size());
    add("fw_line_punct_ratio", share(static_cast<double>(closed), count));
    add("fw_short_line_ratio", share(static_cast<double>(brief), count));
    const double body = size_ - static_cast<double>(count_of(text_, U"\n"));
    add("fw_char_dup_ratio", share(static_cast<double>(count_copies(lines).characters), body));
  }

  CodeView text_;
  double size_;
  std::vector<CodeView> words_;
  std::vector<Value> values_;
};

struct C4 {
  Reason reason;
  std::u32string text;
};

C4 clean_c4(CodeView text) {
  constexpr C4LineRules kRules = {.lorem_ipsum = true, .curly_brackets = true};
  C4 result;
  size_t sentences = 0, kept = 0;
  std::u32string line;
  for (const CodeView raw : split_lines(text)) {
    const C4Verdict verdict = judge_c4_line(raw, kRules, line);
    if (verdict == C4Verdict::lorem_ipsum) return {"lorem_ipsum", {}};
    if (verdict == C4Verdict::curly_bracket) return {"curly_bracket", {}};
    if (verdict == C4Verdict::drop_line) continue;
    sentences += EnglishTokenizer::count_sentences(EnglishTokenizer::instance().tokenize(line));
    if (kept > 0) result.text += U'\n';
    result.text += line;
    ++kept;
  }
  if (sentences < 5) return {"too_few_sentences", {}};
  return result;
}

std::string sha1_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha1(), nullptr);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex;
}

void append_verdict(std::string& line, const Reason& reason) {
  append_key(line, "keep");
  append_bool(line, reason.empty());
  append_key(line, "reason");
  if (reason.empty()) {
    line += "null";
  } else {
    data::append_json_string(line, reason);
  }
}

void append_c4(std::string& line, const C4& c4) {
  append_key(line, "c4");
  line += '{';
  append_verdict(line, c4.reason);
  if (c4.reason.empty()) {
    const CodeView text = strip(c4.text);
    append_key(line, "text_sha1");
    data::append_json_string(line, sha1_hex(to_utf8(text)));
    append_key(line, "text_len");
    data::append_json_number(line, static_cast<int64_t>(text.size()));
  }
  line += '}';
}

class DatatroveProfile final : public Operator {
 public:
  void annotate(const data::Document& document, std::string& line) const override {
    const std::u32string codes = to_codes(document.text);
    const Filters filters(codes);
    const C4 c4 = clean_c4(codes);
    const std::array<std::pair<const char*, Reason>, 4> verdicts = {{{"gopher_quality", filters.gopher_quality()},
                                                                     {"gopher_repetition", filters.gopher_repetition()},
                                                                     {"fineweb", filters.fineweb()},
                                                                     {"c4_paragraph", filters.c4_paragraph()}}};
    Reason first = c4.reason;
    for (size_t i = verdicts.size(); i-- > 0;) {
      if (!verdicts[i].second.empty()) first = verdicts[i].second;
    }
    open_line(line, document.id_json);
    append_verdict(line, first);
    for (const auto& [name, reason] : verdicts) {
      append_key(line, name);
      line += '{';
      append_verdict(line, reason);
      line += '}';
    }
    append_c4(line, c4);
    append_key(line, "values");
    line += '{';
    for (const Value& value : filters.values()) {
      append_key(line, value.name);
      append_optional(line, value.value);
    }
    line += "}}";
  }
};

}  // namespace

std::unique_ptr<Operator> make_datatrove_profile() {
  return std::make_unique<DatatroveProfile>();
}

}  // namespace kedge::curate
