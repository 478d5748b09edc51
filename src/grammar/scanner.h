#pragma once
// Reading a source character by character.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "grammar/code_points.h"

namespace kedge::grammar {

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  [[nodiscard]] bool at_end() const { return offset_ >= text_.size(); }
  [[nodiscard]] size_t offset() const { return offset_; }
  void go_to(size_t offset) { offset_ = offset; }
  [[nodiscard]] char peek(size_t ahead = 0) const {
    return offset_ + ahead < text_.size() ? text_[offset_ + ahead] : '\0';
  }
  void skip(size_t count = 1) { offset_ += count; }
  bool take(char c) {
    if (at_end() || text_[offset_] != c) return false;
    ++offset_;
    return true;
  }
  bool take(std::string_view word) {
    if (!text_.substr(std::min(offset_, text_.size())).starts_with(word)) return false;
    offset_ += word.size();
    return true;
  }
  [[nodiscard]] std::string_view rest() const { return text_.substr(std::min(offset_, text_.size())); }
  [[nodiscard]] std::string_view from(size_t offset) const { return text_.substr(offset, offset_ - offset); }

  /// The next character of UTF-8; nothing at the end or where it is broken.
  std::optional<CodePoint> take_character();
  /// Hexadecimal digits, `min` to `max` of them.
  std::optional<uint32_t> take_hex(int min, int max);
  /// A decimal number below 10^9.
  std::optional<uint32_t> take_number();
  [[nodiscard]] size_t line() const;  // from 1

 private:
  std::string_view text_;
  size_t offset_ = 0;
};

/// Appends the UTF-8 of a code point.
void append_utf8(std::string& out, CodePoint code_point);
bool is_valid_utf8(std::string_view text);

}  // namespace kedge::grammar
