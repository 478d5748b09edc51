#include "curate/entities.h"

#include <array>

namespace kedge::curate {

extern const std::string_view kHtmlEntities;  // src/curate/data/html_entities.txt

namespace {

using Table = std::unordered_map<std::u32string, std::u32string>;

Table* make_table() {
  auto* table = new Table();  // lives as long as the program
  const std::u32string list = to_codes(kHtmlEntities);
  for (const CodeView line : split_at(list, U"\n")) {
    if (line.empty() || line.starts_with(U"# ")) continue;
    const std::vector<CodeView> parts = split_at(line, U" ");
    std::u32string value;
    for (size_t i = 1; i < parts.size(); ++i) {
      value += static_cast<char32_t>(std::stoul(to_utf8(parts[i]), nullptr, 16));
    }
    table->emplace(parts[0], value);
  }
  return table;
}

// The characters of Windows-1252 from 0x80 to 0x9F.
constexpr std::array<char16_t, 32> kWindows1252 = {0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                                   0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,   0x017D, 0x8F,
                                                   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                                   0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};

std::optional<Reference> read_number(CodeView text, bool strict) {
  const bool hexadecimal = text.size() > 2 && (text[2] == U'x' || text[2] == U'X');
  size_t i = hexadecimal ? 3 : 2;
  const size_t first = i;
  uint32_t number = 0;
  for (; i < text.size() && i < first + 8; ++i) {
    const char32_t c = text[i];
    uint32_t digit = 16;
    if (c >= U'0' && c <= U'9') digit = c - U'0';
    if (hexadecimal && c >= U'a' && c <= U'f') digit = c - U'a' + 10;
    if (hexadecimal && c >= U'A' && c <= U'F') digit = c - U'A' + 10;
    if (digit == 16) break;
    number = number * (hexadecimal ? 16 : 10) + digit;
  }
  if (i == first) return std::nullopt;
  const bool closed = i < text.size() && text[i] == U';';
  if (strict && !closed) return std::nullopt;
  return Reference{std::u32string(1, numeric_reference(number)), i + (closed ? 1 : 0)};
}

}  // namespace

const std::u32string* find_entity(CodeView name) {
  static const Table& table = *make_table();
  const auto found = table.find(std::u32string(name));
  return found == table.end() ? nullptr : &found->second;
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
