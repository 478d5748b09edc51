#include "curate/english/english_tokenizer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <bitset>
#include <charconv>
#include <unordered_map>
#include <unordered_set>

#include "curate/english/marks.h"
#include "curate/english/url_pattern.h"

namespace kedge::curate {

extern const std::string_view kEnglishCharacterRanges;  // src/curate/english/character_ranges.txt
extern const std::string_view kEnglishExceptions;       // src/curate/english/exceptions.txt

namespace {

enum Class : uint8_t { kAnyLetter = 1, kSmall = 2, kCapital = 4, kIcon = 8, kQuote = 16, kMarkChar = 32, kPrefix = 64 };

constexpr CodeView kPunctuationMarks =
    U"\u2026,:;!?\u00BF\u061F\u00A1()[]{}<>_#*&\u3002\uFF1F\uFF01\uFF0C\u3001\uFF1B\uFF1A\uFF5E\u00B7\u0964\u060C\u06D4"
    U"\u061B\u066A";
constexpr CodeView kQuotes =
    U"'\"\u201D\u201C`\u2018\u00B4\u2019\u201A,\u201E\u00BB\u00AB\u300C\u300D\u300E\u300F\uFF08\uFF09\u3014\u3015\u3010"
    U"\u3011\u300A\u300B\u3008\u3009\u2329\u232A\u27E6\u27E7";
constexpr CodeView kCurrencies =
    U"$\u00A3\u20AC\u00A5\u0E3F\u20BD\uFDFC\u20B4\u20A0\u20A1\u20A2\u20A3\u20A4\u20A5\u20A6\u20A7\u20A8\u20A9\u20AA"
    U"\u20AB\u20AD\u20AE\u20AF\u20B0\u20B1\u20B2\u20B3\u20B4\u20B5\u20B6\u20B7\u20B8\u20B9\u20BA\u20BB\u20BC\u20BE"
    U"\u20BF";
// Units that are split from a number before them (the two that run together do so in the original list as well).
constexpr CodeView kUnits =
    U"km km\u00B2 km\u00B3 m m\u00B2 m\u00B3 dm dm\u00B2 dm\u00B3 cm cm\u00B2 cm\u00B3 mm mm\u00B2 mm\u00B3 ha \u00B5m "
    U"nm yd in ft kg g mg \u00B5g t lb oz m/s km/h kmh mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K % "
    U"\u043A\u043C \u043A\u043C\u00B2 \u043A\u043C\u00B3 \u043C \u043C\u00B2 \u043C\u00B3 \u0434\u043C "
    U"\u0434\u043C\u00B2 \u0434\u043C\u00B3 \u0441\u043C \u0441\u043C\u00B2 \u0441\u043C\u00B3 \u043C\u043C "
    U"\u043C\u043C\u00B2 \u043C\u043C\u00B3 \u043D\u043C \u043A\u0433 \u0433 \u043C\u0433 \u043C/\u0441 \u043A\u043C/"
    U"\u0447 \u043A\u041F\u0430 \u041F\u0430 \u043C\u0431\u0430\u0440 \u041A\u0431 \u041A\u0411 \u043A\u0431 "
    U"\u041C\u0431 \u041C\u0411 \u043C\u0431 \u0413\u0431 \u0413\u0411 \u0433\u0431 \u0422\u0431 \u0422\u0411 "
    U"\u0442\u0431\u0643\u0645 \u0643\u0645\u00B2 \u0643\u0645\u00B3 \u0645 \u0645\u00B2 \u0645\u00B3 \u0633\u0645 "
    U"\u0633\u0645\u00B2 \u0633\u0645\u00B3 \u0645\u0645 \u0645\u0645\u00B2 \u0645\u0645\u00B3 \u0643\u0645 "
    U"\u063A\u0631\u0627\u0645 \u062C\u0631\u0627\u0645 \u062C\u0645 \u0643\u063A \u0645\u0644\u063A "
    U"\u0643\u0648\u0628 \u0627\u0643\u0648\u0627\u0628";
constexpr std::array<CodeView, 4> kPossessives = {U"'s", U"'S", U"\u2019s", U"\u2019S"};

bool is_ascii_digit(char32_t c) {
  return c >= U'0' && c <= U'9';
}

/// Tells words of ASCII's letters alone, which no rule but an exception cuts, while a word loses what is at its ends:
/// no character is looked at twice.
class LettersOnly {
 public:
  bool operator()(CodeView word) {
    const char32_t* const end = word.data() + word.size();
    if (stop_ < word.data()) stop_ = word.data();
    while (stop_ < end && (*stop_ | 0x20) - U'a' < 26) ++stop_;
    return stop_ >= end;
  }

