#include "curate/extract/html_tree.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <utility>

#include "text/unicode/utf8.h"

namespace kedge::curate {
namespace {

const GumboVector kNone = {nullptr, 0, 0};

bool is_letter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0;
}

/// Tags opened and not closed again, at most.
size_t nesting_bound(std::string_view html) {
  size_t depth = 0, most = 0;
  for (size_t i = html.find('<'); i != std::string_view::npos; i = html.find('<', i + 1)) {
    if (i + 1 < html.size() && is_letter(html[i + 1])) {
      most = std::max(most, ++depth);
    } else if (i + 2 < html.size() && html[i + 1] == '/' && depth > 0) {
      --depth;
    }
  }
  return most;
}

size_t depth_of(const GumboNode* node, size_t limit) {
  if (limit == 0) return 0;
  size_t depth = 0;
  const GumboVector& children = children_of(node);
  for (unsigned i = 0; i < children.length; ++i) {
    depth = std::max(depth, depth_of(static_cast<const GumboNode*>(children.data[i]), limit - 1));
  }
  return depth + 1;
}

}  // namespace

void* NodeArena::allocate(size_t bytes) {
  constexpr size_t kChunk = size_t{64} << 10;
  const size_t size = (bytes + alignof(std::max_align_t) - 1) / alignof(std::max_align_t) * alignof(std::max_align_t);
  if (size > left_) {
    const size_t chunk = std::max(size, kChunk);
    chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(chunk));
    next_ = chunks_.back().get();
    left_ = chunk;
  }
  left_ -= size;
  return std::exchange(next_, next_ + size);
}

std::unique_ptr<HtmlTree> HtmlTree::parse(std::string_view html) {
  // Void elements and unclosed paragraphs count as open here, so that the bound is far above what pages have.
  if (nesting_bound(html) > 20 * kNestingMax) return nullptr;
  std::unique_ptr<HtmlTree> tree(new HtmlTree());
  GumboOptions options = kGumboDefaultOptions;
  options.allocator = [](void* arena, size_t bytes) { return static_cast<NodeArena*>(arena)->allocate(bytes); };
  options.deallocator = [](void*, void*) {};
  options.userdata = &tree->arena_;
  options.max_errors = 0;  // nobody asks for them
  tree->output_ = gumbo_parse_with_options(&options, html.data(), html.size());
  if (depth_of(tree->root(), kNestingMax + 1) > kNestingMax) return nullptr;
  return tree;
}

const GumboNode* HtmlTree::body() const {
  const GumboVector& children = children_of(root());
  for (unsigned i = 0; i < children.length; ++i) {
    const auto* child = static_cast<const GumboNode*>(children.data[i]);
    if (element_name(child) == "body") return child;
  }
  return nullptr;
}

std::string element_name(const GumboNode* node) {
  if (node->type != GUMBO_NODE_ELEMENT && node->type != GUMBO_NODE_TEMPLATE) return "";
  if (node->v.element.tag != GUMBO_TAG_UNKNOWN) return gumbo_normalized_tagname(node->v.element.tag);
  GumboStringPiece piece = node->v.element.original_tag;
  gumbo_tag_from_original_text(&piece);
  std::string name(piece.data == nullptr ? "" : piece.data, piece.data == nullptr ? 0 : piece.length);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

std::string_view attribute(const GumboNode* node, const char* name) {
  if (node->type != GUMBO_NODE_ELEMENT) return "";
  const GumboAttribute* found = gumbo_get_attribute(&node->v.element.attributes, name);
  return found == nullptr ? std::string_view() : std::string_view(found->value);
}

std::string_view node_text(const GumboNode* node) {
  const bool text =
      node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE || node->type == GUMBO_NODE_CDATA;
  return text ? std::string_view(node->v.text.text) : std::string_view();
}

const GumboVector& children_of(const GumboNode* node) {
  if (node->type == GUMBO_NODE_ELEMENT || node->type == GUMBO_NODE_TEMPLATE) return node->v.element.children;
  if (node->type == GUMBO_NODE_DOCUMENT) return node->v.document.children;
  return kNone;
}

std::string text_without_tags(std::string_view html) {
  std::string text;
  while (!html.empty()) {
    const size_t open = std::min(html.find('<'), html.size());
    text.append(html.substr(0, open));
    html.remove_prefix(open);
    if (html.empty()) break;
    const size_t close = html.find('>');
    const bool raw = html.starts_with("<script") || html.starts_with("<style");
    const size_t end = raw ? html.find("</", 1) : close == std::string_view::npos ? close : close + 1;
    html.remove_prefix(std::min(end, html.size()));
    text += ' ';
  }
  return text;
}

}  // namespace kedge::curate
