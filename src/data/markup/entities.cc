#include "data/markup/entities.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "text/unicode/utf8.h"

namespace kedge::data {

extern const std::string_view kHtmlEntities;  // src/data/markup/html_entities.txt

namespace {

using Table = std::unordered_map<std::string_view, std::u32string>;

/// Of lines: a name, and code points in hexadecimal.
Table* make_table() {
  auto* table = new Table();  // lives as long as the program
  for (std::string_view list = kHtmlEntities; !list.empty();) {
    std::string_view line = list.substr(0, list.find('\n'));
    list.remove_prefix(std::min(line.size() + 1, list.size()));
    if (line.empty() || line.starts_with("# ")) continue;
    const std::string_view name = line.substr(0, line.find(' '));
    std::u32string value;
    for (line.remove_prefix(name.size()); !line.empty();) {
      line.remove_prefix(1);
      uint32_t code = 0;
      const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), code, 16);
      value += static_cast<char32_t>(code);
      line.remove_prefix(static_cast<size_t>(end - line.data()));
    }
    table->emplace(name, std::move(value));
  }
  return table;
}

/// Of "#233" or "#xE9".
std::optional<char32_t> code_of(std::string_view name) {
  name.remove_prefix(1);
  const bool hex = name.starts_with('x') || name.starts_with('X');
  if (hex) name.remove_prefix(1);
  uint32_t code = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), code, hex ? 16 : 10);
  const bool character = code != 0 && code < 0x110000 && (code < 0xD800 || code > 0xDFFF);
  if (error != std::errc() || end != name.data() + name.size() || !character) return std::nullopt;
  return code;
}

}  // namespace

const std::u32string* find_entity(std::string_view name) {
  static const Table& table = *make_table();
  const auto found = table.find(name);
  return found == table.end() ? nullptr : &found->second;
}

size_t append_reference(std::string& out, std::string_view text) {
  const size_t end = text.substr(0, kEntityNameMax + 1).find(';');
  if (!text.starts_with('&') || end == std::string_view::npos || end < 2) return 0;
  if (text[1] == '#') {
    const auto code = code_of(text.substr(1, end - 1));
    if (!code) return 0;
    text::append_utf8(out, *code);
    return end + 1;
  }
  const std::u32string* found = find_entity(text.substr(1, end));
  if (found == nullptr) return 0;
  for (const char32_t code : *found) text::append_utf8(out, code);
  return end + 1;
}

std::string decode_entities(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (;;) {
    const size_t mark = text.find('&');
    out += text.substr(0, mark);
    if (mark == std::string_view::npos) return out;
    text.remove_prefix(mark);
    const size_t size = append_reference(out, text);
    if (size == 0) out += '&';
    text.remove_prefix(std::max<size_t>(size, 1));
  }
}

}  // namespace kedge::data
