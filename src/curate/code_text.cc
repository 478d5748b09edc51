#include "curate/code_text.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "text/unicode/utf8.h"

namespace kedge::curate {
namespace {

constexpr size_t kNaivePartMax = 64;

/// Knuth, Morris and Pratt: in linear time, however much the part repeats itself.
size_t count_of_long(CodeView text, CodeView part) {
  std::vector<size_t> borders(part.size(), 0);  // of each beginning: the longest that it also ends with
  for (size_t i = 1, border = 0; i < part.size(); ++i) {
    while (border > 0 && part[i] != part[border]) border = borders[border - 1];
    if (part[i] == part[border]) ++border;
    borders[i] = border;
  }
  size_t count = 0, matched = 0;
  for (const char32_t c : text) {
    while (matched > 0 && c != part[matched]) matched = borders[matched - 1];
    if (c == part[matched]) ++matched;
    if (matched < part.size()) continue;
    ++count;
    matched = 0;  // the next one begins behind this one
  }
  return count;
}

/// Whether a capital sigma at `index` ends a word: a cased letter before it and none after, marks skipped.
bool is_final_sigma(CodeView text, size_t index) {
  size_t before = index;
  while (before > 0 && is(text[before - 1], kIgnorable)) --before;
  if (before == 0 || !is(text[before - 1], kCased)) return false;
  size_t after = index + 1;
  while (after < text.size() && is(text[after], kIgnorable)) ++after;
  return after == text.size() || !is(text[after], kCased);
}

}  // namespace

std::u32string to_codes(std::string_view utf8) {
  std::u32string codes;
  codes.resize(utf8.size());
  size_t count = 0;
  for (size_t i = 0; i < utf8.size();) {
    const auto first = static_cast<unsigned char>(utf8[i]);
    if (first < 0x80) {
      codes[count++] = first;
      ++i;
      continue;
    }
    const text::DecodedCharacter character = text::decode_multibyte(utf8.substr(i));
    codes[count++] = character.code == text::kInvalidCharacter ? text::kReplacementCharacter : character.code;
    i += character.size;
  }
  codes.resize(count);
  return codes;
}

void append_utf8(std::string& out, CodeView codes) {
  for (const char32_t code : codes) {
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else {
      text::append_utf8(out, code);
    }
  }
}

std::string to_utf8(CodeView codes) {
  std::string out;
  out.reserve(codes.size());
  append_utf8(out, codes);
  return out;
}

CodeView strip_left(CodeView text) {
  size_t begin = 0;
  while (begin < text.size() && is(text[begin], kSpace)) ++begin;
  return text.substr(begin);
}

CodeView strip_right(CodeView text) {
  size_t end = text.size();
  while (end > 0 && is(text[end - 1], kSpace)) --end;
  return text.substr(0, end);
}

CodeView strip(CodeView text) {
  return strip_left(strip_right(text));
}

bool is_blank(CodeView text) {
  return strip_left(text).empty();
}

std::vector<CodeView> split_words(CodeView text) {
  std::vector<CodeView> words;
  words.reserve(text.size() / 6 + 1);
  for (size_t i = 0; i < text.size();) {
    while (i < text.size() && is(text[i], kSpace)) ++i;
    const size_t begin = i;
    while (i < text.size() && !is(text[i], kSpace)) ++i;
    if (i > begin) words.push_back(text.substr(begin, i - begin));
  }
  return words;
}

std::vector<CodeView> split_at(CodeView text, CodeView separator) {
  std::vector<CodeView> parts;
  for (;;) {
    const size_t found = text.find(separator);
    parts.push_back(text.substr(0, found));
    if (found == CodeView::npos) return parts;
    text.remove_prefix(found + separator.size());
  }
}

std::vector<CodeView> split_lines(CodeView text) {
  std::vector<CodeView> lines;
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    while (i < text.size() && !is(text[i], kLineBreak)) ++i;
    lines.push_back(text.substr(begin, i - begin));
    if (i < text.size()) i += text.substr(i).starts_with(U"\r\n") ? 2 : 1;
  }
  return lines;
}

std::u32string to_lower(CodeView text) {
  std::u32string lower;
  lower.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char32_t code = text[i];
    if (code < 0x80) {
      lower += code >= U'A' && code <= U'Z' ? code + 32 : code;
    } else if (code == 0x03A3) {
      lower += is_final_sigma(text, i) ? char32_t{0x03C2} : char32_t{0x03C3};
    } else if (code == 0x0130) {
      lower += {U'i', char32_t{0x0307}};
    } else {
      lower += static_cast<char32_t>(u_tolower(static_cast<UChar32>(code)));
    }
  }
  return lower;
}

std::u32string to_upper(CodeView text) {
  icu::UnicodeString upper =
      icu::UnicodeString::fromUTF32(reinterpret_cast<const UChar32*>(text.data()), static_cast<int32_t>(text.size()));
  upper.toUpper(icu::Locale::getRoot());
  std::string utf8;
  upper.toUTF8String(utf8);
  return to_codes(utf8);
}

bool contains(CodeView text, CodeView part) {
  return text.find(part) != CodeView::npos;
}

size_t count_of(CodeView text, CodeView part) {
  if (part.size() > kNaivePartMax) return count_of_long(text, part);
  size_t count = 0;
  for (size_t at = text.find(part); at != CodeView::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

bool ends_with_any(CodeView text, CodeView characters) {
  return !text.empty() && characters.find(text.back()) != CodeView::npos;
}

}  // namespace kedge::curate
