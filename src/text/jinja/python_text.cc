#include "text/jinja/python_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstring>

namespace kedge::text::jinja {
namespace {

constexpr size_t kNotFound = std::string_view::npos;

bool is_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

size_t previous_offset(std::string_view text, size_t offset) {
  do {
    --offset;
  } while (offset > 0 && is_continuation(text[offset]));
  return offset;
}

bool is_line_boundary(char32_t code_point) {
  switch (code_point) {
    case '\n':
    case '\r':
    case 0x0B:
    case 0x0C:
    case 0x1C:
    case 0x1D:
    case 0x1E:
    case 0x85:
    case 0x2028:
    case 0x2029:
      return true;
    default:
      return false;
  }
}

/// The next run of non-space text at or after `offset`; empty at the end.
std::string_view next_word(std::string_view text, size_t& offset) {
  size_t begin = offset;
  while (begin < text.size()) {
    size_t after = begin;
    if (!is_space(next_code_point(text, after))) break;
    begin = after;
  }
  size_t end = begin;
  while (end < text.size()) {
    size_t after = end;
    if (is_space(next_code_point(text, after))) break;
    end = after;
  }
  offset = end;
  return text.substr(begin, end - begin);
}

std::vector<std::string_view> split_words(std::string_view text, int64_t splits_max) {
  std::vector<std::string_view> parts;
  size_t offset = 0;
  while (true) {
    if (splits_max >= 0 && static_cast<int64_t>(parts.size()) == splits_max) {
      const std::string_view rest = strip(text.substr(offset), Side::left);
      if (!rest.empty()) parts.push_back(rest);
      return parts;
    }
    const std::string_view word = next_word(text, offset);
    if (word.empty()) return parts;
    parts.push_back(word);
  }
}

std::vector<std::string_view> split_words_last(std::string_view text, int64_t splits_max) {
  std::vector<std::string_view> parts;
  std::string_view rest = strip(text, Side::right);
  while (!rest.empty() && static_cast<int64_t>(parts.size()) < splits_max) {
    size_t begin = rest.size();
    while (begin > 0) {
      const size_t before = previous_offset(rest, begin);
      size_t offset = before;
      if (is_space(next_code_point(rest, offset))) break;
      begin = before;
    }
    parts.push_back(rest.substr(begin));
    rest = strip(rest.substr(0, begin), Side::right);
  }
  if (!rest.empty()) parts.push_back(rest);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

}  // namespace

size_t code_point_count(std::string_view text) {
  return text.size() - static_cast<size_t>(std::count_if(text.begin(), text.end(), is_continuation));
}

size_t byte_offset(std::string_view text, size_t index) {
  size_t offset = 0;
  while (offset < text.size()) {
    if (!is_continuation(text[offset]) && index-- == 0) return offset;
    ++offset;
  }
  return offset;
}

char32_t next_code_point(std::string_view text, size_t& offset) {
  const auto lead = static_cast<unsigned char>(text[offset++]);
  if (lead < 0x80) return lead;
  char32_t code_point = lead >= 0xF0 ? lead & 0x07U : lead >= 0xE0 ? lead & 0x0FU : lead & 0x1FU;
  while (offset < text.size() && is_continuation(text[offset])) {
    code_point = code_point << 6 | (static_cast<unsigned char>(text[offset++]) & 0x3FU);
  }
  return code_point;
}

void append_code_point(std::string& text, char32_t code_point) {
  utf8proc_uint8_t bytes[4];
  const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), bytes);
  text.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
}

std::optional<size_t> find_invalid_utf8(std::string_view text) {
  size_t offset = 0;
  while (offset < text.size()) {
    utf8proc_int32_t code_point = 0;
    const auto size = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + offset,
                                       static_cast<utf8proc_ssize_t>(text.size() - offset), &code_point);
    if (size <= 0) return offset;
    offset += static_cast<size_t>(size);
  }
  return std::nullopt;
}

bool is_space(char32_t code_point) {
  if (code_point < 0x80)
    return code_point == ' ' || (code_point >= 9 && code_point <= 13) || (code_point >= 28 && code_point <= 31);
  return code_point == 0x85 || code_point == 0xA0 || code_point == 0x1680 ||
         (code_point >= 0x2000 && code_point <= 0x200A) || code_point == 0x2028 || code_point == 0x2029 ||
         code_point == 0x202F || code_point == 0x205F || code_point == 0x3000;
}

