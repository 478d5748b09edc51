#include "grammar/scanner.h"

#include <algorithm>

namespace kedge::grammar {

std::optional<CodePoint> Scanner::take_character() {
  if (at_end()) return std::nullopt;
  const auto lead = static_cast<uint8_t>(text_[offset_]);
  if (lead < 0x80) {
    ++offset_;
    return lead;
  }
  const int size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
  if (size == 0 || lead > 0xF4 || text_.size() - offset_ < static_cast<size_t>(size)) return std::nullopt;
  CodePoint value = lead & (0x7F >> size);
  for (int i = 1; i < size; ++i) {
    const auto byte = static_cast<uint8_t>(text_[offset_ + static_cast<size_t>(i)]);
    if ((byte & 0xC0) != 0x80) return std::nullopt;
    value = (value << 6) | (byte & 0x3F);
  }
  static constexpr CodePoint kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= kSurrogateFirst && value <= kSurrogateLast;
  if (value < kLeast[size] || value > kCodePointMax || surrogate) return std::nullopt;
  offset_ += static_cast<size_t>(size);
  return value;
}

std::optional<uint32_t> Scanner::take_hex(int min, int max) {
  uint32_t value = 0;
  int count = 0;
  for (; count < max; ++count) {
    const char c = peek();
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) break;
    value = value * 16 + static_cast<uint32_t>(digit);
    skip();
  }
  if (count < min) return std::nullopt;
  return value;
}

std::optional<uint32_t> Scanner::take_number() {
  uint32_t value = 0;
  int count = 0;
  for (; peek() >= '0' && peek() <= '9'; ++count, skip()) {
    if (count == 9) return std::nullopt;
    value = value * 10 + static_cast<uint32_t>(peek() - '0');
  }
  if (count == 0) return std::nullopt;
  return value;
}

size_t Scanner::line() const {
  const std::string_view before = text_.substr(0, std::min(offset_, text_.size()));
  return static_cast<size_t>(std::ranges::count(before, '\n')) + 1;
}

void append_utf8(std::string& out, CodePoint c) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

bool is_valid_utf8(std::string_view text) {
  Scanner scanner(text);
  while (!scanner.at_end()) {
    if (!scanner.take_character()) return false;
  }
  return true;
}

}  // namespace kedge::grammar
