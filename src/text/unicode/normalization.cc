#include "text/unicode/normalization.h"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

#include "text/unicode/character.h"
#include "text/unicode/utf8.h"

namespace kedge::text {
namespace {

using CodePoints = std::vector<utf8proc_int32_t>;

void append_decomposed(CodePoints& out, char32_t code, bool compatibility) {
  const auto options =
      static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT | UTF8PROC_STABLE : 0));
  utf8proc_int32_t buffer[32];  // the longest decomposition has 18 code points
  const utf8proc_ssize_t length =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code), buffer, std::size(buffer), options, nullptr);
  if (length <= 0 || length > static_cast<utf8proc_ssize_t>(std::size(buffer))) {
    out.push_back(static_cast<utf8proc_int32_t>(code));
    return;
  }
  out.insert(out.end(), buffer, buffer + length);
}

/// Canonical order: each run of combining marks sorted by class. utf8proc's own sort takes quadratic time.
void order_marks(CodePoints& codes) {
  const auto class_of = [](utf8proc_int32_t code) { return combining_class(static_cast<char32_t>(code)); };
  for (size_t begin = 0; begin < codes.size();) {
    if (class_of(codes[begin]) == 0) {
      ++begin;
      continue;
    }
    size_t end = begin + 1;
    while (end < codes.size() && class_of(codes[end]) != 0) ++end;
    if (end - begin > 1) {
      std::stable_sort(codes.begin() + static_cast<ptrdiff_t>(begin), codes.begin() + static_cast<ptrdiff_t>(end),
                       [&](utf8proc_int32_t a, utf8proc_int32_t b) { return class_of(a) < class_of(b); });
    }
    begin = end;
  }
}

void append_normalized(std::string& out, CodePoints& codes, bool compose) {
  order_marks(codes);
  auto length = static_cast<utf8proc_ssize_t>(codes.size());
  if (compose) {
    const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    length = utf8proc_normalize_utf32(codes.data(), length, options);
  }
  for (utf8proc_ssize_t i = 0; i < length; ++i) append_utf8(out, static_cast<char32_t>(codes[static_cast<size_t>(i)]));
  codes.clear();
}

}  // namespace

bool is_plainly_nfc(std::string_view text) {
  size_t position = 0;
  while (position < text.size()) {
    if (static_cast<uint8_t>(text[position]) < 0x80) {
      ++position;
      continue;
    }
    const DecodedCharacter character = decode_multibyte(text.substr(position));
    if (character.code >= 0x300 && character.code != kInvalidCharacter &&
        (character_flags(character.code) & kNfcStable) == 0) {
      return false;
    }
    position += character.size;
  }
  return true;
}

std::string normalize(std::string_view text, NormalizationForm form) {
  const bool compose = form == NormalizationForm::nfc || form == NormalizationForm::nfkc;
  const bool compatibility = form == NormalizationForm::nfkc || form == NormalizationForm::nfkd;
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  CodePoints codes;
  size_t position = 0;
  while (position < text.size()) {
    const DecodedCharacter character = decode_character(text.substr(position));
    if (character.code == kInvalidCharacter) {
      append_normalized(out, codes, compose);
      out.push_back(text[position]);
    } else {
      // These neither change nor compose with what stands before them, so all before them is settled.
      const bool inert = character.code < 0x80 || is_after_unicode9(character.code);
      if (inert) append_normalized(out, codes, compose);
      if (inert) {
        codes.push_back(static_cast<utf8proc_int32_t>(character.code));
      } else {
        append_decomposed(codes, character.code, compatibility);
      }
    }
    position += character.size;
  }
  append_normalized(out, codes, compose);
  return out;
}

void append_lower(std::string& out, char32_t code) {
  if (code == 0x130) {
    out.append("i\xCC\x87");  // the one character whose lower case is two: i and the dot above
    return;
  }
  append_utf8(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code))));
}

}  // namespace kedge::text
