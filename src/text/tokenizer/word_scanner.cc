#include "text/tokenizer/word_scanner.h"

#include <array>
#include <cstdint>

#include "text/unicode/character.h"
#include "text/unicode/utf8.h"

namespace kedge::text {

// One line each would be far too wide; the pieces are the alternatives.
constexpr std::string_view kGpt2Pattern =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kLlama3Pattern =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
    "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kQwen2Pattern =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
    "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kTekkenPattern =
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
    "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kGpt4oPattern =
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

namespace {

// The same patterns as other files spell them.
constexpr std::string_view kLlama3WithoutFlags =
    "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kQwen2WithoutFlags =
    "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kGpt2Grouped =
    "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

enum class Contractions { lower_case, ascii, any_case };
enum class Place { before_words, after_words, nowhere };

struct Style {
  Contractions contractions = Contractions::any_case;
  Place contraction_place = Place::before_words;
  bool words_by_case = false;      // "camelCase" is two words
  bool only_space_before = false;  // GPT-2: words, numbers and symbols take one space before them, nothing else
  size_t digits_max = 0;           // of one number; 0: any
  bool newlines_end_words = true;  // symbols take the line ends after them, and white space is cut after its last one
  bool slash_after_symbols = false;
};

constexpr uint16_t kOther = 1 << 15;  // neither letter, number nor white space

constexpr std::array<uint16_t, 128> make_ascii_flags() {
  std::array<uint16_t, 128> flags{};
  for (size_t code = 0; code < 128; ++code) {
    const bool upper = code >= 'A' && code <= 'Z';
    const bool lower = code >= 'a' && code <= 'z';
    const bool digit = code >= '0' && code <= '9';
    const bool space = code == ' ' || (code >= 9 && code <= 13);
    const int flag = upper ? +kUpper : lower ? +kLower : digit ? +kDecimal : space ? +kSpace : +kOther;
    flags[code] = static_cast<uint16_t>(flag);
  }
  return flags;
}

constexpr std::array<uint16_t, 128> kAsciiFlags = make_ascii_flags();

struct Look {
  uint16_t flags = 0;  // 0: the text has ended
  uint32_t size = 0;
};

inline Look look(std::string_view text, size_t position) {
  if (position >= text.size()) return {};
  const auto byte = static_cast<uint8_t>(text[position]);
  if (byte < 0x80) return {kAsciiFlags[byte], 1};
  const DecodedCharacter character = decode_multibyte(text.substr(position));
  uint16_t flags = character_flags(character.code);
  if ((flags & (kLetter | kNumber | kSpace)) == 0) flags |= kOther;
  return {flags, character.size};
}

inline size_t skip(std::string_view text, size_t position, uint16_t flags) {
  for (Look next = look(text, position); (next.flags & flags) != 0; next = look(text, position)) position += next.size;
  return position;
}

inline bool is_line_end(char character) {
  return character == '\n' || character == '\r';
}

/// The size of a contraction like "'ll" at `position`; 0 if there is none.
template <Contractions contractions>
size_t contraction_size(std::string_view text, size_t position) {
  if (position + 1 >= text.size() || text[position] != '\'') return 0;
  const auto letter = [&](size_t index) -> char {
    if (position + index >= text.size()) return 0;
    const char character = text[position + index];
    const bool fold = contractions != Contractions::lower_case && character >= 'A' && character <= 'Z';
    return fold ? static_cast<char>(character + 32) : character;
  };
  switch (letter(1)) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return 2;
    case 'r':
    case 'v':
      return letter(2) == 'e' ? 3 : 0;
    case 'l':
      return letter(2) == 'l' ? 3 : 0;
    default:
      break;
  }
  // The long s folds to s.
  if (contractions == Contractions::any_case && text.substr(position + 1).starts_with("\xC5\xBF")) return 3;
  return 0;
}

/// What [Lu Lt Lm Lo M]* [Ll Lm Lo M]+ ("lower") and [Lu Lt Lm Lo M]+ ("upper") match at a position: where they end.
struct CaseRuns {
  size_t lower_end = 0;
  size_t upper_end = 0;
};

CaseRuns measure_case_runs(std::string_view text, size_t begin) {
  constexpr uint16_t kUpperSet = kUpper | kOtherLetter | kMark;
  constexpr uint16_t kLowerSet = kLower | kOtherLetter | kMark;
  CaseRuns runs{begin, begin};
  for (Look next = look(text, runs.upper_end); (next.flags & kUpperSet) != 0; next = look(text, runs.upper_end)) {
    runs.upper_end += next.size;
    if ((next.flags & kLowerSet) != 0) runs.lower_end = runs.upper_end;
  }
  const size_t end = skip(text, runs.upper_end, kLowerSet);
  if (end > runs.upper_end) runs.lower_end = end;
  return runs;
}

/// The two alternatives for words by case, each with and without the character before, in the order of the pattern.
size_t match_word_by_case(std::string_view text, size_t begin, size_t after_lead) {
  const CaseRuns led = measure_case_runs(text, after_lead);
  if (led.lower_end > after_lead) return led.lower_end;
  if (after_lead == begin) return led.upper_end;
  const CaseRuns plain = measure_case_runs(text, begin);
  if (plain.lower_end > begin) return plain.lower_end;
  return led.upper_end > after_lead ? led.upper_end : plain.upper_end;
}

/// Letters with one character before them that is no letter, number or line end; `begin` if there are none.
template <Style style>
size_t match_word(std::string_view text, size_t begin, const Look& first) {
  const bool may_lead = style.only_space_before ? text[begin] == ' '
                                                : (first.flags & (kLetter | kNumber)) == 0 && !is_line_end(text[begin]);
  const size_t after_lead = may_lead ? begin + first.size : begin;
  if constexpr (style.words_by_case) {
    size_t end = match_word_by_case(text, begin, after_lead);
    if (end > begin && style.contraction_place == Place::after_words) {
      end += contraction_size<style.contractions>(text, end);
    }
    return end;
  }
  const size_t end = skip(text, after_lead, kLetter);
  return end > after_lead ? end : begin;
}

template <Style style>
size_t match_number(std::string_view text, size_t begin) {
  if (style.digits_max == 0) {
    const size_t start = begin + (text[begin] == ' ' ? 1 : 0);
    const size_t end = skip(text, start, kNumber);
    return end > start ? end : begin;
  }
  size_t end = begin;
  for (size_t count = 0; count < style.digits_max; ++count) {
    const Look next = look(text, end);
    if ((next.flags & kNumber) == 0) break;
    end += next.size;
  }
  return end;
}

template <Style style>
size_t match_symbols(std::string_view text, size_t begin) {
  const size_t start = begin + (text[begin] == ' ' ? 1 : 0);
  size_t end = skip(text, start, kOther);
  if (end == start) return begin;
  if (style.newlines_end_words) {
    while (end < text.size() && (is_line_end(text[end]) || (style.slash_after_symbols && text[end] == '/'))) ++end;
  }
  return end;
}

template <Style style>
size_t match_white_space(std::string_view text, size_t begin) {
  size_t end = begin;
  size_t last = begin;           // where the last character begins
  size_t after_newline = begin;  // behind the last line end
  for (Look next = look(text, end); (next.flags & kSpace) != 0; next = look(text, end)) {
    last = end;
    end += next.size;
    if (is_line_end(text[last])) after_newline = end;
  }
  if (style.newlines_end_words && after_newline > begin) return after_newline;
  if (end == text.size() || last == begin) return end;
  return last;  // the next word takes the last space
}

template <Style style>
size_t next_word(std::string_view text, size_t begin) {
  if (style.contraction_place == Place::before_words) {
    if (const size_t size = contraction_size<style.contractions>(text, begin)) return begin + size;
  }
  const Look first = look(text, begin);
  size_t end = match_word<style>(text, begin, first);
  if (end == begin) end = match_number<style>(text, begin);
  if (end == begin) end = match_symbols<style>(text, begin);
  if (end == begin) end = match_white_space<style>(text, begin);
  return end;
}

constexpr Style kGpt2 = {
    .contractions = Contractions::lower_case, .only_space_before = true, .newlines_end_words = false};
constexpr Style kLlama3 = {.digits_max = 3};
constexpr Style kLlama3Ascii = {.contractions = Contractions::ascii, .digits_max = 3};
constexpr Style kQwen2 = {.digits_max = 1};
constexpr Style kQwen2Ascii = {.contractions = Contractions::ascii, .digits_max = 1};
constexpr Style kTekken = {
    .contraction_place = Place::nowhere, .words_by_case = true, .digits_max = 1, .slash_after_symbols = true};
constexpr Style kGpt4o = {
    .contraction_place = Place::after_words, .words_by_case = true, .digits_max = 3, .slash_after_symbols = true};

struct KnownPattern {
  std::string_view text;
  WordScanner scanner;
};

constexpr KnownPattern kKnownPatterns[] = {
    {kGpt2Pattern, next_word<kGpt2>},     {kGpt2Grouped, next_word<kGpt2>},
    {kLlama3Pattern, next_word<kLlama3>}, {kLlama3WithoutFlags, next_word<kLlama3Ascii>},
    {kQwen2Pattern, next_word<kQwen2>},   {kQwen2WithoutFlags, next_word<kQwen2Ascii>},
    {kTekkenPattern, next_word<kTekken>}, {kGpt4oPattern, next_word<kGpt4o>},
};

}  // namespace

WordScanner find_word_scanner(std::string_view pattern) {
  for (const KnownPattern& known : kKnownPatterns) {
    if (known.text == pattern) return known.scanner;
  }
  return nullptr;
}

WordScanner gpt2_word_scanner() {
  return next_word<kGpt2>;
}

}  // namespace kedge::text