 private:
  const char32_t* stop_ = nullptr;  // letters stand before it
};

/// A special word's tokens, as lengths of its pieces.
using Lengths = std::vector<uint32_t>;

struct Exception {
  std::u32string word;
  Lengths lengths;
};

/// Says quickly of most words that they are not in a table: by their length and two of their characters.
class WordFilter {
 public:
  void add(CodeView word) { seen_[index(word)] = true; }
  [[nodiscard]] bool may_have(CodeView word) const { return seen_[index(word)]; }

 private:
  static constexpr size_t kSize = size_t{1} << 16;
  static size_t index(CodeView word) {
    const uint32_t mixed =
        word.front() * 0x9E3779B1U ^ word.back() * 0x85EBCA77U ^ static_cast<uint32_t>(word.size()) * 0xC2B2AE3DU;
    return mixed >> 16;
  }
  std::bitset<kSize> seen_;
};

}  // namespace

struct EnglishTokenizer::Tables {
  std::array<uint8_t, 0x10000> low{};
  std::vector<std::pair<char32_t, char32_t>> high_letters, high_icons;
  std::vector<Exception> storage;
  size_t longest_exception = 0;
  std::unordered_map<CodeView, const Exception*> exceptions;
  std::vector<CodeView> units, currencies;
  WordFilter exception_words, sequence_words;

  // Exceptions that the affix rules cut up are put together again: sequences of tokens, by their first token.
  struct Sequence {
    std::vector<CodeView> tokens;
    const Exception* exception;
  };
  std::unordered_map<CodeView, std::vector<Sequence>> sequences;

  Tables();

  [[nodiscard]] bool is_class(char32_t c, uint8_t classes) const {
    if (c < low.size()) return (low[c] & classes) != 0;
    const auto in = [c](const auto& ranges) {
      return std::any_of(ranges.begin(), ranges.end(), [c](const auto& r) { return r.first <= c && c <= r.second; });
    };
    // Beyond the first plane lie uncased letters, small and capital at once, and icons.
    return ((classes & (kAnyLetter | kSmall | kCapital)) != 0 && in(high_letters)) ||
           ((classes & (kIcon | kPrefix)) != 0 && in(high_icons));
  }
  [[nodiscard]] const Exception* exception(CodeView word) const {
    if (word.size() > longest_exception || !exception_words.may_have(word)) return nullptr;
    const auto found = exceptions.find(word);
    return found == exceptions.end() ? nullptr : found->second;
  }
  [[nodiscard]] size_t prefix(CodeView text) const;
  [[nodiscard]] size_t suffix(CodeView text) const;
  [[nodiscard]] size_t infix(CodeView text, size_t at) const;
  void cut_chunk(CodeView chunk, bool with_exceptions, std::vector<CodeView>& tokens) const;
  void cut_infixes(CodeView word, std::vector<CodeView>& tokens) const;
  [[nodiscard]] std::vector<CodeView> cut(CodeView text, bool with_exceptions) const;
  void join_sequences(std::vector<CodeView>& tokens) const;

 private:
  void read_ranges();
  void read_exceptions();
  void find_sequences();
  void mark(CodeView characters, uint8_t classes) {
    for (const char32_t c : characters) low[c] |= classes;
  }
};

EnglishTokenizer::Tables::Tables() {
  read_ranges();
  mark(kPunctuationMarks, kMarkChar | kPrefix);
  mark(kQuotes, kQuote | kPrefix);
  mark(kCurrencies, kPrefix);
  mark(U"\u00A7%=\u2014\u2013", kPrefix);
  units = split_words(kUnits);
  for (size_t i = 0; i < kCurrencies.size(); ++i) currencies.push_back(kCurrencies.substr(i, 1));
  for (const CodeView dollar : {CodeView(U"US$"), CodeView(U"C$"), CodeView(U"A$")}) currencies.push_back(dollar);
  read_exceptions();
  find_sequences();
}

void EnglishTokenizer::Tables::read_ranges() {
  uint8_t flag = 0;
  for (std::string_view rest = kEnglishCharacterRanges; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.starts_with('#')) continue;
    if (line == "alpha" || line == "lower" || line == "upper" || line == "icon") {
      flag = line == "alpha" ? kAnyLetter : line == "lower" ? kSmall : line == "upper" ? kCapital : kIcon | kPrefix;
      continue;
    }
    uint32_t first = 0;
    const auto [dash, error] = std::from_chars(line.data(), line.data() + line.size(), first, 16);
    uint32_t last = first;
    if (dash != line.data() + line.size()) std::from_chars(dash + 1, line.data() + line.size(), last, 16);
    for (uint32_t c = first; c <= last && c < low.size(); ++c) low[c] |= flag;
    if (last < low.size()) continue;
    if (flag == kAnyLetter) high_letters.emplace_back(std::max<uint32_t>(first, low.size()), last);
    if ((flag & kIcon) != 0) high_icons.emplace_back(std::max<uint32_t>(first, low.size()), last);
  }
}

