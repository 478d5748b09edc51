#include "curate/entities.h"

#include <algorithm>
#include <array>

namespace kedge::curate {

namespace {

// The characters of Windows-1252 from 0x80 to 0x9F.
constexpr std::array<char16_t, 32> kWindows1252 = {0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                                   0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,   0x017D, 0x8F,
                                                   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                                   0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};

constexpr uint32_t kBeyondUnicode = 0x110000;

std::optional<Reference> read_number(CodeView text, bool strict) {
  const bool hexadecimal = text.size() > 2 && (text[2] == U'x' || text[2] == U'X');
  size_t i = hexadecimal ? 3 : 2;
  const size_t first = i;
  uint32_t number = 0;
  for (; i < text.size(); ++i) {
    const char32_t c = text[i];
    uint32_t digit = 16;
    if (c >= U'0' && c <= U'9') digit = c - U'0';
    if (hexadecimal && c >= U'a' && c <= U'f') digit = c - U'a' + 10;
    if (hexadecimal && c >= U'A' && c <= U'F') digit = c - U'A' + 10;
    if (digit == 16) break;
    number = std::min<uint32_t>(number * (hexadecimal ? 16 : 10) + digit, kBeyondUnicode);
  }
  if (i == first) return std::nullopt;
  const bool closed = i < text.size() && text[i] == U';';
  if (strict && !closed) return std::nullopt;
  return Reference{std::u32string(1, numeric_reference(number)), i + (closed ? 1 : 0)};
}

}  // namespace

const std::u32string* find_entity(CodeView name) {
  if (name.size() > kEntityNameMax) return nullptr;
  std::array<char, kEntityNameMax> ascii{};
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] >= 0x80) return nullptr;
    ascii[i] = static_cast<char>(name[i]);
  }
  return data::find_entity({ascii.data(), name.size()});
}

char32_t numeric_reference(uint32_t number) {
  if (number >= 0x80 && number < 0xA0) return kWindows1252[number - 0x80];
  if (number == 0 || number > 0x10FFFF || (number >= 0xD800 && number < 0xE000)) return 0xFFFD;
  return number;
}

std::optional<Reference> read_reference(CodeView text, bool strict) {
  if (text.size() < 3 || text[0] != U'&') return std::nullopt;
  if (text[1] == U'#') return read_number(text, strict);
  size_t end = 1;
  while (end < text.size() && end <= kEntityNameMax && text[end] < 0x80 && is(text[end], kWord) && text[end] != U'_')
    ++end;
  if (end < text.size() && text[end] == U';') {
    if (const std::u32string* found = find_entity(text.substr(1, end))) return Reference{*found, end + 1};
  }
  if (strict) return std::nullopt;
  for (; end > 2; --end) {
    if (const std::u32string* found = find_entity(text.substr(1, end - 1))) return Reference{*found, end};
  }
  return std::nullopt;
}

}  // namespace kedge::curate
