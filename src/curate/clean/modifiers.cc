#include "curate/clean/modifiers.h"

#include <algorithm>

#include "curate/english/marks.h"
#include "curate/filters/policies.h"

namespace kedge::curate {
namespace {

std::u32string join(const std::vector<std::u32string>& parts, CodeView separator) {
  std::u32string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += separator;
    out += parts[i];
  }
  return out;
}

/// Three and more `unit` in a row become two.
std::u32string shorten_runs(CodeView text, CodeView unit) {
  std::u32string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    size_t count = 0;
    while (text.substr(i + count * unit.size()).starts_with(unit)) ++count;
    if (count == 0) {
      out += text[i++];
      continue;
    }
    for (size_t n = 0; n < std::min<size_t>(count, 2); ++n) out += unit;
    i += count * unit.size();
  }
  return out;
}

bool is_letter(char32_t c, char32_t lower) {
  return c == lower || c == lower - 32;
}

bool begins_with_letters(CodeView text, CodeView lower) {
  return text.size() >= lower.size() &&
         std::equal(lower.begin(), lower.end(), text.begin(),
                    [](char32_t l, char32_t c) { return l >= U'a' && l <= U'z' ? is_letter(c, l) : c == l; });
}

/// Length of the address that begins here; 0: none does.
size_t url_length(CodeView text) {
  size_t begin = 0;
  if (begins_with_letters(text, U"http")) {
    begin = 4;
    if (begin < text.size() && (is_letter(text[begin], U's') || text[begin] == 0x017F)) ++begin;  // U+017F folds to s
    begin = text.substr(begin).starts_with(U"://") ? begin + 3 : 0;
  }
  if (begin == 0 && begins_with_letters(text, U"www.")) begin = 4;
  size_t end = begin;
  while (end < text.size() && !is(text[end], kSpace)) ++end;
  return begin > 0 && end > begin ? end : 0;
}

/// What stands between two marks keeps its place, the marks go.
std::u32string without_marks(CodeView line, CodeView mark) {
  std::u32string out;
  while (true) {
    const size_t open = line.find(mark);
    const size_t close = open == CodeView::npos ? open : line.find(mark, open + mark.size());
    if (close == CodeView::npos) break;
    out += line.substr(0, open);
    out += line.substr(open + mark.size(), close - open - mark.size());
    line.remove_prefix(close + mark.size());
  }
  return out += line;
}

/// [words](address) becomes the address.
std::u32string without_links(CodeView line) {
  std::u32string out;
  while (true) {
    const size_t open = line.find(U'[');
    const size_t middle = open == CodeView::npos ? open : line.find(U"](", open + 1);
    const size_t close = middle == CodeView::npos ? middle : line.find(U')', middle + 2);
    if (close == CodeView::npos) break;
    out += line.substr(0, open);
    out += line.substr(middle + 2, close - middle - 2);
    line.remove_prefix(close + 1);
  }
  return out += line;
}

/// Whether these paragraphs are a run that touches the first or the last of `count`, and not all there are.
bool are_at_one_end(const std::vector<size_t>& indices, size_t count) {
  if (indices.size() == count) return false;
  const bool run = indices.back() - indices.front() + 1 == indices.size();
  return run && (indices.front() == 0 || indices.back() == count - 1);
}

/// As Python's slices take it: negative ones count from the end.
size_t index_in(CodeView text, int64_t index) {
  const auto size = static_cast<int64_t>(text.size());
  return static_cast<size_t>(std::clamp<int64_t>(index < 0 ? index + size : index, 0, size));
}

/// data-juicer's list of white space.
bool is_space_of_text(char32_t c) {
  return c == U'\t' || c == 0x84 || c == 0xA0 || (c >= 0x2000 && c <= 0x200D) || c == 0x202F || c == 0x205F ||
         c == 0x2060 || c == 0x3000 || c == 0xFFFC;
}

}  // namespace

std::u32string shorten_newlines(CodeView text) {
  return shorten_runs(shorten_runs(text, U"\n"), U"\r\n");
}

std::u32string tidy_newlines(CodeView text) {
  std::u32string out;
  size_t newlines = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char32_t c = text[i];
    if (c == U'\r') {
      if (i + 1 < text.size() && text[i + 1] == U'\n') continue;
      c = U'\n';
    }
    if (c != U'\n') {
      newlines = 0;
      out += c;
      continue;
    }
    while (!out.empty() && (out.back() == U' ' || out.back() == U'\t')) out.pop_back();
    if (++newlines <= 2) out += c;
  }
  return out;
}

std::u32string without_quotation(CodeView text) {
  const CodeView stripped = strip(text);
  if (stripped.size() > 2 && text.front() == U'"' && text.back() == U'"') {
    const CodeView first_line = text.substr(0, text.find(U'\n'));
    if (stripped.find(U'\n') == CodeView::npos || first_line.back() != U'"') text = text.substr(1, text.size() - 2);
  }
  return std::u32string(text);
}

