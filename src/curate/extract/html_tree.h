#pragma once
// A page as browsers see it, by gumbo.

#include <gumbo.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kedge::curate {

/// Elements within elements beyond this are more than a page has: it is read as text without tags.
inline constexpr size_t kNestingMax = 2000;

/// Memory that is given back all at once: gumbo allocates each name and each node by itself.
class NodeArena {
 public:
  void* allocate(size_t bytes);

 private:
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  std::byte* next_ = nullptr;
  size_t left_ = 0;  // in the last chunk
};

class HtmlTree {
 public:
  /// Null when elements are nested too deeply. REQUIRES: `html` outlives the tree.
  static std::unique_ptr<HtmlTree> parse(std::string_view html);
  HtmlTree(const HtmlTree&) = delete;
  HtmlTree& operator=(const HtmlTree&) = delete;
  ~HtmlTree() = default;

  /// The html element.
  [[nodiscard]] const GumboNode* root() const { return output_->root; }
  /// Its body, or null.
  [[nodiscard]] const GumboNode* body() const;

 private:
  HtmlTree() = default;
  NodeArena arena_;
  GumboOutput* output_ = nullptr;  // in the arena
};

inline bool is_html_space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}
/// Lower-case name; "" for what is no element.
std::string element_name(const GumboNode* node);
/// An attribute's value, or "".
std::string_view attribute(const GumboNode* node, const char* name);
/// Text of a text node (white space and CDATA too), or "".
std::string_view node_text(const GumboNode* node);
/// Children of an element or the document; an empty list for others.
const GumboVector& children_of(const GumboNode* node);

/// All text outside of tags, scripts and style sheets: for pages that no tree can be made of.
std::string text_without_tags(std::string_view html);

}  // namespace kedge::curate
