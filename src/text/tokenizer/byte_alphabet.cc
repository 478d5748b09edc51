#include "text/tokenizer/byte_alphabet.h"

#include <array>

#include "text/unicode/utf8.h"

namespace kedge::text {
namespace {

constexpr size_t kAlphabetEnd = 0x144;

struct Alphabet {
  std::array<uint16_t, 256> character_of{};
  std::array<int16_t, kAlphabetEnd> byte_of{};
};

// Printable Latin-1 stands for itself, the other bytes for the characters from U+0100 on, in order.
constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  for (auto& byte : alphabet.byte_of) byte = -1;
  uint16_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    const uint16_t character = printable ? static_cast<uint16_t>(byte) : next++;
    alphabet.character_of[static_cast<size_t>(byte)] = character;
    alphabet.byte_of[character] = static_cast<int16_t>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();

int hexadecimal_digit(char character) {
  if (character >= '0' && character <= '9') return character - '0';
  if (character >= 'A' && character <= 'F') return character - 'A' + 10;
  if (character >= 'a' && character <= 'f') return character - 'a' + 10;
  return -1;
}

}  // namespace

bool append_spelled_bytes(std::string& out, std::string_view spelled) {
  const size_t size_before = out.size();
  for (size_t i = 0; i < spelled.size(); ++i) {
    // No character of the alphabet takes more than two bytes.
    uint32_t code = static_cast<uint8_t>(spelled[i]);
    if (code >= 0x80) {
      const bool two = (code & 0xE0) == 0xC0 && i + 1 < spelled.size() && (spelled[i + 1] & 0xC0) == 0x80;
      code = two ? (code & 0x1F) << 6 | (static_cast<uint8_t>(spelled[++i]) & 0x3F) : kAlphabetEnd;
      if (code < 0x80) code = kAlphabetEnd;  // an overlong form
    }
    const int byte = code < kAlphabetEnd ? kAlphabet.byte_of[code] : -1;
    if (byte < 0) {
      out.resize(size_before);
      return false;
    }
    out.push_back(static_cast<char>(byte));
  }
  return true;
}

void append_byte_spelling(std::string& out, std::string_view bytes) {
  for (const char byte : bytes) append_utf8(out, kAlphabet.character_of[static_cast<uint8_t>(byte)]);
}

int byte_of_fallback_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  const int high = hexadecimal_digit(token[3]);
  const int low = hexadecimal_digit(token[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

std::string fallback_token(uint8_t byte) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  return {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
}

}  // namespace kedge::text
