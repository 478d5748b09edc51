#include "curate/clean/html_text.h"

#include <array>
#include <utility>

#include "curate/extract/html_tree.h"

namespace kedge::curate {
namespace {

std::string replaced(std::string_view text, std::string_view part, std::string_view in_place) {
  std::string out;
  for (size_t at = 0;;) {
    const size_t found = text.find(part, at);
    out += text.substr(at, found - at);
    if (found == std::string_view::npos) return out;
    out += in_place;
    at = found + part.size();
  }
}

/// As deep as HtmlTree lets a page be.
void append_text(std::string& out, const HtmlNode* node) {
  out += node_text(node);
  if (element_name(node) == "template") return;
  for (const HtmlNode* child : children_of(node)) append_text(out, child);
}

}  // namespace

std::u32string html_text(CodeView page) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kLists = {
      {{"<li>", "\n*"}, {"</li>", ""}, {"<ol>", "\n*"}, {"</ol>", ""}}};
  std::string html = to_utf8(page);
  for (const auto& [tag, in_place] : kLists) html = replaced(html, tag, in_place);
  const auto tree = HtmlTree::parse(html);
  if (tree == nullptr) return to_codes(text_without_tags(html));
  std::string text;
  append_text(text, tree->root());
  return to_codes(text);
}

}  // namespace kedge::curate
