#include "core/printable.h"

#include <fmt/format.h>

namespace kedge {
namespace {

/// Bytes of the UTF-8 character at the start of `text`, 0 when it is none. Overlong forms and surrogates are let
/// through: a terminal shows them as replacement characters, which is harmless.
size_t character_bytes(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  size_t size = 0;
  if (lead >= 0xC2 && lead <= 0xDF) size = 2;
  if (lead >= 0xE0 && lead <= 0xEF) size = 3;
  if (lead >= 0xF0 && lead <= 0xF4) size = 4;
  if (size == 0 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return 0;
  }
  // U+0080 to U+009F are control characters too.
  if (lead == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0) return 0;
  return size;
}

}  // namespace

std::string printable(std::string_view text) {
  const bool cut = text.size() > kPrintableBytesMax;
  if (cut) text = text.substr(0, kPrintableBytesMax);
  std::string out = "'";
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text.front());
    size_t size = 1;
    if (byte < 0x20 || byte == 0x7F || byte == '\'' || byte == '\\') {
      out += fmt::format("\\x{:02x}", byte);
    } else if (byte < 0x80) {
      out += text.front();
    } else if (const size_t bytes = character_bytes(text); bytes > 0) {
      out += text.substr(0, bytes);
      size = bytes;
    } else {
      out += fmt::format("\\x{:02x}", byte);
    }
    text.remove_prefix(size);
  }
  return out + (cut ? "...'" : "'");
}

std::string one_line(std::string_view message) {
  std::string out;
  while (!message.empty()) {
    const auto byte = static_cast<unsigned char>(message.front());
    const size_t size = byte < 0x80 ? 1 : character_bytes(message);
    if (byte == '\n' || byte == '\r' || byte == '\t') {
      out += ' ';
    } else if (size == 0 || byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += message.substr(0, size);
    }
    message.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

}  // namespace kedge
