#pragma once
// Encodings of one byte a character that UTF-8 is mistaken for, and UTF-8 with its variants.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "curate/code_text.h"

namespace kedge::curate {

/// One such encoding. "Sloppy" ones give unassigned bytes the control character of their number, and write U+FFFD as
/// byte 1A.
struct ByteEncoding {
  std::string name;
  bool sloppy = false;
  std::array<char32_t, 128> upper{};
  std::unordered_map<char32_t, uint8_t> bytes;  // of what is not ASCII

  /// The bytes of `text`; nothing when a character has none.
  [[nodiscard]] std::optional<std::string> encode(CodeView text) const;
};

/// Those that are tried, in order; Latin-1 first, Windows-1252 second.
const std::vector<ByteEncoding>& byte_encodings();

/// UTF-8, surrogates in pairs (CESU-8) and Java's long zero allowed; nothing when it is neither.
std::optional<std::u32string> decode_utf8(std::string_view bytes);

}  // namespace kedge::curate
