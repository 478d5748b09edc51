#include "data/json_text.h"

#include <emmintrin.h>

#include <array>
#include <bit>
#include <charconv>
#include <cmath>

namespace kedge::data {
namespace {

void append_escape(std::string& out, char c) {
  constexpr char kDigits[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      out += "\\u00";
      out += kDigits[(static_cast<unsigned char>(c) >> 4) & 15];
      out += kDigits[static_cast<unsigned char>(c) & 15];
  }
}

bool needs_escape(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
}

/// The first byte from `at` on that needs one; the text's size: there is none.
size_t next_escape(std::string_view text, size_t at) {
  constexpr size_t kStep = sizeof(__m128i);
  for (; at + kStep <= text.size(); at += kStep) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
    const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    const __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    const int found = _mm_movemask_epi8(_mm_or_si128(control, _mm_or_si128(quote, backslash)));
    if (found != 0) return at + static_cast<size_t>(std::countr_zero(static_cast<unsigned>(found)));
  }
  while (at < text.size() && !needs_escape(text[at])) ++at;
  return at;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (size_t begin = 0;;) {
    const size_t end = next_escape(text, begin);
    out.append(text.substr(begin, end - begin));
    if (end == text.size()) break;
    append_escape(out, text[end]);
    begin = end + 1;
  }
  out += '"';
}

void append_json_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  std::array<char, 32> buffer{};
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  out.append(buffer.data(), static_cast<size_t>(end - buffer.data()));
}

void append_json_number(std::string& out, int64_t value) {
  out += std::to_string(value);
}

}  // namespace kedge::data
