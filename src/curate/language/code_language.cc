#include "curate/language/code_language.h"

#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "core/check.h"
#include "curate/filters/score.h"
#include "data/json_text.h"

namespace kedge::curate {

extern const std::string_view kCodeRules;  // src/curate/language/code_rules.txt

namespace {

constexpr size_t kLineBytesMax = 300;  // of a line that rules look at
constexpr size_t kLinePiecesMax = 16;  // where all is on one line
constexpr double kEvidenceLeast = 2;   // of a language: one line that is hardly anything else
constexpr size_t kNoiseBytes = 40;     // shorter lines of signs may be brackets
constexpr size_t kSentenceWords = 5;   // so many words in a row that are prose

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
}
bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

std::string_view trim(std::string_view line) {
  while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
  while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
  return line;
}

/// Takes the next line off `text`.
std::string_view next_line(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

struct Rule {
  bool first = false;           // of the first line alone
  bool at_start = false;        // matches at the start of a line
  double weight = 0;            // of each language
  std::vector<size_t> targets;  // languages; none: a shape that many have
};

class Rules {
 public:
  static const Rules& instance() {
    static const Rules rules;
    return rules;
  }
  [[nodiscard]] const Rule& operator[](int at) const { return rules_[static_cast<size_t>(at)]; }
  [[nodiscard]] size_t size() const { return rules_.size(); }
  [[nodiscard]] const std::vector<std::string>& languages() const { return languages_; }
  void match(std::string_view line, std::vector<int>& matched) const {
    matched.clear();
    std::vector<int> found;
    for (const RuleSet& set : sets_) {
      set.patterns->Match(re2::StringPiece(line.data(), std::min(line.size(), kLineBytesMax)), &found);
      for (const int at : found) matched.push_back(set.rules[static_cast<size_t>(at)]);
    }
  }

 private:
  Rules() {
    RE2::Options bytes(RE2::Latin1);
    bytes.set_never_capture(true);
    bytes.set_max_mem(int64_t{64} << 20);
    sets_[0].patterns = std::make_unique<RE2::Set>(bytes, RE2::ANCHOR_START);
    sets_[1].patterns = std::make_unique<RE2::Set>(bytes, RE2::UNANCHORED);
    for (std::string_view file = kCodeRules; !file.empty();) {
      const std::string_view line = next_line(file);
      if (!line.empty() && !line.starts_with("# ")) add(line);
    }
    for (const RuleSet& set : sets_) KEDGE_CHECK(set.patterns->Compile());
  }
  void add(std::string_view line) {
    std::array<std::string_view, 3> columns;
    for (std::string_view& column : columns) {
      const size_t space = line.find(' ');
      KEDGE_CHECK(space != std::string_view::npos);
      column = line.substr(0, space);
      line.remove_prefix(space + 1);
    }
    const bool at_start = line.starts_with('^') || line.starts_with("(?i)^");
    Rule rule{columns[0] == "first", at_start, 0, {}};
    const std::string_view weight = columns[2];
    KEDGE_CHECK(std::from_chars(weight.data(), weight.data() + weight.size(), rule.weight).ec == std::errc());
    for (std::string_view names = columns[1]; !names.empty();) {
      const std::string_view name = names.substr(0, names.find(','));
      names.remove_prefix(std::min(names.size(), name.size() + 1));
      if (name != "-") rule.targets.push_back(index_of(name));
    }
    RuleSet& set = sets_[at_start ? 0 : 1];
    KEDGE_CHECK(set.patterns->Add(re2::StringPiece(line.data(), line.size()), nullptr) >= 0);
    set.rules.push_back(static_cast<int>(rules_.size()));
    rules_.push_back(std::move(rule));
  }
  size_t index_of(std::string_view name) {
    const auto at = std::find(languages_.begin(), languages_.end(), name);
    if (at != languages_.end()) return static_cast<size_t>(at - languages_.begin());
    languages_.emplace_back(name);
    return languages_.size() - 1;
  }

  /// Apart, patterns at the start of lines need far fewer states.
  struct RuleSet {
    std::unique_ptr<RE2::Set> patterns;
    std::vector<int> rules;  // of each pattern
  };
  std::array<RuleSet, 2> sets_;
  std::vector<Rule> rules_;
  std::vector<std::string> languages_;
};

enum class Kind : uint8_t { code, prose, either };

/// Several words in a row, with hardly a sign that sentences have not.
bool is_sentence(std::string_view line) {
  size_t words = 0;
  size_t signs = 0;
  size_t letters = 0;
  bool in_word = false;
  for (const char c : line) {
    const bool letter = is_letter(c) || c == '\'' || c == '-';
    letters += is_letter(c) ? 1 : 0;
    words += letter && !in_word ? 1 : 0;
    in_word = letter || (in_word && !is_space(c));
    signs += std::string_view("{}[]<>=;_$@|\\&#").find(c) != std::string_view::npos ? 1 : 0;
  }
  return (words >= kSentenceWords || (letters >= 24 && (line.front() & 0x80) != 0)) && signs * 25 <= line.size();
}

/// Hardly anything but signs: rulers, and what is no text at all.
bool is_noise(std::string_view line) {
  const auto plain = static_cast<size_t>(std::count_if(
      line.begin(), line.end(), [](char c) { return is_letter(c) || is_space(c) || (c >= '0' && c <= '9'); }));
  return line.size() > kNoiseBytes && plain * 8 < line.size();
}

/// Words that no sign of code is among, as items of lists are.
bool is_text(std::string_view line) {
  const auto other =
      static_cast<size_t>(std::count_if(line.begin(), line.end(), [](char c) { return (c & 0x80) != 0; }));
  const bool words =
      line.find(' ') != std::string_view::npos && line.find_first_of("{}[]<>=;$@|&") == std::string_view::npos;
  return is_sentence(line) || words || other * 3 > line.size();
}

/// Tables, links, bold words and numbered headings of Markdown and reStructuredText.
bool is_markup_of_prose(std::string_view line) {
  const bool table = line.size() > 1 && line.front() == '|' && line.back() == '|';
  const bool ruled = line.starts_with("+--") || line.starts_with("+==");
  const bool bold = line.starts_with("**") && line.substr(2).find("**") != std::string_view::npos;
  const size_t number = line.find_first_not_of("0123456789.");  // "1. ", "2.3. "
  const bool numbered =
      number != std::string_view::npos && number > 1 && line[number] == ' ' && line[number - 1] == '.';
  return table || ruled || bold || numbered || line.find("](http") != std::string_view::npos;
}

/// By the signs alone, where no rule matches.
Kind kind_of_shape(std::string_view line) {
  constexpr std::string_view kSigns = "(){}[]=<>+*/&|!;:_$@\\\"'%^~,.#-";
  if (line.starts_with("`") && !line.starts_with("```")) return Kind::prose;  // of Markdown
  if (line.starts_with(".. ") || line.starts_with(":")) return Kind::prose;   // of reStructuredText
  if (line.starts_with("> ") || line.starts_with("- ") || line.starts_with("* "))
    return is_text(line.substr(2)) ? Kind::prose : Kind::either;
  if (line.starts_with("|") || line.starts_with("#") || line.starts_with("//") || line.starts_with("--") ||
      line.starts_with("%")) {
    return Kind::either;
  }
  const auto other =
      static_cast<size_t>(std::count_if(line.begin(), line.end(), [](char c) { return (c & 0x80) != 0; }));
  if (is_sentence(line) || other * 3 > line.size()) return Kind::prose;
  const auto signs = static_cast<size_t>(
      std::count_if(line.begin(), line.end(), [&](char c) { return kSigns.find(c) != std::string_view::npos; }));
  const auto letters = static_cast<size_t>(std::count_if(line.begin(), line.end(), is_letter));
  if (letters == 0) return Kind::either;  // brackets, rules, numbers
  const bool ends_so = std::string_view(";{}([").find(line.back()) != std::string_view::npos;
  if (ends_so || signs * 4 >= line.size()) return Kind::code;
  const bool word = line.size() < 30 && line.find(' ') == std::string_view::npos;
  return word || signs * 8 >= line.size() ? Kind::either : Kind::prose;
}

/// Comments and texts of several lines: in between, lines go with those around them.
class Blocks {
 public:
  /// Whether the line lies within a block. `rest` is the text behind it, where the end is looked for.
  bool holds(std::string_view line, std::string_view rest) {
    if (open_ != nullptr) {
      if (line.find(open_->end) != std::string_view::npos) open_ = nullptr;
      return true;
    }
    for (Block& block : blocks_) {
      if (!line.starts_with(block.begin) || block.unended) continue;
      if (line.substr(block.begin.size()).find(block.end) != std::string_view::npos) return true;
      block.unended = rest.find(block.end) == std::string_view::npos;
      if (!block.unended) open_ = &block;
      return !block.unended;
    }
    return false;
  }

 private:
  struct Block {
    std::string_view begin, end;
    bool unended = false;  // none ends from here on
  };
  std::array<Block, 6> blocks_ = {{{"/*", "*/"},
                                   {"\"\"\"", "\"\"\""},
                                   {"r\"\"\"", "\"\"\""},
                                   {"<!--", "-->"},
                                   {"=head", "=cut"},
                                   {"=pod", "=cut"}}};
  Block* open_ = nullptr;
};

class Reader {
 public:
  Reader() : counts_(rules_.size(), 0) {}

  CodeShare read(std::string_view text) {
    while (!text.empty()) {
      const std::string_view line = trim(next_line(text));
      if (line.empty()) continue;
      const bool in_block = blocks_.holds(line, text);
      add(in_block ? kind_in_block(line) : kind_of(line));
    }
    const double share = lines_ == 0 ? 0 : static_cast<double>(code_) / static_cast<double>(lines_);
    return {share, language()};
  }

 private:
  Kind kind_of(std::string_view line) {
    if (is_markup_of_prose(line)) return Kind::prose;
    if (is_noise(line)) return Kind::either;
    rules_.match(line, matched_);
    double weight = 0;
    for (const int at : matched_) {
      const Rule& rule = rules_[at];
      if (rule.first && lines_ > 0) continue;
      weight = std::max(weight, rule.at_start ? rule.weight : std::min(rule.weight, 1.0));
    }
    const std::string_view start = line.substr(0, kLineBytesMax);
    const bool code = weight >= 2 || (weight >= 1 && (line.back() == ';' || !is_sentence(start)));
    const Kind kind = code ? Kind::code : kind_of_shape(start);
    if (kind == Kind::prose) return kind;
    count();
    for (size_t piece = 1; piece < kLinePiecesMax && line.size() > kLineBytesMax; ++piece) {
      line.remove_prefix(kLineBytesMax);
      rules_.match(line, matched_);
      count();
    }
    return kind;
  }
  void count() {
    for (const int at : matched_) {
      if (lines_ == 0 || !rules_[at].first) ++counts_[static_cast<size_t>(at)];
    }
  }
  /// The first line of a block may tell its language; none of them is prose for that.
  Kind kind_in_block(std::string_view line) {
    if (line.starts_with("=") || lines_ == 0) kind_of(line);
    return Kind::either;
  }
  void add(Kind kind) {
    ++lines_;
    if (kind == Kind::either) {
      if (before_ == Kind::either) ++undecided_;
      if (before_ == Kind::code) ++code_;
      return;
    }
    before_ = kind;
    if (kind == Kind::code) code_ += undecided_ + 1;
    undecided_ = 0;
  }
  /// That with the most evidence, each rule's by the logarithm of how often it matched.
  [[nodiscard]] std::string_view language() const {
    std::vector<double> evidence(rules_.languages().size(), 0);
    for (size_t at = 0; at < counts_.size(); ++at) {
      const Rule& rule = rules_[static_cast<int>(at)];
      for (const size_t target : rule.targets) evidence[target] += rule.weight * std::log2(1.0 + counts_[at]);
    }
    const auto best = std::max_element(evidence.begin(), evidence.end());
    if (code_ == 0 || *best < kEvidenceLeast) return {};
    return rules_.languages()[static_cast<size_t>(best - evidence.begin())];
  }

  const Rules& rules_ = Rules::instance();
  Blocks blocks_;
  std::vector<uint32_t> counts_;  // of each rule
  std::vector<int> matched_;
  size_t lines_ = 0;
  size_t code_ = 0;
  size_t undecided_ = 0;  // lines before the first that is decided
  Kind before_ = Kind::either;
};

class CodeIdentifier final : public Operator {
 public:
  void annotate(const data::Document& document, std::string& line) const override {
    const CodeShare code = code_of(document.text);
    open_line(line, document.id_json);
    append_key(line, "code");
    if (code.language.empty()) {
      line += "null";
    } else {
      data::append_json_string(line, code.language);
    }
    append_key(line, "share");
    data::append_json_number(line, code.share);
    line += '}';
  }
};

}  // namespace

CodeShare code_of(std::string_view text) {
  return Reader().read(text);
}

const std::vector<std::string>& code_languages() {
  return Rules::instance().languages();
}

std::unique_ptr<Operator> make_code_identifier() {
  return std::make_unique<CodeIdentifier>();
}

}  // namespace kedge::curate