std::string_view strip(std::string_view text, Side side, std::optional<std::string_view> characters) {
  const auto drops = [&](size_t begin, size_t end) {
    if (characters) return find_text(*characters, text.substr(begin, end - begin)) != kNotFound;
    size_t offset = begin;
    return is_space(next_code_point(text, offset));
  };
  size_t begin = 0, end = text.size();
  while (side != Side::right && begin < end) {
    size_t after = begin;
    next_code_point(text, after);
    if (!drops(begin, after)) break;
    begin = after;
  }
  while (side != Side::left && end > begin) {
    const size_t before = previous_offset(text, end);
    if (!drops(before, end)) break;
    end = before;
  }
  return text.substr(begin, end - begin);
}

size_t find_text(std::string_view text, std::string_view needle, size_t from) {
  if (from > text.size()) return kNotFound;
  if (needle.empty()) return from;
  const void* found = memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  return found == nullptr ? kNotFound : static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

size_t find_text_last(std::string_view text, std::string_view needle) {
  if (needle.empty()) return text.size();
  const std::string reversed(text.rbegin(), text.rend()), needle_reversed(needle.rbegin(), needle.rend());
  const size_t found = find_text(reversed, needle_reversed);
  return found == kNotFound ? kNotFound : text.size() - found - needle.size();
}

size_t count_text(std::string_view text, std::string_view needle) {
  if (needle.empty()) return code_point_count(text) + 1;
  size_t count = 0;
  for (size_t at = find_text(text, needle); at != kNotFound; at = find_text(text, needle, at + needle.size())) ++count;
  return count;
}

std::string replace_text(std::string_view text, std::string_view from, std::string_view to, int64_t count_max) {
  std::string result;
  size_t offset = 0;
  for (int64_t count = 0; count_max < 0 || count < count_max; ++count) {
    if (from.empty()) {  // before every code point and at the end
      result += to;
      if (offset == text.size()) return result;
      const size_t begin = offset;
      next_code_point(text, offset);
      result += text.substr(begin, offset - begin);
      continue;
    }
    const size_t found = find_text(text, from, offset);
    if (found == kNotFound) break;
    result += text.substr(offset, found - offset);
    result += to;
    offset = found + from.size();
  }
  result += text.substr(offset);
  return result;
}

std::vector<std::string_view> split_text(std::string_view text, std::optional<std::string_view> separator,
                                         int64_t splits_max) {
  if (!separator) return split_words(text, splits_max);
  std::vector<std::string_view> parts;
  size_t offset = 0;
  while (splits_max < 0 || static_cast<int64_t>(parts.size()) < splits_max) {
    const size_t found = find_text(text, *separator, offset);
    if (found == kNotFound) break;
    parts.push_back(text.substr(offset, found - offset));
    offset = found + separator->size();
  }
  parts.push_back(text.substr(offset));
  return parts;
}

std::vector<std::string_view> split_text_last(std::string_view text, std::optional<std::string_view> separator,
                                              int64_t splits_max) {
  if (splits_max < 0) return split_text(text, separator, splits_max);
  if (!separator) return split_words_last(text, splits_max);
  const std::string reversed(text.rbegin(), text.rend()), needle(separator->rbegin(), separator->rend());
  std::vector<std::string_view> parts;
  size_t end = text.size();
  for (const std::string_view part : split_text(reversed, needle, splits_max)) {
    parts.push_back(text.substr(end - part.size(), part.size()));
    end -= std::min(end, part.size() + needle.size());
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  size_t begin = 0, offset = 0;
  while (offset < text.size()) {
    const size_t before = offset;
    const char32_t code_point = next_code_point(text, offset);
    if (!is_line_boundary(code_point)) continue;
    if (code_point == '\r' && offset < text.size() && text[offset] == '\n') ++offset;
    lines.push_back(text.substr(begin, (keep_ends ? offset : before) - begin));
    begin = offset;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

}  // namespace kedge::text::jinja
