#pragma once
// UTF-8, one character at a time, over bytes that may be broken.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kedge::text {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;
inline constexpr std::string_view kReplacementText = "\xEF\xBF\xBD";

/// Stands for a byte that begins no valid character. It belongs to no class of characters.
inline constexpr char32_t kInvalidCharacter = 0xFFFFFFFF;

struct DecodedCharacter {
  char32_t code = kInvalidCharacter;
  uint32_t size = 1;  // bytes: 1 to 4, and 1 for a byte that begins no valid character
};

/// The same for a character that begins with a byte >= 0x80. REQUIRES: text is not empty.
DecodedCharacter decode_multibyte(std::string_view text);

/// The first character of `text` (no surrogates, no overlong forms). REQUIRES: text is not empty.
inline DecodedCharacter decode_character(std::string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  if (first < 0x80) return {first, 1};
  return decode_multibyte(text);
}

void append_utf8(std::string& out, char32_t code);

bool is_valid_utf8(std::string_view text);

/// Bytes at the end of `text` that begin a character which more bytes could still complete: 0 to 3.
size_t unfinished_tail(std::string_view text);

/// Appends `bytes`, with U+FFFD for each maximal run of bytes that begins a character but does not complete it
/// (the practice of the Unicode Standard, chapter 3.9, which Rust and Python follow too).
void append_lossy(std::string& out, std::string_view bytes);

/// Characters of valid UTF-8.
size_t count_characters(std::string_view text);

/// Bytes that the first `count` characters of valid UTF-8 take; all of them when it has fewer.
size_t prefix_bytes(std::string_view text, size_t count);

}  // namespace kedge::text
