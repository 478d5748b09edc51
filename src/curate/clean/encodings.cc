#include "curate/clean/encodings.h"

#include <algorithm>

#include "text/unicode/utf8.h"

namespace kedge::curate {

extern const std::string_view kSingleByteEncodings;  // src/curate/data/single_byte_encodings.txt

namespace {

std::vector<ByteEncoding>* read_encodings() {
  auto* encodings = new std::vector<ByteEncoding>();  // lives as long as the program
  const std::u32string list = to_codes(kSingleByteEncodings);
  for (const CodeView line : split_at(list, U"\n")) {
    if (line.empty() || line.starts_with(U"#")) continue;
    const std::vector<CodeView> parts = split_at(line, U" ");
    ByteEncoding encoding;
    encoding.name = to_utf8(parts[0]);
    encoding.sloppy = encoding.name.starts_with("sloppy-");
    for (size_t i = 0; i < 128; ++i) {
      const auto code = static_cast<char32_t>(std::stoul(to_utf8(parts[i + 1]), nullptr, 16));
      encoding.upper[i] = code;
      encoding.bytes[code] = static_cast<uint8_t>(0x80 + i);
    }
    if (encoding.sloppy) encoding.bytes[0xFFFD] = 0x1A;
    encodings->push_back(std::move(encoding));
  }
  return encodings;
}

/// Six bytes that encode a surrogate pair as two characters; 0 for others.
char32_t paired_surrogates(std::string_view bytes) {
  if (bytes.size() < 6) return 0;
  const auto at = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(bytes[i])); };
  const bool pair = at(0) == 0xED && at(1) >= 0xA0 && at(1) <= 0xAF && at(2) >= 0x80 && at(2) <= 0xBF &&
                    at(3) == 0xED && at(4) >= 0xB0 && at(4) <= 0xBF && at(5) >= 0x80 && at(5) <= 0xBF;
  if (!pair) return 0;
  return ((at(1) & 0x0F) << 16) + ((at(2) & 0x3F) << 10) + ((at(4) & 0x0F) << 6) + (at(5) & 0x3F) + 0x10000;
}

}  // namespace

std::optional<std::string> ByteEncoding::encode(CodeView text) const {
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    if (c < 0x80 && !(sloppy && c == 0x1A)) {
      out += static_cast<char>(c);
      continue;
    }
    const auto found = bytes.find(c);
    if (found == bytes.end()) return std::nullopt;
    out += static_cast<char>(found->second);
  }
  return out;
}

const std::vector<ByteEncoding>& byte_encodings() {
  static const std::vector<ByteEncoding>& encodings = *read_encodings();
  return encodings;
}

std::optional<std::u32string> decode_utf8(std::string_view bytes) {
  std::u32string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const text::DecodedCharacter character = text::decode_character(bytes);
    if (character.code != text::kInvalidCharacter) {
      out += character.code;
      bytes.remove_prefix(character.size);
    } else if (bytes.starts_with("\xC0\x80")) {
      out += U'\0';
      bytes.remove_prefix(2);
    } else if (const char32_t code = paired_surrogates(bytes); code != 0) {
      out += code;
      bytes.remove_prefix(6);
    } else {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace kedge::curate
