#include "curate/extract/empty_elements.h"

#include <algorithm>
#include <array>

#include "curate/extract/html_tree.h"

namespace kedge::curate {
namespace {

constexpr std::array<std::string_view, 15> kVoid = {"area",  "base", "br",   "col",   "embed",  "frame", "hr", "img",
                                                    "input", "link", "meta", "param", "source", "track", "wbr"};

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

/// Where the tag that begins at `begin` has its '>'; npos when it has none. Quoted values may hold one.
size_t tag_end(std::string_view html, size_t begin) {
  char quote = '\0';
  for (size_t i = begin; i < html.size(); ++i) {
    const char c = html[i];
    if (quote != '\0') {
      if (c == quote) quote = '\0';
    } else if (c == '>') {
      return i;
    } else if ((c == '"' || c == '\'') && html[i - 1] == '=') {
      quote = c;
    }
  }
  return std::string_view::npos;
}

/// Of "<name ... />": the name, else "". The slash of <a href=/> is part of a value.
std::string_view empty_element(std::string_view tag) {
  if (tag.size() < 4 || !is_letter(tag[1]) || tag[tag.size() - 2] != '/') return "";
  const size_t end = std::min(tag.find_first_of(" \t\r\n\f/>"), tag.size());
  const char before = tag[tag.size() - 3];
  const bool apart = end == tag.size() - 2 || is_html_space(before) || before == '"' || before == '\'';
  return apart ? tag.substr(1, end - 1) : std::string_view();
}

}  // namespace

bool is_xhtml(std::string_view html) {
  constexpr size_t kHeadBytes = 1024;
  const std::string head = lower(html.substr(0, kHeadBytes));
  return head.find("<?xml ") != std::string::npos || head.find("//dtd xhtml ") != std::string::npos;
}

std::string with_empty_elements_closed(std::string_view html) {
  std::string out;
  out.reserve(html.size() + html.size() / 16);
  while (!html.empty()) {
    const size_t mark = std::min(html.find('<'), html.size());
    const bool comment = html.substr(mark).starts_with("<!--");
    size_t end = comment              ? html.find("-->", mark)
                 : mark < html.size() ? tag_end(html, mark + 1)
                                      : std::string_view::npos;
    if (end == std::string_view::npos) break;
    end += comment ? 3 : 1;
    const std::string_view name = empty_element(html.substr(mark, end - mark));
    out += html.substr(0, end);
    if (!name.empty() && std::find(kVoid.begin(), kVoid.end(), lower(name)) == kVoid.end()) {
      out.erase(out.size() - 2, 1);
      out += "</";
      out += name;
      out += '>';
    }
    html.remove_prefix(end);
  }
  out += html;
  return out;
}

}  // namespace kedge::curate