void EnglishTokenizer::Tables::read_exceptions() {
  const std::u32string list = to_codes(kEnglishExceptions);
  for (const CodeView line : split_at(list, U"\n")) {
    if (line.empty() || line.starts_with(U"# ")) continue;
    Exception exception;
    for (const CodeView part : split_at(line, U" ")) {
      exception.word += part;
      exception.lengths.push_back(static_cast<uint32_t>(part.size()));
    }
    storage.push_back(std::move(exception));
  }
  for (const Exception& exception : storage) {
    exceptions[exception.word] = &exception;
    exception_words.add(exception.word);
    longest_exception = std::max(longest_exception, exception.word.size());
  }
}

void EnglishTokenizer::Tables::find_sequences() {
  for (const Exception& exception : storage) {
    const CodeView word = exception.word;
    bool has_infix = false;
    for (size_t i = 0; i < word.size(); ++i) has_infix = has_infix || infix(word, i) > 0;
    if (prefix(word) == 0 && suffix(word) == 0 && !has_infix) continue;
    std::vector<CodeView> tokens = cut(word, false);
    const CodeView first = tokens.front();
    sequence_words.add(first);
    sequences[first].push_back({std::move(tokens), &exception});
  }
}

/// Characters that are split off the front.
size_t EnglishTokenizer::Tables::prefix(CodeView text) const {
  const char32_t c = text.front();
  if (c == U'.') {
    const size_t dots = std::min(text.find_first_not_of(U'.'), text.size());
    return dots >= 2 ? dots : 0;
  }
  if (c == U'+') return text.size() > 1 && is_ascii_digit(text[1]) ? 0 : 1;
  if (is_class(c, kPrefix)) return 1;
  if (text.starts_with(U"US$")) return 3;
  if (text.starts_with(U"C$") || text.starts_with(U"A$")) return 2;
  return 0;
}

/// Characters that are split off the end: the longest of what may end there.
size_t EnglishTokenizer::Tables::suffix(CodeView text) const {
  if (text.empty()) return 0;
  const char32_t last = text.back();
  size_t length = is_class(last, kMarkChar | kQuote | kIcon) || last == 0x2014 || last == 0x2013 ? 1 : 0;
  if (text.ends_with(U"\u2026\u2026")) length = 2;
  if (last == U'.') {
    const size_t before = text.find_last_not_of(U'.');
    const size_t dots = text.size() - (before == CodeView::npos ? 0 : before + 1);
    if (dots >= 2) return dots;
    if (before == CodeView::npos) return 0;
    const char32_t b = text[before];
    const bool closes = is_ascii_digit(b) || is_class(b, kSmall | kMarkChar | kQuote) ||
                        CodeView(U"%\u00B2-+|()?:").find(b) != CodeView::npos;
    const bool initials = before > 0 && is_class(b, kCapital) && is_class(text[before - 1], kCapital);
    const bool degrees = before > 0 && text[before - 1] == 0xB0 && CodeView(U"FfCcKk").find(b) != CodeView::npos;
    return closes || initials || degrees ? 1 : 0;
  }
  for (const CodeView possessive : kPossessives) {
    if (text.ends_with(possessive)) length = std::max<size_t>(length, 2);
  }
  if (last == U'+' && text.size() > 1 && is_ascii_digit(text[text.size() - 2])) length = std::max<size_t>(length, 1);
  // Units and currencies count only after a digit.
  const size_t window = std::min<size_t>(text.size(), 12);
  const CodeView tail = text.substr(text.size() - window);
  if (std::none_of(tail.begin(), tail.end(), is_ascii_digit)) return length;
  const auto after_digit = [&](CodeView unit) {
    return unit.size() > length && unit.size() < text.size() && text.ends_with(unit) &&
           is_ascii_digit(text[text.size() - unit.size() - 1]);
  };
  for (const CodeView unit : units) {
    if (after_digit(unit)) length = unit.size();
  }
  for (const CodeView currency : currencies) {
    if (after_digit(currency)) length = currency.size();
  }
  return length;
}

