#include "text/jinja/string_literal.h"

#include <fmt/format.h>

#include <cstdint>
#include <optional>

#include "text/jinja/budget.h"
#include "text/jinja/python_text.h"

namespace kedge::text::jinja {
namespace {

std::optional<char> simple_escape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'v':
      return '\v';
    case '\\':
    case '\'':
    case '"':
      return c;
    default:
      return std::nullopt;
  }
}

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

/// Reads up to `digits_max` digits of the base at `offset`.
uint32_t read_digits(std::string_view text, size_t& offset, uint32_t base, size_t digits_max) {
  uint32_t value = 0;
  for (size_t count = 0; count < digits_max && offset < text.size(); ++count, ++offset) {
    const auto digit = static_cast<uint32_t>(digit_value(text[offset]));
    if (digit >= base) break;
    value = value * base + digit;
  }
  return value;
}

void append_checked(std::string& out, uint32_t code_point) {
  if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF)) {
    throw Failure{fmt::format("a string escape stands for U+{:X}, which is no character", code_point)};
  }
  append_code_point(out, code_point);
}

void append_hex_escape(std::string& out, std::string_view literal, size_t& offset, size_t digits) {
  const size_t begin = offset;
  const uint32_t code_point = read_digits(literal, offset, 16, digits);
  if (offset - begin != digits) throw Failure{fmt::format("a string escape needs {} hexadecimal digits", digits)};
  append_checked(out, code_point);
}

/// Python sees a letter outside ASCII as an escape of its own, so a backslash before it stays, and so do its digits.
void append_escaped_wide(std::string& out, std::string_view literal, size_t& offset) {
  const auto code = static_cast<uint32_t>(next_code_point(literal, offset));
  out += '\\';
  out += code < 0x100     ? fmt::format("x{:02x}", code)
         : code < 0x10000 ? fmt::format("u{:04x}", code)
                          : fmt::format("U{:08x}", code);
}

}  // namespace

std::string unescape_literal(std::string_view literal) {
  std::string out;
  out.reserve(literal.size());
  for (size_t offset = 0; offset < literal.size();) {
    const char c = literal[offset++];
    if (c != '\\' || offset == literal.size()) {
      out += c;
      continue;
    }
    const char escape = literal[offset];
    if (static_cast<unsigned char>(escape) >= 0x80) {
      append_escaped_wide(out, literal, offset);
      continue;
    }
    if (escape >= '0' && escape <= '7') {
      append_checked(out, read_digits(literal, offset, 8, 3));
      continue;
    }
    ++offset;
    if (const std::optional<char> simple = simple_escape(escape)) {
      out += *simple;
    } else if (escape == 'x') {
      append_hex_escape(out, literal, offset, 2);
    } else if (escape == 'u') {
      append_hex_escape(out, literal, offset, 4);
    } else if (escape == 'U') {
      append_hex_escape(out, literal, offset, 8);
    } else if (escape == 'N') {
      throw Failure{"string escapes by character name (\\N{...}) are not supported"};
    } else if (escape != '\n') {  // an unknown escape keeps its backslash; an escaped newline vanishes
      out += '\\';
      out += escape;
    }
  }
  return out;
}

}  // namespace kedge::text::jinja
