#include "text/unicode/utf8.h"

#include <algorithm>
#include <cstring>

namespace kedge::text {
namespace {

struct Prefix {
  uint32_t size = 1;    // bytes that belong together: a whole character, or the part of one that is there
  uint32_t needed = 1;  // bytes of the whole character; 0 when no character begins so
};

bool is_continuation(uint8_t byte) {
  return (byte & 0xC0) == 0x80;
}

/// Table 3-7 of the Unicode Standard: which second byte each first byte allows.
bool second_byte_fits(uint8_t first, uint8_t second) {
  switch (first) {
    case 0xE0:
      return second >= 0xA0 && second <= 0xBF;
    case 0xED:
      return second >= 0x80 && second <= 0x9F;
    case 0xF0:
      return second >= 0x90 && second <= 0xBF;
    case 0xF4:
      return second >= 0x80 && second <= 0x8F;
    default:
      return is_continuation(second);
  }
}

uint32_t size_by_first_byte(uint8_t first) {
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

Prefix measure_prefix(std::string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  const uint32_t needed = size_by_first_byte(first);
  if (needed <= 1) return {1, needed};
  if (text.size() < 2 || !second_byte_fits(first, static_cast<uint8_t>(text[1]))) return {1, needed};
  uint32_t size = 2;
  while (size < needed && size < text.size() && is_continuation(static_cast<uint8_t>(text[size]))) ++size;
  return {size, needed};
}

}  // namespace

DecodedCharacter decode_multibyte(std::string_view text) {
  const Prefix prefix = measure_prefix(text);
  if (prefix.needed == 0 || prefix.size < prefix.needed) return {};
  const auto byte = [&](size_t index) { return static_cast<char32_t>(static_cast<uint8_t>(text[index]) & 0x3F); };
  const auto first = static_cast<char32_t>(static_cast<uint8_t>(text[0]));
  switch (prefix.needed) {
    case 2:
      return {(first & 0x1F) << 6 | byte(1), 2};
    case 3:
      return {(first & 0x0F) << 12 | byte(1) << 6 | byte(2), 3};
    default:
      return {(first & 0x07) << 18 | byte(1) << 12 | byte(2) << 6 | byte(3), 4};
  }
}

void append_utf8(std::string& out, char32_t code) {
  const auto put = [&](char32_t value) { out.push_back(static_cast<char>(value)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

bool is_valid_utf8(std::string_view text) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  while (!text.empty()) {
    uint64_t eight = kHighBits;
    if (text.size() >= sizeof eight) std::memcpy(&eight, text.data(), sizeof eight);
    if ((eight & kHighBits) == 0) {
      text.remove_prefix(sizeof eight);
      continue;
    }
    const DecodedCharacter character = decode_character(text);
    if (character.code == kInvalidCharacter) return false;
    text.remove_prefix(character.size);
  }
  return true;
}

size_t unfinished_tail(std::string_view text) {
  for (size_t tail = 1; tail <= std::min<size_t>(3, text.size()); ++tail) {
    const std::string_view suffix = text.substr(text.size() - tail);
    if (is_continuation(static_cast<uint8_t>(suffix[0]))) continue;
    const Prefix prefix = measure_prefix(suffix);
    return prefix.size == tail && prefix.size < prefix.needed ? tail : 0;
  }
  return 0;
}

void append_lossy(std::string& out, std::string_view bytes) {
  size_t valid = 0;  // bytes at the front of `bytes` that are known to be valid
  while (valid < bytes.size()) {
    const std::string_view rest = bytes.substr(valid);
    const Prefix prefix = measure_prefix(rest);
    if (prefix.needed != 0 && prefix.size == prefix.needed) {
      valid += prefix.size;
      continue;
    }
    out.append(bytes.substr(0, valid));
    out.append(kReplacementText);
    bytes.remove_prefix(valid + prefix.size);
    valid = 0;
  }
  out.append(bytes);
}

size_t count_characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return !is_continuation(static_cast<uint8_t>(byte)); }));
}

size_t prefix_bytes(std::string_view text, size_t count) {
  size_t position = 0;
  while (position < text.size()) {
    if (!is_continuation(static_cast<uint8_t>(text[position]))) {
      if (count == 0) break;
      --count;
    }
    ++position;
  }
  return position;
}

}  // namespace kedge::text