std::u32string without_urls(CodeView text) {
  std::u32string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const bool possible = is_letter(text[i], U'h') || is_letter(text[i], U'w');
    const size_t length = possible ? url_length(text.substr(i)) : 0;
    if (length == 0) out += text[i];
    i += std::max<size_t>(length, 1);
  }
  return out;
}

std::u32string without_markdown(CodeView text) {
  std::vector<std::u32string> lines;
  for (const CodeView line : split_at(text, U"\n")) {
    std::u32string plain = without_marks(line, U"**");
    plain = without_marks(plain, U"*");
    plain = without_marks(plain, U"_");
    lines.push_back(without_links(plain));
  }
  return join(lines, U"\n");
}

std::u32string without_lines(CodeView text, const std::vector<std::u32string>& lines) {
  std::vector<std::u32string> kept;
  for (const CodeView line : split_at(text, U"\n")) {
    if (std::find(lines.begin(), lines.end(), line) == lines.end()) kept.emplace_back(line);
  }
  return join(kept, U"\n");
}

std::u32string without_boilerplate(CodeView text, bool everywhere) {
  const std::vector<CodeView> paragraphs = split_at(text, U"\n\n");
  std::vector<size_t> found;
  for (size_t i = 0; i < paragraphs.size(); ++i) {
    const std::u32string lower = to_lower(strip(paragraphs[i]));
    if (contains(lower, U"lorem ipsum")) return {};
    if (std::none_of(kNemoPolicies.begin(), kNemoPolicies.end(), [&](CodeView p) { return contains(lower, p); })) {
      continue;
    }
    if (everywhere) return {};
    found.push_back(i);
  }
  if (found.empty() || !are_at_one_end(found, paragraphs.size())) return std::u32string(text);
  std::vector<std::u32string> kept;
  for (size_t i = 0; i < paragraphs.size(); ++i) {
    if (i < found.front() || i > found.back()) kept.emplace_back(paragraphs[i]);
  }
  return join(kept, U"\n\n");
}

std::u32string without_symbol_lines(CodeView text, CodeView in_place) {
  std::vector<std::u32string> lines;
  bool within = false;
  for (const CodeView line : split_lines(text)) {
    const bool symbols = !is_blank(line) && std::all_of(line.begin(), line.end(),
                                                        [](char32_t c) { return c == U' ' || is_datatrove_symbol(c); });
    if (!symbols) lines.emplace_back(line);
    if (symbols && !within && !in_place.empty()) lines.emplace_back(in_place);
    within = symbols;
  }
  return join(lines, U"\n");
}

std::u32string with_plain_blanks(CodeView text) {
  std::u32string out(strip(text));
  std::replace_if(out.begin(), out.end(), is_space_of_text, U' ');
  return out;
}

std::u32string without_copyright(CodeView text) {
  const size_t begin = text.find(U"/*");
  const size_t end = begin == CodeView::npos ? begin : text.find(U"*/", begin + 2);
  if (end != CodeView::npos) {
    const std::u32string comment = to_lower(text.substr(begin, end + 2 - begin));
    if (!contains(comment, U"copyright")) return std::u32string(text);
    return std::u32string(text.substr(0, begin)).append(text.substr(end + 2));
  }
  while (!text.empty()) {
    if (!text.starts_with(U"//") && !text.starts_with(U'#') && !text.starts_with(U"--") && !text.starts_with(U'\n')) {
      break;
    }
    text.remove_prefix(std::min(text.find(U'\n'), text.size() - 1) + 1);
  }
  return std::u32string(text);
}

std::u32string with_replaced(CodeView text, const Pattern& pattern, std::string_view in_place) {
  const std::string utf8 = to_utf8(text);
  std::string out;
  size_t at = 0, from = 0;
  while (from <= utf8.size()) {
    const auto match = pattern.find(utf8, from).match;
    if (!match) break;
    out.append(utf8, at, match->begin - at).append(in_place);
    at = from = match->end;
    if (match->begin != match->end) continue;
    do {
      ++from;  // an empty match: on by a character
    } while (from < utf8.size() && (static_cast<unsigned char>(utf8[from]) & 0xC0U) == 0x80U);
  }
  return to_codes(out.append(utf8, at));
}

std::u32string slice_of(CodeView text, const Slice& slice) {
  size_t left = 0, right = text.size();
  if (const auto* index = std::get_if<int64_t>(&slice.left)) left = index_in(text, *index);
  if (const auto* mark = std::get_if<std::u32string>(&slice.left)) {
    left = text.find(*mark);
    if (left == CodeView::npos) return {};
    if (!slice.include_left) left += mark->size();
  }
  if (const auto* index = std::get_if<int64_t>(&slice.right)) right = index_in(text, *index);
  if (const auto* mark = std::get_if<std::u32string>(&slice.right)) {
    right = text.rfind(*mark);
    if (right == CodeView::npos) return {};
    if (slice.include_right) right += mark->size();
  }
  const CodeView part = left < right ? text.substr(left, right - left) : CodeView();
  return std::u32string(slice.strip ? strip(part) : part);
}

}  // namespace kedge::curate
