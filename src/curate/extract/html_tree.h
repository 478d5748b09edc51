#pragma once
// A page as browsers see it, by lexbor.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

extern "C" {
struct lxb_dom_node;
struct lxb_html_document;
}

namespace kedge::curate {

using HtmlNode = lxb_dom_node;

/// Elements within elements, attributes of one tag, and b, i, font and the like left open, beyond what a page has: time
/// and memory would grow with their square. Such a page is read as text without tags.
inline constexpr size_t kNestingMax = 2000;
inline constexpr size_t kAttributesMax = 2000;
inline constexpr size_t kOpenFormattingMax = 500;

/// One thread at a time.
class HtmlTree {
 public:
  /// Null when the page is beyond the limits above, or there is no memory for it.
  static std::unique_ptr<HtmlTree> parse(std::string_view html);
  HtmlTree(const HtmlTree&) = delete;
  HtmlTree& operator=(const HtmlTree&) = delete;
  ~HtmlTree();

  /// The html element.
  [[nodiscard]] const HtmlNode* root() const;
  /// Its body, or null.
  [[nodiscard]] const HtmlNode* body() const;

 private:
  explicit HtmlTree(lxb_html_document* document) : document_(document) {}
  lxb_html_document* document_;
};

/// A node's children as a range; of a template those of its content.
class Children {
 public:
  class Iterator {
   public:
    explicit Iterator(const HtmlNode* node) : node_(node) {}
    const HtmlNode* operator*() const { return node_; }
    Iterator& operator++();
    bool operator==(const Iterator&) const = default;

   private:
    const HtmlNode* node_;
  };
  explicit Children(const HtmlNode* first) : first_(first) {}
  [[nodiscard]] Iterator begin() const { return Iterator(first_); }
  [[nodiscard]] static Iterator end() { return Iterator(nullptr); }

 private:
  const HtmlNode* first_;
};
Children children_of(const HtmlNode* node);

inline bool is_html_space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}
/// Lower-case name; "" for what is no element.
std::string_view element_name(const HtmlNode* node);
bool has_attribute(const HtmlNode* node, std::string_view name);
/// An attribute's value, or "".
std::string_view attribute(const HtmlNode* node, std::string_view name);
/// Text of a text node (white space and CDATA too), or "".
std::string_view node_text(const HtmlNode* node);

/// All text outside of tags, scripts and style sheets: for pages that no tree can be made of.
std::string text_without_tags(std::string_view html);

}  // namespace kedge::curate
