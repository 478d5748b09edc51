#include "data/markup/tex.h"

#include <algorithm>
#include <array>
#include <map>

namespace kedge::data {
namespace {

constexpr size_t kMacrosMax = 1000;
constexpr size_t kExpandedMax = size_t{4};  // times the text: longer expansions stop
constexpr size_t kNone = std::string_view::npos;

constexpr std::array<std::string_view, 7> kSections = {
    "\\chapter", "\\part", "\\section", "\\subsection", "\\subsubsection", "\\paragraph", "\\subparagraph"};
constexpr std::array<std::string_view, 5> kEnds = {"\\appendix", "\\begin{references}", "\\begin{REFERENCES}",
                                                   "\\begin{thebibliography}", "\\bibliography{"};

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_word(char c) {
  return is_letter(c) || (c >= '0' && c <= '9');
}

/// Behind `\name` followed by *, [...] and {...}, which a section has; kNone. `bracket`: where a ']' was found before,
/// in calls with rising positions.
size_t after_section(std::string_view text, size_t at, size_t& bracket) {
  for (const std::string_view name : kSections) {
    if (!text.substr(at).starts_with(name)) continue;
    size_t behind = at + name.size();
    if (behind < text.size() && is_word(text[behind])) continue;
    if (behind < text.size() && text[behind] == '*') ++behind;
    if (behind < text.size() && text[behind] == '[') {
      if (bracket < behind) bracket = std::min(text.find(']', behind), text.size());
      behind = std::min(bracket + 1, text.size());
    }
    if (behind < text.size() && text[behind] == '{') return behind;
  }
  return kNone;
}

size_t first_section(std::string_view text) {
  size_t bracket = 0;
  for (size_t at = text.find('\\'); at != kNone; at = text.find('\\', at + 1)) {
    if (after_section(text, at, bracket) != kNone) return at;
  }
  return kNone;
}

/// Lines that are comments go, and what follows a % that is not escaped.
std::string without_comments(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t newline = text.find('\n');
    const std::string_view line = text.substr(0, newline);
    text.remove_prefix(newline == kNone ? text.size() : newline + 1);
    if (line.starts_with('%')) continue;
    size_t end = line.size();
    for (size_t i = 1; i < line.size(); ++i) {
      if (line[i] != '%' || line[i - 1] == '\\') continue;
      end = i + 1 < line.size() ? i - 1 : line.size();  // as their pattern: the character before it goes too
      break;
    }
    out += line.substr(0, end);
    if (newline != kNone) out += '\n';
  }
  return out;
}

std::string_view before_end(std::string_view text) {
  size_t end = text.size();
  for (const std::string_view mark : kEnds) end = std::min(end, text.find(mark));
  return text.substr(0, end);
}

using Macros = std::map<std::string, std::string, std::less<>>;

/// `\newcommand{\name}{value}` or `\def\name{value}` at the end of its line.
void read_macro(std::string_view line, Macros& macros) {
  size_t at = 0;
  bool braces = false;
  if (const size_t found = line.find("\\newcommand"); found != kNone) {
    at = found + 11;
    if (at < line.size() && line[at] == '*') ++at;
    if (at >= line.size() || line[at] != '{') return;
    ++at;
    braces = true;
  } else if (const size_t definition = line.find("\\def"); definition != kNone) {
    at = definition + 4;
    while (at < line.size() && line[at] == ' ') ++at;
  } else {
    return;
  }
  if (at >= line.size() || line[at] != '\\') return;
  size_t end = at + 1;
  while (end < line.size() && is_word(line[end])) ++end;
  const std::string name(line.substr(at, end - at));
  if (name.size() < 2) return;
  if (braces && (end >= line.size() || line[end++] != '}')) return;
  while (!braces && end < line.size() && line[end] == ' ') ++end;
  if (end >= line.size() || line[end] != '{' || line.back() != '}' || macros.size() >= kMacrosMax) return;
  macros[name] = std::string(line.substr(end + 1, line.size() - end - 2));
}

Macros macros_of(const std::vector<std::string>& files) {
  Macros macros;
  for (std::string_view text : files) {
    while (!text.empty()) {
      const size_t newline = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, newline);
      if (line.ends_with('\r')) line.remove_suffix(1);
      read_macro(line, macros);
      text.remove_prefix(std::min(newline + 1, text.size()));
    }
  }
  return macros;
}

/// Names are taken whole: \a does not begin \ab. Values are not looked into again.
std::string expanded(std::string_view text, const Macros& macros) {
  const size_t most = text.size() * kExpandedMax + 4096;
  std::string out;
  while (!text.empty()) {
    const size_t mark = text.find('\\');
    out += text.substr(0, mark);
    if (mark == kNone) break;
    text.remove_prefix(mark);
    size_t end = 1;
    while (end < text.size() && is_word(text[end])) ++end;
    const auto found = macros.find(text.substr(0, end));
    if (found != macros.end() && end < text.size() && out.size() < most) {
      out += found->second;
    } else {
      end = std::max<size_t>(end, std::min<size_t>(2, text.size()));
      out += text.substr(0, end);
    }
    text.remove_prefix(end);
  }
  return out;
}

}  // namespace

std::string clean_tex(const std::vector<std::string>& files) {
  const Macros macros = macros_of(files);
  std::string out;
  for (const std::string_view file : files) {
    const size_t begin = first_section(file);
    if (begin == kNone) continue;
    const std::string plain = without_comments(file.substr(begin));
    if (!out.empty()) out += '\n';
    out += expanded(before_end(plain), macros);
  }
  return out;
}

}  // namespace kedge::data
