#include "data/markup/entities.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

namespace kedge::data {
namespace {

constexpr size_t kNameMax = 12;

constexpr std::array<std::pair<std::string_view, uint32_t>, 32> kNames = {
    {{"amp", '&'},      {"lt", '<'},       {"gt", '>'},        {"quot", '"'},      {"apos", '\''},   {"nbsp", 0xA0},
     {"ndash", 0x2013}, {"mdash", 0x2014}, {"hellip", 0x2026}, {"minus", 0x2212},  {"times", 0xD7},  {"middot", 0xB7},
     {"deg", 0xB0},     {"prime", 0x2032}, {"Prime", 0x2033},  {"thinsp", 0x2009}, {"ensp", 0x2002}, {"emsp", 0x2003},
     {"zwj", 0x200D},   {"zwnj", 0x200C},  {"lrm", 0x200E},    {"rlm", 0x200F},    {"shy", 0xAD},    {"rarr", 0x2192},
     {"larr", 0x2190},  {"bull", 0x2022},  {"sect", 0xA7},     {"euro", 0x20AC},   {"pound", 0xA3},  {"frac12", 0xBD},
     {"plusmn", 0xB1},  {"asymp", 0x2248}}};

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
    return;
  }
  if (code >= 0x10000) {
    out += static_cast<char>(0xF0U | (code >> 18U));
    out += static_cast<char>(0x80U | ((code >> 12U) & 0x3FU));
  } else if (code >= 0x800) {
    out += static_cast<char>(0xE0U | (code >> 12U));
  } else {
    out += static_cast<char>(0xC0U | (code >> 6U));
    out += static_cast<char>(0x80U | (code & 0x3FU));
    return;
  }
  out += static_cast<char>(0x80U | ((code >> 6U) & 0x3FU));
  out += static_cast<char>(0x80U | (code & 0x3FU));
}

std::optional<uint32_t> code_of(std::string_view name) {
  if (!name.starts_with('#')) {
    const auto* const found = std::ranges::find(kNames, name, &std::pair<std::string_view, uint32_t>::first);
    return found == kNames.end() ? std::nullopt : std::optional(found->second);
  }
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

std::string decode_entities(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (;;) {
    const size_t mark = text.find('&');
    out += text.substr(0, mark);
    if (mark == std::string_view::npos) return out;
    text.remove_prefix(mark);
    const size_t end = text.substr(0, kNameMax).find(';');
    const auto code = end == std::string_view::npos ? std::nullopt : code_of(text.substr(1, end - 1));
    if (code) {
      append_utf8(out, *code);
      text.remove_prefix(end + 1);
    } else {
      out += '&';
      text.remove_prefix(1);
    }
  }
}

}  // namespace kedge::data