/// Characters of a mark that splits a word at `at`; 0 for none.
size_t EnglishTokenizer::Tables::infix(CodeView text, size_t at) const {
  const char32_t c = text[at];
  if (is_class(c, kAnyLetter) && !is_class(c, kIcon)) return 0;
  const char32_t before = at > 0 ? text[at - 1] : 0;
  const char32_t after = at + 1 < text.size() ? text[at + 1] : 0;
  if (c == U'.') {
    if (after == U'.') return std::min(text.find_first_not_of(U'.', at), text.size()) - at;
    return at > 0 && is_class(before, kSmall | kQuote) && after != 0 && is_class(after, kCapital | kQuote) ? 1 : 0;
  }
  if (c == 0x2026 || is_class(c, kIcon)) return 1;
  if (at == 0) return 0;
  if ((c == U'+' || c == U'-' || c == U'*' || c == U'^') && is_ascii_digit(before) &&
      (is_ascii_digit(after) || after == U'-')) {
    return 1;
  }
  if (c == U',' && is_class(before, kAnyLetter) && is_class(after, kAnyLetter)) return 1;
  if (!is_class(before, kAnyLetter) && !is_ascii_digit(before)) return 0;
  if (c == U'-' || c == 0x2013 || c == 0x2014 || c == U'~') {
    // One to three hyphens, one or two dashes.
    const size_t most = c == U'-' ? 3 : c == 0x2014 ? 2 : 1;
    const size_t end = std::min(text.find_first_not_of(c, at), text.size());
    return end - at <= most && end < text.size() && is_class(text[end], kAnyLetter) ? end - at : 0;
  }
  const bool joins = c == U':' || c == U'<' || c == U'>' || c == U'=' || c == U'/';
  return joins && is_class(after, kAnyLetter) ? 1 : 0;
}

void EnglishTokenizer::Tables::cut_infixes(CodeView word, std::vector<CodeView>& tokens) const {
  size_t begin = 0;
  for (size_t at = 0; at < word.size();) {
    const size_t length = infix(word, at);
    if (length == 0) {
      ++at;
      continue;
    }
    if (at > 0) {  // a mark at the very front splits nothing
      if (at > begin) tokens.push_back(word.substr(begin, at - begin));
      tokens.push_back(word.substr(at, length));
      begin = at + length;
    }
    at += length;
  }
  if (begin < word.size()) tokens.push_back(word.substr(begin));
}

/// One run without white space: exceptions whole, then what is at its ends, then what is within.
void EnglishTokenizer::Tables::cut_chunk(CodeView chunk, bool with_exceptions, std::vector<CodeView>& tokens) const {
  const auto special = [&](CodeView word) { return with_exceptions && !word.empty() ? exception(word) : nullptr; };
  const auto push_exception = [&](CodeView word, const Exception& found) {
    for (const uint32_t length : found.lengths) {
      tokens.push_back(word.substr(0, length));
      word.remove_prefix(length);
    }
  };
  if (const Exception* found = special(chunk)) return push_exception(chunk, *found);
  LettersOnly is_letters;
  std::vector<CodeView> suffixes;
  CodeView word = chunk;
  for (size_t last_size = 0; !word.empty() && word.size() != last_size;) {
    if (special(word) != nullptr || is_letters(word)) break;
    last_size = word.size();
    const size_t front = prefix(word);
    if (front > 0 && special(word.substr(front)) != nullptr) {
      tokens.push_back(word.substr(0, front));
      word.remove_prefix(front);
      break;
    }
    const size_t back = suffix(word.substr(front));
    if (back > 0 && special(word.substr(0, word.size() - back)) != nullptr) {
      suffixes.push_back(word.substr(word.size() - back));
      word.remove_suffix(back);
      break;
    }
    if (front > 0) tokens.push_back(word.substr(0, front));
    if (back > 0 && front + back <= word.size()) suffixes.push_back(word.substr(word.size() - back));
    word.remove_prefix(front);
    if (back > 0) word.remove_suffix(back);
  }
  if (!word.empty()) {
    if (const Exception* found = special(word)) {
      push_exception(word, *found);
    } else if (is_letters(word) || is_spacy_url(word)) {
      tokens.push_back(word);
    } else {
      cut_infixes(word, tokens);
    }
  }
  tokens.insert(tokens.end(), suffixes.rbegin(), suffixes.rend());
}

