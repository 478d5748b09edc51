// Case and character classes: Unicode's tables by utf8proc, with the mappings to several letters that Python has.

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "text/jinja/python_text.h"

namespace kedge::text::jinja {
namespace {

/// Letters whose upper-case form is more than one letter (SpecialCasing.txt, the rows without a condition).
struct SpecialCase {
  char32_t letter;
  std::u32string_view upper;
  std::u32string_view title;
};

constexpr std::array<SpecialCase, 17> kSpecialCases = {{
    {0xDF, U"SS", U"Ss"},
    {0x149, U"\u02BCN", U"\u02BCN"},
    {0x1F0, U"J\u030C", U"J\u030C"},
    {0x390, U"\u0399\u0308\u0301", U"\u0399\u0308\u0301"},
    {0x3B0, U"\u03A5\u0308\u0301", U"\u03A5\u0308\u0301"},
    {0x587, U"\u0535\u0552", U"\u0535\u0582"},
    {0x1E96, U"H\u0331", U"H\u0331"},
    {0x1E97, U"T\u0308", U"T\u0308"},
    {0x1E98, U"W\u030A", U"W\u030A"},
    {0x1E99, U"Y\u030A", U"Y\u030A"},
    {0xFB00, U"FF", U"Ff"},
    {0xFB01, U"FI", U"Fi"},
    {0xFB02, U"FL", U"Fl"},
    {0xFB03, U"FFI", U"Ffi"},
    {0xFB04, U"FFL", U"Ffl"},
    {0xFB05, U"ST", U"St"},
    {0xFB06, U"ST", U"St"},
}};

const SpecialCase* special_case(char32_t letter) {
  const auto* found = std::find_if(kSpecialCases.begin(), kSpecialCases.end(),
                                   [letter](const SpecialCase& row) { return row.letter == letter; });
  return found == kSpecialCases.end() ? nullptr : found;
}

utf8proc_int32_t plain(char32_t code_point) {
  return static_cast<utf8proc_int32_t>(code_point);
}

void append_all(std::string& text, std::u32string_view letters) {
  for (const char32_t letter : letters) append_code_point(text, letter);
}

void append_upper(std::string& text, char32_t letter) {
  if (const SpecialCase* row = letter < 0x80 ? nullptr : special_case(letter)) return append_all(text, row->upper);
  append_code_point(text, static_cast<char32_t>(utf8proc_toupper(plain(letter))));
}

void append_title(std::string& text, char32_t letter) {
  if (const SpecialCase* row = letter < 0x80 ? nullptr : special_case(letter)) return append_all(text, row->title);
  append_code_point(text, static_cast<char32_t>(utf8proc_totitle(plain(letter))));
}

utf8proc_category_t category(char32_t code_point) {
  return utf8proc_category(plain(code_point));
}

bool is_lower(char32_t code_point) {
  return utf8proc_islower(plain(code_point)) != 0;
}
bool is_upper(char32_t code_point) {
  return utf8proc_isupper(plain(code_point)) != 0;
}
bool is_cased(char32_t code_point) {
  return is_lower(code_point) || is_upper(code_point) || category(code_point) == UTF8PROC_CATEGORY_LT;
}
bool is_case_ignorable(char32_t code_point) {
  switch (category(code_point)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return code_point == '\'' || code_point == '.' || code_point == ':' || code_point == 0xB7 || code_point == 0x2019;
  }
}

bool cased_follows(std::string_view text, size_t offset) {
  while (offset < text.size()) {
    const char32_t code_point = next_code_point(text, offset);
    if (!is_case_ignorable(code_point)) return is_cased(code_point);
  }
  return false;
}

/// One letter of `text` in lower case. `after_cased`: a cased letter stands before it in the word.
void append_lower(std::string& result, std::string_view text, char32_t letter, size_t after, bool after_cased) {
  constexpr char32_t kCapitalSigma = 0x3A3, kFinalSigma = 0x3C2, kDottedCapitalI = 0x130;
  if (letter == kDottedCapitalI) return append_all(result, U"i\u0307");
  if (letter == kCapitalSigma && after_cased && !cased_follows(text, after)) {
    return append_code_point(result, kFinalSigma);
  }
  append_code_point(result, static_cast<char32_t>(utf8proc_tolower(plain(letter))));
}

enum class FirstLetters : uint8_t { lower, title_first, title_words };

std::string lower_with(std::string_view text, FirstLetters mode) {
  std::string result;
  result.reserve(text.size());
  bool after_cased = false;
  for (size_t offset = 0; offset < text.size();) {
    const bool is_first = offset == 0;
    const char32_t letter = next_code_point(text, offset);
    const bool title = mode == FirstLetters::title_words ? !after_cased : mode == FirstLetters::title_first && is_first;
    if (title) {
      append_title(result, letter);
    } else {
      append_lower(result, text, letter, offset, after_cased);
    }
    // str.title starts a word after anything uncased; the final sigma looks through what case ignores.
    if (mode == FirstLetters::title_words || !is_case_ignorable(letter)) after_cased = is_cased(letter);
  }
  return result;
}

bool is_alpha(char32_t code_point) {
  const auto kind = category(code_point);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal(char32_t code_point) {
  return category(code_point) == UTF8PROC_CATEGORY_ND;
}
bool is_digit(char32_t code_point) {  // besides decimals: superscripts, subscripts, circled digits
  return is_decimal(code_point) || code_point == 0xB2 || code_point == 0xB3 || code_point == 0xB9 ||
         code_point == 0x2070 || (code_point >= 0x2074 && code_point <= 0x2079) ||
         (code_point >= 0x2080 && code_point <= 0x2089) || (code_point >= 0x2460 && code_point <= 0x2468);
}
bool is_numeric(char32_t code_point) {
  const auto kind = category(code_point);
  return kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL || kind == UTF8PROC_CATEGORY_NO;
}
bool is_alphanumeric(char32_t code_point) {
  return is_alpha(code_point) || is_numeric(code_point);
}
bool is_ascii(char32_t code_point) {
  return code_point < 0x80;
}

bool all_of(std::string_view text, bool (*test)(char32_t), bool when_empty = false) {
  if (text.empty()) return when_empty;
  for (size_t offset = 0; offset < text.size();) {
    if (!test(next_code_point(text, offset))) return false;
  }
  return true;
}

/// islower and isupper: at least one cased letter, and none of the other case.
bool is_all(std::string_view text, bool (*wanted)(char32_t), bool (*unwanted)(char32_t)) {
  bool any = false;
  for (size_t offset = 0; offset < text.size();) {
    const char32_t code_point = next_code_point(text, offset);
    if (unwanted(code_point) || category(code_point) == UTF8PROC_CATEGORY_LT) return false;
    any = any || wanted(code_point);
  }
  return any;
}

bool is_title(std::string_view text) {
  bool after_cased = false, any = false;
  for (size_t offset = 0; offset < text.size();) {
    const char32_t code_point = next_code_point(text, offset);
    const bool begins = is_upper(code_point) || category(code_point) == UTF8PROC_CATEGORY_LT;
    if ((begins && after_cased) || (is_lower(code_point) && !after_cased)) return false;
    after_cased = is_cased(code_point);
    any = any || after_cased;
  }
  return any;
}

bool is_identifier(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  return all_of(text, is_word);
}

}  // namespace

bool is_word(char32_t code_point) {
  if (code_point < 0x80) return code_point == '_' || is_alphanumeric(code_point);
  return is_alphanumeric(code_point);
}

bool is_printable(char32_t code_point) {
  if (code_point == ' ') return true;
  switch (category(code_point)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

std::optional<bool> has_property(std::string_view text, std::string_view method) {
  if (method == "isalpha") return all_of(text, is_alpha);
  if (method == "isdigit") return all_of(text, is_digit);
  if (method == "isdecimal") return all_of(text, is_decimal);
  if (method == "isnumeric") return all_of(text, is_numeric);
  if (method == "isalnum") return all_of(text, is_alphanumeric);
  if (method == "isspace") return all_of(text, is_space);
  if (method == "isascii") return all_of(text, is_ascii, true);
  if (method == "isprintable") return all_of(text, is_printable, true);
  if (method == "islower") return is_all(text, is_lower, is_upper);
  if (method == "isupper") return is_all(text, is_upper, is_lower);
  if (method == "istitle") return is_title(text);
  if (method == "isidentifier") return is_identifier(text);
  return std::nullopt;
}

std::string to_upper(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t offset = 0; offset < text.size();) append_upper(result, next_code_point(text, offset));
  return result;
}

std::string to_lower(std::string_view text) {
  return lower_with(text, FirstLetters::lower);
}
std::string to_title(std::string_view text) {
  return lower_with(text, FirstLetters::title_words);
}
std::string to_capitalized(std::string_view text) {
  return lower_with(text, FirstLetters::title_first);
}

std::string to_swapped_case(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  bool after_cased = false;
  for (size_t offset = 0; offset < text.size();) {
    const char32_t letter = next_code_point(text, offset);
    if (is_upper(letter)) {
      append_lower(result, text, letter, offset, after_cased);
    } else {
      append_upper(result, letter);
    }
    if (!is_case_ignorable(letter)) after_cased = is_cased(letter);
  }
  return result;
}

}  // namespace kedge::text::jinja