std::vector<CodeView> EnglishTokenizer::Tables::cut(CodeView text, bool with_exceptions) const {
  std::vector<CodeView> tokens;
  tokens.reserve(text.size() / 5 + 1);
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    if (is(text[i], kSpace)) {
      while (i < text.size() && is(text[i], kSpace)) ++i;
      // The first space after a word belongs to it.
      const size_t first = begin > 0 && text[begin] == U' ' ? begin + 1 : begin;
      if (i > first) tokens.push_back(text.substr(first, i - first));
    } else {
      while (i < text.size() && !is(text[i], kSpace)) ++i;
      cut_chunk(text.substr(begin, i - begin), with_exceptions, tokens);
    }
  }
  return tokens;
}

/// Emoticons and the like that were cut up become whole again, the longest first.
void EnglishTokenizer::Tables::join_sequences(std::vector<CodeView>& tokens) const {
  struct Match {
    size_t begin, count;
    const Exception* exception;
  };
  std::vector<Match> matches;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!sequence_words.may_have(tokens[i])) continue;
    const auto found = sequences.find(tokens[i]);
    if (found == sequences.end()) continue;
    for (const Sequence& sequence : found->second) {
      const size_t count = sequence.tokens.size();
      if (i + count > tokens.size()) continue;
      if (!std::equal(sequence.tokens.begin(), sequence.tokens.end(), tokens.begin() + static_cast<ptrdiff_t>(i)))
        continue;
      matches.push_back({i, count, sequence.exception});
    }
  }
  if (matches.empty()) return;
  std::stable_sort(matches.begin(), matches.end(), [](const Match& a, const Match& b) {
    return a.count != b.count ? a.count > b.count : a.begin < b.begin;
  });
  std::vector<bool> seen(tokens.size(), false);
  std::unordered_map<size_t, Match> chosen;
  for (const Match& match : matches) {
    if (!seen[match.begin] && !seen[match.begin + match.count - 1]) chosen.emplace(match.begin, match);
    for (size_t i = match.begin; i < match.begin + match.count; ++i) seen[i] = true;
  }
  std::vector<CodeView> joined;
  for (size_t i = 0; i < tokens.size();) {
    const auto found = chosen.find(i);
    if (found == chosen.end()) {
      joined.push_back(tokens[i++]);
      continue;
    }
    const Match& match = found->second;
    const CodeView last = tokens[i + match.count - 1];
    const CodeView span(tokens[i].data(), static_cast<size_t>(last.data() + last.size() - tokens[i].data()));
    if (const Exception* whole = exception(span)) {
      CodeView rest = span;
      for (const uint32_t length : whole->lengths) {
        joined.push_back(rest.substr(0, length));
        rest.remove_prefix(length);
      }
    } else {  // the same tokens, but with spaces between them
      for (size_t k = 0; k < match.count; ++k) joined.push_back(tokens[i + k]);
    }
    i += match.count;
  }
  tokens = std::move(joined);
}

EnglishTokenizer::EnglishTokenizer() : tables_(std::make_unique<const Tables>()) {}
EnglishTokenizer::~EnglishTokenizer() = default;

const EnglishTokenizer& EnglishTokenizer::instance() {
  static const EnglishTokenizer tokenizer;
  return tokenizer;
}

std::vector<CodeView> EnglishTokenizer::tokenize(CodeView text) const {
  std::vector<CodeView> tokens = tables_->cut(text, true);
  tables_->join_sequences(tokens);
  return tokens;
}

size_t EnglishTokenizer::count_sentences(const std::vector<CodeView>& tokens) {
  if (tokens.empty()) return 0;
  size_t count = 1;
  bool closed = false;
  for (const CodeView token : tokens) {
    const bool mark = token.size() == 1 && is_sentence_mark(token.front());
    const bool punctuation = std::all_of(token.begin(), token.end(), [](char32_t c) { return is(c, kPunctuation); });
    if (closed && !punctuation && !mark) {
      ++count;
      closed = false;
    } else if (mark) {
      closed = true;
    }
  }
  return count;
}

}  // namespace kedge::curate
